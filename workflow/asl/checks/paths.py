"""What each state may be given, and whether it asks for more.

A path is reported only if it cannot be there: if on no way to the state any step, nor the event, provides it. What
cannot be known (a function's result, an item of a Map) may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflow.asl.checks.problem import Problem
from workflow.asl.checks.shapes import Shape, at, joined, literal, missing, placed, possibly_with
from workflow.asl.checks.syntax import texts
from workflow.asl.walk import Machine, State, nested, rules, ways

__all__ = ["problems_of_paths"]


def problems_of_paths(definition: Machine, event: Shape, results: Mapping[str, Shape]) -> Iterator[Problem]:
    """Paths that nothing provides.

    Args:
        definition: the machine, in Amazon States Language.
        event: what its input may hold.
        results: state name to what it is known to add, key by key.
    """
    yield from _problems(definition, event, str(definition.get("QueryLanguage", "JSONPath")), results)


def _problems(
    machine: Machine, given: Shape, language: str, results: Mapping[str, Shape]
) -> Iterator[Problem]:
    inputs = _inputs(machine, given, language, results)
    for name, state in machine["States"].items():
        if name not in inputs:
            continue  # Nothing leads to it, and `structure` says so.
        flow = _flow(state, inputs[name], language)
        for path, shape in flow.asked:
            if problem := missing(path, shape):
                yield name, problem
        for inside in nested(state):
            yield from _problems(inside.machine, flow.inner, language, results)


def _inputs(machine: Machine, given: Shape, language: str, results: Mapping[str, Shape]) -> dict[str, Shape]:
    """Of every state that can be reached, all that its input may hold, whichever way was taken."""
    states = machine["States"]
    inputs: dict[str, Shape] = {}
    waiting: list[tuple[str, Shape]] = [(str(machine.get("StartAt")), given)]
    while waiting:
        name, shape = waiting.pop()
        if name not in states:
            continue
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
    """What a state makes of its input.

    Attributes:
        asked: the paths it reads, each with what it reads them from.
        out: where it leads, and what the next state is given there.
        inner: what the machines that are nested in it are given.
    """

    asked: list[tuple[str, Shape]]
    out: list[tuple[str, Shape]]
    inner: Shape = None


def _flow(state: State, given: Shape, language: str) -> _Flow:
    if state.get("QueryLanguage", language) == "JSONata":
        return _jsonata_flow(state, given)
    return _jsonpath_flow(state, given)


_FAILURE: Shape = {"Error": None, "Cause": None}
"""What a catcher puts into the input, or in its place."""


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
    """What a Map gives to the machine that runs for every item."""
    selector = state.get("ItemSelector", state.get("Parameters"))
    item = None if selector is None else _template(selector, given, flow)
    for part in ("ItemReader", "ResultWriter"):
        _template(state.get(part, {}).get("Parameters"), given, flow)
    return None if "ItemBatcher" in state else item


def _ask_rules(state: State, given: Shape, flow: _Flow) -> list[str]:
    """Note what a Choice reads. Returns the paths for which it asks first if they are there."""
    guarded = sorted(
        str(rule["Variable"]) for rule in rules(state) if "Variable" in rule and "IsPresent" in rule
    )
    for rule in rules(state):
        for key, value in rule.items():
            if (key == "Variable" or key.endswith("Path")) and not _is_guarded(value, guarded):
                _ask(value, given, flow)
    return guarded


def _template(template: Any, given: Shape, flow: _Flow) -> Shape:
    """What a payload template makes."""
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
    """Note the paths in a field: a path itself, or those that an intrinsic function is given."""
    if not isinstance(value, str):
        return
    if value.startswith("States."):
        unquoted = re.sub(r"'(?:[^'\\]|\\.)*'(?!\s*\])", "''", value)
        for path in re.findall(r"(?<![$\w])\$(?:\.[\w-]+|\[[^\]]*\])+", unquoted):
            flow.asked.append((path, shape))
    elif value.startswith("$"):
        flow.asked.append((value, shape))


def _is_guarded(path: Any, guarded: Collection[str]) -> bool:
    """Whether a Choice asks first if the value is there. To ask of what kind it is fails if it is not."""
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
                flow.asked += [(path, given) for path in paths]
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
"""What an expression has that looks first whether a value is there, or may: nothing is said about its paths."""


def _as_path(names: str) -> str:
    """A JSONPath for what follows `$states.input`."""
    return "$" + "".join(f"['{name.strip('`')}']" for name in re.findall(r"\w+|`[^`]+`", names))


def _output(value: Any, given: Shape) -> Shape:
    """What a JSONata field yields, for the forms that keep the input: it, or it with more beside it."""
    if isinstance(value, Mapping):
        return {
            key: _output(item, given) if isinstance(item, Mapping) else None for key, item in value.items()
        }
    expression = re.sub(r"^\{%\s*|\s*%\}$", "", str(value))
    if expression == "$states.input":
        return given
    merged = re.fullmatch(r"\$merge\(\[\s*\$states\.input\s*,\s*\{(.*)\}\s*\]\)", expression, re.DOTALL)
    if merged is None or given is None:
        return None
    added = _keys(merged.group(1))
    return None if added is None else {**given, **dict.fromkeys(added)}


def _keys(inside: str) -> list[str] | None:
    """The keys of a JSONata object constructor, from what is between its braces; None if that is not plain."""
    keys: list[str] = []
    depth = 0
    at_key = True
    position = 0
    while position < len(inside):
        char = inside[position]
        if at_key and not char.isspace():
            match = re.compile(r"""(['"])([^'"\\]*)\1\s*:""").match(inside, position)
            if match is None:
                return None
            keys.append(match.group(2))
            position, at_key = match.end(), False
            continue
        if char in "'\"`":
            end = re.compile(rf"(?:[^\\{char}]|\\.)*{char}", re.DOTALL).match(inside, position + 1)
            if end is None:
                return None
            position = end.end()
            continue
        depth += (char in "([{") - (char in ")]}")
        if depth < 0:
            return None
        at_key = at_key or (char == "," and depth == 0)
        position += 1
    return keys
