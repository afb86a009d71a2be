"""A sample human loop: the event of its end, and the review of its output.

The reference shows what the code returns for it, so the examples cannot be out of date.
"""

from __future__ import annotations

import json
from typing import Any

from lambdas.reviews.event import CompletedLoop, parse_status_change, status_change_event
from lambdas.reviews.location import S3Location
from lambdas.reviews.output import parse_output
from lambdas.reviews.record import MadeBy, ReviewRecord
from lambdas.reviews.review import build_record, summarise
from lambdas.reviews.settings import ReviewSettings

__all__ = ["ACCOUNT", "EXECUTION", "FLOW_DEFINITION", "REGION", "STAGE", "event", "record", "summary"]

ACCOUNT = "111122223333"
REGION = "us-east-1"
STAGE = "prod"
FLOW_DEFINITION = "support-messages"
EXECUTION = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:afterloop-{STAGE}:5f2a9c"
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


def summary() -> dict[str, Any]:
    """Returns the review's summary in the state."""
    made = record()
    return summarise(made, S3Location(f"afterloop-{STAGE}-reviewbucket-1a2b3c", made.key))
