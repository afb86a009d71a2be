"""Builds the record of a review from the event and the output, and summarises it.

change = parse_status_change(event)
record = build_record(change, parse_output(raw), settings, stage="dev")
summary = summarise(record, S3Location(bucket, record.key))
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from lambdas.reviews.comparison import compare
from lambdas.reviews.consolidation import consolidate, overall_agreement
from lambdas.reviews.errors import InvalidDocument, shortened
from lambdas.reviews.event import CompletedLoop, StoppedLoop, flow_definition_name
from lambdas.reviews.output import DOCUMENT
from lambdas.reviews.record import OVERRULED, AnswerRecord, ReviewRecord
from lambdas.reviews.summary import MAX_CONDITIONS, ReviewSummary

if TYPE_CHECKING:
    from datetime import datetime

    from lambdas.reviews.location import S3Location
    from lambdas.reviews.output import Answer, Output
    from lambdas.reviews.settings import ReviewSettings


def build_record(
    change: CompletedLoop | StoppedLoop, output: Output, settings: ReviewSettings, stage: str
) -> ReviewRecord:
    """Returns the record of a review. The same event and output always give the same record.

    Args:
        change: The status change. It must have an output location.
        output: The output at that location.
        settings: The stage's settings.
        stage: The stage's name. Each stage has other pseudonyms for workers.

    Raises:
        InvalidDocument: The output belongs to another loop, or neither document names the flow definition.
    """
    _expect_same_loop(change, output)
    arn, name = _flow_definition(change, output)
    answers = sorted(output.human_answers, key=_submission_order)
    output = output.model_copy(update={"human_answers": answers})
    fields = [consolidate(row) for row in compare(output, settings.predictions.get(name))]
    seconds = [answer.time_spent_in_seconds for answer in answers if answer.time_spent_in_seconds is not None]
    return ReviewRecord(
        human_loop_name=change.human_loop_name,
        flow_definition=name,
        flow_definition_arn=arn,
        status=change.detail.human_loop_status,
        created_at=change.created_at,
        completed_at=max((answer.submission_time for answer in answers), default=None),
        task_type=output.task_type,
        output_location=str(change.output),
        activation_conditions=output.activation_conditions,
        answers=[_answer_record(answer, settings, stage) for answer in answers],
        fields=fields,
        agreement=overall_agreement(fields),
        overruled=any(field.outcome in OVERRULED for field in fields),
        seconds_spent=sum(seconds) if seconds else None,
    )


def summarise(record: ReviewRecord, location: S3Location) -> dict[str, Any]:
    """Returns a `lambdas.reviews.summary.ReviewSummary` as JSON."""
    outcomes = [field.outcome for field in record.fields]
    summary = ReviewSummary(
        location=str(location),
        output_location=record.output_location,
        task_type=record.task_type,
        answers=len(record.answers),
        fields=len(outcomes),
        compared=len(outcomes) - outcomes.count("answered"),
        changed=outcomes.count("changed"),
        added=outcomes.count("added"),
        removed=outcomes.count("removed"),
        unresolved=outcomes.count("unresolved"),
        agreement=record.agreement,
        overruled=record.overruled,
        seconds_spent=record.seconds_spent,
        activation_conditions=record.activation_conditions[:MAX_CONDITIONS],
    )
    return summary.model_dump(by_alias=True)


def _expect_same_loop(change: CompletedLoop | StoppedLoop, output: Output) -> None:
    name = output.human_loop_name
    # Uppercase letters have been seen in events, though the API does not allow them in names.
    if name is not None and name.casefold() != change.human_loop_name.casefold():
        problem = f"{shortened(name)} is not the loop of the event, {change.human_loop_name!r}"
        raise InvalidDocument(DOCUMENT, "$.humanLoopName", problem)


def _flow_definition(change: CompletedLoop | StoppedLoop, output: Output) -> tuple[str, str]:
    """Returns ARN and name of the flow definition, from the event or else from the output."""
    for arn in (change.flow_definition_arn, output.flow_definition_arn):
        name = flow_definition_name(arn) if arn else None
        if arn and name:
            return arn, name
    raise InvalidDocument(
        DOCUMENT, "$.flowDefinitionArn", "neither the event nor the output has the ARN of a flow definition"
    )


def _submission_order(answer: Answer) -> tuple[datetime, str, str]:
    """Returns a sort key for the order of submission. It makes the record independent of the document's order."""
    return answer.submission_time, answer.worker_id or "", answer.content


def _answer_record(answer: Answer, settings: ReviewSettings, stage: str) -> AnswerRecord:
    worker = answer.worker_id
    if worker is not None and settings.worker_identity == "hash":
        worker = pseudonym(worker, stage)
    return AnswerRecord(
        worker_id=None if settings.worker_identity == "drop" else worker,
        identity_provider=answer.identity_provider,
        accepted_at=answer.acceptance_time,
        submitted_at=answer.submission_time,
        seconds_spent=answer.time_spent_in_seconds,
        content=answer.content,
    )


def pseudonym(worker_id: str, stage: str) -> str:
    """Returns a pseudonym for a worker: 16 hexadecimal digits, the same in the whole stage.

    This is not anonymous: anyone who knows the worker ids can find out whose pseudonym it is.
    """
    return hashlib.sha256(f"{stage}/{worker_id}".encode()).hexdigest()[:16]
