"""What the functions count: CloudWatch metrics in the namespace `Afterloop`, logged in embedded metric format."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Metric"]


class Metric(StrEnum):
    """The metrics, by their names in CloudWatch."""

    CLAIMS_RELEASED = "ClaimsReleased"
    """Claims of executions that had ended, given back by the reconciler."""
    FIELDS_COMPARED = "FieldsCompared"
    """Fields with a prediction to compare with."""
    LOOPS_RESTARTED = "LoopsRestarted"
    """Loops that were started again."""
    LOOPS_STARTED = "LoopsStarted"
    """Loops that were started; not those that nobody had to look at."""
    REVIEWS_OVERRULED = "ReviewsOverruled"
    """Reviews in which people changed, added or removed something."""
    REVIEWS_REFUSED = "ReviewsRefused"
    """Outputs that are missing, malformed, too large, or not in an output bucket."""
    REVIEWS_STORED = "ReviewsStored"
    """Reviews that were stored."""
    STARTS_RESUMED = "StartsResumed"
    """Starts that were left unfinished, and went on or were refused."""
    STATUS_CHANGES_MISSED = "StatusChangesMissed"
    """Loops that had ended, and whose event never came."""
    WORKFLOWS_ANSWERED = "WorkflowsAnswered"
    """Waiting workflows that were told how a loop ended."""
