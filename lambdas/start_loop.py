"""Starts a human loop so that it can be restarted: input and ledger row are written before the loop is."""

from __future__ import annotations

import json
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.aws.clients import starter, transient_errors
from lambdas.aws.metrics import Metric
from lambdas.loops.starting import StartRequest

FUNCTION = {
    "memory": 256,
    "timeout": 60,
    "grants": ["start_loop"],
    "permissions": [{"actions": ["s3:PutObject"], "resources": ["${ReviewBucket.Arn}/inputs/*"]}],
}

MOST_PREDICTION_BYTES = 5 * 1024 * 1024
"""A function answers with at most 6 MB (Lambda quotas): a larger prediction is at its location alone."""

logger = Logger()
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
@transient_errors
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Start.

    The one entry for code that starts loops, wherever it runs::

        boto3.client("lambda").invoke(FunctionName="afterloop-<stage>-StartLoop", Payload=json.dumps({
            "key": "order 17",
            "flowDefinitionArn": "arn:aws:sagemaker:…:flow-definition/triage",
            "task": {"type": "custom", "inputContent": {…}},
        }))

    `workflow.operations.client.LoopsClient` makes this call in Python, with types and errors.

    Args:
        event: A `lambdas.loops.starting.StartRequest`.
        context: Lambda's.

    Returns:
        A `lambdas.loops.starting.StartedLoop`.

    Raises:
        InvalidRequest: The request is malformed; says where.
        InvalidLoopName: A2I would refuse the name; the text shows one that would do.
        InputTooLarge: The input is over 3 MiB.
        NameTaken: Another loop has the name.
        StartRefused: A2I, Textract or Rekognition refuse; in their words.
        TransientServiceError: They are busy or broken: the same call goes on later, and the reconciler goes on too.
    """
    request = StartRequest.read(event)
    started = starter().start(request)
    metrics.add_metric(
        Metric.LOOPS_STARTED, MetricUnit.Count, 1 if started.needed and not started.already else 0
    )
    logger.info("started", extra={"humanLoopName": started.human_loop_name, "already": started.already})
    answer = started.model_dump(by_alias=True)
    # A workflow that waits gets the prediction by its token, and what a function answers must fit into a state.
    if request.task_token or len(json.dumps(started.prediction)) > MOST_PREDICTION_BYTES:
        answer["prediction"] = None
    return answer
