"""Makes the record of a review from the ended loop and its output, and summarises it.

loop = parse_status_change(event)
record = collect_record(loop, object_store(), settings, stage="dev")
summary = summarise(record, S3Location(bucket, record.key))
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from lambdas.reviews import subject
from lambdas.reviews.code import code_digest
from lambdas.reviews.comparison import compare
from lambdas.reviews.consolidation import consolidate, overall_agreement
from lambdas.reviews.errors import InvalidDocument, NoAnswers, OutputNotAllowed, shortened
from lambdas.reviews.event import flow_definition_name
from lambdas.reviews.output import DOCUMENT, parse_output
from lambdas.reviews.record import OVERRULED, AnswerRecord, MadeBy, ReviewRecord
from lambdas.reviews.summary import MAX_CONDITION_NAME, MAX_CONDITIONS, ReviewSummary

if TYPE_CHECKING:
    from lambdas.reviews.location import S3Location
    from lambdas.reviews.output import Answer, Output
    from lambdas.reviews.settings import ReviewSettings

LAST = datetime.max.replace(tzinfo=UTC)


class EndedLoop(Protocol):
    """What a record needs to know of a loop that ended. Events have it, and so do stored records."""

    @property
    def human_loop_name(self) -> str:
        """The name of the human loop."""

    @property
    def flow_definition_arn(self) -> str | None:
        """The ARN of the flow definition, if it is known."""

    @property
    def status(self) -> Literal["Completed", "Stopped"]:
        """How the loop ended."""

    @property
    def created_at(self) -> datetime:
        """When the loop was created, in UTC."""

    @property
    def output(self) -> S3Location | None:
        """The location of the output, if there is one."""


class Outputs(Protocol):
    """Where outputs are read, such as `lambdas.aws.object_store.ObjectStore`."""

    def read(self, location: S3Location, limit: int) -> bytes:
        """Returns an output of at most `limit` bytes."""


def collect_record(loop: EndedLoop, outputs: Outputs, settings: ReviewSettings, stage: str) -> ReviewRecord:
    """Reads a loop's output, and returns the record of the review.

    Args:
        loop: The loop.
        outputs: Where the output is read.
        settings: The stage's settings.
        stage: The stage's name.

    Raises:
        InvalidDocument: The loop has no output location, or the output is malformed or of another loop.
        NoAnswers: Nobody answered. A record without answers would look like a review in which all was right.
        OutputNotAllowed: The output is not in an output bucket of the stage.
        ReviewError: The errors of `outputs`.
    """
    if loop.output is None:
        raise InvalidDocument("event", "$.detail.humanLoopOutput", f"the {loop.status} loop has no output")
    if loop.output.bucket not in settings.output_buckets:
        raise OutputNotAllowed(
            f"{loop.output}: not in an output bucket of the stage; to allow the bucket, add it to output_buckets"
        )
    output = parse_output(outputs.read(loop.output, settings.max_output_bytes))
    record = build_record(loop, output, settings, stage)
    if not record.answers:
        raise NoAnswers(
            f"{loop.output}: the loop is {loop.status}, and nobody answered (humanAnswers is empty); look at the loop "
            "in Amazon A2I, and start another one if you need the review"
        )
    return record


def build_record(loop: EndedLoop, output: Output, settings: ReviewSettings, stage: str) -> ReviewRecord:
    """Returns the record of a review. The same loop, output, settings and code always give the same record.

    Args:
        loop: The loop. It must have an output location.
        output: The output at that location.
        settings: The stage's settings.
        stage: The stage's name. Each stage has other pseudonyms for workers.

    Raises:
        InvalidDocument: The output belongs to another loop, or neither loop nor output names the flow definition.
    """
    _expect_same_loop(loop, output)
    arn, name = _flow_definition(loop, output)
    answers = sorted(output.human_answers, key=_submission_order)
    output = output.model_copy(update={"human_answers": answers})
    about, rules = settings.record_settings(name), settings.rules_for(name)
    comparison = compare(output, rules)
    fields = [consolidate(row, rules.field(row.name)) for row in comparison.rows]
    seconds = [answer.time_spent_in_seconds for answer in answers if answer.time_spent_in_seconds is not None]
    return ReviewRecord(
        human_loop_name=loop.human_loop_name,
        flow_definition=name,
        flow_definition_arn=arn,
        status=loop.status,
        created_at=loop.created_at,
        completed_at=max(
            (answer.submission_time for answer in answers if answer.submission_time), default=None
        ),
        task_type=output.task_type,
        output_location=str(loop.output),
        activation_conditions=output.activation_conditions,
        answers=[_answer_record(answer, settings, stage, loop.created_at) for answer in answers],
        fields=fields,
        agreement=overall_agreement(fields),
        overruled=any(field.outcome in OVERRULED for field in fields),
        seconds_spent=sum(seconds) if seconds else None,
        prediction_source=comparison.prediction_source,
        made_by=MadeBy(code=code_digest(), settings=settings.digest(name)),
        model_version=subject.model_version(output, about),
        document_id=subject.document_id(output, about),
        segments=subject.segments(output, about),
        unreadable_answers=output.unreadable_answers,
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
        compared=sum(field.compared for field in record.fields),
        changed=outcomes.count("changed"),
        added=outcomes.count("added"),
        removed=outcomes.count("removed"),
        unresolved=outcomes.count("unresolved"),
        agreement=record.agreement,
        overruled=record.overruled,
        seconds_spent=record.seconds_spent,
        activation_conditions=[
            name[:MAX_CONDITION_NAME] for name in record.activation_conditions[:MAX_CONDITIONS]
        ],
    )
    return summary.model_dump(by_alias=True)


def _expect_same_loop(loop: EndedLoop, output: Output) -> None:
    name = output.human_loop_name
    # Uppercase letters have been seen in events, though the API does not allow them in names.
    if name is not None and name.casefold() != loop.human_loop_name.casefold():
        problem = f"{shortened(name)} is not the loop of the event, {loop.human_loop_name!r}"
        raise InvalidDocument(DOCUMENT, "$.humanLoopName", problem)


def _flow_definition(loop: EndedLoop, output: Output) -> tuple[str, str]:
    """Returns ARN and name of the flow definition, from the event or else from the output."""
    for arn in (loop.flow_definition_arn, output.flow_definition_arn):
        name = flow_definition_name(arn) if arn else None
        if arn and name:
            return arn, name
    raise InvalidDocument(
        DOCUMENT, "$.flowDefinitionArn", "neither the event nor the output has the ARN of a flow definition"
    )


def _submission_order(answer: Answer) -> tuple[datetime, str, str]:
    """Returns a sort key for the order of submission. It makes the record independent of the document's order."""
    # An answer without a possible time comes last.
    return answer.submission_time or LAST, answer.worker_id or "", answer.content


def _answer_record(
    answer: Answer, settings: ReviewSettings, stage: str, created_at: datetime
) -> AnswerRecord:
    def identity(worker: str | None) -> str | None:
        if worker is None or settings.worker_identity == "drop":
            return None
        return pseudonym(worker, stage) if settings.worker_identity == "hash" else worker

    known = answer.identity
    return AnswerRecord(
        worker_id=identity(answer.worker_id),
        identity_provider=known.identity_provider_type,
        identity_issuer=None if settings.worker_identity == "drop" else known.issuer,
        identity_subject=identity(known.sub),
        accepted_at=answer.acceptance_time,
        submitted_at=answer.submission_time or answer.acceptance_time or created_at,
        seconds_spent=answer.time_spent_in_seconds,
        content=answer.content,
    )


def pseudonym(worker_id: str, stage: str) -> str:
    """Returns a pseudonym for a worker: 16 hexadecimal digits, the same in the whole stage.

    This is not anonymous: anyone who knows the worker ids can find out whose pseudonym it is.
    """
    return hashlib.sha256(f"{stage}/{worker_id}".encode()).hexdigest()[:16]
