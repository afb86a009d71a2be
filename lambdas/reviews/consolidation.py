"""Combines the answers of several workers, field by field.

Each worker has one vote; an empty answer is also a vote. The value with the most votes wins. A tie is not resolved:
no worker's answer takes precedence, and the order of the workers does not matter. The setting `same` of the field says
which answers are the same (`lambdas.reviews.comparison.sameness`): they are votes for one value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.reviews.comparison.values import agreed, as_json, unchanged, vote
from lambdas.reviews.record import FieldRecord, Outcome, Vote, WorkerField
from lambdas.reviews.rules import DEFAULT_FIELD

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lambdas.reviews.comparison.rows import Row
    from lambdas.reviews.comparison.sameness import Sameness
    from lambdas.reviews.rules import FieldSettings


def consolidate(row: Row, settings: FieldSettings = DEFAULT_FIELD) -> FieldRecord:
    """Returns the record of a field: agreed value, votes, agreement, and the answer of each worker.

    Args:
        row: The prediction and the answers.
        settings: The settings of the field.
    """
    rule = _rule(settings)
    values = _votes(row.answers, rule)
    winner, most = values[0]
    tied = len(values) > 1 and values[1][1] == most
    return FieldRecord(
        name=row.name,
        kind=row.kind,
        predicted=_text(row.predicted.value) if row.predicted else None,
        confidence=row.predicted.confidence if row.predicted else None,
        reviewed=None if tied else _text(winner),
        outcome="unresolved" if tied else _outcome(row, winner, rule),
        votes=[Vote(value=_text(value), count=count) for value, count in values],
        agreement=most / len(row.answers) if len(row.answers) > 1 else None,
        per_worker=[
            WorkerField(worker_index=index, value=_text(value), outcome=_outcome(row, value, rule))
            for index, value in enumerate(row.answers)
        ],
        compared=row.in_prediction,
    )


def overall_agreement(fields: Iterable[FieldRecord]) -> float | None:
    """Returns the mean of the fields' agreements; None if no field has one."""
    agreements = [field.agreement for field in fields if field.agreement is not None]
    return sum(agreements) / len(agreements) if agreements else None


def _rule(settings: FieldSettings) -> Sameness | None:
    if settings.same == "exact":
        return None
    from lambdas.reviews.comparison.sameness import (
        sameness_of,  # here, because only fields with the setting need it
    )

    return sameness_of(settings)


def _votes(answers: Sequence[Any], rule: Sameness | None) -> list[tuple[Any, int]]:
    """Returns each value with the number of workers who gave it or the same, most votes first."""
    exact: dict[str | None, list[Any]] = {}
    for value in answers:
        exact.setdefault(vote(value), []).append(value)
    # Sorted by the vote as well, so that the record does not depend on the order of the workers.
    keys = sorted(exact, key=lambda key: (-len(exact[key]), key or ""))
    values = [(agreed(exact[key]) if key is not None else None, len(exact[key])) for key in keys]
    if rule is None or len(values) == 1:
        return values
    given = [(value, count) for value, count in values if value is not None]
    groups = rule.groups([value for value, _ in given], [count for _, count in given])
    merged = [(value, sum(given[index][1] for index in members)) for value, members in groups]
    merged += [(value, count) for value, count in values if value is None]
    return sorted(merged, key=lambda item: (-item[1], vote(item[0]) or ""))


def _outcome(row: Row, value: Any, rule: Sameness | None) -> Outcome:
    if not row.in_prediction:
        return "answered"
    if row.predicted is None:
        return "kept" if value is None else "added"
    if value is None:
        return "removed"
    kept = unchanged(row.predicted.value, value)
    if not kept and rule is not None:
        kept = rule.difference(row.predicted.value, value) is not None
    return "kept" if kept else "changed"


def _text(value: Any) -> str | None:
    return None if value is None else as_json(value)
