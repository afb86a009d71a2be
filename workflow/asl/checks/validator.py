"""The findings of an independent ASL validator, `statelint`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from workflow.asl.checks.problem import Problem
from workflow.asl.checks.values import OWN_FIELDS
from workflow.asl.walk import Machine, State, nested, states

__all__ = ["problems_of_validator"]


def problems_of_validator(definition: Machine) -> Iterator[Problem]:
    """The validator's findings, except those that our own checks report with more detail."""
    from statelint.linter import Linter  # type: ignore[import-untyped]

    # The validator reports a path, not a state. Names of states can contain dots, so the longest known path wins.
    paths = dict(_paths(definition, "State Machine"))
    language = str(definition.get("QueryLanguage", "JSONPath"))
    by_name = dict(states(definition))
    for problem in Linter.validate(_for_the_validator(definition, language)):
        if re.match(_REPORTED, problem):
            continue
        within = [path for path in paths if re.search(rf"{re.escape(path)}(?=[.\s\"\[]|$)", problem)]
        path = max(within, key=len, default=None)
        if path is None:
            yield Problem(None, f"{problem} (statelint)")
        else:
            message = problem.replace(f' at "{path}"', "").replace(f"{path}.", "").replace(path, "it")
            yield Problem(
                paths[path], f"{message} (statelint){_instead(message, by_name[paths[path]], language)}"
            )


def _instead(message: str, state: State, language: str) -> str:
    """What a step of its query language has in place of a field of the other one."""
    field = re.match(r'Field "(\w+)" not allowed', message)
    own = str(state.get("QueryLanguage", language))
    instead = _INSTEAD.get(own, {}).get(field[1]) if field else None
    if instead is None:
        return ""
    if state["Type"] == "Map" and instead == "arguments=":
        instead = "item_selector="
    other = ', or give it query_language="JSONata"' if own == "JSONPath" else ""
    return f"; a {own} step takes {instead} instead{other}"


_INSTEAD = {
    "JSONata": {
        "Parameters": "arguments=",
        "InputPath": "$states.input in arguments=",
        **dict.fromkeys(("ResultPath", "ResultSelector", "OutputPath"), "output="),
        "ItemsPath": "items=",
        "SecondsPath": "seconds=",
        "TimestampPath": "timestamp=",
        "CausePath": "cause=",
        "ErrorPath": "error=",
        "TimeoutSecondsPath": "timeout_seconds=",
        "HeartbeatSecondsPath": "heartbeat_seconds=",
    },
    "JSONPath": {
        "Arguments": "parameters=",
        "Output": "result_selector= and result_path=",
        "Items": "items_path=",
    },
}
"""Query language → field of the other one → what a step has in its place."""

_REPORTED = (
    rf".*[.](?:{'|'.join(OWN_FIELDS)}) is |.*[.]ResultPath is \""  # by `values`
    r"|No (state|transition|terminal state) found|State .* is also defined|StartAt value"  # by `structure`
    r"|.*[.]Choices is empty|No \"Resource\""  # by `structure` and `values`
    r'|Field ".*[.][$]" of .* is not a JSONPath'  # by `templates`
)
"""Problems that our own checks report."""


def _paths(machine: Machine, at: str) -> Iterator[tuple[str, str]]:
    """The validator's path of each state, and the state's name."""
    for name, state in machine["States"].items():
        path = f"{at}.States.{name}"
        yield path, name
        for inside in nested(state):
            yield from _paths(inside.machine, f"{path}.{inside.path}")


def _for_the_validator(value: Any, language: str) -> Any:
    """A definition without what Step Functions accepts but statelint 3.1 does not know.

    These are variables in JSONPath states, labels, configurations of readers and writers, and expressions in place of
    numbers.
    """
    if isinstance(value, list):
        return [_for_the_validator(item, language) for item in value]
    if isinstance(value, str) and re.match(r"\$|States\.", value):
        return re.sub(r"(?<![$\w])\$(?=[A-Za-z_])", "$.", value)
    if not isinstance(value, Mapping):
        return value
    own = str(value.get("QueryLanguage", language)) if "Type" in value else language
    plain = {}
    for key, item in value.items():
        if (key == "Assign" and own == "JSONPath") or key in ("Label", "ReaderConfig", "WriterConfig"):
            continue
        if key.endswith(_NUMBERS) and isinstance(item, str) and item.startswith("{%"):
            plain[key] = 1
        else:
            plain[key] = _for_the_validator(item, language if key == "States" else own)
    return plain


_NUMBERS = ("Seconds", "MaxConcurrency", "Count", "Percentage", "MaxItemsPerBatch", "MaxInputBytesPerBatch")
