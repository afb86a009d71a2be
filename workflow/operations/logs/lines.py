"""Log lines, as Lambda and its functions write them.

There are four kinds: JSON of Powertools for AWS Lambda and of Lambda's own JSON format, metrics in the embedded metric
format, Lambda's own lines about the call (START, END, REPORT, timeouts, crashes), and any other text.

Sources: "Viewing CloudWatch logs for Python Lambda functions" and "Lambda telemetry API event schema reference" in the
Lambda developer guide; "Logger" in the documentation of Powertools for AWS Lambda (Python).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

__all__ = ["Level", "LogLine", "Logs", "ReadLine", "read_line"]

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "METRIC", "LAMBDA", ""]
"""METRIC: metrics that a function counted. LAMBDA: a line of Lambda itself. Empty: a line without a level."""


@dataclass(frozen=True)
class LogLine:
    """A line that a function, or Lambda about it, logged."""

    time: datetime
    """In UTC."""
    function: str
    """The function's name in Lambda."""
    level: Level
    message: str
    """The text, of one or more lines."""
    fields: Mapping[str, Any]
    """What else a structured line has, without what this class has and what is the same in each line of a function."""
    state: str | None
    """The state that called the function; None if no step did."""
    visit: int | None
    """Which visit of the execution to that state it was, from 1."""
    attempt: int | None
    """Which attempt of that visit it was, from 1."""
    request_id: str | None
    """The id of the call in Lambda."""
    by_time: bool
    """Whether the line belongs to the state only by its time: another call of the function may have logged it."""
    raw: str
    """The line as it was logged."""


@dataclass(frozen=True)
class Logs:
    """Log lines, in the order of their times."""

    lines: list[LogLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Sentences about what could not be read, and why, and what to do."""


@dataclass(frozen=True)
class ReadLine:
    """What a line says about itself."""

    level: Level
    message: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    request_id: str | None = None
    kind: Literal["start", "report", ""] = ""
    """Whether a call starts with the line, or ends with it."""
    execution: str | None = None
    state: str | None = None
    attempt: int | None = None


_ID = r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
_PLATFORM = re.compile(rf"(?:(?P<kind>START|END|REPORT) )?RequestId: {_ID}\b")
_TIMEOUT = re.compile(rf"\S+Z {_ID} Task timed out after [\d.]+ seconds")
_LOGGED = re.compile(rf"\[(?P<level>[A-Z]+)\]\t\S+Z\t{_ID}\t(?P<message>.*)", re.DOTALL)
_RAISED = re.compile(r"\[ERROR\] \w")
_INIT = re.compile(r"INIT_(START|REPORT|RUNTIME)|EXTENSION\t|TELEMETRY\t|LOGS\t")

_NO_FIELDS = frozenset(
    {
        "cold_start",
        "function_arn",
        "function_memory_size",
        "function_name",
        "function_request_id",
        "level",
        "location",
        "log_level",
        "message",
        "requestId",
        "service",
        "time",
        "timestamp",
        "xray_trace_id",
    }
)
"""Keys that each line of a function has, or that have their place in `LogLine`."""

_LEVELS: dict[str, Level] = {
    "TRACE": "DEBUG",
    "DEBUG": "DEBUG",
    "INFO": "INFO",
    "WARN": "WARNING",
    "WARNING": "WARNING",
    "ERROR": "ERROR",
    "FATAL": "CRITICAL",
    "CRITICAL": "CRITICAL",
}


def read_line(raw: str) -> ReadLine:
    """Reads a line. Any text is a line."""
    text = raw.rstrip("\r\n")
    if text.startswith("{"):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return ReadLine("", text)
        return _structured(document, text) if isinstance(document, dict) else ReadLine("", text)
    if found := _PLATFORM.match(text):
        kinds: dict[str | None, Literal["start", "report", ""]] = {"START": "start", "REPORT": "report"}
        failed = found["kind"] is None or re.search(r"\tStatus: (error|timeout)", text)
        message = ", ".join(filter(None, text.split("\t")))
        return ReadLine(
            "ERROR" if failed else "LAMBDA",
            message,
            request_id=found["id"],
            kind=kinds.get(found["kind"], ""),
        )
    if found := _TIMEOUT.match(text):
        return ReadLine("ERROR", text.partition(f"{found['id']} ")[2].strip(), request_id=found["id"])
    if found := _LOGGED.match(text):
        level = _LEVELS.get(found["level"], "")
        return ReadLine(level, found["message"], request_id=found["id"])
    if _RAISED.match(text):
        return ReadLine("ERROR", text.removeprefix("[ERROR] "))
    return ReadLine("LAMBDA" if _INIT.match(text) else "", text)


def _structured(document: dict[str, Any], text: str) -> ReadLine:
    kind = document.get("type")
    if isinstance(kind, str) and kind.startswith("platform."):
        return _platform(kind, document)
    request_id = _text(document.get("function_request_id")) or _text(document.get("requestId"))
    where: dict[str, Any] = {"request_id": request_id, "execution": _text(document.get("execution"))}
    own = frozenset[str]()
    if where["execution"]:
        attempt = document.get("attempt")
        where["state"] = _text(document.get("state"))
        where["attempt"] = attempt if isinstance(attempt, int) and not isinstance(attempt, bool) else None
        own = frozenset({"execution", "state", "attempt"})
    if isinstance(document.get("_aws"), dict):
        return ReadLine("METRIC", _metrics(document), **where)
    message = document.get("message", document.get("errorMessage"))
    if not isinstance(message, str):
        message = text if message is None else json.dumps(message, ensure_ascii=False)
    fields = {name: value for name, value in document.items() if name not in _NO_FIELDS | own}
    if isinstance(trace := fields.pop("exception", None), str):
        # The structure of the same trace says no more to a person.
        fields.pop("stack_trace", None)
        message = f"{message}\n{trace}"
    level = _LEVELS.get(str(document.get("level", document.get("log_level", ""))).upper(), "")
    return ReadLine(level, message, fields, **where)


def _platform(kind: str, document: dict[str, Any]) -> ReadLine:
    """Reads a line of Lambda in its JSON format."""
    record = document.get("record")
    record = record if isinstance(record, dict) else {}
    kinds: dict[str, Literal["start", "report", ""]] = {
        "platform.start": "start",
        "platform.report": "report",
    }
    failed = record.get("status") in ("error", "failure", "timeout")
    return ReadLine(
        "ERROR" if failed else "LAMBDA",
        f"{kind}: {json.dumps(record, ensure_ascii=False)}",
        request_id=_text(record.get("requestId")),
        kind=kinds.get(kind, ""),
    )


def _metrics(document: dict[str, Any]) -> str:
    """Returns the names and values of metrics in the embedded metric format."""
    names = []
    directives = document["_aws"].get("CloudWatchMetrics")
    for directive in directives if isinstance(directives, list) else []:
        metrics = directive.get("Metrics") if isinstance(directive, dict) else None
        for metric in metrics if isinstance(metrics, list) else []:
            if isinstance(metric, dict) and isinstance(metric.get("Name"), str):
                names.append(metric["Name"])
    return ", ".join(f"{name}: {_figure(document.get(name))}" for name in names)


def _figure(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
