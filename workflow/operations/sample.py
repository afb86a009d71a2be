"""A sample human loop: the event of its end, the review of its output, and the state that a step gets.

The code of the functions makes them, so they cannot be out of date. The reference shows them, and the command `try`
gives them to a step.
"""

from __future__ import annotations

import json
from typing import Any

from lambdas.loops.restart_policy import RestartSettings
from lambdas.reviews.event import CompletedLoop, parse_status_change, status_change_event
from lambdas.reviews.location import S3Location
from lambdas.reviews.output import parse_output
from lambdas.reviews.record import MadeBy, ReviewRecord
from lambdas.reviews.review import build_record, summarise
from lambdas.reviews.settings import ReviewSettings
from workflow.asl.expressions import FLOW_DEFINITION as FLOW_VARIABLE
from workflow.asl.expressions import LEDGER_KEY
from workflow.parts.answers import WAITING
from workflow.parts.claim import CLAIM, RECORDED

__all__ = [
    "ACCOUNT",
    "BUCKET",
    "EXECUTION",
    "FLOW_DEFINITION",
    "REGION",
    "STAGE",
    "event",
    "event_of",
    "record",
    "state",
    "summary",
    "variables",
]

ACCOUNT = "111122223333"
REGION = "us-east-1"
STAGE = "prod"
FLOW_DEFINITION = "support-messages"
EXECUTION = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:afterloop-{STAGE}:5f2a9c"
BUCKET = f"afterloop-{STAGE}-reviewbucket-1a2b3c"
_ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
_NAME = "message-3301"
_FLOW = f"{_ARN}:flow-definition/{FLOW_DEFINITION}"
_OUTPUT = f"s3://human-review-outputs/support-messages/2026/03/04/05/06/07/{_NAME}/output.json"


def event(status: str = "Completed", **detail: Any) -> dict[str, Any]:
    """Returns the event of the sample loop, as A2I sends it."""
    whole = {
        "creationTime": "2026-03-04T05:06:07.890Z",
        "failureCode": None,
        "failureReason": None,
        "flowDefinitionArn": _FLOW,
        "humanLoopArn": f"{_ARN}:human-loop/{_NAME}",
        "humanLoopName": _NAME,
        "humanLoopOutput": {"outputS3Uri": _OUTPUT} if status == "Completed" else None,
        "humanLoopStatus": status,
        **detail,
    }
    event_id = "12345678-1111-2222-3333-123456789012"
    return status_change_event(whole, event_id=event_id, time="2026-03-04T05:41:17Z")


def record() -> ReviewRecord:
    """Returns the review of the sample loop: of three workers, two agree on another label than the model's."""
    output = {
        "flowDefinitionArn": _FLOW,
        "humanLoopName": _NAME,
        "inputContent": {
            "taskObject": "The lamp came broken, and nobody answers my mails.",
            "prediction": {"label": "praise", "confidence": 0.53},
        },
        "humanAnswers": [
            {
                "answerContent": {"sentiment": {"label": label}},
                "acceptanceTime": f"2026-03-04T05:{minute}:00.000Z",
                "submissionTime": f"2026-03-04T05:{minute}:30.000Z",
                "timeSpentInSeconds": 30.0,
                "workerId": worker,
            }
            for label, minute, worker in (
                ("complaint", 20, "worker-1"),
                ("complaint", 31, "worker-2"),
                ("question", 40, "worker-3"),
            )
        ],
    }
    change = parse_status_change(event())
    assert isinstance(change, CompletedLoop)
    settings = ReviewSettings(output_buckets=("human-review-outputs",))
    made = build_record(change, parse_output(json.dumps(output).encode()), settings, STAGE)
    # The page must not change with each change of the code.
    return made.model_copy(update={"made_by": MadeBy(code="5c1e0a9d72f4", settings="44136fa355b3")})


def summary(bucket: str = BUCKET) -> dict[str, Any]:
    """Returns the review's summary in the state.

    Args:
        bucket: The bucket in which the review would be.
    """
    made = record()
    return summarise(made, S3Location(bucket, made.key))


_STATUS = {"completed": "Completed", "failed": "Failed", "stopped": "Stopped"}
_OUTCOME = {"completed": "stored", "failed": "escalated", "stopped": "notified"}
_FAILURE = {
    "failureCode": "ValidationError",
    "failureReason": "The input content could not be rendered by the worker task template.",
}


def event_of(branch: str) -> dict[str, Any]:
    """Returns the event that leads to a branch. A stopped loop has answers, and so an output."""
    more = _FAILURE if branch == "failed" else {"humanLoopOutput": {"outputS3Uri": _OUTPUT}}
    return event(_STATUS[branch], **more)


def state(branch: str, bucket: str = BUCKET) -> dict[str, Any]:
    """Returns the state as the first post-review step of a branch gets it: the event, and what steps have added.

    The sample of the branch `stopped` is a loop that people had begun to answer, so that it has a review, too.

    Args:
        branch: completed, failed or stopped.
        bucket: The bucket in which the review would be.
    """
    status = _STATUS[branch]
    given = event_of(branch)
    detail = given["detail"]
    row = {
        "humanLoopName": _NAME,
        "status": status,
        "execution": EXECUTION,
        "updatedAt": given["time"],
        "outcome": "processing",
        "createdAt": detail["creationTime"],
        "flowDefinitionArn": _FLOW,
        "loopCreatedAt": detail["creationTime"],
    }
    added = {"decision": _decision(detail)} if branch == "failed" else {"review": summary(bucket)}
    return {**given, "claim": {"id": f"{detail['creationTime']} {status}", "loop": row}, **added}


def variables(branch: str) -> dict[str, Any]:
    """Returns the workflow's own variables, as they are when the first post-review step of a branch is entered."""
    return {
        LEDGER_KEY: _NAME,
        CLAIM: f"claim {state(branch)['claim']['id']}",
        FLOW_VARIABLE: FLOW_DEFINITION,
        RECORDED: _OUTCOME[branch],
        WAITING: False,
    }


def _decision(detail: dict[str, Any]) -> dict[str, Any]:
    decided = RestartSettings().decide(
        failure_code=detail["failureCode"],
        attempt=1,
        flow_definition=_FLOW,
        input_known=True,
        loop_name=_NAME,
    )
    listed = {
        "humanLoopName": _NAME,
        "attempt": 1,
        "status": "Failed",
        "createdAt": detail["creationTime"],
        "failureCode": detail["failureCode"],
    }
    return {
        "action": decided.action,
        "waitSeconds": decided.wait_seconds,
        "nextFlowDefinition": decided.next_flow_definition,
        "reason": decided.reason,
        "lineage": [listed],
    }
