"""Reads log lines from CloudWatch Logs.

`FilterLogEvents` searches a log group; it is limited to five calls a second in an account and Region (CloudWatch Logs
quotas). So one search finds the calls of a function by all that is known of them, and another reads everything in their
log streams between their beginning and their end. An execution environment writes one log stream and handles one call
at a time, so the second search has all lines of a call, also those without an id, such as a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from workflow.operations.logs.lines import ReadLine, read_line

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

__all__ = ["MAX_LINES", "Event", "Group", "GroupUnreadable", "NoSuchGroup", "Period"]

MAX_LINES = 10_000
"""Lines that one search returns at most: one page of FilterLogEvents."""

_MAX_PATTERN = 1024
"""Characters of a filter pattern (FilterLogEvents in the CloudWatch Logs API reference)."""
_MAX_STREAMS = 100
"""Log streams that one call can name (the same page)."""
_MAX_PAGES = 50
"""Pages without a line are possible: CloudWatch Logs returns one after each part of the group that it searched."""
_BEFORE = timedelta(seconds=15)
"""How long before its START line a call can log something: the longest initialization takes ten seconds."""


class GroupUnreadable(Exception):
    """A log group cannot be read. The message says why, and what to do."""


class NoSuchGroup(GroupUnreadable):
    """The log group does not exist."""


@dataclass(frozen=True)
class Period:
    """A period, with both its ends."""

    start: datetime
    end: datetime

    def __contains__(self, time: datetime) -> bool:
        return self.start <= time <= self.end


@dataclass(frozen=True)
class Event:
    """A line in a log stream."""

    stream: str
    time: datetime
    raw: str
    read: ReadLine = field(repr=False, compare=False)


class Group:
    """A log group.

    Args:
        client: The client for CloudWatch Logs.
        name: The name of the group.
    """

    def __init__(self, client: CloudWatchLogsClient, name: str) -> None:
        self._client = client
        self.name = name
        self.is_cut = False
        """Whether a search ended before it had returned everything."""

    def find(self, texts: Iterable[str], period: Period) -> list[Event]:
        """Returns the lines of a period that have one of the texts.

        Raises:
            GroupUnreadable: The log group cannot be read.
        """
        found = [
            event for pattern in _patterns(texts) for event in self._search(period, filterPattern=pattern)
        ]
        return sorted(dict.fromkeys(found), key=lambda event: event.time)

    def calls(self, streams: Iterable[str], period: Period) -> dict[str, list[Event]]:
        """Returns all lines of the calls in some log streams, by the id of the request.

        Raises:
            GroupUnreadable: The log group cannot be read.
        """
        names = sorted(set(streams))
        wider = Period(period.start - _BEFORE, period.end)
        events = [
            event
            for first in range(0, len(names), _MAX_STREAMS)
            for event in self._search(wider, logStreamNames=names[first : first + _MAX_STREAMS])
        ]
        return _by_request(events)

    def _search(self, period: Period, **what: Any) -> Iterator[Event]:
        request = {
            "logGroupName": self.name,
            "startTime": _milliseconds(period.start),
            "endTime": _milliseconds(period.end),
            **what,
        }
        returned = 0
        for _ in range(_MAX_PAGES):
            page = self._page(request)
            for event in page["events"]:
                raw = event["message"].rstrip("\r\n")
                time = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
                yield Event(event["logStreamName"], time, raw, read_line(raw))
            returned += len(page["events"])
            if "nextToken" not in page:
                return
            if returned >= MAX_LINES:
                break
            request["nextToken"] = page["nextToken"]
        self.is_cut = True

    def _page(self, request: dict[str, Any]) -> Any:
        try:
            return self._client.filter_log_events(**request)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ResourceNotFoundException":
                raise NoSuchGroup(
                    f"The log group {self.name} does not exist: the function has not run yet, or somebody deleted the"
                    " log group."
                ) from None
            if code in ("AccessDeniedException", "AccessDenied"):
                raise GroupUnreadable(
                    f"The log group {self.name} cannot be read: your credentials lack the permission"
                    " logs:FilterLogEvents for it."
                ) from None
            if code in ("ThrottlingException", "LimitExceededException"):
                raise GroupUnreadable(
                    f"The log group {self.name} cannot be read now: CloudWatch Logs throttles searches in this account"
                    " and Region; try again later."
                ) from None
            raise


def _patterns(texts: Iterable[str]) -> Iterator[str]:
    """Returns filter patterns for lines that have one of the texts, each with as many texts as it can hold.

    Source: "Filter pattern syntax" in the CloudWatch Logs user guide: `?` marks a term of which one is enough, and
    quotation marks a term with other characters than letters, digits and underscores.
    """
    terms = ['"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' for text in dict.fromkeys(texts)]
    if len(terms) == 1:
        yield terms[0]
        return
    pattern = ""
    for term in (f"?{one}" for one in terms):
        if pattern and len(pattern) + 1 + len(term) > _MAX_PATTERN:
            yield pattern
            pattern = ""
        pattern = f"{pattern} {term}" if pattern else term
    if pattern:
        yield pattern


def _by_request(events: Sequence[Event]) -> dict[str, list[Event]]:
    """Returns lines by the request that they belong to.

    A line without an id belongs to the call that runs in its stream, and before the first START line to the call that
    starts there: Python logs why it cannot import a function before that.
    """
    requests: dict[str, list[Event]] = {}
    running: dict[str, str] = {}
    early: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda event: event.time):  # In a stream, the order of equal times stays.
        stream, request_id = event.stream, event.read.request_id
        if request_id is None:
            request_id = running.get(stream)
            if request_id is None:
                early.setdefault(stream, []).append(event)
                continue
        elif event.read.kind == "start":
            running[stream] = request_id
        lines = requests.setdefault(request_id, [])
        if event.read.kind == "start":
            lines += early.pop(stream, [])
        lines.append(event)
        if event.read.kind == "report":
            running.pop(stream, None)
    return requests


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
