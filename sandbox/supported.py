"""Which states the local engine runs. What it does not run, needs canned results, or fails at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from workflow.asl.integration import integration_of
from workflow.asl.walk import is_distributed, own_fields

__all__ = [
    "OPTIMIZED_FORMS",
    "SDK_ACTIONS_FILE",
    "advice",
    "as_text",
    "runs_path",
    "sdk_actions_that_run",
    "why_not_run",
]

_WAIT = ".waitForTaskToken"

OPTIMIZED_FORMS: Mapping[str, tuple[str, ...]] = {
    "dynamodb:deleteItem": ("",),
    "dynamodb:getItem": ("",),
    "dynamodb:putItem": ("",),
    "dynamodb:updateItem": ("",),
    "events:putEvents": ("", _WAIT),
    "lambda:invoke": ("", _WAIT),
    "sagemaker:createTrainingJob": ("", ".sync"),
    "sns:publish": ("", _WAIT),
    "sqs:sendMessage": ("", _WAIT),
    "states:startExecution": ("", ".sync", ".sync:2", _WAIT),
}
"""The optimized integrations that run, and in which forms."""

SDK_ACTIONS_FILE = Path(__file__).with_name("sdk_actions.json")
"""The actions of AWS SDK integrations that run. `sandbox.probing` writes it."""

_READERS = ("s3:getObject", "s3:listObjectsV2")
_READ_TYPES = ("CSV", "JSON", "JSONL")


@cache
def sdk_actions_that_run() -> Mapping[str, tuple[str, ...]]:
    """Returns the actions of AWS SDK integrations that run, by service."""
    recorded: dict[str, str] = json.loads(SDK_ACTIONS_FILE.read_text(encoding="utf-8"))
    return {service: tuple(actions.split()) for service, actions in recorded.items()}


def as_text(actions: Mapping[str, list[str]]) -> str:
    """Returns the content of the file for these actions: a line for each service."""
    joined = {service: " ".join(sorted(names)) for service, names in sorted(actions.items())}
    return json.dumps(joined, indent=1) + "\n"


def why_not_run(state: Mapping[str, Any]) -> str | None:
    """Returns what of a state the engine does not run; None if it runs all of it.

    Nested machines are not looked at.
    """
    if path := next(_paths_that_do_not_run(state), None):
        return f"the path {path}"
    if state.get("Type") == "Map":
        return _of_map(state) if is_distributed(state) else None
    called = integration_of(state) if state.get("Type") == "Task" else None
    if called is None:  # another type, a function, an activity
        return None
    name = f"{called.service}:{called.action}"
    if called.is_sdk:
        runs = called.action in sdk_actions_that_run().get(called.service, ())
        return None if runs and called.form in ("", _WAIT) else f"aws-sdk:{name}{called.form}"
    return None if called.form in OPTIMIZED_FORMS.get(name, ()) else f"{name}{called.form}"


def advice(state: Mapping[str, Any], what: str) -> str:
    """Returns the message about what the engine does not run of a state, which `why_not_run` has found."""
    message = f"the local engine does not run {what}"
    if state.get("Type") == "Map" or what.startswith("the path "):
        return f"{message}: docs/reference/engine.md lists what it runs"
    return f"{message}: give it a canned result in canned_results.json (docs/reference/engine.md)"


def _paths_that_do_not_run(state: Mapping[str, Any]) -> Iterator[str]:
    """Yields the paths of a state with a filter, a slice, a function or a search at any depth."""
    waiting: list[tuple[str, Any]] = [*own_fields(dict(state)).items()]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.items()
        elif isinstance(value, list):
            waiting += [(key, one) for one in value]
        elif isinstance(value, str) and key.endswith((".$", "Path", "Variable")) and not runs_path(value):
            yield value


def runs_path(path: str) -> bool:
    """Whether the engine reads a path: one of names, indexes and wildcards."""
    return not (path.startswith("$") and _BEYOND_NAMES.search(path))


_BEYOND_NAMES = re.compile(r"\[\?|\[-|\[\d*:|\[\d+,|\.\.|\.\w+\(")


def _of_map(state: Mapping[str, Any]) -> str | None:
    for field in ("ItemBatcher", "ResultWriter"):
        if field in state:
            return f"{field} of a Distributed Map"
    reader = state.get("ItemReader")
    if reader is None:
        return None
    resource = str(reader.get("Resource")).partition(":states:::")[2]
    if resource not in _READERS:
        return f"an ItemReader with {resource or reader.get('Resource')}"
    config = reader.get("ReaderConfig") or {}
    if (kind := config.get("InputType", "JSON")) not in _READ_TYPES:
        return f"an ItemReader of {kind}"
    return None
