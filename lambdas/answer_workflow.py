"""Notifies the workflows that wait for a human loop: they receive the review, or an error that they can catch."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.aws.clients import transient_errors, waiting
from lambdas.aws.metrics import Metric, stage_metrics
from lambdas.aws.step import logs_step
from lambdas.loops.start_request import Message

FUNCTION = {"memory": 512, "timeout": 60, "grants": ["answer_waiting"]}

logger = Logger()
metrics = stage_metrics()


class Ended(Message):
    """The input: a loop that has ended and is not restarted."""

    human_loop_name: str


@logs_step(logger)
@metrics.log_metrics
@transient_errors
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Notifies the waiting workflows.

    Args:
        event: `humanLoopName`; everything else is in the ledger.
        context: The Lambda context.

    Returns:
        `delivered`: the number of workflows that were notified; `ended`: the number that had already ended.

    Raises:
        NotConfirmed: A workflow waits, and A2I does not say that the loop ended as the ledger says.
        NotEnded: A workflow waits, and the ledger does not show how the loop ended.
        TokenUndeliverable: A workflow cannot be notified, and a retry does not help. The message says why.
    """
    name = Ended.model_validate(event).human_loop_name
    logger.append_keys(humanLoopName=name)
    answered = waiting().answer(name)
    metrics.add_metric(Metric.WORKFLOWS_ANSWERED, MetricUnit.Count, answered.delivered)
    logger.info("answered", extra={"delivered": answered.delivered, "ended": answered.ended})
    return {"delivered": answered.delivered, "ended": answered.ended}
