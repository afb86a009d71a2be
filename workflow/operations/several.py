"""Applies an operation to many loops: selects them, and processes a bounded number at the same time.

Nothing here remembers how far a run got: what is done no longer matches the filters, so the same run again continues.
"""

from __future__ import annotations

import heapq
import queue
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.aws.transient import is_transient
from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from lambdas.loops.rows import UnreadableRow
from lambdas.reviews.errors import TransientServiceError
from lambdas.reviews.times import in_utc
from workflow.operations.listing import NEEDS_ACTION
from workflow.operations.stage_loops import LoopError

__all__ = [
    "DEFAULT_OUTCOMES",
    "FAILURES_BEFORE_STOP",
    "OUTCOMES",
    "Interruption",
    "Operation",
    "Result",
    "Results",
    "Selected",
    "Selection",
    "explained",
    "process",
    "repeated",
    "select",
]

R = TypeVar("R")

Operation = Literal["redrive", "restart", "close"]

OUTCOMES: dict[Operation, tuple[str, ...]] = {
    "redrive": ("failed", "processing"),
    "restart": ("escalated", "failed", "notified"),
    "close": ("escalated", "failed", "processing"),
}
"""The outcomes of loops that an operation can be possible for. The others refuse it, each for its own reason."""

DEFAULT_OUTCOMES: dict[Operation, tuple[str, ...]] = {
    "redrive": ("failed",),
    "restart": ("escalated",),
    "close": ("escalated", "failed"),
}
"""The outcomes that are selected without a filter for them."""

FAILURES_BEFORE_STOP = 5
"""If as many loops fail before one succeeds, the cause is not fixed, and a run begins no more loops. Loops that are
still being processed count as neither, but a run goes on while they are in the majority."""

_TRIES = 7
_MAX_PAUSE_SECONDS = 30


# Which loops


@dataclass(frozen=True)
class Selection:
    """Which loops to process: those that match every attribute that is set.

    Attributes:
        outcome: The outcome in the ledger. None: the outcomes after which the operation makes sense.
        since: The loop failed, or was escalated, at this time or later.
        flow_definition: The name or ARN of the flow definition.
        failure_code: A2I's failure code, or the name of the error with which the workflow failed.
    """

    outcome: str | None = None
    since: datetime | None = None
    flow_definition: str | None = None
    failure_code: str | None = None


@dataclass(frozen=True)
class Selected:
    """The loops that match, oldest first, and rows that may match and cannot be read."""

    loops: list[Loop]
    unreadable: list[UnreadableRow]


def select(
    ledger: Ledger, operation: Operation, selection: Selection, flow_definition_arn: str | None
) -> Selected:
    """Selects loops. Reads an index of the ledger, never the whole table.

    Args:
        ledger: The stage's ledger.
        operation: What is to be done with the loops.
        selection: Which loops to select.
        flow_definition_arn: The ARN of the selection's flow definition.
    """
    outcomes = DEFAULT_OUTCOMES[operation] if selection.outcome is None else (selection.outcome,)
    unreadable: list[UnreadableRow] = []
    rows = heapq.merge(
        *(
            ledger.select(outcome=one, flow_definition_arn=flow_definition_arn, unreadable=unreadable.append)
            for one in outcomes
        ),
        key=lambda loop: loop.created_at or "",
    )
    matching = (row for row in rows if _matches(row, selection))
    # A loop whose outcome changes while the index is read can be in it twice.
    return Selected(list({row.human_loop_name: row for row in matching}.values()), unreadable)


def _matches(loop: Loop, selection: Selection) -> bool:
    if selection.failure_code is not None and not _has_failure_code(loop, selection.failure_code):
        return False
    return selection.since is None or _recorded_since(loop, selection.since)


def _has_failure_code(loop: Loop, code: str) -> bool:
    # The workflow records "STEP: ERROR: MESSAGE" (`workflow/parts/records.py`).
    return loop.failure_code == code or (loop.outcome == "failed" and f": {code}: " in f"{loop.reason}: ")


def _recorded_since(loop: Loop, since: datetime) -> bool:
    """Whether the outcome was recorded since then; also if that is not known."""
    # The time of an escalation stays in the row after a person has acted on it.
    escalated = loop.escalated_at if loop.outcome in NEEDS_ACTION else None
    try:
        return in_utc(datetime.fromisoformat(escalated or loop.updated_at or "")) >= since
    except ValueError:
        return True


# What happened


@dataclass(frozen=True)
class Result:
    """What happened to one loop.

    Attributes:
        name: The loop's name, or what else was processed.
        result: `done`; `failed`: it was processed, and failed again; `running`: it is still being processed;
            `possible`: nothing was done, as for a dry run; `skipped`: the operation is not possible; `error`: a service
            refused a call.
        detail: What was done, or why not.
        execution: The ARN of the execution that was started, if any.
        next_loop_name: The loop that was started, if any.
        message_id: The message with the event, for an event that was not delivered.
    """

    name: str
    result: Literal["done", "failed", "running", "possible", "skipped", "error"]
    detail: str = ""
    execution: str | None = None
    next_loop_name: str | None = None
    message_id: str | None = None


@dataclass
class Results:
    """What happened to all loops.

    Attributes:
        results: One for each loop that was begun, in the order in which they ended.
        left: How many loops were not begun.
        stopped: Why no more loops were begun: `interrupted`, or `failing`. None if all were.
    """

    results: list[Result] = field(default_factory=list)
    left: int = 0
    stopped: Literal["interrupted", "failing"] | None = None

    def count(self, *results: str) -> int:
        """Returns how many loops have one of these results."""
        return sum(one.result in results for one in self.results)


class Interruption:
    """A request to begin no more loops. What was begun is finished. Thread-safe."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def request(self) -> None:
        """Requests it."""
        self._event.set()

    @property
    def requested(self) -> bool:
        """Whether it was requested."""
        return self._event.is_set()

    def pause(self, seconds: float) -> bool:
        """Waits, but no longer than until it is requested. Returns whether it was."""
        return self._event.wait(seconds)


# Processing


def process(
    names: Sequence[str],
    action: Callable[[str], Result],
    *,
    at_once: int,
    interruption: Interruption,
    keep_going: bool = False,
    progress: Callable[[Results], object] = lambda so_far: None,
) -> Results:
    """Processes loops, a number of them at the same time.

    An error of one loop is its result, and does not stop the others.

    Args:
        names: The loops.
        action: Processes one loop.
        at_once: How many loops to process at the same time.
        interruption: After it is requested, no loop is begun.
        keep_going: Begin all loops even if the first ones all fail.
        progress: Called after each loop.
    """
    run = _Run(names, action, interruption, keep_going)
    workers = min(at_once, len(names))
    for _ in range(workers):
        # Daemons, so that a second Ctrl-C ends the process even while a call hangs.
        threading.Thread(target=run.work, daemon=True).start()
    found = Results()
    while workers:
        result = run.results.get()
        if result is None:
            workers -= 1
            continue
        found.results.append(result)
        progress(found)
    found.left = len(names) - len(found.results)
    if found.left:
        found.stopped = "interrupted" if interruption.requested else "failing"
    return found


class _Run:
    """What the threads of a run share."""

    def __init__(
        self,
        names: Sequence[str],
        action: Callable[[str], Result],
        interruption: Interruption,
        keep_going: bool,
    ) -> None:
        self.results: queue.SimpleQueue[Result | None] = queue.SimpleQueue()
        self._names = iter(names)
        self._action = action
        self._interruption = interruption
        self._keep_going = keep_going
        self._lock = threading.Lock()
        self._succeeded = self._running = self._failed = 0

    def work(self) -> None:
        """Processes loops until there are no more, or none may be begun. Ends with None in the results."""
        while (name := self._next()) is not None:
            result = _result(name, self._action)
            with self._lock:
                self._succeeded += result.result == "done"
                self._running += result.result == "running"
                self._failed += result.result in ("failed", "error")
            self.results.put(result)
        self.results.put(None)

    def _next(self) -> str | None:
        with self._lock:
            failing = self._failed >= max(FAILURES_BEFORE_STOP, self._running) and not self._succeeded
            if self._interruption.requested or (failing and not self._keep_going):
                return None
            return next(self._names, None)


def _result(name: str, action: Callable[[str], Result]) -> Result:
    try:
        return action(name)
    except LoopError as error:
        return Result(name, "skipped", str(error))
    # One loop that is odd in a way that nobody thought of must not stop the others, nor hide what was done.
    except Exception as error:
        return Result(name, "error", explained(error))


def explained(error: Exception) -> str:
    """Returns an error on one line, without boto3's wording."""
    if isinstance(error, ClientError):
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        text = f"{error.operation_name} failed ({code}): {message}"
    elif isinstance(error, BotoCoreError) or type(error).__module__.startswith(("lambdas.", "workflow.")):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def repeated(call: Callable[[], R], interruption: Interruption) -> R:
    """Returns the result of a call, which is repeated while services throttle it or fail.

    Args:
        call: What to do. It must be safe to repeat.
        interruption: Ends the pauses between the calls. The call is then made once more.
    """
    for number in range(1, _TRIES):
        try:
            return call()
        except (ClientError, BotoCoreError, TransientServiceError) as error:
            if not (isinstance(error, TransientServiceError) or is_transient(error)):
                raise
        # Full jitter, because the loops that were throttled together would be throttled again together.
        if interruption.pause(random.uniform(0, min(_MAX_PAUSE_SECONDS, 2.0**number))):  # noqa: S311
            break
    return call()
