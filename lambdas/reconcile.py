"""Runs once an hour: catches up on status changes that were missed, and on starts that were left unfinished."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.aws.clients import client, ledger, starter, transient_errors
from lambdas.aws.environment import environment
from lambdas.aws.metrics import Metric
from lambdas.loops.reconciling import Reconciler

FUNCTION = {
    "memory": 512,
    "timeout": 900,
    "grants": ["start_loop"],
    "permissions": [
        {"actions": ["dynamodb:BatchGetItem", "dynamodb:DescribeTable"], "resources": ["${LedgerTable.Arn}"]},
        {"actions": ["dynamodb:Query"], "resources": ["${LedgerTable.Arn}/index/by-status"]},
        # Without it S3 does not say of an input that it is gone, but that it may not be read.
        {"actions": ["s3:ListBucket"], "resources": ["${ReviewBucket.Arn}"]},
        # Lists take no resource (Service Authorization Reference, Amazon SageMaker).
        {"actions": ["sagemaker:ListFlowDefinitions", "sagemaker:ListHumanLoops"], "resources": ["*"]},
        {"actions": ["states:StartExecution"], "resources": ["${StateMachine}", "${StateMachine}:*"]},
        {
            "actions": ["states:DescribeExecution"],
            "resources": [
                "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:afterloop-${Stage}:*"
            ],
        },
    ],
}

RESERVE_MILLISECONDS = 60_000
"""Of the function's time; a page that was begun is finished in it."""

logger = Logger()
metrics = Metrics()


class ReconciliationIncomplete(Exception):
    """Something could not be looked at or started. It is tried again: Lambda does so, and so does the next hour."""


@logger.inject_lambda_context
@metrics.log_metrics
@transient_errors
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Reconcile.

    Args:
        event: Nothing of it is used.
        context: Lambda's.

    Returns:
        A `lambdas.loops.reconciling.Reconciliation`.

    Raises:
        ReconciliationIncomplete: AWS refused something; all else was done.
    """
    found = _reconciler().run(
        environment().flow_definitions,
        time_is_over=lambda: context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS,
    )
    metrics.add_metric(Metric.STATUS_CHANGES_MISSED, MetricUnit.Count, len(found.missed))
    metrics.add_metric(Metric.STARTS_RESUMED, MetricUnit.Count, len(found.resumed) + len(found.refused))
    metrics.add_metric(Metric.CLAIMS_RELEASED, MetricUnit.Count, len(found.released))
    logger.info("reconciled", extra=found.as_json())
    if not found.complete:
        logger.warning("the time was over before every loop was looked at")
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
    )
