"""Collects a review: reads output.json, validates it, compares prediction and answers, stores the record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit

from lambdas.aws.environment import environment
from lambdas.aws.metrics import Metric, stage_metrics
from lambdas.aws.object_store import object_store
from lambdas.aws.step import logs_step
from lambdas.reviews.errors import InvalidDocument, OutputMissing, ReviewError
from lambdas.reviews.event import FailedLoop, parse_status_change
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import ReviewRecord
from lambdas.reviews.review import collect_record, summarise
from lambdas.reviews.settings import ReviewSettings

FUNCTION = {
    "memory": 1024,
    "timeout": 90,
    "permissions": [
        {"actions": ["s3:GetObject"], "resources": ["${OutputBuckets}/*"]},
        # Without this permission, S3 reports a missing object as "access denied".
        {"actions": ["s3:ListBucket"], "resources": ["${OutputBuckets}"]},
        {"actions": ["s3:PutObject"], "resources": ["${ReviewBucket.Arn}/reviews/*"]},
    ],
}

logger = Logger()
metrics = stage_metrics()


@logs_step(logger)
@metrics.log_metrics
def handler(payload: dict[str, Any], context: object) -> dict[str, Any]:
    """Collects the review of a completed loop, or the answers of a stopped one.

    Args:
        payload: `event`: the complete status change. `isLastTry`: whether the workflow gives up if the output is
            missing.
        context: The Lambda context.

    Returns:
        A `lambdas.reviews.summary.ReviewSummary`: numbers and locations.

    Raises:
        InvalidDocument: The event or the output is malformed. The message says where.
        NoAnswers: Nobody answered.
        OutputNotAllowed: The output is not in an output bucket of the stage, or S3 denies access.
        OutputMissing: The output does not exist, or not yet: the workflow retries for about two minutes, and for
            a few seconds if the loop was stopped.
        OutputTooLarge: The output is larger than the stage's limit.
        TransientServiceError: S3 throttled the call or failed; retry.
    """
    try:
        summary = _collect(payload.get("event"))
    except ReviewError as error:
        if isinstance(error, OutputMissing) and not payload.get("isLastTry", True):
            metrics.add_metric(Metric.REVIEWS_REFUSED, MetricUnit.Count, 0)
            logger.warning("the output is not there yet", extra={"reason": str(error)})
            raise
        metrics.add_metric(Metric.REVIEWS_REFUSED, MetricUnit.Count, 1)
        logger.error("review refused", extra={"error": type(error).__name__, "reason": str(error)})
        raise
    metrics.add_metric(Metric.REVIEWS_STORED, MetricUnit.Count, 1)
    metrics.add_metric(Metric.REVIEWS_OVERRULED, MetricUnit.Count, int(summary["overruled"]))
    metrics.add_metric(Metric.FIELDS_COMPARED, MetricUnit.Count, summary["compared"])
    logger.info("review stored", extra={"review": summary})
    return summary


def _measure(record: ReviewRecord) -> None:
    if record.seconds_spent is not None:
        metrics.add_metric(Metric.REVIEWER_SECONDS, MetricUnit.Seconds, record.seconds_spent)
    # Not from the time of the event: if it was lost, the reconciler has made another an hour later.
    if record.status == "Completed" and record.completed_at is not None:
        waited = datetime.now(UTC) - record.completed_at
        # CloudWatch has no percentiles of negative values, as from clocks that differ.
        metrics.add_metric(Metric.SECONDS_TO_RECORD, MetricUnit.Seconds, max(0.0, waited.total_seconds()))


def _collect(event: Any) -> dict[str, Any]:
    change = parse_status_change(event)
    if isinstance(change, FailedLoop):
        raise InvalidDocument("event", "$.detail.humanLoopOutput", "the Failed loop has no output")
    logger.append_keys(humanLoopName=change.human_loop_name)
    stage = environment()
    settings = ReviewSettings.parse(stage.review_settings)
    record = collect_record(change, object_store(), settings, stage.stage)
    location = S3Location(stage.review_bucket, record.key)
    object_store().write(location, record.to_line())
    _measure(record)
    summary = summarise(record, location)
    if not record.fields:
        logger.warning("the review has no field: people submitted an empty page")
    if record.unreadable_answers:
        logger.warning(
            "answers could not be read and were left out", extra={"answers": record.unreadable_answers}
        )
    rules = settings.rules_for(record.flow_definition)
    if rules.prediction and not summary["compared"]:
        logger.warning(
            "nothing at the place of the prediction in the settings could be compared with the answers",
            extra={"flow": record.flow_definition},
        )
    if kinds := rules.without_effect(record.fields):
        # Without the names of the fields: they can be from a document.
        logger.warning(
            "the setting same has no effect on fields of these kinds",
            extra={"flow": record.flow_definition, "kinds": kinds},
        )
    return summary
