"""Starts a human loop so that it can be restarted: first stores its input and its ledger row."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.aws.clients import starter, transient_errors
from lambdas.aws.metrics import Metric, stage_metrics
from lambdas.aws.step import logs_step
from lambdas.loops.start_request import StartRequest

FUNCTION = {
    "memory": 256,
    "timeout": 60,
    "grants": ["start_loop"],
    "permissions": [{"actions": ["s3:PutObject"], "resources": ["${ReviewBucket.Arn}/inputs/*"]}],
}

MAX_PREDICTION_BYTES = 5 * 1024 * 1024
"""Lambda limits a response to 6 MB (Lambda quotas). A larger prediction is left out; its location remains."""

logger = Logger()
metrics = stage_metrics()


@logs_step(logger)
@metrics.log_metrics
@transient_errors
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Starts.

    All code that starts loops calls this function, wherever it runs::

        boto3.client("lambda").invoke(FunctionName="afterloop-<stage>-StartLoop", Payload=json.dumps({
            "key": "order 17",
            "flowDefinitionArn": "arn:aws:sagemaker:…:flow-definition/triage",
            "task": {"type": "custom", "inputContent": {…}},
        }))

    `workflow.operations.client.LoopsClient` makes this call with types and exceptions.

    Args:
        event: A `lambdas.loops.start_request.StartRequest`.
        context: The Lambda context.

    Returns:
        A `lambdas.loops.start_request.StartedLoop`.

    Raises:
        InvalidRequest: The request is invalid. The message says where.
        InvalidLoopName: A2I would reject the name. The message suggests a valid one.
        InputTooLarge: The input is larger than 3 MiB.
        NameTaken: Another loop has the name.
        StartRefused: A2I, Textract or Rekognition refuses the start. The message quotes the service.
        TransientServiceError: A service throttled the call or failed. A retry resumes the start; otherwise the
            reconciler does.
    """
    request = StartRequest.read(event)
    logger.append_keys(humanLoopName=request.name)
    logger.info("starting")
    started = starter().start(request)
    metrics.add_metric(
        Metric.LOOPS_STARTED, MetricUnit.Count, 1 if started.needed and not started.already else 0
    )
    logger.info("started", extra={"already": started.already})
    answer = started.model_dump(by_alias=True)
    # A waiting workflow receives the prediction with its token. Here it could exceed the 256 KiB of a state.
    if request.task_token or len(json.dumps(started.prediction)) > MAX_PREDICTION_BYTES:
        answer["prediction"] = None
    return answer
