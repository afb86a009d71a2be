"""No event and no error makes a message, a state or an item too large, or an expression of the failed end fail.

An error in a Catch, and one about a size, ends the execution without a message.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonata import Jsonata

from lambdas import decide_restart
from lambdas.loops.bounded import bounded as bounded_text
from lambdas.loops.loop import Loop
from lambdas.loops.restart_policy import RestartSettings
from workflow.asl.expressions import bounded
from workflow.asl.walk import states
from workflow.machine import build_definition

MAX_MESSAGE = MAX_STATE = 262_144
EXECUTION = "arn:aws:states:us-east-1:111122223333:execution:afterloop-dev:5f2a9c"
STATES = build_definition()["States"]
VARIABLES = {
    "failedStep": "Collect review",
    "workflowWaiting": True,
    "flowDefinitionName": "triage",
    "claimAttribute": "claim 2026-01-31T08:15:00.000Z Completed",
    "ledgerKey": "loop",
    "escalated": True,
    "recordedOutcome": "",
}


@functools.cache
def _program(expression: str) -> Any:
    return Jsonata(expression)


def filled(template: Any, variables: Mapping[str, Any] = VARIABLES, **states: Any) -> Any:
    """Returns a template with its expressions evaluated, as Step Functions does."""
    if isinstance(template, dict):
        return {name: filled(value, variables, **states) for name, value in template.items()}
    found = re.fullmatch(r"\{% (.*) %\}", template, re.DOTALL) if isinstance(template, str) else None
    if found is None:
        return template
    context = {
        "Execution": {"Id": EXECUTION, "Input": states.get("input")},
        "State": {"EnteredTime": "2026-01-31T09:00:00.000Z", "RetryCount": 0},
    }
    value = _program(found[1]).evaluate(None, {**variables, "states": {"context": context, **states}})
    assert value is not None, f"no value, which is States.QueryEvaluationError: {found[1][:80]}"
    return value


def size(value: Any) -> int:
    """Bytes of a value as JSON."""
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def check_message(step: str, state: Any) -> dict[str, Any]:
    """Checks the message of a step. Returns the state after it."""
    sent = filled(STATES[step]["Arguments"], input=state)
    attributes = sent["MessageAttributes"]
    of_attributes = sum(len(name) + 6 + len(one["StringValue"].encode()) for name, one in attributes.items())
    assert len(sent["Message"].encode()) + of_attributes <= MAX_MESSAGE
    assert all(one["StringValue"] for one in attributes.values())
    assert re.fullmatch(r"[ -~]{1,100}", sent["Subject"])
    copies = json.loads(sent["Message"])
    assert json.loads(copies["sqs"])["humanLoopName"]
    assert copies["email"]
    if "$merge" not in STATES[step].get("Output", ""):
        return dict(state)
    after = filled(STATES[step]["Output"], input=state)
    for catch in STATES[step]["Catch"]:
        assert filled(catch["Output"], input=state) == after
    assert size(after) <= MAX_STATE
    # The paths of the Fail states, which must lead to texts.
    assert all(isinstance(after["failure"][name], str) for name in ("error", "reason"))
    return dict(after)


TEXTS = st.builds(
    lambda text, times: (text * times)[:250_000],
    st.text(st.characters(exclude_categories=()), min_size=1, max_size=3)
    | st.sampled_from(["😀", '"', "\\", "\n", "\x01", "\ud800", "{", "/"]),
    st.sampled_from([1, 1, 20, 60_000]),
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda of: st.lists(of, max_size=2) | st.dictionaries(st.text(max_size=3), of, max_size=2),
    max_leaves=3,
)
FIELDS = ("failureCode", "failureReason", "flowDefinitionArn", "humanLoopArn", "humanLoopOutput", "unknown")
DETAILS = st.fixed_dictionaries(
    {
        "humanLoopName": st.just("loop"),
        "creationTime": st.just("2026-01-31T08:15:00.000Z"),
        "humanLoopStatus": st.sampled_from(["Failed", "Stopped", "Completed"]),
    },
    optional=dict.fromkeys(FIELDS, VALUES),
)
EVENTS = st.fixed_dictionaries({"detail": DETAILS}, optional={"id": VALUES, "extra": VALUES})
"""Events that can be claimed."""
CAUSES = (
    TEXTS
    | st.builds(lambda text: json.dumps({"errorMessage": text}), TEXTS)
    | st.builds(
        lambda text, length: json.dumps({"errorMessage": text}, ensure_ascii=False)[:length],
        TEXTS,
        st.integers(0, 40_000),
    )
    | st.sampled_from(['{"errorMessage": 5}', '{"errorMessage"', "[", '{"errorMessage": "\\', ""])
)
ERRORS = st.fixed_dictionaries({"Error": st.just("States.TaskFailed")}, optional={"Cause": CAUSES})


def catches() -> Iterator[Any]:
    """Yields the name of each own step that catches every error, with its Catch."""
    for name, state in states({"States": STATES}):
        for catch in state.get("Catch", []):
            if catch["ErrorEquals"] == ["States.ALL"] and "failure" in str(catch.get("Output")):
                yield pytest.param(name, catch, id=name)


CLAIM = ("Claim status change", "Claim again", "Read the row", "Escalate unclaimed event")
AFTER_CLAIM = [one for one in catches() if one.values[0] not in CLAIM and one.values[0] != "Escalate"]
DIFFERENT = list({one.values[1]["Output"]: one for one in AFTER_CLAIM}.values())
"""Most steps have the same Catch."""


def after_claim(event: dict[str, Any]) -> dict[str, Any]:
    """The state after the claim: an event that fits, and the row."""
    odd = {f"odd-{number}": {"S": "x" * 20_000} for number in range(10)}
    texts = {field: {"S": "é" * 10_000} for field in ("note", "reason", "failureReason", "closedBy")}
    row = {
        "humanLoopName": {"S": "loop"},
        "inputLocation": {"S": "s3://reviews/inputs/loop.json"},
        **odd,
        **texts,
    }
    state = filled(STATES[CLAIM[0]]["Output"], input=event, result={"Attributes": row})
    assert state["claim"]["loop"]["inputLocation"] == "s3://reviews/inputs/loop.json"
    return dict(state)


def test_every_step_but_the_claim_leads_to_the_failed_end() -> None:
    assert {"Collect review", "Restart loop", "Record review", "Answer workflow"} <= {
        one.values[0] for one in AFTER_CLAIM
    }


@given(event=EVENTS, error=ERRORS)
@example(event={"detail": {"humanLoopName": "loop", "failureReason": "😀" * 60_000}}, error={"Error": "E"})
def test_any_error_of_any_step_is_escalated(event: Any, error: Any) -> None:
    event["detail"] = {"creationTime": "t", "humanLoopStatus": "Failed", **event["detail"]}
    state = after_claim(event)
    assert size(state) <= MAX_STATE / 2
    for one in DIFFERENT:
        name, catch = one.values
        broken = filled(
            catch["Output"], input=error if name == "Answer workflow anyway" else state, errorOutput=error
        )
        assert size(broken) <= MAX_STATE, name
    ended = check_message("Escalate", broken)
    given_back = filled(STATES["Give claim back"]["Arguments"], input=ended)
    assert size(given_back) <= 20_000


@given(event=EVENTS)
def test_values_of_an_event_fit_the_message_and_the_row(event: Any) -> None:
    event["detail"]["humanLoopStatus"] = "Failed"
    state = after_claim(event)
    odd = {name: str(value) for name, value in event["detail"].items() if name in FIELDS}
    row = Loop(human_loop_name="loop", status=odd.get("failureCode"), failure_code=odd.get("unknown"))
    detail = decide_restart.FailedDetail.model_validate(state["detail"])
    decision = RestartSettings().decide(
        failure_code=detail.failure_code,
        attempt=20,
        flow_definition=detail.flow_definition_arn,
        input_known=True,
        loop_name="loop",
    )
    state["decision"] = {
        "reason": bounded_text(decision.reason, decide_restart.MAX_DECISION_REASON),
        "lineage": [decide_restart._listed(row)] * decide_restart.MAX_LISTED,
    }
    check_message("Escalate failed loop", state)
    assert size(state) <= MAX_STATE
    assert size(filled(STATES["Record escalation"]["Arguments"], input=state)) <= 20_000


@given(location=st.text(max_size=300), condition=TEXTS)
def test_review_of_a_stopped_loop_fits_the_message(location: str, condition: str) -> None:
    conditions = [bounded_text(condition, 40)] * 50
    review = {
        "location": location,
        "outputLocation": location,
        "answers": 1,
        "activationConditions": conditions,
    }
    check_message("Notify stopped", {"detail": {"humanLoopName": "loop"}, "review": review})


@given(VALUES | st.fixed_dictionaries({"detail": VALUES}) | EVENTS, ERRORS)
@example("text", {"Error": "States.QueryEvaluationError"})
@example([{"detail": {"humanLoopName": "loop"}}], {"Error": "States.QueryEvaluationError"})
@example({"detail": {"humanLoopName": "x" * 200_000, "humanLoopStatus": ["x"]}}, {"Error": "E"})
def test_any_input_that_cannot_be_claimed_is_escalated(event: Any, error: Any) -> None:
    catch = STATES["Claim status change"]["Catch"][-1]
    state = filled(catch["Output"], input=event, errorOutput=error)
    assert size(state) <= MAX_STATE / 2
    check_message("Escalate unclaimed event", state)


@given(VALUES, st.sampled_from([1, 5, 40]))
def test_bounded_text_is_the_same_in_python_and_in_expressions(value: Any, limit: int) -> None:
    expected = bounded_text(value, limit) if isinstance(value, str) else None
    found = Jsonata(bounded("$value.it", limit)).evaluate(None, {"value": {"it": value}})
    assert found.encode()
    assert len(found) <= limit
    assert expected in (None, found)
