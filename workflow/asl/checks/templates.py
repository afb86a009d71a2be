"""Paths and expressions that are taken for plain text, because a `.$`, `{% %}` or `query_language` is missing.

Source: Amazon States Language, "Payload template", and Transforming data with JSONata, Step Functions developer guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from workflow.asl.checks.intrinsics import why_not_intrinsic
from workflow.asl.checks.problem import Severity
from workflow.asl.walk import State, own_fields, rules

__all__ = ["problems_of_templates"]

Finding = tuple[str, Severity]


class Leaf(NamedTuple):
    """A value in a template: where it is, its key, whether it is in a list, and the value."""

    where: str
    key: str
    in_list: bool
    value: Any


def problems_of_templates(state: State, language: str) -> Iterator[Finding]:
    """What a state sends as text although it looks like a path or an expression, and keys that need a path.

    Args:
        state: A state in Amazon States Language.
        language: The query language of the machine.
    """
    if state.get("QueryLanguage", language) == "JSONata":
        yield from _in_jsonata(state)
    else:
        yield from _in_jsonpath(state)


# JSONPath

_TEMPLATES = ("Parameters", "ResultSelector", "ItemSelector", "Assign", "Credentials")
_HOLDERS = {"ItemBatcher": "BatchInput", "ItemReader": "Parameters", "ResultWriter": "Parameters"}


def _in_jsonpath(state: State) -> Iterator[Finding]:
    for where, template in _templates(state):
        for leaf in _leaves(template, where):
            yield from _in_template(leaf)
    yield from _in_result(state)
    yield from _in_fields(state)


def _templates(state: State) -> Iterator[tuple[str, Any]]:
    """The payload templates of a JSONPath state, each with its field."""
    for field in _TEMPLATES:
        if field in state:
            yield field, state[field]
    for field, inner in _HOLDERS.items():
        if isinstance(state.get(field), Mapping) and inner in state[field]:
            yield f"{field}.{inner}", state[field][inner]
    for field in ("Choices", "Catch"):
        for number, part in enumerate(state.get(field, ())):
            if "Assign" in part:
                yield f"{field}[{number}].Assign", part["Assign"]


def _in_template(leaf: Leaf) -> Iterator[Finding]:
    where, key, value = leaf.where, leaf.key, leaf.value
    if key.endswith(".$") and not leaf.in_list:
        if isinstance(value, str) and _is_jsonata(value):
            yield f"{where}: {_OF_JSONATA}", "error"
        elif problem := _not_a_path(value):
            yield f"{where}: {problem}", "error"
    elif not isinstance(value, str):
        return
    elif _is_jsonata(value):
        yield f"{where}: {_OF_JSONATA}", "warning"
    elif what := _looks_like(leaf):
        fix = (
            "a list takes no paths, so write the list as States.Array(…)"
            if leaf.in_list
            else f"write {key + '.$'!r}"
        )
        yield f"{where}: {_short(value)} is sent as this text; {fix} to {what}", "warning"


_OF_JSONATA = "a JSONPath state takes {% … %} for text; "
_OF_JSONATA += 'give the step query_language="JSONata", and use arguments= and output='


def _not_a_path(value: Any) -> str:
    """Why the value of a key with `.$` is invalid; empty if it is valid."""
    if isinstance(value, str):
        if re.fullmatch(r"\$[\w$]*([.\[].*)?", value):
            return ""
        if re.match(r"States\.\w*\s*\(.*\)$", value, re.DOTALL):
            return why_not_intrinsic(value)
    kinds = "neither a path ($.…, $$.…, $variable) nor an intrinsic function (States.Format(…))"
    return f"{_short(value)} is {kinds}; for a literal value, remove '.$' from the key"


def _in_result(state: State) -> Iterator[Finding]:
    """Paths in the Result of a Pass, which is literal."""
    for leaf in _leaves(state.get("Result"), "Result"):
        if leaf.key.endswith(".$") or _looks_like(leaf):
            yield (
                f"{leaf.where}: a Result is literal, so {_short(leaf.value)} stays this text; write it in Parameters",
                "warning",
            )
        elif isinstance(leaf.value, str) and _is_jsonata(leaf.value):
            yield f"{leaf.where}: {_OF_JSONATA}", "warning"


def _in_fields(state: State) -> Iterator[Finding]:
    """Paths in fields that have a twin for paths, and JSONata in any field."""
    for field, value in own_fields(state).items():
        if isinstance(value, str) and field != "Comment" and _is_jsonata(value):
            yield f"{field}: {_OF_JSONATA}", "error" if field in _NO_TEXTS else "warning"
    for field in ("Error", "Cause"):
        value = state.get(field)
        if isinstance(value, str) and _PATH.fullmatch(value):
            yield f"{field}: {value} is taken for text; write {field.lower()}_path={value!r}", "warning"
    for rule in rules(state):
        for field, value in rule.items():
            if not isinstance(value, str) or not _OF_TEXTS.fullmatch(field):
                continue
            if _PATH.fullmatch(value) and value != "$":
                yield (
                    f"{field}: {value} is compared as text; use {field}Path to compare with its value",
                    "warning",
                )
            elif _is_jsonata(value):
                yield f"{field}: {_OF_JSONATA}", "warning"


_NO_TEXTS = ("Seconds", "Timestamp", "TimeoutSeconds", "HeartbeatSeconds", "MaxConcurrency")
"""Fields that take no text, so that AWS refuses an expression there."""
_OF_TEXTS = re.compile(r"String(Equals|(Less|Greater)Than(Equals)?)")


# JSONata

_OF_JSONATA_STATES = (
    "Arguments",
    "Output",
    "Assign",
    "ItemSelector",
    "Items",
    "ItemBatcher",
    "ItemReader",
    "ResultWriter",
    "Credentials",
    "Choices",
    "Catch",
    "Error",
    "Cause",
    "Seconds",
    "Timestamp",
)


def _in_jsonata(state: State) -> Iterator[Finding]:
    for field in _OF_JSONATA_STATES:
        for leaf in _leaves(state.get(field), field):
            yield from _in_jsonata_leaf(leaf, is_call=field == "Arguments" and state.get("Type") == "Task")


def _in_jsonata_leaf(leaf: Leaf, *, is_call: bool) -> Iterator[Finding]:
    where, key, value = leaf.where, leaf.key, leaf.value
    if key.endswith(".$") and not leaf.in_list:
        is_field = is_call and where == f"Arguments.{key}"
        fix = f"write {key[:-2]!r}: {_as_jsonata(value)}"
        yield (
            f"{where}: a JSONata state does not read '.$', it is part of the name; {fix}",
            ("error" if is_field else "warning"),
        )
    elif not isinstance(value, str) or _is_jsonata(value):
        return
    elif value.strip().startswith("{%"):
        yield f"{where}: an expression begins with {{% and ends with %}}, without spaces around it", "error"
    elif re.search(r"\{%.*%\}", value, re.DOTALL):
        yield (
            f"{where}: {_short(value)} is text, because only a whole string can be an expression;"
            " write {% 'text ' & $states.input.… %}",
            "warning",
        )
    elif _looks_like(leaf) or re.fullmatch(r"\$states(\.[\w`.\[\]]+)+", value):
        yield f"{where}: {_short(value)} is sent as this text; write {_as_jsonata(value)}", "warning"


def _as_jsonata(value: Any) -> str:
    """An expression for a path, for messages."""
    text = str(value)
    if text.startswith("$states"):
        path = text
    elif text.startswith("$$."):
        path = f"$states.context{text[2:]}"
    elif text == "$" or text.startswith(("$.", "$[")):
        path = f"$states.input{text[1:]}"
    else:
        return "'{% … %}'"
    return f"'{{% {path} %}}'"


# What is meant

_PATH = re.compile(r"""\$|\$\$?(\.\.?[A-Za-z_][\w-]*|\.\*|\[[^\]\s]+\])+""")
_CALL = re.compile(r"States\.[A-Z]\w*\(.*\)", re.DOTALL)
_MEANT_LITERALLY = re.compile(
    r"(^|\.)(InputPath|InputPathsMap|ItemsPath|OutputPath|ResultPath|json_?path|regex|comment)([.\[]|$)",
    re.IGNORECASE,
)
"""Keys whose values are paths for the service that gets them, such as EventBridge's InputPathsMap."""
_SIGNS = re.compile(r"currenc|symbol|sign|prefix|suffix|unit|delim|separator|char", re.IGNORECASE)
"""Keys whose value `$` is the dollar sign."""


def _looks_like(leaf: Leaf) -> str:
    """What a text seems to be meant for: "read the path" or "call the function"; empty if it is a text."""
    value = leaf.value
    if not isinstance(value, str) or _MEANT_LITERALLY.search(leaf.where.partition(".")[2]):
        return ""
    if _CALL.fullmatch(value):
        return "call the function"
    if not _PATH.fullmatch(value) or (value == "$" and _SIGNS.search(leaf.key)):
        return ""
    return "read the path"


def _is_jsonata(value: str) -> bool:
    return value.startswith("{%") and value.endswith("%}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _leaves(value: Any, where: str, key: str = "", *, in_list: bool = False) -> Iterator[Leaf]:
    """The values in a template that are neither objects nor lists, and all values of keys with `.$`."""
    if key.endswith(".$") and not in_list:
        yield Leaf(where, key, in_list, value)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, f"{where}.{name}", str(name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{where}[{number}]", key, in_list=True)
    elif value is not None:
        yield Leaf(where, key, in_list, value)
