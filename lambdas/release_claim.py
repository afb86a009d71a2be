"""Runs when an execution of the workflow was stopped, timed out or failed: releases its claim, and reports the loop."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.aws.clients import abandoned, transient_errors
from lambdas.aws.metrics import Metric, stage_metrics

FUNCTION = {
    "memory": 512,
    "timeout": 60,
    "grants": ["answer_waiting", "settle_execution"],
    "permissions": [
        # Lambda sends an event here that the function failed to process, even after its retries.
        {"actions": ["sqs:SendMessage"], "resources": ["${UndeliveredEvents.Arn}"]},
    ],
}

logger = Logger()
metrics = stage_metrics()


class NotAnExecution(ValueError):
    """The event names no execution."""


@logger.inject_lambda_context(clear_state=True)
@transient_errors
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Settles an execution that ended without finishing.

    Most executions that failed have released their claim and reported it by themselves; they need nothing.

    Args:
        event: The status change of an execution, as Step Functions sends it to EventBridge. Only
            `detail.executionArn` is used: the execution may have been redriven since.
        context: The Lambda context.

    Returns:
        `settled`: false if nothing had to be done. Otherwise `humanLoopName`, `claim`, `released`, `answered`
        (whether waiting workflows were notified) and `escalated` (whether a message was sent), too.

    Raises:
        NotAnExecution: The event names no execution.
        NotEnded: A workflow waits, and the ledger does not show how the loop ended.
        TransientServiceError: A service throttled the call or failed; Lambda retries.
    """
    detail = event.get("detail")
    execution = detail.get("executionArn") if isinstance(detail, dict) else None
    if not isinstance(execution, str):
        raise NotAnExecution("The event has no string at $.detail.executionArn.")
    logger.append_keys(execution=execution)
    logger.info("an execution ended without success")
    settled = abandoned().settle(execution)
    if settled is None:
        logger.info("nothing to do")
        return {"settled": False}
    if settled.released:
        metrics.add_metric(Metric.CLAIMS_RELEASED, MetricUnit.Count, 1)
        metrics.flush_metrics()
    found = {
        "humanLoopName": settled.human_loop_name,
        "claim": settled.claim,
        "released": settled.released,
        "answered": settled.answered,
        "escalated": settled.escalated,
    }
    logger.warning("an execution ended without finishing", extra=found)
    return {"settled": True, **found}
