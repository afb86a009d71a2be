"""The fields of a record as rows, what needs a look first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lambdas.reviews.record import FieldRecord, Outcome, ReviewRecord
from workflow.operations.review_view.differences import with_differences
from workflow.operations.review_view.model import ReviewCounts, ReviewRow, VoteView, WorkerAnswer
from workflow.operations.review_view.wording import Quote, value_view

__all__ = ["NumberedField", "counts", "numbered", "review_row"]

ORDER: Sequence[Outcome] = ("changed", "added", "removed", "unresolved", "answered", "kept")
"""What people overruled first, then what they did not agree on."""


class NumberedField(NamedTuple):
    """A field with its number on the page, from 1, and its place in the record, from 0."""

    number: int
    place: int
    field: FieldRecord


def numbered(fields: Sequence[FieldRecord]) -> list[NumberedField]:
    """Returns the fields, what needs a look first; the others as they are in the record."""
    placed = sorted(enumerate(fields), key=lambda one: ORDER.index(one[1].outcome))
    return [NumberedField(number, place, field) for number, (place, field) in enumerate(placed, start=1)]


def counts(record: ReviewRecord) -> ReviewCounts:
    """Returns the number of fields by outcome."""
    outcomes = [field.outcome for field in record.fields]
    return ReviewCounts(
        fields=len(outcomes),
        compared=sum(field.compared for field in record.fields),
        approximate=sum(field.approximate for field in record.fields),
        kept=outcomes.count("kept"),
        changed=outcomes.count("changed"),
        added=outcomes.count("added"),
        removed=outcomes.count("removed"),
        unresolved=outcomes.count("unresolved"),
        answered=outcomes.count("answered"),
    )


def review_row(one: NumberedField, *, marked: bool, quote: Quote) -> ReviewRow:
    """Returns the row of a field.

    Args:
        one: The field.
        marked: Whether the field is marked on the image or in the text.
        quote: Quotes the text that spans are in.
    """
    field = one.field
    predicted = None if field.predicted is None else value_view(field.predicted, field.kind, quote)
    reviewed = None if field.outcome == "unresolved" else value_view(field.reviewed, field.kind, quote)
    if field.outcome == "changed" and predicted and reviewed:
        predicted, reviewed = with_differences(predicted, reviewed)
    return ReviewRow(
        number=one.number,
        name=field.name,
        kind=field.kind,
        outcome=field.outcome,
        predicted=predicted,
        confidence=field.confidence,
        reviewed=reviewed,
        votes=[
            VoteView(value=value_view(vote.value, field.kind, quote), count=vote.count)
            for vote in field.votes
        ],
        answers=list(_answers(field, quote)),
        agreement=field.agreement,
        compared=field.compared,
        approximate=field.approximate,
        marked=marked,
    )


def _answers(field: FieldRecord, quote: Quote) -> Iterable[WorkerAnswer]:
    for worker in field.per_worker:
        is_known = worker.vote_index is not None and field.outcome != "unresolved"
        yield WorkerAnswer(
            worker=worker.worker_index + 1,
            value=value_view(worker.value, field.kind, quote),
            outcome=worker.outcome,
            # The agreed value has the most votes, and is the first.
            agrees=worker.vote_index == 0 if is_known else None,
        )
