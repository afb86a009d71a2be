"""Starts a human loop so that it can be restarted: input and ledger row are written before the loop is."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import ValidationError

from lambdas.clients import starter, transient_errors
from lambdas.starting import StartRequest

FUNCTION = {
    "memory": 256,
    "timeout": 60,
    "permissions": [
        {
            "actions": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
            "resources": ["${LedgerTable.Arn}"],
        },
        {
            "actions": ["s3:GetObject"],
            "resources": ["${ReviewBucket.Arn}/inputs/*", "${ReviewBucket.Arn}/predictions/*"],
        },
        {
            "actions": ["s3:PutObject"],
            "resources": ["${ReviewBucket.Arn}/inputs/*", "${ReviewBucket.Arn}/predictions/*"],
        },
        {"actions": ["sagemaker:StartHumanLoop"], "resources": ["${FlowDefinitions}"]},
        {"actions": ["sagemaker:DescribeHumanLoop"], "resources": ["${HumanLoops}"]},
        {"actions": ["textract:AnalyzeDocument", "rekognition:DetectModerationLabels"], "resources": ["*"]},
        {"actions": ["s3:GetObject"], "resources": ["${DocumentBuckets}/*"]},
    ],
}

logger = Logger()
metrics = Metrics()


class InvalidRequest(ValueError):
    """The request is not one to start a loop. The text says what is wrong, and where."""


@logger.inject_lambda_context
@metrics.log_metrics
@transient_errors
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Start.

    Args:
        event: A `lambdas.starting.StartRequest`.
        context: Lambda's.

    Returns:
        A `lambdas.starting.StartedLoop`.

    Raises:
        InvalidRequest: The request is malformed.
        InvalidLoopName: A2I would refuse the name; the text shows one that would do.
        NameTaken: Another loop has the name.
    """
    try:
        request = StartRequest.model_validate(event)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'request'}: {one['msg']}" for one in error.errors()
        )
        raise InvalidRequest(problems) from None
    started = starter().start(request)
    metrics.add_metric("LoopsStarted", MetricUnit.Count, 1 if started.needed and not started.already else 0)
    logger.info("started", extra={"humanLoopName": started.human_loop_name, "already": started.already})
    return started.model_dump(by_alias=True)
