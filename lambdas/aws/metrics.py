"""The metrics of the functions, in the CloudWatch namespace `Afterloop`, logged in the embedded metric format."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws_lambda_powertools import Metrics

__all__ = ["Metric", "stage_metrics"]


def stage_metrics() -> Metrics:
    """Returns the metrics of a function, with the dimensions `service` and `stage`: an account can have many stages.

    Powertools takes `service` from the environment. Without the variable `STAGE`, as in an import outside of Lambda,
    there is no dimension `stage`.
    """
    from aws_lambda_powertools import Metrics  # The template, which names metrics, is made without it.

    metrics = Metrics()
    if stage := os.environ.get("STAGE"):
        metrics.set_default_dimensions(stage=stage)
    return metrics


class Metric(StrEnum):
    """The metrics, by their names in CloudWatch."""

    CLAIMS_OVERDUE = "ClaimsOverdue"
    """Status changes that running executions have been processing for longer than the workflow takes, at the time of a
    run of the reconciler: two hours, and the longest wait before a restart."""
    CLAIMS_RELEASED = "ClaimsReleased"
    """Claims that were released because their executions ended without doing so."""
    FIELDS_COMPARED = "FieldsCompared"
    """Fields that could be compared with a prediction."""
    LOOPS_DELETED = "LoopsDeleted"
    """Loops that were deleted in A2I before their status change was received."""
    LOOPS_RESTARTED = "LoopsRestarted"
    """Loops that were restarted."""
    LOOPS_STARTED = "LoopsStarted"
    """Loops that were started, without those that needed no review."""
    LOOPS_OVERDUE = "LoopsOverdue"
    """Loops that are open longer than their flow definition lets workers accept and answer a task, at the time of a run
    of the reconciler. A loop that A2I does not finish stopping is one of them."""
    OLDEST_CLAIM = "OldestClaimSeconds"
    """How long the execution that has been processing a status change for the longest time has done so, at the time of
    a run of the reconciler; 0 without one."""
    OLDEST_OPEN_LOOP = "OldestOpenLoopSeconds"
    """The age of the oldest loop in progress, at the time of a run of the reconciler; 0 without one."""
    RECONCILIATIONS_COMPLETED = "ReconciliationsCompleted"
    """Runs of the reconciler that compared everything and in which nothing failed."""
    REVIEWER_SECONDS = "ReviewerSeconds"
    """The working time of all workers on a stored review, in seconds."""
    REVIEWS_OVERRULED = "ReviewsOverruled"
    """Reviews in which workers changed, added or removed something."""
    REVIEWS_REFUSED = "ReviewsRefused"
    """Outputs that are missing, malformed, too large or not in an output bucket."""
    REVIEWS_STORED = "ReviewsStored"
    """Reviews that were stored."""
    SECONDS_TO_RECORD = "SecondsToRecord"
    """The time from the last answer of a completed loop until its review was stored, in seconds."""
    STARTS_RESUMED = "StartsResumed"
    """Unfinished starts that the reconciler resumed, including those that A2I refused."""
    STATUS_CHANGES_MISSED = "StatusChangesMissed"
    """Ended loops whose event had not arrived."""
    WORKFLOWS_ANSWERED = "WorkflowsAnswered"
    """Waiting workflows that were notified."""
