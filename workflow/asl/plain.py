"""A rendered state as plain JSON: fields in a fixed order, placeholders as ASL, only JSON values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from types import FunctionType
from typing import Any
from uuid import UUID

from workflow.asl.origin import name_of
from workflow.asl.sdk import ExecutionInput, Placeholder, State
from workflow.asl.walk import NESTED
from workflow.errors import WorkflowError

__all__ = ["machine_language", "plain_state"]

machine_language: ContextVar[str] = ContextVar(
    "query language of the machine being rendered", default="JSONPath"
)


def plain_state(raw: dict[str, Any], state: Any) -> dict[str, Any]:
    """Sorts a state's fields, and replaces placeholders with paths or expressions."""
    language = raw.get("QueryLanguage", machine_language.get())

    def error(path: str, message: str) -> WorkflowError:
        return WorkflowError(f"{name_of(state)}, {path}: {message}")

    plain: dict[str, Any] = {}
    for name in sorted(raw, key=lambda name: (_READING_ORDER.get(name, len(_READING_ORDER)), name)):
        try:
            plain.update(_plain_item(name, raw[name], None, language, name, error))
        except RecursionError:
            raise error(name, "the value is nested too deeply, or contains itself") from None
    return plain


def _plain_item(
    name: Any,
    value: Any,
    template: str | None,
    language: str,
    path: str,
    error: Callable[[str, str], WorkflowError],
) -> Iterator[tuple[str, Any]]:
    if not isinstance(name, str):
        raise error(path, f"a key must be a string, not {name!r}")
    inside = template
    if template is None:
        if name in NESTED:
            yield name, value  # Already rendered.
            return
        inside = language if name == "Assign" else _TEMPLATES.get(name)
    if isinstance(value, Placeholder):
        if inside == "JSONata":
            yield name, _jsonata(value)
        elif template == "JSONPath":
            yield f"{name}.$", value.to_jsonpath()
        elif template is None and (name.endswith("Path") or name == "Variable"):
            yield name, value.to_jsonpath()
        else:
            raise error(
                path, "a placeholder cannot replace the whole field; use it for a key inside, or use a path"
            )
    else:
        yield name, _plain_value(value, inside, language, path, error)


def _plain_value(
    value: Any, template: str | None, language: str, path: str, error: Callable[[str, str], WorkflowError]
) -> Any:
    if isinstance(value, Mapping):
        return {
            name: plain
            for key, item in value.items()
            for name, plain in _plain_item(key, item, template, language, f"{path}.{key}", error)
        }
    if isinstance(value, list | tuple):
        return [_plain_value(item, template, language, f"{path}[{n}]", error) for n, item in enumerate(value)]
    if isinstance(value, Placeholder):
        if template == "JSONata":
            return _jsonata(value)
        raise error(
            path, "a placeholder cannot be in a list; use it as the value of a key, or use States.Array(…)"
        )
    if problem := _not_json(value):
        raise error(path, problem)
    return value


def _not_json(value: Any) -> str | None:
    """Why a value is none of JSON, and what to write instead; None if it is."""
    match value:
        case str() if not value.isascii() and re.search("[\ud800-\udfff]", value):
            return f"{value!r} has half of a character; remove it"
        case int() if value.bit_length() > MAX_BITS:
            return "the number is too large for JSON; write it as a text"
        case None | str() | bool() | int():
            return None
        case float() if math.isfinite(value):
            return None
    advice = next((advice for kind, advice in _INSTEAD.items() if isinstance(value, kind)), "")
    shown = f"the function {value.__name__}" if isinstance(value, FunctionType) else repr(value)
    return f"{shown} is not a JSON value{advice}"


MAX_BITS = 1024
"""Of a number. Programs read numbers of JSON as floating-point numbers with 64 bits, which cannot be greater."""

_INSTEAD = {
    set | frozenset: "; write a list",
    date | time: "; write .isoformat()",
    timedelta: "; write .total_seconds() as a whole number",
    Decimal: "; write float(…), or str(…)",
    bytes: "; write a text",
    PurePath | UUID: "; write str(…)",
    Enum: "; write .value",
    State: "; a state cannot be inside a value",
    FunctionType | type: "; write its name as a text",
}
"""What to write instead of a value of these types."""


def _jsonata(placeholder: Any) -> str:
    root = "$states.context.Execution.Input" if isinstance(placeholder, ExecutionInput) else "$states.input"
    steps = (
        f"[{name}]" if isinstance(name, int) else f".{name}" if name.isidentifier() else f".`{name}`"
        for name in placeholder._get_path()
    )
    return f"{{% {root}{''.join(steps)} %}}"


_READING_ORDER = {
    name: position
    for position, name in enumerate(
        """
        Type Comment QueryLanguage Resource Credentials InputPath Parameters Arguments ItemReader ItemsPath
        Items ItemSelector ItemBatcher MaxConcurrency MaxConcurrencyPath ToleratedFailureCount
        ToleratedFailureCountPath ToleratedFailurePercentage ToleratedFailurePercentagePath Label Seconds
        SecondsPath Timestamp TimestampPath Error ErrorPath Cause CausePath Result ResultSelector ResultPath
        OutputPath Assign Output TimeoutSeconds TimeoutSecondsPath HeartbeatSeconds HeartbeatSecondsPath
        Choices Default Branches ItemProcessor Iterator ResultWriter Next End Retry Catch
        """.split()  # noqa: SIM905 (a list would have fifty lines)
    )
}
_TEMPLATES = {
    **dict.fromkeys(("Parameters", "ResultSelector", "ItemSelector", "BatchInput"), "JSONPath"),
    **dict.fromkeys(("Arguments", "Output", "Items"), "JSONata"),
}
"""The query language of placeholders, by field."""
