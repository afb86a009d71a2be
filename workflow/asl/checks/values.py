"""Values of fields that Step Functions refuses: numbers, times, names of errors, and texts in place of objects.

Sources: https://states-language.net, and the Step Functions developer guide:
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html (names of errors, Retry and Catch),
https://docs.aws.amazon.com/step-functions/latest/dg/state-wait.html (Seconds, Timestamp).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from workflow.asl.checks.problem import Severity, similar
from workflow.asl.integration import arguments_of, integration_of
from workflow.asl.walk import State

__all__ = ["OWN_FIELDS", "problems_of_token", "problems_of_values"]

MAX = 99_999_999
"""The largest number of seconds, and of attempts."""

MAX_DELAY = 31_622_400
"""What MaxDelaySeconds has to be less than."""

_OF_STATES = {
    "TimeoutSeconds": (1, MAX),
    "HeartbeatSeconds": (1, MAX),
    "Seconds": (0, MAX),
    "MaxConcurrency": (0, MAX),
}

_OF_RETRIES = {"IntervalSeconds": (1, MAX), "MaxAttempts": (0, MAX), "MaxDelaySeconds": (1, MAX_DELAY - 1)}

OWN_FIELDS = (*_OF_STATES, *_OF_RETRIES, "BackoffRate", "ErrorEquals", "Timestamp")
"""Fields whose values are checked here."""

RESERVED = (
    "States.ALL",
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
)
"""The errors of Step Functions itself. Names of other errors cannot begin with `States.`"""

_Found = tuple[str, Severity]


def problems_of_values(state: State) -> Iterator[_Found]:
    """Yields what is wrong with the values of a state, each with its severity."""
    if state["Type"] == "Task" and not state.get("Resource"):
        yield (
            "a Task needs a resource: use a class such as LambdaStep, or AwsSdkTask for any action of AWS",
            "error",
        )
    for field, (least, most) in _OF_STATES.items():
        yield from _of_number(field, state.get(field), least, most)
    yield from _of_order(
        "HeartbeatSeconds", state.get("HeartbeatSeconds"), "<", "TimeoutSeconds", state.get("TimeoutSeconds")
    )
    yield from _of_time(state.get("Timestamp"))
    yield from _of_result_path(state.get("ResultPath"))
    yield from _of_templates(state)
    yield from _of_processor(state)
    for kind in ("Retry", "Catch"):
        blocks = state.get(kind, [])
        for number, block in enumerate(blocks):
            yield from _of_errors(f"{kind}[{number}]", block.get("ErrorEquals"), is_last=block is blocks[-1])
    for number, retry in enumerate(state.get("Retry", [])):
        yield from _of_retry(f"Retry[{number}]", retry)


def _of_number(field: str, value: Any, least: int, most: int) -> Iterator[_Found]:
    must = f"{field} must be a whole number from {least} to {most}"
    match value:
        case None:
            return
        case str() if value.startswith("{%"):
            return
        case str() if value.startswith("$"):
            yield f"{must}, not the path {value!r}: write {_snake_case(field)}_path={value!r}", "error"
        case str() if value.isdecimal():
            yield f"{must}, not {value!r}: write {value} without quotes", "error"
        case bool() | str() | list() | dict():
            yield f"{must}, not {value!r}", "error"
        case float() if not value.is_integer():
            yield f"{must}, not {value}", "error"
        case _ if not least <= value <= most:
            yield f"{must}, not {value}", "error"


def _snake_case(field: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", field).lower()


def _of_order(field: str, value: Any, relation: str, other: str, limit: Any) -> Iterator[_Found]:
    if all(isinstance(one, int | float) and not isinstance(one, bool) for one in (value, limit)) and not (
        value < limit if relation == "<" else value > limit
    ):
        than = "less" if relation == "<" else "greater"
        yield f"{field} ({value}) must be {than} than {other} ({limit})", "error"


def _of_time(value: Any) -> Iterator[_Found]:
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
    if value is not None and not (
        isinstance(value, str) and re.fullmatch(rf"{form}|\{{%.*%\}}", value, re.DOTALL)
    ):
        how = f": write timestamp_path={value!r}" if str(value).startswith("$") else ""
        yield f"Timestamp must be a time such as '2026-01-31T08:15:00Z', not {value!r}{how}", "error"


def _of_templates(state: State) -> Iterator[_Found]:
    for field in ("Parameters", "ResultSelector", "ItemSelector"):
        value = state.get(field)
        if value is not None and not isinstance(value, Mapping) and not str(value).startswith("{%"):
            yield f"{field} must be a dictionary, not {value!r}", "error"
    called = integration_of(state)
    if called and (called.service, called.action) == ("lambda", "invoke"):
        for field in ("Parameters", "Arguments"):
            arguments = state.get(field)
            payload = arguments.get("Payload") if isinstance(arguments, Mapping) else None
            if isinstance(payload, str) and _is_json(payload):
                yield (
                    f"{field}.Payload is a text, and so is the event of the function: write a dictionary",
                    "warning",
                )


def _of_processor(state: State) -> Iterator[_Found]:
    processor = state.get("ItemProcessor")
    config = processor.get("ProcessorConfig", {}) if isinstance(processor, Mapping) else {}
    types = ("EXPRESS", "STANDARD") if config.get("Mode") == "DISTRIBUTED" else (None,)
    for field, value, valid in (
        ("Mode", config.get("Mode", "INLINE"), ("DISTRIBUTED", "INLINE")),
        ("ExecutionType", config.get("ExecutionType"), types),
    ):
        if value not in valid:
            must = (
                " or ".join(map(repr, valid))
                if any(valid)
                else "absent, because it is for Mode 'DISTRIBUTED'"
            )
            how = f", not {value!r}" if value else "; it is missing"
            yield f"ProcessorConfig.{field} must be {must}{how}", "error"


def problems_of_token(state: State) -> Iterator[_Found]:
    """Yields what is wrong with a task that waits for a token nobody gets. Step Functions accepts it."""
    called = integration_of(state)
    given = arguments_of(state)
    if called and called.form == ".waitForTaskToken" and given and not _TOKEN.search(json.dumps(given)):
        fix = {
            True: "'{% $states.context.Task.Token %}'",
            False: "'TaskToken.$': '$$.Task.Token'",
        }["Arguments" in state]
        yield f"nobody gets the task token, so the task never ends: add {fix} to what is sent", "error"


_TOKEN = re.compile(
    r"\$\$(?![.\[\w])|\$\$(\.|\[.)(Task\b|[.*])|\$states\.context(?!\.(?!Task\b))|\$states(?![.\w])"
)
"""A path or an expression that reads the token, or all of the Context object."""


def _is_json(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict | list)
    except ValueError:
        return False


def _of_result_path(value: Any) -> Iterator[_Found]:
    if isinstance(value, str) and not re.match(r"\$(\.|\[|$)", value):
        yield f"ResultPath must be a path, not {value!r}: write '$.{value.lstrip('$.')}'", "error"


def _of_errors(path: str, names: Any, *, is_last: bool) -> Iterator[_Found]:
    if isinstance(names, str):
        yield f"{path}.ErrorEquals must be a list: write [{names!r}]", "error"
    elif not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        yield f"{path}.ErrorEquals must be a list with the names of errors, not {names!r}", "error"
    elif "States.ALL" in names and (len(names) > 1 or not is_last):
        yield (
            f"{path}.ErrorEquals: States.ALL must be alone, and in the last {path.partition('[')[0]}",
            "error",
        )
    else:
        for name in names:
            yield from _of_error(f"{path}.ErrorEquals", name)


def _of_error(path: str, name: str) -> Iterator[_Found]:
    if name in RESERVED:
        return
    if name == "*":
        yield f"{path}: no error has the name '*'; for all errors, write 'States.ALL'", "error"
    elif name.lower().startswith("states."):
        close = similar(name, RESERVED, 0.8)
        meant = f"; did you mean {close!r}?" if close else ""
        yield f"{path}: Step Functions has no error {name!r}{meant}", "error" if close else "warning"
    elif f"states.{name}".lower() in map(str.lower, RESERVED):
        yield (
            f"{path}: Step Functions has no error {name!r}; did you mean {similar(f'States.{name}', RESERVED)!r}?",
            "warning",
        )


def _of_retry(path: str, retry: Mapping[str, Any]) -> Iterator[_Found]:
    for field, (least, most) in _OF_RETRIES.items():
        yield from _of_number(f"{path}.{field}", retry.get(field), least, most)
    rate = retry.get("BackoffRate", 2.0)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or rate < 1:
        yield f"{path}.BackoffRate must be a number from 1, not {rate!r}", "error"
    interval = retry.get("IntervalSeconds", 1)
    yield from _of_order(
        f"{path}.MaxDelaySeconds", retry.get("MaxDelaySeconds"), ">", "IntervalSeconds", interval
    )
