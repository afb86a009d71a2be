"""Waits that end after the execution does.

TimeoutSeconds of a machine ends each execution that runs longer, with a `States.Timeout` that no state can catch
(https://docs.aws.amazon.com/step-functions/latest/dg/statemachine-structure.html). A wait whose length follows from the
state of the execution is not known before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workflow.asl.checks.problem import Problem
from workflow.asl.walk import Machine, State, states

__all__ = ["problems_of_waits"]

_DAY = 86_400


def problems_of_waits(machine: Machine) -> Iterator[Problem]:
    """Yields the states of a machine that wait longer than its executions run: each alone, or all together."""
    limit = _number(machine.get("TimeoutSeconds"))
    if not limit:
        return
    why = f"an execution ends after {_days(limit)} (TimeoutSeconds of the machine), which no state can catch"
    waits = [(name, state["Type"], _longest(state)) for name, state in states(machine)]
    total = sum(seconds for _, _, seconds in waits)
    too_long = [wait for wait in waits if wait[2] >= limit]
    for name, kind, seconds in too_long:
        if kind == "Wait":
            yield Problem(name, f"Seconds is {_days(seconds)}, and {why}")
        else:
            yield Problem(name, f"TimeoutSeconds is {_days(seconds)}, and {why}", "warning")
    if total >= limit and not too_long:
        yield Problem(None, f"together, the steps can wait {_days(total)}, and {why}", "warning")


def _longest(state: State) -> float:
    """How long a state can wait, in seconds; 0 if that is not known, or nearly nothing."""
    return _number(state.get("Seconds") if state["Type"] == "Wait" else state.get("TimeoutSeconds"))


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _days(seconds: float) -> str:
    return f"{seconds:,.0f} s ({seconds / _DAY:,.1f} days)"
