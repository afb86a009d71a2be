"""Runs once an hour: processes missed status changes and completes unfinished starts."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.aws.clients import abandoned, client, ledger, starter, transient_errors
from lambdas.aws.environment import environment
from lambdas.aws.metrics import Metric
from lambdas.loops.reconciling import Reconciler

FUNCTION = {
    "memory": 512,
    "timeout": 900,
    "grants": ["start_loop", "settle_execution"],
    "permissions": [
        {"actions": ["dynamodb:BatchGetItem", "dynamodb:DescribeTable"], "resources": ["${LedgerTable.Arn}"]},
        {"actions": ["dynamodb:Query"], "resources": ["${LedgerTable.Arn}/index/by-status"]},
        # Without this permission, S3 reports a deleted input as "access denied".
        {"actions": ["s3:ListBucket"], "resources": ["${ReviewBucket.Arn}"]},
        # Both actions support no resource-level permissions (Service Authorization Reference, Amazon SageMaker).
        {"actions": ["sagemaker:ListFlowDefinitions", "sagemaker:ListHumanLoops"], "resources": ["*"]},
        {"actions": ["states:StartExecution"], "resources": ["${StateMachine}", "${StateMachine}:*"]},
    ],
}

RESERVE_MILLISECONDS = 60_000
"""Time left for the page that is being compared when the reconciler is asked to stop."""

logger = Logger()
metrics = Metrics()


class ReconciliationIncomplete(Exception):
    """Some loops could not be compared or started. Lambda retries, and the next run covers them again."""


@logger.inject_lambda_context
@metrics.log_metrics
@transient_errors
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Reconciles.

    Args:
        event: Not used.
        context: The Lambda context.

    Returns:
        A `lambdas.loops.reconciling.Reconciliation`.

    Raises:
        ReconciliationIncomplete: AWS refused some calls. Everything else was done.
    """
    found = _reconciler().run(
        environment().flow_definitions,
        out_of_time=lambda: context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS,
    )
    metrics.add_metric(Metric.STATUS_CHANGES_MISSED, MetricUnit.Count, len(found.missed))
    metrics.add_metric(Metric.STARTS_RESUMED, MetricUnit.Count, len(found.resumed) + len(found.refused))
    metrics.add_metric(Metric.CLAIMS_RELEASED, MetricUnit.Count, len(found.released))
    logger.info("reconciled", extra=found.as_json())
    if not found.complete:
        logger.warning("out of time before all loops were compared")
    if found.problems:
        raise ReconciliationIncomplete("; ".join(found.problems))
    return found.as_json()


def _reconciler() -> Reconciler:
    return Reconciler(
        ledger=ledger(),
        starter=starter(),
        a2i=client("sagemaker-a2i-runtime"),
        sagemaker=client("sagemaker"),
        states=client("stepfunctions"),
        state_machine=os.environ["STATE_MACHINE"],
        abandoned=abandoned(),
    )
