"""Combines the answers of several workers, field by field.

Each worker has one vote; an empty answer is also a vote. The value with the most votes wins. A tie is not resolved:
no worker's answer takes precedence, and the order of the workers does not matter. The setting `same` of the field says
which answers are the same (`lambdas.reviews.comparison.sameness`): they are votes for one value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lambdas.reviews.comparison.values import agreed, as_json, is_agreed, unchanged, vote
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
    votes = _votes(row.answers, rule)
    winner, most = votes[0].value, len(votes[0].workers)
    tied = len(votes) > 1 and len(votes[1].workers) == most
    vote_of = {worker: index for index, one in enumerate(votes) for worker in one.workers}
    return FieldRecord(
        name=row.name,
        kind=row.kind,
        predicted=_text(row.predicted.value) if row.predicted else None,
        confidence=row.predicted.confidence if row.predicted else None,
        reviewed=None if tied else _text(winner),
        outcome="unresolved" if tied else _outcome(row, winner, rule),
        votes=[Vote(value=_text(one.value), count=len(one.workers)) for one in votes],
        agreement=most / len(row.answers) if len(row.answers) > 1 and is_agreed(winner) else None,
        per_worker=[
            WorkerField(
                worker_index=worker,
                value=_text(value),
                outcome=_outcome(row, value, rule),
                vote_index=vote_of[worker],
            )
            for worker, value in enumerate(row.answers)
        ],
        compared=row.in_prediction,
        approximate=row.is_approximate,
    )


def overall_agreement(fields: Iterable[FieldRecord]) -> float | None:
    """Returns the mean of the fields' agreements; None if no field has one."""
    agreements = [field.agreement for field in fields if field.agreement is not None]
    return sum(agreements) / len(agreements) if agreements else None


def _rule(settings: FieldSettings) -> Sameness | None:
    if settings.same == "exact":
        return None
    # Imported here, because only fields with the setting need it.
    from lambdas.reviews.comparison.sameness import sameness_of

    return sameness_of(settings)


class _Votes(NamedTuple):
    """A value, and the workers who gave it or the same."""

    value: Any
    workers: list[int]


def _votes(answers: Sequence[Any], rule: Sameness | None) -> list[_Votes]:
    """Returns the votes, the value with most of them first."""
    exact: dict[str | None, list[int]] = {}
    for worker, value in enumerate(answers):
        exact.setdefault(vote(value), []).append(worker)
    votes = [
        _Votes(None if key is None else agreed([answers[worker] for worker in workers]), workers)
        for key, workers in exact.items()
    ]
    votes.sort(key=_most_first)
    given = [one for one in votes if one.value is not None]
    if rule is None or len(given) < 2:
        return votes
    groups = rule.groups([one.value for one in given], [len(one.workers) for one in given])
    merged = [
        _Votes(value, [worker for index in members for worker in given[index].workers])
        for value, members in groups
    ]
    return sorted([*merged, *(one for one in votes if one.value is None)], key=_most_first)


def _most_first(votes: _Votes) -> tuple[int, str]:
    # By the value as well, so that the record does not depend on the order of the workers.
    return -len(votes.workers), vote(votes.value) or ""


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
