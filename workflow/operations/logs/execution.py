"""The log lines of an execution: which function was called when, and which call is whose."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from botocore.config import Config

from workflow.operations.executions import Attempt, ExecutionView, Visit
from workflow.operations.logs.lines import LogLine, Logs
from workflow.operations.logs.search import Event, Group, GroupUnreadable, NoSuchGroup, Period

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_logs import CloudWatchLogsClient

    from workflow.operations.stage_resources import StageResources

__all__ = ["is_of", "log_lines", "logs_client", "merged", "plain_line"]

MAX_CALLS = 200
"""Calls of a function whose lines are read. A Map can make thousands."""
MAX_CANDIDATES = 20
"""Calls of a function that are taken for those of the execution by their time."""

_CLOCKS = timedelta(seconds=5)
"""How much the clocks of Lambda and Step Functions can differ."""
_LATER = timedelta(minutes=1)
"""How long after the end of a call it logs something: Lambda writes its own lines last."""
_RUNS_ON = timedelta(minutes=15)
"""How long a function runs at most, also if its step no longer waits for it (Lambda quotas)."""
_NEAR = timedelta(minutes=5)
"""Periods with less time between them are searched as one."""
_RELEASED_WITHIN = timedelta(hours=7)
"""When the end of an execution is settled at the latest: Lambda retries an event for six hours."""

_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_REQUEST_IN_CAUSE = re.compile(
    rf'"requestId": ?"({_UUID})"|RequestId: ({_UUID})\b|Z ({_UUID}) Task timed out'
)
"""Where the cause of an error has the id of the request: in the error of a Python function, in an error of Lambda, and
in Lambda's older message about a timeout."""
_FUNCTION = re.compile(
    r"(?:arn:[\w-]+:lambda:(?P<region>[\w-]+):)?(?:(?P<account>\d{12}):function:)?"
    r"(?P<name>[A-Za-z0-9_-]+)(?::(?P<qualifier>[A-Za-z0-9$_-]+))?"
)
_MAKING = threading.Lock()
_STARTS = ("START RequestId", "platform.start")
HOW_TO = "docs/how-to/lambda-step.md, “Log”"


def logs_client(session: boto3.Session) -> CloudWatchLogsClient:
    """Returns a client for CloudWatch Logs that retries what is throttled. Several threads can call this and use it."""
    with _MAKING:  # A session makes one client at a time, which takes a tenth of a second.
        return _logs_client(session)


@functools.lru_cache(maxsize=8)
def _logs_client(session: boto3.Session) -> CloudWatchLogsClient:
    return session.client("logs", config=Config(retries={"mode": "standard", "max_attempts": 5}))


def log_lines(
    session: boto3.Session,
    resources: StageResources,
    execution: ExecutionView,
    state: str | None = None,
    visit: int | None = None,
    since: datetime | None = None,
) -> Logs:
    """Returns what the functions of an execution logged.

    Args:
        session: The session, with credentials and Region.
        resources: The stage's resources.
        execution: The execution, with its history.
        state: Only the lines of calls by this state, and by states inside it. By default those of all states, and
            what the stage's own functions logged about the execution after it ended.
        visit: Only those of this visit to the state, from 1.
        since: Only those of calls that ran after this time.

    Raises:
        botocore.exceptions.ClientError: An error of AWS that is not about one log group.
    """
    client, now = logs_client(session), datetime.now(UTC)
    by_function: dict[str, list[Call]] = {}
    notes: list[str] = []
    for call in _calls(execution, now):
        by_function.setdefault(call.function, []).append(call)
    lines: list[LogLine] = []
    for function, all_calls in by_function.items():
        calls = [
            call
            for call in all_calls
            if (state is None or is_of(call.visit, state, visit))
            and (since is None or call.period.end >= since)
        ]
        if not calls:
            continue
        name, elsewhere = _name(function, resources)
        if elsewhere:
            notes.append(elsewhere)
            continue
        if len(calls) > MAX_CALLS:
            notes.append(
                f"Only the last {MAX_CALLS} of {len(calls):,} calls of the function {name} are shown."
            )
        reader = _Reader(Group(client, f"/aws/lambda/{name}"), name, execution.arn, all_calls, notes)
        lines += reader.read(calls[-MAX_CALLS:])
    if state is None and execution.status not in ("RUNNING", "PENDING_REDRIVE", "SUCCEEDED"):
        lines += _settled(client, resources, execution, now)
    return merged([Logs(lines, notes)])


def merged(several: Iterable[Logs]) -> Logs:
    """Returns the lines of several, each once, in the order of their times, and all notes."""
    together = list(several)
    lines = {
        (line.function, line.time, line.raw, line.request_id): line for one in together for line in one.lines
    }
    notes = dict.fromkeys(note for one in together for note in one.notes)
    return Logs(sorted(lines.values(), key=lambda line: line.time), list(notes))


def plain_line(function: str, event: Event) -> LogLine:
    """Returns a line of a call that no step made."""
    return _line(function, event, None, by_time=False)


# The calls


@dataclass(eq=False)
class Call:
    """A call of a function by a state."""

    function: str
    """Its name or ARN, as the step has it."""
    visit: Visit
    attempt: Attempt
    period: Period
    """When it can have logged something."""
    request_id: str | None
    ran: bool
    """Whether the function ran; False if Lambda refused the call."""


def _calls(execution: ExecutionView, now: datetime) -> Iterator[Call]:
    for visit in execution.visits:
        for attempt in visit.attempts:
            if attempt.function is None or attempt.started is None:
                continue
            yield Call(
                attempt.function,
                visit,
                attempt,
                Period(attempt.started - _CLOCKS, _end(attempt, visit, execution, now)),
                attempt.request_id or _request_in(attempt.cause),
                not _was_refused(attempt.error),
            )


def is_of(visit: Visit, state: str, number: int | None = None) -> bool:
    """Whether a visit is to a state, or to one inside it."""
    around: Visit | None = visit
    while around is not None:
        if around.state == state and number in (None, around.number):
            return True
        around = around.outer
    return False


def _end(attempt: Attempt, visit: Visit, execution: ExecutionView, now: datetime) -> datetime:
    ended = attempt.ended or visit.exited or execution.stopped
    if ended is None:
        return now + _LATER
    # A function runs on after its step gave up, or after its execution was stopped.
    gave_up = attempt.ended is None or attempt.error == "States.Timeout"
    return ended + (_RUNS_ON if gave_up else _LATER)


def _request_in(cause: str | None) -> str | None:
    found = _REQUEST_IN_CAUSE.search(cause or "")
    return next(filter(None, found.groups())) if found else None


def _was_refused(error: str | None) -> bool:
    """Whether Lambda refused the call, or could not be reached.

    Source: "Handling errors in Step Functions workflows": `Lambda.Unknown` are errors of a function without a type.
    """
    return error is not None and error.startswith("Lambda.") and error != "Lambda.Unknown"


def _name(function: str, resources: StageResources) -> tuple[str, str | None]:
    """Returns the name of a function, and why its lines cannot be read if it is elsewhere."""
    found = _FUNCTION.fullmatch(function)
    if found is None:
        return function, f"The function {function} has no readable name, so its log lines cannot be found."
    region, account = found["region"] or resources.region, found["account"] or resources.account_id
    if (region, account) != (resources.region, resources.account_id):
        return found["name"], (
            f"The function {found['name']} is in account {account}, {region}: look for its log lines there, in"
            f" the log group /aws/lambda/{found['name']}."
        )
    return found["name"], None


# The lines


@dataclass(frozen=True)
class _Reader:
    """Reads the lines of the calls of one function."""

    group: Group
    name: str
    execution: str
    calls: Sequence[Call]
    """All calls of the function by the execution, also those whose lines are not wanted."""
    notes: list[str]

    def read(self, calls: Sequence[Call]) -> list[LogLine]:
        lines = []
        try:
            for period, several in _together(calls):
                lines += self._read(several, period)
        except GroupUnreadable as error:
            self.notes.append(str(error))
        if self.group.is_cut:
            self.notes.append(
                f"The function {self.name} logged more than can be shown; its log group is {self.group.name}."
            )
        return lines

    def _read(self, calls: Sequence[Call], period: Period) -> list[LogLine]:
        known = {call.request_id: call for call in self.calls if call.request_id}
        found = self.group.find(
            [self.execution, *(call.request_id for call in calls if call.request_id)], period
        )
        taken = set(known.values())
        for event in found:
            request_id = event.read.request_id
            if event.read.execution != self.execution or not request_id or request_id in known:
                continue
            caller = _caller(event, self.calls, taken)
            if caller is not None:
                known[request_id] = caller
                taken.add(caller)
        by_time, starts = self._by_time(calls, known)
        wanted_calls = set(calls)
        of_request = {
            request_id: call for request_id, call in (known | by_time).items() if call in wanted_calls
        }
        wanted = [event for event in [*found, *starts] if event.read.request_id in of_request]
        if not wanted:
            return []
        ended = {event.read.request_id for event in wanted if event.read.kind == "report"}
        times = [event.time for event in wanted]
        # A call that has not ended, or whose end has no line with what was searched for, can log until the period ends.
        end = max(times) + _CLOCKS if ended >= of_request.keys() else period.end
        requests = self.group.calls((event.stream for event in wanted), Period(min(times), end))
        return [
            _line(self.name, event, call, by_time=request_id in by_time)
            for request_id, call in of_request.items()
            for event in requests.get(request_id, [])
        ]

    def _by_time(self, calls: Sequence[Call], known: dict[str, Call]) -> tuple[dict[str, Call], list[Event]]:
        """Returns calls that were made while a step waited for the function, if nothing else is known of its call."""
        found = set(known.values())
        unknown = [call for call in calls if call not in found and call.ran]
        taken: dict[str, Call] = {}
        events = []
        for period, several in _together(unknown):
            for event in self.group.find(_STARTS, period):
                possible = [call for call in several if event.time in _waiting(call)]
                request_id = event.read.request_id
                if event.read.kind != "start" or not request_id or request_id in known or not possible:
                    continue
                taken[request_id] = _latest_before(event.time, possible)
                events.append(event)
        if taken:
            states = ", ".join(dict.fromkeys(repr(call.visit.state) for call in taken.values()))
            shown = (
                f"; the first {MAX_CANDIDATES} of {len(taken)} such calls are shown"
                if len(taken) > MAX_CANDIDATES
                else ""
            )
            self.notes.append(
                f"Lines of the function {self.name} are matched with {states} by their time only: another call at that"
                f" time may have logged them{shown}. To find the right ones, pass the execution and the state to the"
                f" function: {HOW_TO}."
            )
        return dict(list(taken.items())[:MAX_CANDIDATES]), events


def _waiting(call: Call) -> Period:
    """When the function can have begun: while its step waited."""
    end = call.attempt.ended or call.visit.exited or call.period.end
    return Period(call.period.start, end + _CLOCKS)


def _latest_before(time: datetime, calls: Sequence[Call]) -> Call:
    """Returns the call that was made last before a time; the first one, if all were made later: clocks differ."""
    started = {call: call.period.start + _CLOCKS for call in calls}
    before = [call for call in calls if started[call] <= time]
    return max(before, key=started.__getitem__) if before else min(calls, key=started.__getitem__)


def _caller(event: Event, calls: Sequence[Call], taken: Set[Call]) -> Call | None:
    """Returns the call that logged a line which names the state and the attempt; None if all have other lines.

    A visit, and an execution after a redrive, counts attempts from 1 again, so the time decides between them.
    """
    possible = [
        call
        for call in calls
        if event.read.state in (None, call.visit.state) and event.time in call.period and call not in taken
    ]

    def rank(call: Call) -> tuple[bool, bool, timedelta]:
        started = call.period.start + _CLOCKS
        return (
            call.attempt.number != event.read.attempt,
            started > event.time,
            abs(event.time - started),
        )

    return min(possible, key=rank, default=None)


def _together(calls: Sequence[Call]) -> Iterator[tuple[Period, list[Call]]]:
    """Returns calls whose periods are near to each other, with the whole period of each such group."""
    several: list[Call] = []
    end = datetime.min.replace(tzinfo=UTC)
    for call in sorted(calls, key=lambda call: call.period.start):
        if several and call.period.start > end + _NEAR:
            yield Period(several[0].period.start, end), several
            several = []
        several.append(call)
        end = max(end, call.period.end) if len(several) > 1 else call.period.end
    if several:
        yield Period(several[0].period.start, end), several


def _line(function: str, event: Event, call: Call | None, *, by_time: bool) -> LogLine:
    read = event.read
    return LogLine(
        time=event.time,
        function=function,
        level=read.level,
        message=read.message,
        fields=read.fields,
        state=call.visit.state if call else None,
        visit=call.visit.number if call else None,
        attempt=call.attempt.number if call else None,
        request_id=read.request_id,
        by_time=by_time,
        raw=event.raw,
    )


def _settled(
    client: CloudWatchLogsClient, resources: StageResources, execution: ExecutionView, now: datetime
) -> list[LogLine]:
    """Returns what the stage's functions logged about an execution after it ended without finishing."""
    ended = execution.stopped or now
    period = Period(ended - _CLOCKS, min(ended + _RELEASED_WITHIN, now + _LATER))
    lines = []
    for function in ("ReleaseClaim", "Reconcile"):
        name = f"afterloop-{resources.stage}-{function}"
        try:
            found = Group(client, f"/aws/lambda/{name}").find([execution.arn], period)
        except NoSuchGroup:
            continue  # An older version published the stage, without this function.
        lines += [plain_line(name, event) for event in found if event.read.execution == execution.arn]
    return lines
