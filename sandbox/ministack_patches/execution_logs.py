"""What state machines log, and metrics that are counted in log lines."""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable
from typing import Any

from sandbox.ministack_patches.logs import add_line

__all__ = ["correct", "log_event"]


def correct() -> None:
    """Corrects metric filters."""
    _count_by_filters()


def log_event(execution: dict[str, Any], event: dict[str, Any]) -> None:
    """Logs an event of an execution in the log group of its state machine.

    AWS: with the level ALL, each event of the history is a line, at the time of the event. Without
    `includeExecutionData`, its details have no input and no output.
    (https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html)
    MiniStack: keeps the configuration, and logs nothing. Here, the details of a line are the name of the state, the
    start of an execution is not logged, and levels other than ALL log nothing.
    """
    from ministack.services import cloudwatch_logs, stepfunctions

    machine = stepfunctions._state_machines.get(execution.get("stateMachineArn")) or {}
    logging = _as_in_api(machine.get("loggingConfiguration") or {})
    if logging.get("level") != "ALL":
        return
    for destination in logging.get("destinations") or ():
        arn = destination["cloudWatchLogsLogGroup"]["logGroupArn"]
        name = arn.partition(":log-group:")[2].removesuffix(":*")
        if group := cloudwatch_logs._log_groups.get(name):
            add_line(group, f"states/{machine['name']}/log", _line(execution, event), int(time.time() * 1000))


def _as_in_api(value: Any) -> Any:
    """Returns a configuration with the names of the API: of a stack, MiniStack keeps those of the template."""
    if isinstance(value, list):
        return [_as_in_api(one) for one in value]
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _as_in_api(one) for name, one in value.items()}
    return value


def _line(execution: dict[str, Any], event: dict[str, Any]) -> str:
    details = event.get("stateEnteredEventDetails") or event.get("stateExitedEventDetails") or {}
    line = {
        "id": str(event["id"]),
        "type": event["type"],
        "details": {"name": details["name"]} if "name" in details else {},
        "previous_event_id": str(event.get("previousEventId", 0)),
        "event_timestamp": str(int(time.time() * 1000)),
        "execution_arn": execution["executionArn"],
        "redrive_count": str(execution.get("redriveCount", 0)),
    }
    return json.dumps(line, separators=(",", ":"))


def _count_by_filters() -> None:
    """Counts log lines in metrics, by the metric filters of their log group.

    AWS: each line that matches the pattern adds the value to the metric. A dimension is the value of a field of the
    line; without the field, the metric has no dimension. (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/
    FilterAndPatternSyntaxForMetricFilters.html) PutMetricFilter refuses a pattern that is invalid.
    MiniStack: keeps filters, and counts nothing. Here, patterns compare fields of JSON with texts.
    """
    from ministack.core.responses import error_response_json
    from ministack.services import cloudwatch, cloudwatch_logs

    append, put = cloudwatch_logs._append_log_events, cloudwatch_logs._put_metric_filter

    def append_and_count(
        stream: dict[str, Any], events: list[dict[str, Any]], *more: Any, **named: Any
    ) -> Any:
        result = append(stream, events, *more, **named)
        for (group, _), found in list(cloudwatch_logs._metric_filters.items()):
            streams = cloudwatch_logs._log_groups.get(group, {}).get("streams", {})
            if any(stream is one for one in streams.values()):
                for event in events:
                    count(found, event["message"])
        return result

    def count(found: dict[str, Any], message: str) -> None:
        if (line := _object(message)) is None or not _matcher(found["filterPattern"])(line):
            return
        for to in found["metricTransformations"]:
            fields = {name: _field(line, path) for name, path in to.get("dimensions", {}).items()}
            dimensions = {name: value for name, value in fields.items() if value is not None}
            cloudwatch.record_metric(
                to["metricNamespace"],
                to["metricName"],
                float(to["metricValue"]),
                to.get("unit", "None"),
                dimensions if len(dimensions) == len(fields) else {},
            )

    def put_valid(data: dict[str, Any]) -> Any:
        try:
            _matcher(data.get("filterPattern", ""))
        except ValueError as error:
            return error_response_json("InvalidParameterException", f"Invalid filter pattern: {error}", 400)
        return put(data)

    cloudwatch_logs._append_log_events, cloudwatch_logs._put_metric_filter = append_and_count, put_valid


def _object(message: str) -> dict[str, Any] | None:
    try:
        line = json.loads(message)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _field(line: Any, path: str) -> str | None:
    """Returns the text at a path such as `$.details.name`."""
    for name in path.removeprefix("$.").split("."):
        line = line.get(name) if isinstance(line, dict) else None
    return None if line is None or isinstance(line, dict | list) else str(line)


_TOKEN = re.compile(r'\s*(?:(?P<sign>[()]|&&|\|\|)|(?P<path>\$[.\w]+)\s*=\s*"(?P<text>[^"]*)")')
_Match = Callable[[dict[str, Any]], bool]


@functools.cache
def _matcher(pattern: str) -> _Match:
    """Returns what a line has to match: `{ ($.a = "b*") && ($.c = "d" || $.c = "e") }`.

    Raises:
        ValueError: The pattern is invalid, or of a kind that the engine does not know.
    """
    text = pattern.strip()
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError("the local engine knows patterns for JSON only")
    rest, tokens = text[1:-1].rstrip(), []
    while rest:
        if not (found := _TOKEN.match(rest)):
            raise ValueError(rest)
        tokens.append(found)
        rest = rest[found.end() :]
    matches = _either(tokens)
    if tokens:
        raise ValueError(tokens[0][0])
    return matches


def _either(tokens: list[re.Match[str]]) -> _Match:
    parts = [_both(tokens)]
    while tokens and tokens[0]["sign"] == "||":
        tokens.pop(0)
        parts.append(_both(tokens))
    return lambda line: any(part(line) for part in parts)


def _both(tokens: list[re.Match[str]]) -> _Match:
    parts = [_one(tokens)]
    while tokens and tokens[0]["sign"] == "&&":
        tokens.pop(0)
        parts.append(_one(tokens))
    return lambda line: all(part(line) for part in parts)


def _one(tokens: list[re.Match[str]]) -> _Match:
    first = tokens.pop(0) if tokens else None
    if first is not None and first["sign"] == "(":
        inner = _either(tokens)
        if tokens and tokens.pop(0)["sign"] == ")":
            return inner
    elif first is not None and first["path"]:
        path, like = first["path"], re.compile(".*".join(map(re.escape, first["text"].split("*"))))
        return lambda line: like.fullmatch(_field(line, path) or "") is not None
    raise ValueError("a comparison or a parenthesis is missing")
