"""A loop's story in words, what the reconciler makes of times and names, and its function."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lambdas.aws.environment import environment
from lambdas.loops.ledger import Loop
from lambdas.loops.reconciling import (
    Reconciler,
    Reconciliation,
    claim_of,
    execution_name,
    missed_event,
    start_refused_event,
)
from lambdas.loops.restart_policy import RestartRules
from lambdas.reviews.event import CompletedLoop, FailedLoop, StoppedLoop, parse_status_change
from workflow.operations.loops import MOST_ATTEMPTS
from workflow.operations.story import A2iView, Execution, Story, age, tell
from workflow.stack.functions import function

FLOW = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/triage"
CREATED = datetime(2026, 3, 4, 5, 6, 7, 890_999, tzinfo=UTC)
CLAIM = "2026-03-04T05:06:07.890Z Failed"


def row(**more: Any) -> Loop:
    return Loop(human_loop_name="loop-1", flow_definition_arn=FLOW, **more)


def held(state: str, execution: str = "arn:e") -> dict[str, dict[str, Any]]:
    return {CLAIM: {"state": state, "execution": execution, "at": "2026-03-04T06:00:00.000Z"}}


def view(status: str) -> A2iView:
    return A2iView(status, CREATED, FLOW)


ENDINGS = [
    (row(status="Completed", outcome="stored"), "Its review is stored.", []),
    (
        row(status="Failed", outcome="escalated", reason="All is used up.", input_location="s3://b/i"),
        "It waits for a person: All is used up.",
        ["restart loop-1", "close loop-1"],
    ),
    # Without its input a loop cannot be restarted: that is not offered.
    (row(status="Failed", outcome="escalated", reason="x"), "It waits", ["close loop-1"]),
    (
        row(status="Completed", outcome="failed", reason="OutputMissing: x"),
        "could not finish its work on it: OutputMissing",
        ["redrive loop-1", "close loop-1"],
    ),
    (
        row(status="Failed", outcome="restarted", next_loop_name="loop-1-attempt-2", reason="r"),
        "started again as loop-1-attempt-2: r",
        [],
    ),
    (row(status="Stopped", outcome="notified"), "stopped, and whoever wants to know was told.", []),
    (
        row(status="Stopped", outcome="notified", review_location="s3://b/r"),
        "given until then are stored",
        [],
    ),
    (
        row(status="Stopped", outcome="notified", input_location="s3://b/i"),
        "whoever wants to know was told.",
        ["restart loop-1"],
    ),
    (
        row(status="Failed", outcome="closed", closed_by="me", closed_at="then", note="why"),
        "Closed by me at then: why",
        [],
    ),
    (row(status="Starting", updated_at="2026-01-01T00:00:00.000Z"), "not come to its end", ["reconcile"]),
    (row(status="Starting", updated_at="2999-01-01T00:00:00.000Z"), "not come to its end", []),
    (row(status="NotNeeded", reason="No person had to look."), "No person had to look.", []),
    (row(status="Refused", reason="no such flow"), "who called for it was told: no such flow", []),
    (row(status="Failed", claims=held("working")), "and the workflow is at work on it", []),
    (row(status="Deleting"), "Its status is Deleting.", []),
]


@pytest.mark.parametrize(
    ("loop", "told", "commands"), ENDINGS, ids=lambda value: getattr(value, "status", None)
)
def test_a_story_tells_what_became_of_a_loop_and_what_to_do(
    loop: Loop, told: str, commands: list[str]
) -> None:
    story = tell(loop, stage="dev", executions={"arn:e": Execution("arn:e", "RUNNING")})

    assert told in story.outcome
    assert_offered(story, commands)


@pytest.mark.parametrize(
    ("loop", "status", "told", "commands"),
    [
        (row(status="InProgress"), "InProgress", "People are at work on it.", ["stop loop-1"]),
        (row(status="InProgress"), "Completed", "the workflow has not heard of it", ["reconcile"]),
        (row(status="InProgress"), "Stopping", "It is Stopping.", ["stop loop-1"]),
        (row(), "InProgress", "People are at work on it.", ["stop loop-1"]),
    ],
)
def test_what_a2i_knows_and_the_ledger_does_not_is_told(
    loop: Loop, status: str, told: str, commands: list[str]
) -> None:
    story = tell(loop, stage="dev", view=view(status))

    assert told in story.outcome
    assert_offered(story, commands)


def assert_offered(story: Story, commands: list[str]) -> None:
    assert len(story.next) == len(commands)
    for step, command in zip(story.next, commands, strict=True):
        assert step.command.startswith(f"python deploy.py loops {command} --stage dev")


@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT", "GONE"])
def test_a_claim_that_an_execution_left_behind_waits_for_a_person(status: str) -> None:
    execution = Execution("arn:e", status, cause="somebody stopped it")
    story = tell(row(status="Failed", claims=held("working")), stage="dev", executions={"arn:e": execution})

    assert f"ended as {status} and did not give it back. somebody stopped it" in story.outcome
    assert [step.command.split()[3] for step in story.next] == ["redrive", "close"]


def test_a_lineage_sends_to_its_last_loop() -> None:
    after = [Loop(human_loop_name=name) for name in ("b", "c")]
    story = tell(row(status="Failed", outcome="restarted"), stage="dev", after=after)

    assert [loop.human_loop_name for loop in story.lineage] == ["loop-1", "b", "c"]
    assert [step.command for step in story.next] == ["python deploy.py loops show c --stage dev"]


@pytest.mark.parametrize(
    ("review", "told"),
    [
        ({"answers": 1, "fields": 1, "overruled": False}, "1 answer, 1 field: the model was not overruled"),
        (
            {"answers": 3, "fields": 6, "changed": 2, "added": 0, "removed": 1, "unresolved": 1}
            | {"agreement": 0.667, "overruled": True},
            "3 answers, 6 fields, 2 changed, 1 removed, 1 without a majority, agreement 67%: the model was overruled",
        ),
        ({}, "0 answers, 0 fields"),
    ],
)  # fmt: skip
def test_figures_are_told_in_words(review: dict[str, Any], told: str) -> None:
    loop = row(status="Completed", outcome="stored", review=review or {"answers": 0})
    assert tell(loop, stage="dev").review == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "60 min"), (7200, "2 h"), (90_000, "25 h"), (200_000, "2 d")],
)  # fmt: skip
def test_ages_are_told_in_one_unit(seconds: int, told: str) -> None:
    assert age(CREATED, until=CREATED + timedelta(seconds=seconds)) == told


@pytest.mark.parametrize("nonsense", [None, "", "soon"])
def test_an_age_that_is_not_known_is_not_told(nonsense: str | None) -> None:
    assert age(nonsense) == ""


def test_an_operator_gives_no_more_attempts_than_rules_may_have() -> None:
    assert RestartRules(max_attempts=MOST_ATTEMPTS).max_attempts == MOST_ATTEMPTS
    with pytest.raises(ValidationError):
        RestartRules(max_attempts=MOST_ATTEMPTS + 1)


# The reconciler


def described(status: str = "Completed", **more: Any) -> dict[str, Any]:
    """As DescribeHumanLoop answers."""
    return {
        "CreationTime": CREATED,
        "FlowDefinitionArn": FLOW,
        "HumanLoopArn": "arn:aws:sagemaker:us-east-1:111122223333:human-loop/loop-1",
        "HumanLoopName": "loop-1",
        "HumanLoopOutput": {"OutputS3Uri": "s3://bucket/output.json"},
        "HumanLoopStatus": status,
        **more,
    }


@pytest.mark.parametrize(
    ("status", "kind"), [("Completed", CompletedLoop), ("Failed", FailedLoop), ("Stopped", StoppedLoop)]
)
def test_a_missed_event_is_read_as_a2is_own(status: str, kind: type[Any]) -> None:
    event = missed_event(described(status, FailureCode="Expired", FailureReason="too late"))

    change = parse_status_change(event)
    assert isinstance(change, kind)
    # To the millisecond, and not rounded: so A2I writes it, and the claim is named by it.
    assert event["detail"]["creationTime"] == "2026-03-04T05:06:07.890Z"
    assert (event["account"], event["region"]) == ("111122223333", "us-east-1")
    assert change.detail.failure_code == "Expired"


def test_a_missed_event_without_an_output_says_so() -> None:
    loop = described("Stopped")
    del loop["HumanLoopOutput"]
    assert missed_event(loop)["detail"]["humanLoopOutput"] is None


def test_a_start_that_was_refused_is_told_as_a_failure() -> None:
    event = start_refused_event(row(created_at="2026-03-04T05:06:07.890Z"), "no such flow definition")

    change = parse_status_change(event)
    assert isinstance(change, FailedLoop)
    assert (change.detail.failure_code, change.detail.failure_reason) == (
        "StartRefused",
        "no such flow definition",
    )
    assert event["resources"] == ["arn:aws:sagemaker:us-east-1:111122223333:human-loop/loop-1"]


@pytest.mark.parametrize(
    ("claim", "is_it"),
    [
        ("2026-03-04T05:06:07.890Z Failed", True),
        ("2026-03-04T05:06:07Z Failed", True),
        ("2026-03-04T05:06:07.890999+00:00 Failed", True),
        ("2026-03-04T06:06:07.890+01:00 Failed", True),
        ("2026-03-04T05:06:07.890 Failed", True),
        ("2026-03-04T05:06:09.890Z Failed", False),
        ("2026-03-04T05:06:07.890Z Stopped", False),
        ("nonsense Failed", False),
    ],
)
def test_a_claim_is_found_however_its_time_is_spelt(claim: str, is_it: bool) -> None:
    found = claim_of(row(claims={claim: {"state": "done"}}), CREATED, "Failed")
    assert found == (claim if is_it else None)


@given(st.text())
def test_executions_have_names_that_step_functions_takes(name: str) -> None:
    first, second = execution_name("redrive", name), execution_name("redrive", name)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,80}", first)
    assert first != second


@pytest.fixture
def reconcile(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The function's module, in an environment as the stack gives it."""
    for name, value in {
        "STAGE": "dev",
        "LEDGER_TABLE": "ledger",
        "REVIEW_BUCKET": "reviews",
        "REVIEW_SETTINGS": "{}",
        "RESTART_SETTINGS": "{}",
        "STATE_MACHINE": "arn:aws:states:us-east-1:111122223333:stateMachine:afterloop-dev:live",
        "POWERTOOLS_METRICS_NAMESPACE": "Afterloop",
        "POWERTOOLS_SERVICE_NAME": "afterloop",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(name, value)
    from lambdas.aws import clients

    caches = (environment, clients.client, clients.ledger, clients.starter, clients.waiting)
    for cached in caches:
        cached.cache_clear()
    yield importlib.import_module("lambdas.reconcile")
    for cached in caches:
        cached.cache_clear()
    sys.modules.pop("lambdas.reconcile", None)


class Context:
    """Lambda's."""

    function_name = "afterloop-dev-Reconcile"
    function_version = "1"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:afterloop-dev-Reconcile"
    aws_request_id = "id"

    def __init__(self, milliseconds: int = 900_000) -> None:
        self.milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


def test_the_function_looks_at_the_flow_definitions_of_its_stage(
    reconcile: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def run(self: Reconciler, flow_definitions: tuple[str, ...], *, out_of_time: Any) -> Reconciliation:
        asked.append((flow_definitions, self.state_machine, out_of_time()))
        return Reconciliation(looked_at=3, missed={"loop-1 Failed": "arn:e"})

    monkeypatch.setattr(Reconciler, "run", run)
    for given_arns, expected in (("*", ()), ("", ()), (f"{FLOW},{FLOW}-2", (FLOW, f"{FLOW}-2"))):
        monkeypatch.setenv("FLOW_DEFINITION_ARNS", given_arns)
        environment.cache_clear()
        answer = reconcile.handler({}, Context())
        assert asked[-1] == (
            expected,
            "arn:aws:states:us-east-1:111122223333:stateMachine:afterloop-dev:live",
            False,
        )
    assert (answer["lookedAt"], answer["missed"], answer["complete"]) == (3, {"loop-1 Failed": "arn:e"}, True)
    reconcile.handler({}, Context(30_000))
    assert asked[-1][2] is True


def test_the_function_fails_when_something_was_refused(
    reconcile: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOW_DEFINITION_ARNS", "*")
    found = Reconciliation(problems=["loop-1: AccessDenied"])
    monkeypatch.setattr(Reconciler, "run", lambda self, flows, **more: found)

    with pytest.raises(reconcile.ReconciliationIncomplete, match="loop-1: AccessDenied"):
        reconcile.handler({}, Context())


def test_the_function_is_one_that_the_stack_takes() -> None:
    declared = function("reconcile")

    assert (declared.name, declared.timeout) == ("Reconcile", 900)
    actions = {action for permission in declared.permissions for action in permission.actions}
    assert {"states:StartExecution", "sagemaker:ListHumanLoops", "dynamodb:Query"} <= actions
