"""What happened in an execution, in a sentence, and the step that it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from console.executions.causes import cause_of
from console.executions.views import SummaryView, VisitLink
from workflow.asl.graph import StateStatus
from workflow.operations.executions import ExecutionView, Visit

__all__ = ["ended_by", "link_to", "seconds_of", "subject", "summary_of", "where"]

_NAMED = 3
"""How many steps a sentence names."""


def summary_of(execution: ExecutionView) -> SummaryView:
    """Returns what happened in an execution."""
    step = subject(execution)
    text, rest = _sentence(execution, step)
    error, cause = execution.error, execution.cause
    if step is not None and step.error and execution.status in ("FAILED", "RUNNING"):
        error, cause = step.error, step.cause
    return SummaryView(
        text=text,
        step=link_to(step) if step is not None else None,
        rest=rest,
        error=error,
        cause=cause_of(cause),
        notes=tuple(_notes(execution, step)),
    )


def subject(execution: ExecutionView) -> Visit | None:
    """Returns the visit that a reader wants to see first: what failed, runs, or was stopped; None if all went well.

    For an error that was caught, and led to a Fail state, this is the visit with the error.
    """
    visits = [visit for visit in execution.visits if not visit.superseded]
    if execution.status == "SUCCEEDED":
        return None
    if not execution.is_final:
        return _last(visits, StateStatus.RUNNING) or (visits[-1] if visits else None)
    if execution.status == "FAILED":
        failed = _last(visits, StateStatus.FAILED)
        return None if failed is None else _origin(failed, visits)
    stopped = _last(visits, StateStatus.ABORTED) or _last(visits, StateStatus.FAILED)
    return stopped or (visits[-1] if visits else None)


def _last(visits: Sequence[Visit], status: StateStatus) -> Visit | None:
    """Returns the last visit with a status that has no such visit inside."""
    found = [visit for visit in visits if visit.status is status]
    around = {id(visit.outer) for visit in found}
    return next((visit for visit in reversed(found) if id(visit) not in around), None)


def _origin(failed: Visit, visits: Sequence[Visit]) -> Visit:
    """Returns the visit whose error was caught, and led to a Fail state; for any other visit, the visit itself."""
    if failed.kind != "Fail":
        return failed
    before = list(visits[: visits.index(failed)])
    caught = [visit for visit in before if visit.status is StateStatus.CAUGHT]
    same = [visit for visit in caught if failed.error and visit.error == failed.error]
    if not same:
        return failed
    return _deepest(same[-1], before)


def _deepest(visit: Visit, visits: Iterable[Visit]) -> Visit:
    """Returns the failed visit in a Parallel or Map that made it fail."""
    listed = list(visits)
    inside = [one for one in listed if one.outer is visit and one.status is StateStatus.FAILED]
    own = [one for one in inside if one.error == visit.error] or inside
    return _deepest(own[0], listed) if own else visit


def _sentence(execution: ExecutionView, step: Visit | None) -> tuple[str, str]:
    """Returns the sentence before and after the name of the step."""
    match execution.status:
        case "SUCCEEDED":
            last = ended_by(execution)
            return f"It succeeded, and ended in {last}." if last else "It succeeded.", ""
        case "RUNNING":
            return _running(step)
        case "PENDING_REDRIVE":
            return (
                ("It was redriven, and is about to continue from", "") if step else ("It was redriven.", "")
            )
        case "FAILED":
            if step is not None and step.kind == "Fail":
                return "It ended in", ", a Fail state"
            tried = f" after {len(step.attempts)} attempts" if step is not None and step.retries else ""
            return ("It failed in", tried) if step else ("It failed.", "")
        case "TIMED_OUT":
            return ("It ran out of time in", "") if step else ("It ran out of time.", "")
        case "ABORTED":
            return ("It was stopped in", "") if step else ("It was stopped.", "")
    return f"Its status is {execution.status}.", ""


def _running(step: Visit | None) -> tuple[str, str]:
    if step is None:
        return "It has just started.", ""
    if step.status is not StateStatus.RUNNING:
        return "It has just left", ""
    if step.kind == "Wait":
        return "It is waiting in", ""
    last = step.attempts[-1] if step.attempts else None
    if last is not None and last.status is StateStatus.FAILED:
        return "It is in", f" (attempt {last.number} failed, and the next one follows after a pause)"
    return "It is running", f" (attempt {last.number})" if last is not None and step.retries else ""


def ended_by(execution: ExecutionView) -> str:
    """Returns the name of the step that an execution ended in; empty if it is unknown."""
    top = [visit for visit in execution.visits if visit.outer is None and not visit.superseded]
    return top[-1].state if top else ""


def _notes(execution: ExecutionView, step: Visit | None) -> Iterable[str]:
    # A Fail state ends an execution whose error was caught before.
    if step is not None and step.status is StateStatus.CAUGHT and execution.status == "FAILED":
        yield f"The error was caught, and led to {ended_by(execution)}."
    caught = [
        name for name, one in _latest(execution, StateStatus.CAUGHT) if step is None or name != step.state
    ]
    if caught:
        yield f"An error was caught in {_listed(caught)}."
    failed_items = {
        visit.outer.state
        for visit in execution.visits
        if visit.outer is not None
        and visit.outer.status is StateStatus.PASSED
        and visit.status is StateStatus.FAILED
        and not visit.superseded
    }
    if failed_items:
        yield f"Some items failed, and {_listed(sorted(failed_items))} tolerated that."
    retried = [(name, one.retries) for name, one in execution.figures.items() if one.retries]
    if retried:
        listed = [f"{name} ({_times(count)})" for name, count in retried]
        yield f"Tried again: {_listed(listed)}."
    if execution.redrives:
        yield f"It was redriven {_times(execution.redrives)} in the Step Functions console."


def _latest(execution: ExecutionView, status: StateStatus) -> Iterable[tuple[str, Visit]]:
    found: dict[str, Visit] = {}
    for visit in execution.visits:
        if visit.status is status and not visit.superseded:
            found[visit.state] = visit
    return found.items()


def _listed(names: Sequence[str]) -> str:
    """Returns names in a sentence."""
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def link_to(visit: Visit) -> VisitLink:
    """Returns the link to a visit."""
    return VisitLink(state=visit.state, visit=visit.number, where=where(visit))


def where(visit: Visit) -> str:
    """Returns the item or the branch that a visit is in, counted from 1; empty at the top."""
    if visit.index is not None:
        return f"item {visit.index + 1}"
    return "" if visit.branch is None else f"branch {visit.branch + 1}"


def seconds_of(start: datetime | None, end: datetime | None, now: datetime | None) -> float | None:
    """Returns the seconds from a start to an end, or until now; None if one of both is unknown."""
    end = end or now
    return None if start is None or end is None else max((end - start).total_seconds(), 0.0)
