"""Runs once an hour: processes missed status changes and completes unfinished starts."""

from __future__ import annotations

import os
from datetime import timedelta
from itertools import islice
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.aws.clients import abandoned, client, ledger, starter, transient_errors
from lambdas.aws.environment import environment
from lambdas.aws.metrics import Metric, stage_metrics
from lambdas.loops.marks import Marks
from lambdas.loops.reconciliation import Reconciliation
from lambdas.loops.reconciling import Reconciler
from lambdas.loops.restart_policy import RestartSettings

FUNCTION = {
    "memory": 512,
    "timeout": 900,
    "grants": ["start_loop", "settle_execution"],
    "permissions": [
        {"actions": ["dynamodb:BatchGetItem", "dynamodb:DescribeTable"], "resources": ["${LedgerTable.Arn}"]},
        {
            "actions": ["dynamodb:Query"],
            "resources": ["${LedgerTable.Arn}/index/by-status", "${LedgerTable.Arn}/index/by-outcome"],
        },
        # Both actions support no resource-level permissions (Service Authorization Reference, Amazon SageMaker).
        {"actions": ["sagemaker:ListFlowDefinitions", "sagemaker:ListHumanLoops"], "resources": ["*"]},
        {"actions": ["sagemaker:DescribeFlowDefinition"], "resources": ["${FlowDefinitions}"]},
        {"actions": ["states:ListExecutions"], "resources": ["${StateMachine}"]},
        # An execution of the alias: see RuleRole in workflow/stack/template/events.py.
        {"actions": ["states:StartExecution"], "resources": ["${StateMachine}", "${StateMachine}:live"]},
    ],
}

RESERVE_MILLISECONDS = 60_000
"""Time left for the step that is being taken when the reconciler is asked to stop. The longest is a page of A2I's list
on which each status change was missed: two calls for each of 100 loops."""

MAX_NAMED = 200
"""How many loops of each kind are named. A log entry has at most 256 KB."""

logger = Logger()
metrics = stage_metrics()


class ReconciliationIncomplete(Exception):
    """Some loops could not be compared or started. Lambda retries, and the next run covers them again."""


@logger.inject_lambda_context(clear_state=True)
@metrics.log_metrics
@transient_errors
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Reconciles.

    Args:
        event: Not used.
        context: The Lambda context.

    Returns:
        A `lambdas.loops.reconciliation.Reconciliation`, with at most 200 names of each kind.

    Raises:
        ReconciliationIncomplete: AWS refused some calls. Everything else was done.
    """
    found = _reconciler().run(
        environment().flow_definitions,
        out_of_time=lambda: context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS,
    )
    metrics.add_metric(Metric.STATUS_CHANGES_MISSED, MetricUnit.Count, len(found.missed))
    metrics.add_metric(Metric.LOOPS_DELETED, MetricUnit.Count, len(found.deleted))
    metrics.add_metric(Metric.STARTS_RESUMED, MetricUnit.Count, len(found.resumed) + len(found.refused))
    metrics.add_metric(Metric.CLAIMS_RELEASED, MetricUnit.Count, len(found.released))
    metrics.add_metric(Metric.LOOPS_OVERDUE, MetricUnit.Count, len(found.overdue))
    metrics.add_metric(Metric.CLAIMS_OVERDUE, MetricUnit.Count, len(found.overdue_claims))
    metrics.add_metric(Metric.OLDEST_OPEN_LOOP, MetricUnit.Seconds, found.oldest_open_seconds)
    metrics.add_metric(Metric.OLDEST_CLAIM, MetricUnit.Seconds, found.oldest_claim_seconds)
    if found.complete and not found.problems:
        metrics.add_metric(Metric.RECONCILIATIONS_COMPLETED, MetricUnit.Count, 1)
    for message, about in found.touched():
        logger.info(message, extra=about)
    summary = _summary(found)
    logger.info("reconciled", extra=summary)
    if not found.complete:
        logger.warning("out of time before all loops were compared")
    if found.problems:
        raise ReconciliationIncomplete("; ".join(summary["problems"]))
    return summary


def _summary(found: Reconciliation) -> dict[str, Any]:
    """Returns what was found, short enough for a log and a response: after an outage, there can be 100,000 loops."""
    summary = found.as_json()
    for name, values in found.as_json().items():
        if isinstance(values, list) and len(values) > MAX_NAMED:
            summary[name] = [*values[:MAX_NAMED], f"and {len(values) - MAX_NAMED} more"]
        elif isinstance(values, dict) and len(values) > MAX_NAMED:
            summary[name] = dict(islice(values.items(), MAX_NAMED)) | {"more": str(len(values) - MAX_NAMED)}
    return summary


def _reconciler() -> Reconciler:
    return Reconciler(
        ledger=ledger(),
        marks=Marks(client("dynamodb"), environment().ledger_table),
        starter=starter(),
        a2i=client("sagemaker-a2i-runtime"),
        sagemaker=client("sagemaker"),
        states=client("stepfunctions"),
        state_machine=os.environ["STATE_MACHINE"],
        abandoned=abandoned(),
        longest_claim=_longest_claim(),
    )


def _longest_claim() -> timedelta:
    """How long an execution can hold a claim: the longest wait before a restart, and all other steps.

    Every other step takes minutes, with all its retries.
    """
    settings = RestartSettings.model_validate_json(environment().restart_settings)
    return settings.longest_wait + timedelta(hours=2)
