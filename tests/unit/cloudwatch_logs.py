"""A double of CloudWatch Logs."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

__all__ = ["BEGIN", "CloudWatchLogs"]

BEGIN = datetime(2026, 3, 1, 10, tzinfo=UTC)


class CloudWatchLogs:
    """Log groups with their streams. FilterLogEvents understands terms of which one is enough, as it documents them.

    Attributes:
        groups: Log streams by name, by log group; each event as (time, message).
        errors: The codes of errors that the next calls end with.
        page: How many events a page has.
        calls: How many calls there were of each operation.
        patterns: The filter patterns that were searched for.
    """

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, list[tuple[datetime, str]]]] = {}
        self.errors: list[str] = []
        self.page = 10_000
        self.calls = Counter[str]()
        self.patterns: list[str] = []

    def write(self, function: str, stream: str, *lines: str, at: float = 0) -> None:
        """Adds lines, a millisecond apart, to the log stream of a function.

        Args:
            function: The function's name.
            stream: The name of the stream.
            lines: The lines.
            at: The time of the first one, in seconds after BEGIN.
        """
        events = self.groups.setdefault(f"/aws/lambda/{function}", {}).setdefault(stream, [])
        for number, line in enumerate(lines):
            events.append((BEGIN + timedelta(seconds=at, milliseconds=number), f"{line}\n"))

    def filter_log_events(self, **request: Any) -> dict[str, Any]:
        """Returns a page of events."""
        self.calls["FilterLogEvents"] += 1
        if self.errors:
            raise _error(self.errors.pop(0))
        streams = self.groups.get(request["logGroupName"])
        if streams is None:
            raise _error("ResourceNotFoundException")
        pattern = request.get("filterPattern", "")
        assert len(pattern) <= 1024
        self.patterns.append(pattern)
        terms = [term.replace('\\"', '"') for term in re.findall(r'"((?:[^"\\]|\\.)*)"', pattern)]
        assert len(terms) < 2 or pattern.count('?"') == len(terms)
        found = sorted(
            (
                {
                    "logStreamName": stream,
                    "timestamp": int(time.timestamp() * 1000),
                    "message": message,
                }
                for stream, events in streams.items()
                if stream in request.get("logStreamNames", streams)
                for time, message in events
                if not terms or any(term in message for term in terms)
            ),
            key=lambda event: event["timestamp"],
        )
        found = [one for one in found if request["startTime"] <= one["timestamp"] <= request["endTime"]]
        first = int(request.get("nextToken", 0))
        page, more = found[first : first + self.page], len(found) > first + self.page
        return {"events": page, **({"nextToken": str(first + self.page)} if more else {})}


def _error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "why"}}, "FilterLogEvents")
