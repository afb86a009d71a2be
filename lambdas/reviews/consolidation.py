"""Several workers' answers made one, field by field.

Each worker has one vote; saying nothing of a field is one, too. The value with the most votes is agreed on. A tie
is left open: nobody's answer is preferred, and the order of the workers makes no difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.reviews.comparison.values import agreed, as_json, unchanged, vote
from lambdas.reviews.record import FieldRecord, Outcome, Vote, WorkerField

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambdas.reviews.comparison.rows import Row


def consolidate(row: Row) -> FieldRecord:
    """Returns the field's record: the agreed value, the votes, the agreement, and what each worker did."""
    ballots: dict[str | None, list[Any]] = {}
    for value in row.said:
        ballots.setdefault(vote(value), []).append(value)
    by_votes = sorted(ballots.items(), key=lambda ballot: (-len(ballot[1]), ballot[0] or ""))
    values = [(agreed(same) if ballot is not None else None, len(same)) for ballot, same in by_votes]
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
        agreement=most / len(row.said) if len(row.said) > 1 else None,
        per_worker=[
            WorkerField(worker_index=index, value=_text(value), outcome=_outcome(row, value))
            for index, value in enumerate(row.said)
        ],
    )


def overall_agreement(fields: Iterable[FieldRecord]) -> float | None:
    """Returns the mean of the fields' agreements; None if no field has one."""
    agreements = [field.agreement for field in fields if field.agreement is not None]
    return sum(agreements) / len(agreements) if agreements else None


def _outcome(row: Row, value: Any) -> Outcome:
    if not row.asked:
        return "answered"
    if row.predicted is None:
        return "kept" if value is None else "added"
    if value is None:
        return "removed"
    return "kept" if unchanged(row.predicted.value, value) else "changed"


def _text(value: Any) -> str | None:
    return None if value is None else as_json(value)
