"""Paths that no earlier step provides.

A path is reported only if it cannot exist: on no way to the state does any step, or the event, provide it. Values that
are unknown before an execution (a function's result, an item of a Map) can have any content.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflow.asl.checks.problem import Problem
from workflow.asl.checks.shapes import Shape, at, joined, literal, missing, placed, possibly_with
from workflow.asl.checks.syntax import parsed, texts
from workflow.asl.expressions import event_that_fits
from workflow.asl.walk import Machine, State, nested, rules, ways

__all__ = ["problems_of_paths"]


def problems_of_paths(definition: Machine, event: Shape, results: Mapping[str, Shape]) -> Iterator[Problem]:
    """Paths that neither an earlier step nor the event provides.

    Args:
        definition: The machine in Amazon States Language.
        event: The shape of its input.
        results: State name to the shape of its result, by the key that it adds.
    """
    yield from _problems(definition, event, str(definition.get("QueryLanguage", "JSONPath")), results)


def _problems(
    machine: Machine, given: Shape, language: str, results: Mapping[str, Shape]
) -> Iterator[Problem]:
    inputs = _inputs(machine, given, language, results)
    for name, state in machine["States"].items():
        if name not in inputs:
            continue  # `structure` reports unreachable states.
        flow = _flow(state, inputs[name], language)
        for path, shape in flow.reads:
            if problem := missing(path, shape):
                yield Problem(name, problem)
        for inside in nested(state):
            yield from _problems(inside.machine, flow.inner, language, results)


def _inputs(machine: Machine, given: Shape, language: str, results: Mapping[str, Shape]) -> dict[str, Shape]:
    """The shape of the input of every reachable state: all that any way to the state can provide."""
    states = machine["States"]
    inputs: dict[str, Shape] = {}
    waiting: list[tuple[str, Shape]] = [(str(machine.get("StartAt")), given)]
    while waiting:
        name, shape = waiting.pop()
        if name not in states:
            continue
        # A state is visited again only when another way adds something to its input, so that loops end.
        both = joined(inputs[name], shape) if name in inputs else shape
        if name in inputs and both == inputs[name]:
            continue
        inputs[name] = both
        known = results.get(name) or {}
        waiting.extend(
            (target, made and {**made, **{key: known[key] for key in known if key in made}})
            for target, made in _flow(states[name], both, language).out
        )
    return inputs


@dataclass
class _Flow:
    """What a state does with its input.

    Attributes:
        reads: The paths that it reads, each with the shape that they are read from.
        out: The next states, each with the shape of its input.
        inner: The shape of the input of nested machines.
    """

    reads: list[tuple[str, Shape]]
    out: list[tuple[str, Shape]]
    inner: Shape = None


def _flow(state: State, given: Shape, language: str) -> _Flow:
    if state.get("QueryLanguage", language) == "JSONata":
        return _jsonata_flow(state, given)
    return _jsonpath_flow(state, given)


_FAILURE: Shape = {"Error": None, "Cause": None}
"""The error that a catcher adds to the input, or replaces it with."""


# JSONPath


def _jsonpath_flow(state: State, given: Shape) -> _Flow:
    flow = _Flow([], [])
    kind = state["Type"]
    selected = _selected(state.get("InputPath", "$"), given, flow)
    for field, value in state.items():
        if field.endswith("Path") and field not in ("InputPath", "OutputPath", "ResultPath"):
            _ask(value, selected, flow)
    taken = (
        _template(state["Parameters"], selected, flow)
        if "Parameters" in state and kind != "Map"
        else selected
    )
    if kind == "Map":
        flow.inner = _item(state, selected, flow)
    elif kind == "Parallel":
        flow.inner = taken
    guarded = _ask_rules(state, selected, flow)
    result: Shape = None
    if kind == "Pass":
        result = literal(state["Result"]) if "Result" in state else taken
    if "ResultSelector" in state:
        result = _template(state["ResultSelector"], result, flow)
    made = placed(given, state.get("ResultPath", "$"), result) if kind in _WITH_RESULT else selected
    made = possibly_with(made, guarded)
    made = _selected(state.get("OutputPath", "$"), made, flow)
    for way in ways(state):
        is_catch = way.kind == "catch"
        flow.out.append(
            (way.to, placed(given, way.of.get("ResultPath", "$"), _FAILURE) if is_catch else made)
        )
    return flow


_WITH_RESULT = ("Task", "Pass", "Parallel", "Map")


def _item(state: State, given: Shape, flow: _Flow) -> Shape:
    """The shape of the input of a Map's item processor."""
    selector = state.get("ItemSelector", state.get("Parameters"))
    item = None if selector is None else _template(selector, given, flow)
    for part in ("ItemReader", "ResultWriter"):
        _template(state.get(part, {}).get("Parameters"), given, flow)
    return None if "ItemBatcher" in state else item


def _ask_rules(state: State, given: Shape, flow: _Flow) -> list[str]:
    """Adds the paths that a Choice reads. Returns those that it tests with IsPresent."""
    guarded = sorted(
        str(rule["Variable"]) for rule in rules(state) if "Variable" in rule and "IsPresent" in rule
    )
    for rule in rules(state):
        for key, value in rule.items():
            if (key == "Variable" or key.endswith("Path")) and not _is_guarded(value, guarded):
                _ask(value, given, flow)
    return guarded


def _template(template: Any, given: Shape, flow: _Flow) -> Shape:
    """The shape of the result of a payload template."""
    if isinstance(template, list):
        for item in template:
            _template(item, given, flow)
    if not isinstance(template, Mapping):
        return None
    made: dict[str, Any] = {}
    for key, value in template.items():
        if key.endswith(".$"):
            made[key[:-2]] = at(value, given) if isinstance(value, str) else None
            _ask(value, given, flow)
        else:
            made[key] = _template(value, given, flow)
    return made


def _selected(path: Any, given: Shape, flow: _Flow) -> Shape:
    if path is None:
        return {}
    _ask(path, given, flow)
    return at(path, given) if isinstance(path, str) else None


def _ask(value: Any, shape: Shape, flow: _Flow) -> None:
    """Adds the paths in a field: a path, or the arguments of an intrinsic function."""
    if not isinstance(value, str):
        return
    if value.startswith("States."):
        unquoted = re.sub(r"'(?:[^'\\]|\\.)*'(?!\s*\])", "''", value)
        for path in re.findall(r"(?<![$\w])\$(?:\.[\w-]+|\[[^\]]*\])+", unquoted):
            flow.reads.append((path, shape))
    elif value.startswith("$"):
        flow.reads.append((value, shape))


def _is_guarded(path: Any, guarded: Collection[str]) -> bool:
    """Whether a Choice tests with IsPresent that a path exists. Other tests, such as IsString, fail if it does not."""
    return isinstance(path, str) and any(path.startswith(guard) for guard in guarded)


# JSONata


def _jsonata_flow(state: State, given: Shape) -> _Flow:
    flow = _Flow([], [])
    guarded: list[str] = []
    for _, text in texts(state):
        if text.startswith("{%"):
            paths = [_as_path(names) for names in _INPUT.findall(text)]
            if _ASKS.search(text):
                guarded += paths
            else:
                flow.reads += [(path, given) for path in paths]
    if state["Type"] == "Choice":
        given = possibly_with(given, guarded)
    passed = given if state["Type"] in ("Pass", "Choice", "Wait") else None
    made = _output(state["Output"], given) if "Output" in state else passed
    for way in ways(state):
        without = _FAILURE if way.kind == "catch" else made
        flow.out.append((way.to, _output(way.of["Output"], given) if "Output" in way.of else without))
    if state["Type"] == "Parallel":
        flow.inner = _output(state["Arguments"], given) if "Arguments" in state else given
    elif "ItemSelector" in state and "ItemBatcher" not in state:
        flow.inner = _output(state["ItemSelector"], given)
    return flow


_INPUT = re.compile(r"\$states\.input((?:\.(?:\w+|`[^`]+`))+)(?![\w(`])")
_ASKS = re.compile(r"\?|\b(?:and|or|in)\b|\$(?:exists|type|lookup|boolean|not)\b|:=")
"""Signs that an expression may test whether a value exists. Paths in such an expression are not reported."""


def _as_path(names: str) -> str:
    """The JSONPath for the names after `$states.input`."""
    return "$" + "".join(f"['{name.strip('`')}']" for name in re.findall(r"\w+|`[^`]+`", names))


def _output(value: Any, given: Shape) -> Shape:
    """The shape of a JSONata field: an object, the input, or the input merged with an object. Otherwise unknown."""
    if isinstance(value, Mapping):
        return {
            key: _output(item, given) if isinstance(item, Mapping) else None for key, item in value.items()
        }
    expression = re.sub(r"^\{%\s*|\s*%\}$", "", str(value))
    # An event that was cut down has the same documented fields.
    expression = expression.replace(event_that_fits("$states.input"), "$states.input")
    if expression == "$states.input":
        return given
    added = _merged_keys(parsed(expression)[0])
    return None if given is None or added is None else {**given, **dict.fromkeys(added)}


def _merged_keys(tree: Any) -> list[str] | None:
    """The keys that `$merge([$states.input, {…}])` adds to the input; None for any other expression."""
    if tree is None or tree.type != "function" or tree.procedure.value != "merge" or len(tree.arguments) != 1:
        return None
    merged = tree.arguments[0].expressions or []
    if len(merged) != 2 or merged[1].value != "{":
        return None
    steps = merged[0].steps or []
    keys = [key for key, _ in merged[1].lhs_object]
    if [step.value for step in steps] != ["states", "input"] or any(key.type != "string" for key in keys):
        return None
    return [key.value for key in keys]
