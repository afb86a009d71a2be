"""Tells the workflows that wait for a human loop how it ended: the agreed review, or an error that they can catch."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from lambdas.aws.clients import transient_errors, waiting
from lambdas.aws.metrics import Metric

FUNCTION = {"memory": 512, "timeout": 60, "grants": ["answer_waiting"]}

logger = Logger()
metrics = Metrics()


class Ended(BaseModel):
    """The loop that ended for good."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")

    human_loop_name: str


@logger.inject_lambda_context
@metrics.log_metrics
@transient_errors
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer.

    Args:
        event: `humanLoopName`; the rest is in the ledger.
        context: Lambda's.

    Returns:
        `delivered`: how many waiting workflows were told; `ended`: how many had ended before. Both 0 if nobody waits.

    Raises:
        NotEnded: Somebody waits, and the ledger does not tell how the loop ended.
        TokenUndeliverable: A workflow cannot be told, and trying again would not help; says why.
    """
    name = Ended.model_validate(event).human_loop_name
    answered = waiting().answer(name)
    metrics.add_metric(Metric.WORKFLOWS_ANSWERED, MetricUnit.Count, answered.delivered)
    logger.info(
        "answered",
        extra={"humanLoopName": name, "delivered": answered.delivered, "ended": answered.ended},
    )
    return {"delivered": answered.delivered, "ended": answered.ended}
