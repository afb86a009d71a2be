"""What the workflow's own calls get in a test: the answers of a real execution."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sandbox.canned_results import key_of
from workflow.asl.walk import Machine, states
from workflow.operations import sample

__all__ = ["own_answers"]


def own_answers(
    definition: Machine, own: Collection[str], event: Any, branch: str, bucket: str
) -> dict[str, Any]:
    """Returns answers for the workflow's own states, by the name of the state.

    Args:
        definition: The state machine in Amazon States Language.
        own: The names of the workflow's own states.
        event: The input of the execution.
        branch: The branch whose sample has the results of functions.
        bucket: The bucket with the review of the sample.
    """
    made = sample.state(branch, bucket)
    detail = event.get("detail") if isinstance(event, dict) else None
    row = made["claim"]["loop"] | _known(detail if isinstance(detail, dict) else {})
    of_services: dict[str, dict[str, Any]] = {
        "dynamodb:updateItem": {"Attributes": {name: {"S": value} for name, value in row.items()}},
        "dynamodb:getItem": {"Item": {name: {"S": value} for name, value in row.items()}},
        "sns:publish": {"MessageId": "message-of-the-test"},
    }
    payloads = {
        "Collect review": sample.summary(bucket),
        "Keep answers": sample.summary(bucket),
        "Restart or escalate?": made.get("decision", sample.state("failed")["decision"]),
        "Restart loop": {
            "humanLoopName": f"{row['humanLoopName']}-attempt-2",
            "humanLoopArn": f"{sample.event()['detail']['humanLoopArn']}-attempt-2",
            "needed": True,
            "already": False,
            "status": "InProgress",
        },
    }
    answers = {}
    for name, state in states(definition):
        key = key_of(str(state.get("Resource", ""))) if name in own else None
        if key == "lambda:invoke":
            payload = payloads.get(name, {"delivered": 0, "ended": 0})
            answers[name] = {"result": {"StatusCode": 200, "Payload": payload}}
        elif key is not None:
            answers[name] = {"result": of_services[key]}
    return answers


def _known(detail: Mapping[str, Any]) -> dict[str, str]:
    """What the ledger's item has from the event."""
    names = {
        "humanLoopName": "humanLoopName",
        "humanLoopStatus": "status",
        "creationTime": "loopCreatedAt",
        "flowDefinitionArn": "flowDefinitionArn",
    }
    return {attribute: detail[name] for name, attribute in names.items() if isinstance(detail.get(name), str)}
