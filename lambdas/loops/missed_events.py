"""Events of status changes that did not arrive, as A2I would have sent them, and the executions that process them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdas.loops.bounded import bounded
from lambdas.loops.event_text import written
from lambdas.loops.ledger import now
from lambdas.loops.loop import Loop
from lambdas.loops.restart_policy import LOOP_DELETED
from lambdas.reviews.event import status_change_event
from lambdas.reviews.times import timestamp

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

__all__ = [
    "MissedEvents",
    "execution_name",
    "loop_deleted_event",
    "missed_event",
    "start_refused_event",
]

START_REFUSED = "StartRefused"
"""The failure code of a loop that A2I refused to start after its caller had gone. Not a code of A2I."""


@dataclass(frozen=True)
class MissedEvents:
    """Runs the workflow for events that did not arrive. Methods raise `ClientError` if AWS refuses a call.

    Attributes:
        state_machine: ARN to start executions with: the workflow's alias.
    """

    states: SFNClient
    state_machine: str

    def process(self, event: Mapping[str, Any], why: str) -> str:
        """Starts an execution, and returns its ARN.

        Args:
            event: The event. If another execution has claimed its status change, this one ends at once.
            why: The first word of the execution's name.
        """
        return self.states.start_execution(
            stateMachineArn=self.state_machine,
            name=execution_name(why, event["detail"]["humanLoopName"]),
            input=written(event),
        )["executionArn"]


def missed_event(loop: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the event that A2I sends when a loop ends, built from the response of DescribeHumanLoop.

    The workflow treats it like A2I's event. If that arrives later, its status change is already claimed.
    """
    output = loop.get("HumanLoopOutput", {}).get("OutputS3Uri")
    return _event(
        {
            "creationTime": timestamp(loop["CreationTime"]),
            "failureCode": loop.get("FailureCode"),
            "failureReason": loop.get("FailureReason"),
            "flowDefinitionArn": loop["FlowDefinitionArn"],
            "humanLoopArn": loop["HumanLoopArn"],
            "humanLoopName": loop["HumanLoopName"],
            "humanLoopOutput": {"outputS3Uri": output} if output else None,
            "humanLoopStatus": loop["HumanLoopStatus"],
        },
    )


def start_refused_event(row: Loop, reason: str, state_machine: str) -> dict[str, Any]:
    """Returns an event for a loop that A2I refused to start, as if the loop had failed, so that it is escalated."""
    return _failed_event(row, START_REFUSED, reason, state_machine)


def loop_deleted_event(row: Loop, state_machine: str) -> dict[str, Any]:
    """Returns an event for a loop that A2I no longer has, as if it had failed, so that it is escalated.

    What happened to the loop cannot be known any more. Only a loop that has ended can be deleted (API reference,
    DeleteHumanLoop), so people may have answered it; if they did, their answers are still in the output bucket.
    """
    return _failed_event(
        row,
        LOOP_DELETED,
        "A2I no longer has the loop: it ended and was deleted, and its status change was not received. If people "
        "answered it, their answers are in the output bucket of its flow definition.",
        state_machine,
    )


def execution_name(why: str, human_loop_name: str) -> str:
    """Returns a unique name for an execution that no event started: the reason and the loop, at most 80 characters."""
    readable = "".join(char if char.isascii() and char.isalnum() else "-" for char in human_loop_name)
    return f"{why}-{readable[:60]}-{uuid.uuid4().hex[:8]}"


def _failed_event(row: Loop, code: str, reason: str, state_machine: str) -> dict[str, Any]:
    # Not from the flow definition, which a row may not have.
    _, partition, _, region, account, *_ = state_machine.split(":")
    arn = f"arn:{partition}:sagemaker:{region}:{account}:human-loop/{row.name}"
    return _event(
        {
            # The same each time, so that the status change is claimed once.
            "creationTime": row.loop_created_at or row.created_at or now(),
            "failureCode": code,
            "failureReason": bounded(reason),
            "flowDefinitionArn": row.flow_definition_arn,
            "humanLoopArn": arn,
            "humanLoopName": row.name,
            "humanLoopOutput": None,
            "humanLoopStatus": "Failed",
        },
    )


def _event(detail: Mapping[str, Any]) -> dict[str, Any]:
    sent = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return status_change_event(detail, event_id=str(uuid.uuid4()), time=sent)
