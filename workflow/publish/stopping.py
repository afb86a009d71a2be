"""Ending the executions of a stage before its destruction: they are stopped, or waited for.

A state machine is deleted when its last execution has ended. One that waits for people would hold the deletion of the
stack for days.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from lambdas.loops.abandoned import DESTROYED
from lambdas.loops.ledger import now
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
    """Marks the loops that stopped executions were processing as failed, without a message for each.

    Whoever destroys a stage knows what was stopped. If a later stage adopts the ledger, these loops are among those
    that need a person, who can process them again.

    Args:
        account: where the ledger is.
        table: the ledger's table.
        executions: ARNs of the executions.
        reason: what the rows say about it.
    """
    ledger = account.data.ledger(table)
    rows = list(ledger.select(outcome="processing", unreadable=lambda _: None))
    for row in rows:
        for claim, held in row.claims.items():
            if held["state"] == "working" and held["execution"] in executions:
                ledger.release(
                    row.human_loop_name,
                    claim,
                    held["execution"],
                    outcome="failed",
                    reason=reason,
                    escalated_at=now(),
                )


def _executions(count: int) -> str:
    return "1 execution" if count == 1 else f"{count:,} executions"
