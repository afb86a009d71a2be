"""Combines the answers of several workers, field by field.

Each worker has one vote; an empty answer is also a vote. The value with the most votes wins. A tie is not resolved:
no worker's answer takes precedence, and the order of the workers does not matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.reviews.comparison.values import agreed, as_json, unchanged, vote
from lambdas.reviews.record import FieldRecord, Outcome, Vote, WorkerField

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambdas.reviews.comparison.rows import Row


def consolidate(row: Row) -> FieldRecord:
    """Returns the record of a field: agreed value, votes, agreement, and the answer of each worker."""
    votes: dict[str | None, list[Any]] = {}
    for value in row.answers:
        votes.setdefault(vote(value), []).append(value)
    # Sorted by the vote as well, so that the record does not depend on the order of the workers.
    by_count = sorted(votes.items(), key=lambda item: (-len(item[1]), item[0] or ""))
    values = [(agreed(same) if key is not None else None, len(same)) for key, same in by_count]
    winner, most = values[0]
    tied = len(values) > 1 and values[1][1] == most
    return FieldRecord(
        name=row.name,
        kind=row.kind,
        predicted=_text(row.predicted.value) if row.predicted else None,
        confidence=row.predicted.confidence if row.predicted else None,
        reviewed=None if tied else _text(winner),
        outcome="unresolved" if tied else _outcome(row, winner),
        votes=[Vote(value=_text(value), count=count) for value, count in values],
        agreement=most / len(row.answers) if len(row.answers) > 1 else None,
        per_worker=[
            WorkerField(worker_index=index, value=_text(value), outcome=_outcome(row, value))
            for index, value in enumerate(row.answers)
        ],
        compared=row.in_prediction,
    )


def overall_agreement(fields: Iterable[FieldRecord]) -> float | None:
    """Returns the mean of the fields' agreements; None if no field has one."""
    agreements = [field.agreement for field in fields if field.agreement is not None]
    return sum(agreements) / len(agreements) if agreements else None


def _outcome(row: Row, value: Any) -> Outcome:
    if not row.in_prediction:
        return "answered"
    if row.predicted is None:
        return "kept" if value is None else "added"
    if value is None:
        return "removed"
    return "kept" if unchanged(row.predicted.value, value) else "changed"


def _text(value: Any) -> str | None:
    return None if value is None else as_json(value)
