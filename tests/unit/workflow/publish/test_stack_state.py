"""The state of a stack in words."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from unittest import mock

import botocore.session
import pytest

from tests.unit.workflow.publish.conftest import STACK_ID
from workflow.publish.stack_state import in_words
from workflow.publish.stacks import Event, Stack


def event(resource: str, status: str, reason: str = "") -> Event:
    is_stack = resource == "afterloop-dev"
    return Event(
        f"{resource}{status}",
        datetime(2026, 1, 1, tzinfo=UTC),
        resource,
        "AWS::T",
        status,
        reason,
        is_stack_event=is_stack,
    )


def words(status: str, *events: Event, reason: str = "") -> str | None:
    account = mock.Mock()
    account.stacks.last_operation.return_value = list(events)
    return in_words(account, Stack("afterloop-dev", STACK_ID, status, reason=reason))


ALL_IS_WELL = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "DELETE_COMPLETE")


def test_every_status_of_a_stack_has_its_words() -> None:
    model = botocore.session.Session().get_service_model("cloudformation")
    for status in model.shape_for("StackStatus").enum:
        said = words(status)
        assert (said is None) == (status in ALL_IS_WELL), status
        if said:
            # What to do: a command, or waiting.
            assert re.search("python deploy.py|wait until it has ended", said), status
            assert status not in said, "in words"


def test_operation_in_progress_says_what_runs_since_when_and_where_it_is() -> None:
    said = words(
        "UPDATE_IN_PROGRESS",
        event("afterloop-dev", "UPDATE_IN_PROGRESS"),
        event("Queue", "UPDATE_IN_PROGRESS"),
        event("Queue", "UPDATE_COMPLETE"),
        event("Topic", "UPDATE_IN_PROGRESS"),
    )
    assert said is not None
    assert re.fullmatch(
        r"CloudFormation updates the stack since 202\d-\d\d-\d\d \d\d:\d\d, now Topic; wait until it has ended",
        said,
    )


def test_rollback_in_progress_says_what_failed_first() -> None:
    said = words(
        "UPDATE_ROLLBACK_IN_PROGRESS",
        event("afterloop-dev", "UPDATE_IN_PROGRESS"),
        event("Queue", "UPDATE_FAILED", "Resource update cancelled"),
        event("Topic", "UPDATE_FAILED", "Invalid."),
    )
    assert said is not None
    assert "rolls an update back since" in said
    assert said.endswith("; the first failure: Topic (AWS::T): Invalid; wait until it has ended")


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (
            "ROLLBACK_COMPLETE",
            "fix the cause, then `python deploy.py publish --stage dev`, which deletes what is left",
        ),
        ("ROLLBACK_FAILED", "delete what is there with `python deploy.py destroy --stage dev`"),
        ("CREATE_FAILED", "`python deploy.py publish --stage dev`, which first rolls it back"),
        ("UPDATE_ROLLBACK_COMPLETE", "fix the cause, then `python deploy.py publish --stage dev`"),
        (
            "UPDATE_ROLLBACK_FAILED",
            "`python deploy.py publish --stage dev`, which first continues the rollback",
        ),
        ("DELETE_FAILED", "finish the deletion with `python deploy.py destroy --stage dev`"),
        ("IMPORT_ROLLBACK_FAILED", "in the CloudFormation console"),
    ],
)
def test_failed_operation_says_the_first_cause_and_what_to_do(status: str, remedy: str) -> None:
    said = words(status, event("Topic", "CREATE_FAILED", "Two\nlines."), event("afterloop-dev", status))
    assert said is not None
    assert ": Topic (AWS::T): Two lines; " in said
    assert remedy in said
    without_events = words(status, reason="The stack's reason.")
    assert without_events is not None
    assert ": The stack's reason; " in without_events


def test_known_reason_says_what_to_do_about_it() -> None:
    said = words(
        "UPDATE_ROLLBACK_COMPLETE", event("Topic", "UPDATE_FAILED", 'Gone." (HandlerErrorCode: NotFound)')
    )
    assert said is not None
    assert said.endswith(
        "; it was deleted outside of CloudFormation: publish again with --repair, which creates it"
    )
    said = words(
        "ROLLBACK_COMPLETE", event("Logs", "CREATE_FAILED", 'Taken." (HandlerErrorCode: AlreadyExists)')
    )
    assert said is not None
    assert (
        "; delete the other resource of that name, or give the stage another name, then `python deploy"
        in said
    )
