"""Counts how records change when they are made again: outcomes, overruled reviews, keys."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from lambdas.reviews.record import FieldRecord, Outcome, ReviewRecord

__all__ = ["RecordChanges"]


@dataclass
class RecordChanges:
    """What changes in a number of records.

    Attributes:
        outcomes: (before, after) → the number of fields whose outcome changes. None before is a field that is added,
            None after is one that is removed.
        now_overruled: The number of reviews that count as overruled only afterwards.
        no_longer_overruled: The number of reviews that counted as overruled only before.
        keys: Key of the record → the number of reviews in which its value changes. `made_by` is not counted.
        gain_identities: The number of reviews that get ids or pseudonyms of workers that they do not have now.
    """

    outcomes: Counter[tuple[Outcome | None, Outcome | None]] = field(default_factory=Counter)
    now_overruled: int = 0
    no_longer_overruled: int = 0
    keys: Counter[str] = field(default_factory=Counter)
    gain_identities: int = 0

    @classmethod
    def between(cls, before: ReviewRecord, after: ReviewRecord, *, keeps_ids: bool = False) -> RecordChanges:
        """Returns what changes from one record of a review to another.

        Args:
            before: The record as it is.
            after: The new record.
            keeps_ids: Whether the new record has ids, not pseudonyms.
        """
        return cls(
            outcomes=Counter(pair for pair in _outcomes(before, after) if pair[0] != pair[1]),
            now_overruled=int(after.overruled and not before.overruled),
            no_longer_overruled=int(before.overruled and not after.overruled),
            keys=Counter(
                key
                for key in ReviewRecord.model_fields
                if key != "made_by" and getattr(before, key) != getattr(after, key)
            ),
            gain_identities=int(_gains_identity(before, after, keeps_ids)),
        )

    def add(self, other: RecordChanges) -> None:
        """Adds the changes of another review."""
        self.outcomes += other.outcomes
        self.now_overruled += other.now_overruled
        self.no_longer_overruled += other.no_longer_overruled
        self.keys += other.keys
        self.gain_identities += other.gain_identities


def _outcomes(before: ReviewRecord, after: ReviewRecord) -> Iterator[tuple[Outcome | None, Outcome | None]]:
    """Pairs the fields by name, and in order if several have it, and yields their outcomes before and after."""
    olds, news = _by_name(before.fields), _by_name(after.fields)
    for name in [*olds, *(name for name in news if name not in olds)]:
        old, new = olds.get(name, []), news.get(name, [])
        # The order of two boxes can change although they did not.
        yield from zip_longest(
            (one.outcome for one in _only_in(old, new)), (one.outcome for one in _only_in(new, old))
        )


def _only_in(fields: Iterable[FieldRecord], others: Iterable[FieldRecord]) -> Iterator[FieldRecord]:
    """Yields the fields that have no equal among the others, each of which is the equal of one."""
    equals = Counter(other.model_dump_json() for other in others)
    for one in fields:
        content = one.model_dump_json()
        if equals[content]:
            equals[content] -= 1
        else:
            yield one


def _by_name(fields: Iterable[FieldRecord]) -> dict[str, list[FieldRecord]]:
    found: dict[str, list[FieldRecord]] = defaultdict(list)
    for one in fields:
        found[one.name].append(one)
    return found


def _gains_identity(before: ReviewRecord, after: ReviewRecord, keeps_ids: bool) -> bool:
    def identities(record: ReviewRecord) -> list[str | None]:
        return [one for answer in record.answers for one in (answer.worker_id, answer.identity_subject)]

    return any(
        new is not None and new != old and (old is None or keeps_ids)  # An id can become a pseudonym.
        for old, new in zip_longest(identities(before), identities(after))
    )
