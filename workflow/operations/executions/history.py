"""From the events of a history to the visits of an execution.

The links between events (`previousEventId`) tell concurrent branches and iterations apart. In one branch or iteration,
one state follows the other: here, this is a *lane*. Where a link leads nowhere, as after some redrives, the definition
says which states are in which lane.

Source: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html. What the links are is not
documented; see `sandbox/ministack_patches/walks.py`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lambdas.reviews.times import in_utc
from workflow.asl.graph import StateStatus
from workflow.asl.walk import Machine, nested
from workflow.operations.executions.model import Attempt, Visit

__all__ = ["visits_of"]

_Event = Mapping[str, Any]


def visits_of(events: Iterable[_Event], definition: Machine | None = None) -> list[Visit]:
    """The visits of an execution to states, in the order in which they were entered.

    Args:
        events: The whole history, oldest event first. It can be the history of a running execution.
        definition: The definition that the execution runs. Without it, branches have no index, and links that lead
            nowhere cannot be repaired.
    """
    history = _History(definition or {})
    for event in events:
        history.add(event)
    return history.visits


_LaneKey = int | None
"""The index of a branch of a Parallel, or of an item of a Map. None is the only lane of the outermost machine."""


@dataclass
class _Lanes:
    """What is inside a Parallel or Map, or of the whole execution: for each lane, the visit that has not been left."""

    current: dict[_LaneKey, Visit] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)
    """All visits of the current attempt, of all lanes."""


@dataclass(frozen=True)
class _Place:
    """Where an event is: in a visit, or between two states of a lane (then `visit` is None)."""

    outer: Visit | None = None
    lane: _LaneKey = None
    visit: Visit | None = None


class _History:
    """The visits so far."""

    def __init__(self, definition: Machine) -> None:
        self.visits: list[Visit] = []
        self._homes = dict(_homes(definition))
        self._fail_states = dict(_fail_states(definition))
        self._places: dict[int, _Place] = {0: _Place()}
        self._types: dict[int, str] = {}
        self._lanes: dict[int, _Lanes] = {id(None): _Lanes()}
        self._numbers: Counter[str] = Counter()
        self._last_error: dict[int, tuple[str | None, str | None]] = {}
        """The error that was the last event of a visit, by the id() of the visit."""

    def add(self, event: _Event) -> None:
        number, kind = event["id"], str(event["type"])
        before = self._places.get(event.get("previousEventId", 0), _Place())
        if "stateEnteredEventDetails" in event:
            place = self._enter(event, before)
        elif "stateExitedEventDetails" in event:
            place = self._exit(event, before)
        elif kind in _EXECUTION_ENDS:
            place = self._end(event, before)
        elif kind == "ExecutionRedriven":
            self._reopen(None)
            place = _Place()
        elif kind.startswith("MapIteration"):
            place = self._iterate(event, before)
        elif kind.startswith("MapRun"):
            place = self._run_map(event, before)
        elif kind.startswith(("ParallelState", "MapState")):
            place = self._contain(event, before)
        elif kind.endswith("StateAborted"):
            place = self._abort_one(event, before)
        else:
            place = self._work(event, before)
        self._places[number] = place
        self._types[number] = kind

    # States

    def _enter(self, event: _Event, before: _Place) -> _Place:
        details = event["stateEnteredEventDetails"]
        name, kind = str(details["name"]), str(event["type"]).removesuffix("StateEntered")
        outer, lane = before.outer, before.lane
        if before.visit is not None and self._contains(before.visit, name):
            outer, lane = before.visit, None
        home = self._homes.get(name)
        if home is not None and (outer.state if outer else None) != home.holder:
            outer = self._open_visit(home.holder) if home.holder else None
            lane = None
        if home is not None and home.branch is not None:
            lane = home.branch
        self._numbers[name] += 1
        visit = Visit(
            state=name,
            kind=kind,
            number=self._numbers[name],
            entered=_time(event),
            input=details.get("input"),
            input_truncated=_is_truncated(details, "inputDetails"),
            outer=outer,
            branch=lane if outer is not None and outer.kind == "Parallel" else None,
            index=lane if outer is not None and outer.kind == "Map" else None,
            event_ids=[event["id"]],
        )
        if kind == "Fail":
            visit.status = StateStatus.FAILED
            visit.error, visit.cause = self._fail_states.get(name, (None, None))
        lanes = self._inside(outer)
        if (left := lanes.current.get(lane)) is not None:
            self._supersede(left)  # A redrive entered the lane again.
        lanes.current[lane] = visit
        lanes.visits.append(visit)
        self.visits.append(visit)
        return _Place(outer, lane, visit)

    def _exit(self, event: _Event, before: _Place) -> _Place:
        details = event["stateExitedEventDetails"]
        name = str(details["name"])
        visit = before.visit or before.outer
        while visit is not None and visit.state != name:
            visit = visit.outer
        if visit is None:
            visit = self._open_visit(name)
        if visit is None:
            return before
        lanes, lane = self._inside(visit.outer), _lane_of(visit)
        if lanes.current.get(lane) is visit:
            del lanes.current[lane]
        visit.exited = _time(event)
        visit.output = details.get("output")
        visit.output_truncated = _is_truncated(details, "outputDetails")
        assigned = details.get("assignedVariables")
        visit.variables = dict(assigned) if isinstance(assigned, Mapping) else {}
        visit.event_ids.append(event["id"])
        # A state that catches an error is exited right after the error.
        failed = self._last_error.pop(id(visit), None)
        if failed is not None:
            visit.status = StateStatus.CAUGHT
            visit.error, visit.cause = failed
        else:
            visit.status = StateStatus.RETRIED if visit.retries else StateStatus.PASSED
            if visit.attempts and visit.attempts[-1].status is StateStatus.RUNNING:
                visit.attempts[-1].status, visit.attempts[-1].ended = StateStatus.PASSED, visit.exited
        self._end_inside(visit)
        return _Place(visit.outer, lane)

    # Parallel and Map

    def _contain(self, event: _Event, before: _Place) -> _Place:
        """ParallelStateStarted, MapStateFailed and the like: the start of an attempt, or its end."""
        kind = str(event["type"])
        family = "Parallel" if kind.startswith("Parallel") else "Map"
        visit = self._holder(family, before, self._types.get(event.get("previousEventId", 0), ""))
        if visit is None:
            return before
        visit.event_ids.append(event["id"])
        if kind.endswith("Started"):
            for earlier in self._inside(visit).visits:
                self._supersede(earlier)
            self._end_inside(visit)
            if visit.attempts:
                self._fail_attempt(visit, event)
            self._lanes[id(visit)] = _Lanes()
            self._last_error.pop(id(visit), None)
            self._begin_attempt(visit, event)
        elif kind.endswith("Failed"):
            self._fail_silently(before.visit, visit)
            self._last_error[id(visit)] = self._error_inside(visit, before)
            self._end_inside(visit)
            self._fail_attempt(visit, event)
        elif kind.endswith("Aborted"):
            self._abort(visit)
        elif kind.endswith("Succeeded") and visit.attempts:
            visit.attempts[-1].status, visit.attempts[-1].ended = StateStatus.PASSED, _time(event)
            visit.attempts[-1].event_ids.append(event["id"])
        return _Place(visit.outer, _lane_of(visit), visit)

    def _holder(self, family: str, before: _Place, linked: str) -> Visit | None:
        """The Parallel or Map that an event without a name is about.

        Such events link to the entry of the state, or to the last event in one of its branches, which may be the
        failure of an inner Parallel or Map.
        """
        visit = before.visit
        if visit is None:
            return before.outer if before.outer is not None and before.outer.kind == family else None
        outer = visit.outer
        if visit.kind == family and not (
            linked == f"{family}StateFailed" and outer is not None and outer.kind == family
        ):
            return visit
        return outer if outer is not None and outer.kind == family else None

    def _iterate(self, event: _Event, before: _Place) -> _Place:
        kind = str(event["type"])
        details = event.get(f"m{kind[1:]}EventDetails") or {}
        name, index = details.get("name"), details.get("index")
        holder = before.visit or before.outer
        while holder is not None and not (holder.kind == "Map" and name in (None, holder.state)):
            holder = holder.outer
        if holder is None and name is not None:
            holder = self._open_visit(name)
        if holder is None:
            return before
        current = self._inside(holder).current.get(index)
        if kind.endswith("Failed"):
            self._fail_silently(before.visit, holder)
        if current is not None and kind.endswith(("Failed", "Aborted")):
            self._stop(current)
        return _Place(holder, index)

    def _run_map(self, event: _Event, before: _Place) -> _Place:
        """The Map Run of a Distributed Map. The states inside are visited by executions of their own."""
        visit, kind = before.visit, str(event["type"])
        if visit is None:
            return before
        visit.event_ids.append(event["id"])
        started = event.get("mapRunStartedEventDetails") or event.get("mapRunRedrivenEventDetails") or {}
        visit.map_run = started.get("mapRunArn") or visit.map_run
        if kind == "MapRunFailed":
            details = event.get("mapRunFailedEventDetails") or {}
            self._last_error[id(visit)] = (details.get("error") or kind, details.get("cause"))
            self._fail_attempt(visit, event)
        return before

    # Tasks, and errors of other states

    def _work(self, event: _Event, before: _Place) -> _Place:
        kind = str(event["type"])
        visit = before.visit or self._reopened_task(event)
        if visit is None:
            return before
        place = _Place(visit.outer, _lane_of(visit), visit)
        details = _details(event)
        visit.event_ids.append(event["id"])
        if kind.endswith("Scheduled"):
            self._last_error.pop(id(visit), None)
            self._describe(self._begin_attempt(visit, event), details)
        elif kind.endswith(("Failed", "TimedOut")):
            self._last_error[id(visit)] = (details.get("error") or kind, details.get("cause"))
            self._fail_attempt(visit, event)
        elif visit.attempts:
            attempt = visit.attempts[-1]
            attempt.event_ids.append(event["id"])
            if kind.endswith("Succeeded"):
                attempt.status, attempt.ended = StateStatus.PASSED, _time(event)
                self._last_error.pop(id(visit), None)
            if kind.endswith("Started"):
                attempt.working = _time(event)
            if details.get("output") is not None:
                _read_result(attempt, details["output"])
        return place

    def _begin_attempt(self, visit: Visit, event: _Event) -> Attempt:
        attempt = Attempt(len(visit.attempts) + 1, started=_time(event), event_ids=[event["id"]])
        visit.attempts.append(attempt)
        return attempt

    def _describe(self, attempt: Attempt, details: Mapping[str, Any]) -> None:
        service, action = details.get("resourceType"), details.get("resource")
        attempt.resource = (
            action if service is None or str(action).startswith("arn:") else f"{service}:{action}"
        )
        attempt.parameters = details.get("parameters") or details.get("input")
        calls = service == "lambda" or (service == "aws-sdk:lambda" and str(action).startswith("invoke"))
        if calls or (service is None and ":function:" in str(action)):
            named = _json_object(attempt.parameters).get("FunctionName") if service else action
            attempt.function = named if isinstance(named, str) else None
            if attempt.function is None and ":function:" in str(action):
                attempt.function = action

    def _fail_attempt(self, visit: Visit, event: _Event) -> None:
        """Ends the last attempt with the error of the visit. An error before any call is not an attempt."""
        if not visit.attempts or visit.attempts[-1].status is not StateStatus.RUNNING:
            return
        attempt = visit.attempts[-1]
        attempt.status, attempt.ended = StateStatus.FAILED, _time(event)
        attempt.error, attempt.cause = self._last_error.get(id(visit)) or self._error_inside(visit, _Place())
        if event["id"] not in attempt.event_ids and not str(event["type"]).endswith("Started"):
            attempt.event_ids.append(event["id"])

    def _fail_silently(self, visit: Visit | None, holder: Visit) -> None:
        """Lets the state fail that failed its branch or item, without an event of its own, as a Choice without a match.

        Its error is not known, unless it ends the execution.
        """
        if visit is not None and visit is not holder and visit.status is StateStatus.RUNNING:
            self._last_error.setdefault(id(visit), (None, None))

    def _error_inside(self, visit: Visit, before: _Place) -> tuple[str | None, str | None]:
        """The error that failed a Parallel or Map: that of the branch or item that failed."""
        at = before.visit
        candidates = [at] if at is not None and at is not visit else []
        candidates += reversed(self._inside(visit).current.values())
        for one in candidates:
            if (found := self._last_error.get(id(one))) or one.status is StateStatus.FAILED:
                return found or (one.error, one.cause)
        return self._last_error.get(id(visit)) or (None, None)

    # Ends, aborts and redrives

    def _end(self, event: _Event, before: _Place) -> _Place:
        """The end of the execution without success: some state failed, or was aborted."""
        kind, details = str(event["type"]), _details(event)
        error = (details.get("error"), details.get("cause"))
        if kind == "ExecutionFailed":
            failed = before.visit or self._only_open()
            while failed is not None:
                if failed.status is not StateStatus.FAILED or failed.kind == "Fail":
                    failed.status = StateStatus.FAILED
                    own = self._last_error.get(id(failed))
                    failed.error, failed.cause = own if own and own[0] else error
                    self._last_error[id(failed)] = (failed.error, failed.cause)
                    self._fail_attempt(failed, event)
                self._name_errors(failed, error)
                failed = failed.outer
        for visit in list(self._inside(None).current.values()):
            self._stop(visit, timed_out=error if kind == "ExecutionTimedOut" else None)
        return before

    def _name_errors(self, holder: Visit, error: tuple[str | None, str | None]) -> None:
        """Gives the states that failed without a known error the one that they ended the execution with."""
        for visit in self._inside(holder).current.values():
            if visit.status is StateStatus.FAILED and visit.error is None:
                visit.error, visit.cause = error
                self._name_errors(visit, error)

    def _stop(self, visit: Visit, timed_out: tuple[str | None, str | None] | None = None) -> None:
        """Gives a visit that will not go on its final status: it failed if an error was its last event."""
        self._end_inside(visit, timed_out)
        if visit.status is not StateStatus.RUNNING:
            return
        failed = self._last_error.get(id(visit))
        if failed is None and timed_out is not None:
            failed = (timed_out[0] or "States.Timeout", timed_out[1])
        if failed is not None:
            visit.status = StateStatus.FAILED
            visit.error, visit.cause = failed
        else:
            visit.status = StateStatus.ABORTED
        if visit.attempts and visit.attempts[-1].status is StateStatus.RUNNING:
            visit.attempts[-1].status = visit.status
            visit.attempts[-1].error, visit.attempts[-1].cause = visit.error, visit.cause

    def _end_inside(self, visit: Visit, timed_out: tuple[str | None, str | None] | None = None) -> None:
        for one in self._inside(visit).current.values():
            self._stop(one, timed_out)

    def _abort(self, visit: Visit) -> None:
        self._end_inside(visit)
        if visit.status is StateStatus.RUNNING and id(visit) not in self._last_error:
            self._stop(visit)

    def _abort_one(self, event: _Event, before: _Place) -> _Place:
        """TaskStateAborted and the like. Some link to the failure in another branch, so the type must match."""
        visit = before.visit
        if visit is not None and str(event["type"]) == f"{visit.kind}StateAborted":
            self._abort(visit)
        return before

    def _reopen(self, visit: Visit | None) -> None:
        """A redrive continues what had not been left."""
        for one in self._inside(visit).current.values():
            self._last_error.pop(id(one), None)
            if one.kind == "Fail":
                continue  # It is entered again.
            one.status, one.error, one.cause = StateStatus.RUNNING, None, None
            if one.attempts and one.attempts[-1].status is StateStatus.RUNNING:
                one.attempts[-1].status = StateStatus.ABORTED
            self._reopen(one)

    def _supersede(self, visit: Visit) -> None:
        self._stop(visit)
        visit.superseded = True
        for inside in self._inside(visit).visits:
            if not inside.superseded:
                self._supersede(inside)

    # Where things are

    def _inside(self, visit: Visit | None) -> _Lanes:
        return self._lanes.setdefault(id(visit), _Lanes()) if visit is None or _holds(visit) else _Lanes()

    def _contains(self, visit: Visit, name: str) -> bool:
        """Whether a state is directly inside a Parallel or Map that a visit is to."""
        home = self._homes.get(name)
        return home.holder == visit.state if home is not None else _holds(visit)

    def _open_visit(self, name: str) -> Visit | None:
        """The newest visit to a state that has not been left."""
        for visit in reversed(self.visits):
            if visit.state == name and visit.exited is None and not visit.superseded:
                return visit
        return None

    def _only_open(self) -> Visit | None:
        """The innermost state that has not been left, if there is only one."""
        visit: Visit | None = None
        while True:
            inside = list(self._inside(visit).current.values()) if visit is None or _holds(visit) else []
            if len(inside) != 1:
                return visit if not inside else None
            visit = inside[0]

    def _reopened_task(self, event: _Event) -> Visit | None:
        """The state that a redrive continues with an event that does not link to it."""
        if not str(event["type"]).endswith("Scheduled"):
            return None
        waiting = [
            visit
            for visit in self.visits
            if visit.kind == "Task"
            and visit.status is StateStatus.RUNNING
            and not (visit.attempts and visit.attempts[-1].status is StateStatus.RUNNING)
        ]
        scheduled = Attempt(0)
        self._describe(scheduled, _details(event))
        alike = [one for one in waiting if one.attempts and one.attempts[-1].resource == scheduled.resource]
        same = [one for one in alike if one.attempts[-1].parameters == scheduled.parameters]
        return next(iter(same or alike or waiting), None)


@dataclass(frozen=True)
class _Home:
    """Where a state is in the definition: the Parallel or Map that holds it, and the branch of the Parallel."""

    holder: str | None
    branch: int | None


def _homes(
    machine: Machine, holder: str | None = None, branch: int | None = None
) -> Iterable[tuple[str, _Home]]:
    for name, state in machine.get("States", {}).items():
        yield name, _Home(holder, branch)
        for number, inside in enumerate(nested(state)):
            yield from _homes(inside.machine, name, number if state.get("Type") == "Parallel" else None)


def _fail_states(machine: Machine) -> Iterable[tuple[str, tuple[str | None, str | None]]]:
    """Error and cause of Fail states, where they are constants."""
    for name, state in machine.get("States", {}).items():
        if state.get("Type") == "Fail":
            yield name, (_constant(state.get("Error")), _constant(state.get("Cause")))
        for inside in nested(state):
            yield from _fail_states(inside.machine)


def _constant(value: Any) -> str | None:
    return value if isinstance(value, str) and not value.startswith("{%") else None


_EXECUTION_ENDS = ("ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted")


def _holds(visit: Visit) -> bool:
    return visit.kind in ("Parallel", "Map")


def _lane_of(visit: Visit) -> _LaneKey:
    return visit.branch if visit.branch is not None else visit.index


def _time(event: _Event) -> datetime | None:
    moment = event.get("timestamp")
    return in_utc(moment) if isinstance(moment, datetime) else None


def _details(event: _Event) -> Mapping[str, Any]:
    for key, value in event.items():
        if key.endswith("EventDetails") and isinstance(value, Mapping):
            return value
    return {}


def _is_truncated(details: Mapping[str, Any], name: str) -> bool:
    more = details.get(name)
    return isinstance(more, Mapping) and bool(more.get("truncated"))


def _json_object(text: Any) -> Mapping[str, Any]:
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _read_result(attempt: Attempt, output: str) -> None:
    """Reads what a service answered. `SdkResponseMetadata` is part of what Lambda and other services give."""
    attempt.result = output
    found = _json_object(output)
    metadata = found.get("SdkResponseMetadata")
    request = metadata.get("RequestId") if isinstance(metadata, Mapping) else None
    attempt.request_id = request if isinstance(request, str) else attempt.request_id
    started = found.get("ExecutionArn") or found.get("executionArn")
    if isinstance(started, str) and (attempt.resource or "").startswith("states:startExecution"):
        attempt.execution = started
