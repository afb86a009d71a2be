"""What the reconciler found and did, and how an error of one loop is kept from all others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic.alias_generators import to_camel

from lambdas.loops.confirmation import NotEnded
from lambdas.loops.rows import UnreadableRow
from lambdas.loops.waiting import TokenUndeliverable
from lambdas.reviews.errors import InvalidDocument

__all__ = ["Attempt", "Reconciliation"]

_log = logging.getLogger(__name__)


@dataclass
class Attempt:
    """Whether an attempt to process something failed."""

    failed: bool = False


@dataclass
class Reconciliation:
    """What the reconciler found and did.

    Attributes:
        looked_at: Number of loops in A2I's list that were compared with the ledger.
        missed: Status changes that no execution had claimed, `loop status`, each with the execution started for it.
        deleted: Loops that were deleted in A2I before their status change was received, each with the execution that
            escalates it.
        adopted: Loops in progress that the ledger did not have. They have a row now.
        earlier: Loops that ended without a row and were created before the ledger: nobody knows whether that was
            before the stage was published. They were not processed.
        resumed: Loops whose start was resumed.
        refused: Loops that A2I refused to start, each with the execution that escalates the refusal.
        released: Claims of executions that had ended, `loop claim`, each with that execution.
        reported: Executions that ended before they had claimed their status change, and were reported to a person.
        answered: Loops whose waiting workflows were notified.
        overdue: Loops that are open longer than their flow definition lets workers answer them, for a person.
        overdue_claims: Claims, `loop claim`, that running executions have held for longer than the workflow takes.
        oldest_open_seconds: The age of the oldest loop that is open; 0 if none is.
        oldest_claim_seconds: How long the oldest claim of a running execution has been held; 0 if there is none.
        problems: What could not be done, one line each. Everything else was done.
        complete: False if the time ran out before everything was compared.
    """

    looked_at: int = 0
    missed: dict[str, str] = field(default_factory=dict)
    deleted: dict[str, str] = field(default_factory=dict)
    adopted: list[str] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)
    resumed: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    released: dict[str, str] = field(default_factory=dict)
    reported: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    overdue: list[str] = field(default_factory=list)
    overdue_claims: list[str] = field(default_factory=list)
    oldest_open_seconds: int = 0
    oldest_claim_seconds: int = 0
    problems: list[str] = field(default_factory=list)
    complete: bool = True

    @property
    def found_nothing(self) -> bool:
        """Whether nothing had to be done."""
        values = asdict(self)
        measured = {"looked_at", "complete", "oldest_open_seconds", "oldest_claim_seconds"}
        return not any(values[name] for name in values.keys() - measured)

    def as_json(self) -> dict[str, Any]:
        """Returns the same with camelCase keys."""
        return {to_camel(name): value for name, value in asdict(self).items()}

    def note_open(self, name: str, age: timedelta, lifetime: timedelta) -> None:
        """Records a loop that is open."""
        self.oldest_open_seconds = max(self.oldest_open_seconds, int(age.total_seconds()))
        if age > lifetime:
            self.overdue.append(name)

    def note_claim(self, name: str, claim: str, age: timedelta, longest: timedelta | None) -> None:
        """Records a claim of a running execution. Without a longest time, none is overdue."""
        self.oldest_claim_seconds = max(self.oldest_claim_seconds, int(age.total_seconds()))
        text = f"{name} {claim}"
        # A2I's list can show the loop again.
        if longest is not None and age > longest and text not in self.overdue_claims:
            self.overdue_claims.append(text)

    def touched(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Yields what was done about each loop: a line for the log, and the loop and the execution as its fields.

        For a loop that is deleted or refused, the execution is the one that escalates it.
        """
        for change, execution in self.missed.items():
            name, _, status = change.rpartition(" ")
            about = {"humanLoopName": name, "humanLoopStatus": status, "execution": execution}
            yield "processing a missed status change", about
        for name, execution in self.deleted.items():
            yield "the loop was deleted in A2I", {"humanLoopName": name, "execution": execution}
        for name, execution in self.refused.items():
            yield "the loop's start was refused", {"humanLoopName": name, "execution": execution}
        for text, execution in self.released.items():
            name, *claim = text.rsplit(" ", 2)
            about = {"humanLoopName": name, "claim": " ".join(claim), "execution": execution}
            yield "released a claim of an execution that has ended", about
        for text in self.overdue_claims:
            name, *claim = text.rsplit(" ", 2)
            about = {"humanLoopName": name, "claim": " ".join(claim)}
            yield "an execution has held its claim for longer than the workflow takes", about
        for execution in self.reported:
            yield "reported an execution that ended before it had a claim", {"execution": execution}
        for names, message in (
            (self.adopted, "added a loop in progress to the ledger"),
            (self.resumed, "resumed the loop's start"),
            (self.answered, "notified the workflows that wait for the loop"),
            (self.overdue, "the loop is open longer than its flow definition allows"),
        ):
            for name in names:
                yield message, {"humanLoopName": name}

    @contextmanager
    def noting_problems(self, subject: str) -> Iterator[Attempt]:
        """Records the errors of one loop, so that the others are still processed.

        That holds for all errors: nothing that is in one row, or in A2I, may keep the reconciler from the others.
        """
        attempt = Attempt()
        try:
            yield attempt
        except UnreadableRow as error:
            attempt.failed = True
            self.note_unreadable(error)
        except (BotoCoreError, ClientError, InvalidDocument, NotEnded, TokenUndeliverable) as error:
            attempt.failed = True
            self.problems.append(f"{subject}: {error}")
        except Exception as error:
            attempt.failed = True
            _log.exception("unexpected error: %s", subject)
            self.problems.append(f"{subject}: {type(error).__name__}: {error}")

    def note_unreadable(self, row: UnreadableRow) -> None:
        """Records a row that cannot be read. It is skipped until a person has corrected it."""
        if str(row) not in self.problems:
            self.problems.append(str(row))
