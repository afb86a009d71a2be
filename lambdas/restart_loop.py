"""Restarts a failed human loop with the same input."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.aws.clients import ledger, starter, transient_errors
from lambdas.aws.metrics import Metric, stage_metrics
from lambdas.aws.step import logs_step
from lambdas.loops.start_request import InputUnknown, Message

FUNCTION = {
    "memory": 256,
    "timeout": 60,
    "grants": ["start_loop"],
}

logger = Logger()
metrics = stage_metrics()


class Restart(Message):
    """The input: the failed loop, and the flow definition for the next attempt."""

    human_loop_name: str
    flow_definition_arn: str


@logs_step(logger)
@metrics.log_metrics
@transient_errors
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Restarts.

    Args:
        event: `humanLoopName` of the failed loop, `flowDefinitionArn` for the next attempt.
        context: The Lambda context.

    Returns:
        The started loop: `humanLoopName`, `humanLoopArn`, `needed`, `already`.

    Raises:
        InputUnknown: The ledger does not have the loop, or its input was not kept.
        InvalidRequest: The stage does not handle the flow definition.
        NameTaken: Other loops have both names that the restart can use.
        StartRefused: A2I, Textract or Rekognition refuses the start. The message quotes the service.
        TransientServiceError: A service throttled the call or failed; retry.
    """
    restart = Restart.model_validate(event)
    logger.append_keys(humanLoopName=restart.human_loop_name)
    failed = ledger().find(restart.human_loop_name)
    if failed is None:
        raise InputUnknown(f"The ledger has no human loop {restart.human_loop_name!r}.")
    started = starter().restart(failed, restart.flow_definition_arn)
    metrics.add_metric(Metric.LOOPS_RESTARTED, MetricUnit.Count, 0 if started.already else 1)
    logger.info("restarted", extra={"next": started.human_loop_name})
    return started.model_dump(by_alias=True, exclude={"prediction"})
