"""Starts the next attempt of a human loop that failed, with the same input."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from lambdas.aws.clients import ledger, starter, transient_errors
from lambdas.aws.metrics import Metric
from lambdas.loops.starting import InputUnknown

FUNCTION = {
    "memory": 256,
    "timeout": 60,
    "grants": ["start_loop"],
    # Without it S3 does not say of an input that it is gone, but that it may not be read.
    "permissions": [{"actions": ["s3:ListBucket"], "resources": ["${ReviewBucket.Arn}"]}],
}

logger = Logger()
metrics = Metrics()


class Restart(BaseModel):
    """The failed loop, and the flow definition that the next attempt goes to."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    human_loop_name: str
    flow_definition_arn: str


@logger.inject_lambda_context
@metrics.log_metrics
@transient_errors
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Restart.

    Args:
        event: `humanLoopName` of the failed loop, `flowDefinitionArn` for the next.
        context: Lambda's.

    Returns:
        The started loop: `humanLoopName`, `humanLoopArn`, `needed`, `already`.

    Raises:
        InputUnknown: The ledger does not know the loop, or not its input.
        NameTaken: Other loops have both names that the restart may have.
    """
    restart = Restart.model_validate(event)
    failed = ledger().find(restart.human_loop_name)
    if failed is None:
        raise InputUnknown(f"The ledger does not know human loop {restart.human_loop_name!r}.")
    started = starter().restart(failed, restart.flow_definition_arn)
    metrics.add_metric(Metric.LOOPS_RESTARTED, MetricUnit.Count, 0 if started.already else 1)
    logger.info("restarted", extra={"humanLoopName": failed.human_loop_name, "next": started.human_loop_name})
    return started.model_dump(by_alias=True, exclude={"prediction"})
