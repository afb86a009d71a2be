"""What became of a publish whose process died, found out from the stack."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.unit.workflow.publish.conftest import MACHINE, STACK_ID, Services
from tests.unit.workflow.publish.small_stack import package, template
from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.history import Record, history, start
from workflow.publish.locks import held
from workflow.publish.outcomes import read_history, recording
from workflow.publish.stacks import Stack
from workflow.stack.stages import Stage

RECENTLY = datetime.now(UTC) - timedelta(minutes=30)
OURS, THEIRS = "0" * 31 + "7", "f" * 32


def stack(status: str = "UPDATE_COMPLETE", **outputs: str) -> Stack:
    return Stack("afterloop-dev", STACK_ID, status, outputs={"StateMachine": MACHINE, **outputs})


def started(account: Account, at: datetime = RECENTLY) -> None:
    start(account, "dev", package(), at=at)


def happened(
    services: Services, *events: tuple[str, str] | tuple[str, str, str], at: datetime = RECENTLY
) -> None:
    """DescribeStackEvents: token, status of the stack, or of a resource that has a third part: its physical ID."""
    described: list[Any] = []
    for index, (token, status, *physical) in enumerate(events):
        resource = (
            ("LiveVersion", physical[0], "AWS::T") if physical else ("afterloop-dev", STACK_ID, "AWS::S")
        )
        described.append(
            {
                "EventId": str(index), "StackId": STACK_ID, "StackName": "afterloop-dev",
                "Timestamp": at + timedelta(seconds=index), "ClientRequestToken": token, "ResourceStatus": status,
                "LogicalResourceId": resource[0], "PhysicalResourceId": resource[1], "ResourceType": resource[2],
                "ResourceStatusReason": "Not now" if "FAILED" in status else "",
            }
        )  # fmt: skip
    services.cloudformation.add_response("describe_stack_events", {"StackEvents": described[::-1]})


def found(account: Account, one: Stack | None, *, writes: bool = False) -> Record:
    (record,) = read_history(account, "dev", one, writes=writes)
    return record


LATER = [(THEIRS, "UPDATE_IN_PROGRESS"), (THEIRS, "UPDATE_ROLLBACK_COMPLETE")]
EARLIER = [(THEIRS, "CREATE_IN_PROGRESS"), (THEIRS, "CREATE_COMPLETE")]
VERSION = (OURS, "UPDATE_COMPLETE", f"{MACHINE}:7")


@pytest.mark.parametrize(
    ("events", "outcome", "reason"),
    [
        ([(OURS, "UPDATE_IN_PROGRESS"), VERSION, (OURS, "UPDATE_COMPLETE")], "published", ""),
        (
            [(OURS, "UPDATE_IN_PROGRESS"), (OURS, "UPDATE_FAILED", "x"), (OURS, "UPDATE_ROLLBACK_COMPLETE")],
            "taken back",
            "LiveVersion (AWS::T): Not now",
        ),
        (
            [(OURS, "UPDATE_IN_PROGRESS"), (OURS, "UPDATE_FAILED", "x"), (OURS, "UPDATE_ROLLBACK_FAILED")],
            "failed",
            "LiveVersion (AWS::T): Not now",
        ),
        # Somebody cancelled it: the events of its rollback have the token of who cancelled.
        (
            [(OURS, "UPDATE_IN_PROGRESS"), (THEIRS, "UPDATE_FAILED", "x"), (THEIRS, "UPDATE_ROLLBACK_COMPLETE")],
            "taken back",
            "LiveVersion (AWS::T): Not now",
        ),
        ([(OURS, "UPDATE_IN_PROGRESS"), (OURS, "UPDATE_COMPLETE")], "interrupted",
         "its process ended before new executions were routed to it"),
        ([], "taken back", "its process ended before CloudFormation began"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("others", [False, True], ids=["last operation", "others after it"])
def test_outcome_is_found_out_from_the_events(
    account: Account, services: Services, events: Any, outcome: str, reason: str, others: bool
) -> None:
    started(account)
    happened(services, *EARLIER, *events, *(LATER if others else []))
    record = found(account, stack())
    assert (record.outcome, record.reason) == (outcome, reason)
    assert record.version == (f"{MACHINE}:7" if outcome == "published" else "")
    assert history(account, "dev")[0].outcome == "started", "only who publishes writes it down"


def test_publish_without_a_new_version_has_that_of_the_stack(account: Account, services: Services) -> None:
    started(account)
    happened(services, (OURS, "UPDATE_IN_PROGRESS"), (OURS, "UPDATE_COMPLETE"))
    assert found(account, stack(LiveVersion=f"{MACHINE}:3"), writes=True).version == f"{MACHINE}:3"
    assert found(account, None).version == f"{MACHINE}:3", "it is written down"


def test_publish_that_runs_is_left_alone(account: Account, services: Services) -> None:
    started(account)
    happened(services, *EARLIER, (OURS, "UPDATE_IN_PROGRESS"))
    assert found(account, stack("UPDATE_IN_PROGRESS")).outcome == "started"


def test_publish_that_may_be_about_to_begin_is_left_alone(
    account: Account, services: Services, stage: Stage
) -> None:
    started(account, datetime.now(UTC))
    for _ in range(3):
        happened(services, *EARLIER)
    with held(account, stage, "publish"):
        assert found(account, stack()).outcome == "started"
    assert found(account, stack()).outcome == "taken back", "nobody has the lock, so its process was killed"
    assert found(account, stack(), writes=True).outcome == "taken back", "who publishes is alone"


def test_what_is_not_known_any_more_is_said(account: Account, services: Services) -> None:
    started(account, RECENTLY - timedelta(days=100))
    happened(services, *LATER)
    record = found(account, stack())
    assert (record.outcome, "no longer has the events" in record.reason) == ("interrupted", True)
    account.artifacts.write(package().template_key, package().template.encode())
    happened(services, *LATER)
    services.returns_template(template())
    deployed = replace(stack(LiveVersion=f"{MACHINE}:3"), parameters={**package().parameters, "More": "x"})
    record = found(account, deployed)
    assert (record.outcome, record.version) == ("published", f"{MACHINE}:3"), "the stack has its content"
    assert found(account, None).reason == "its process ended, and there is no stack"


def test_events_that_may_not_be_read_change_nothing(account: Account, services: Services) -> None:
    started(account)
    services.cloudformation.add_client_error("describe_stack_events", "AccessDenied")
    assert found(account, stack()).outcome == "started"


def test_publish_that_lost_its_lock_stays_started(account: Account) -> None:
    """Somebody else continues: only the stack knows what becomes of it."""
    with suppress(PublishError), recording(account, "dev", package()) as recorded:
        recorded.began = True
        raise PublishError("this publish of stage dev lost its lock")
    assert [one.outcome for one in history(account, "dev")] == ["started"]
