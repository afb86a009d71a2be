"""Ending the executions of a stage before its destruction: they are stopped, or waited for.

A state machine is deleted when its last execution has ended. One that waits for people would hold the deletion of the
stack for days.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from botocore.exceptions import ClientError

from lambdas.aws.transient import is_transient
from lambdas.loops.abandoned import DESTROYED
from lambdas.loops.bounded import MAX_NAME, bounded
from lambdas.loops.event_text import detail_of, parsed
from lambdas.loops.ledger import Ledger, now
from lambdas.loops.loop import Loop
from lambdas.loops.rows import UnreadableRow
from workflow.publish.account import Account
from workflow.publish.progress import Progress
from workflow.publish.stacks import pauses

__all__ = ["release_claims", "stop_executions", "wait_for_executions"]

CALLS_AT_ONCE = 8
"""Step Functions allows 25 StopExecution a second in most Regions; the SDK repeats what is throttled."""


def stop_executions(account: Account, machine: str, cause: str, progress: Progress) -> set[str]:
    """Stops all executions of a state machine; returns their ARNs. What they started for themselves ends with them.

    Args:
        account: where the state machine is.
        machine: its ARN. If it does not exist, nothing runs.
        cause: why, for the executions' history.
        progress: receives how many run.
    """
    stopped = set[str]()
    for pause in pauses():
        running = account.machines.running(machine)
        if not running:
            return stopped
        progress.step(f"Stopping {_executions(len(running))}")
        stop = partial(account.machines.stop, error=DESTROYED, cause=cause)
        pool = ThreadPoolExecutor(CALLS_AT_ONCE)
        try:
            # A throttled call leaves its execution to the next round.
            stopped.update(arn for arn, done in zip(running, pool.map(stop, running), strict=True) if done)
        finally:
            pool.shutdown(cancel_futures=True)  # Ctrl-C does not wait for thousands of calls.
        time.sleep(pause)
    raise AssertionError("pauses never end")


def wait_for_executions(
    account: Account, machine: str, progress: Progress, *, only: Collection[str] = (), seconds: float = 0
) -> bool:
    """Waits until executions have ended; returns whether they have.

    Args:
        account: where the state machine is.
        machine: its ARN.
        progress: receives how many still run.
        only: their ARNs; all of the state machine if empty.
        seconds: how long to wait at most; 0 for any time.
    """
    until = time.monotonic() + seconds
    for pause in pauses():
        running = account.machines.running(machine)
        left = len(running if not only else set(running) & set(only))
        if not left:
            return True
        if seconds and time.monotonic() > until:
            return False
        progress.step(f"Waiting: {_executions(left)} still {'runs' if left == 1 else 'run'}")
        time.sleep(pause)
    raise AssertionError("pauses never end")


def release_claims(account: Account, table: str, executions: Collection[str], reason: str) -> None:
    """Marks the loops of stopped executions as failed, without a message for each.

    Whoever destroys a stage knows what was stopped. If a later stage adopts the ledger, these loops are among those
    that need a person, who can process them again.

    Args:
        account: where the ledger is.
        table: the ledger's table.
        executions: ARNs of the executions, which still exist.
        reason: what the rows say about it.
    """
    if account.data.table(table) is None:  # Somebody has deleted it.
        return
    ledger, left = account.data.ledger(table), set(executions)
    for row in list(ledger.select(outcome="processing", unreadable=lambda _: None)):
        left -= _release(ledger, row, executions, reason)
    # The others have recorded the outcome, and were in a later step, such as a wait for people; or had no claim yet.
    for execution in left:
        detail = detail_of(parsed(_again(account.machines.input_of, execution)))
        name, created = detail.get("humanLoopName"), detail.get("creationTime")
        with suppress(UnreadableRow):
            if isinstance(name, str) and isinstance(created, str) and bounded(name, MAX_NAME) == name != "":
                found = ledger.find_loop(name, created)
                if found and found.next_loop_name is None and found.outcome not in ("restarted", "closed"):
                    _release(ledger, found, executions, f"{reason} Later steps may not have run.")


def _release(ledger: Ledger, row: Loop, executions: Collection[str], reason: str) -> set[str]:
    """Releases the claims of executions on a loop; returns those that had one."""
    released = set[str]()
    for claim, held in row.claims.items():
        if held["execution"] in executions and held["state"] != "released":
            released.add(held["execution"])
            ledger.release(
                row.human_loop_name,
                claim,
                held["execution"],
                done_in=row if held["state"] == "done" else None,
                outcome="failed",
                reason=reason,
                escalated_at=now(),
            )
    return released


def _again(call: Callable[[str], str | None], argument: str) -> str | None:
    """Repeats a call until it is not throttled."""
    for pause in pauses():
        try:
            return call(argument)
        except ClientError as error:
            if not is_transient(error):
                raise
        time.sleep(pause)
    raise AssertionError("pauses never end")


def _executions(count: int) -> str:
    return "1 execution" if count == 1 else f"{count:,} executions"
