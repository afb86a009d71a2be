"""Following a stack operation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from botocore import exceptions as aws
from hypothesis import given
from hypothesis import strategies as st

from workflow.errors import AccountError, DeploymentError
from workflow.publish.following import first_cause, follow
from workflow.publish.stacks import Event

numbers: Iterator[int] = iter(range(1_000_000))


def event(resource: str, status: str, reason: str = "", kind: str = "AWS::Lambda::Function") -> Event:
    number = next(numbers)
    return Event(str(number), datetime.now(UTC) + timedelta(seconds=number), resource, kind, status, reason)


def stack(status: str, reason: str = "") -> Event:
    return replace(event("afterloop-dev", status, reason, "AWS::CloudFormation::Stack"), is_stack_event=True)


class Batches:
    """Stacks that return events in batches."""

    def __init__(self, *batches: list[Event]) -> None:
        self.batches = list(batches)

    def events(self, stack_id: str, token: str, seen: set[str]) -> list[Event]:
        return self.batches.pop(0)


@pytest.fixture(autouse=True)
def sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    sleeps: list[float] = []
    monkeypatch.setattr("time.sleep", sleeps.append)
    return sleeps


def test_follow_reports_every_event_until_the_end(sleeps: list[float]) -> None:
    reported: list[Event] = []
    batches = [[stack("UPDATE_IN_PROGRESS"), event("A", "UPDATE_COMPLETE")], [], [stack("UPDATE_COMPLETE")]]

    follow(Batches(*batches), "arn", "token", reported.append)

    assert [one.status for one in reported] == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_COMPLETE"]
    assert len(sleeps) == 2


def test_follow_waits_until_cleanup_ends() -> None:
    batches = [
        [stack("UPDATE_IN_PROGRESS"), stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")],
        [event("A", "DELETE_COMPLETE"), stack("UPDATE_COMPLETE")],
    ]
    reported: list[Event] = []
    follow(Batches(*batches), "arn", "token", reported.append)
    assert len(reported) == 4


def test_failed_update_shows_first_cause() -> None:
    batch = [
        stack("UPDATE_IN_PROGRESS", "User Initiated"),
        event("A", "UPDATE_IN_PROGRESS"),
        event("B", "UPDATE_FAILED", "Resource update cancelled"),
        event("A", "UPDATE_FAILED", "The memory is\nnot enough"),
        event("C", "CREATE_FAILED", "Something else"),
        stack("UPDATE_ROLLBACK_IN_PROGRESS", "The following resource(s) failed to update: [B, A, C]."),
        stack("UPDATE_ROLLBACK_COMPLETE"),
    ]

    with pytest.raises(DeploymentError) as error:
        follow(Batches(batch), "arn", "token", lambda _: None)

    assert str(error.value) == (
        "A (AWS::Lambda::Function): The memory is not enough; the stack was rolled back and is unchanged"
    )
    assert (error.value.resource, error.value.status) == ("A", "UPDATE_ROLLBACK_COMPLETE")


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (
            [stack("ROLLBACK_IN_PROGRESS", "x"), stack("ROLLBACK_FAILED", "No permission")],
            r"No permission; the stack is now in ROLLBACK_FAILED",
        ),
        (
            [event("A", "CREATE_FAILED", "Taken"), stack("ROLLBACK_COMPLETE")],
            r"A \(AWS::Lambda::Function\): Taken; the new resources were deleted",
        ),
        (
            [event("Bucket", "DELETE_FAILED", "Not empty"), stack("DELETE_FAILED", "[Bucket]")],
            "Not empty; the other resources were deleted; fix the cause and run destroy again",
        ),
        ([stack("UPDATE_ROLLBACK_COMPLETE")], "CloudFormation gives no reason"),
    ],
    ids=["the stack itself", "a creation", "a deletion", "no reason"],
)
def test_failure_reports_the_state_of_the_stack(events: list[Event], message: str) -> None:
    with pytest.raises(DeploymentError, match=message):
        follow(Batches(events), "arn", "token", lambda _: None)


@given(st.permutations(["cancelled", "real", "later"]))
def test_cancelled_resource_is_never_the_cause(order: list[str]) -> None:
    reasons = {"cancelled": "Resource creation cancelled", "real": "Broken", "later": "Broken too"}
    events = [event(name, "CREATE_FAILED", reasons[name]) for name in order]
    cause = first_cause(events)
    assert cause is not None
    assert cause.resource == next(name for name in order if name != "cancelled")


class Failing(Batches):
    """Stacks that fail with errors before they return their events."""

    def __init__(self, errors: list[Exception], *batches: list[Event]) -> None:
        super().__init__(*batches)
        self.errors = errors

    def events(self, stack_id: str, token: str, seen: set[str]) -> list[Event]:
        if self.errors:
            raise self.errors.pop(0)
        return super().events(stack_id, token, seen)


STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/afterloop-dev/1"
UPDATED = [stack("UPDATE_IN_PROGRESS"), stack("UPDATE_COMPLETE")]
OFFLINE = aws.EndpointConnectionError(endpoint_url="https://x")


def refused(code: str) -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": code, "Message": "No."}}, "DescribeStackEvents")


@pytest.mark.parametrize(
    "error", [OFFLINE, aws.ReadTimeoutError(endpoint_url="https://x"), refused("Throttling")]
)
def test_follow_goes_on_when_the_network_is_back(error: Exception) -> None:
    said: list[str] = []
    follow(Failing([error] * 3, UPDATED), STACK, "token", lambda event: None, report=said.append)
    assert said == ["AWS cannot be reached; CloudFormation continues, and is asked again"] * 3 + [
        "AWS can be reached again"
    ]


def test_follow_gives_up_after_a_while_and_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    times = itertools.count(start=1, step=100)
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    with pytest.raises(AccountError) as raised:
        follow(Failing([OFFLINE] * 20, UPDATED), STACK, "token", lambda event: None)
    assert str(raised.value).startswith("cannot reach AWS: ")
    assert str(raised.value).endswith(
        "; CloudFormation continues its operation: then `python deploy.py status --stage dev` shows what became of it, "
        "and the same command again completes it"
    )


@pytest.mark.parametrize(
    "error",
    [
        refused("ExpiredToken"),
        aws.TokenRetrievalError(provider="sso", error_msg="gone"),
        aws.NoCredentialsError(),
    ],
)
def test_follow_says_that_cloudformation_continues_when_the_session_expires(error: Exception) -> None:
    with pytest.raises(AccountError, match=r"log in.*CloudFormation continues its operation.*--stage dev"):
        follow(Failing([error], UPDATED), STACK, "token", lambda event: None)


def test_other_errors_end_the_following() -> None:
    with pytest.raises(aws.ClientError, match="AccessDenied"):
        follow(Failing([refused("AccessDenied")], UPDATED), STACK, "token", lambda event: None)


def test_expected_rollback_is_no_failure() -> None:
    rolled_back = [stack("UPDATE_ROLLBACK_IN_PROGRESS"), stack("UPDATE_ROLLBACK_COMPLETE")]
    follow(Batches(rolled_back), STACK, "token", lambda event: None, expected=("UPDATE_ROLLBACK_COMPLETE",))
