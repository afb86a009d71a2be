"""What a JSONPath state reads, and what it makes of its input.

Source: Amazon States Language, "Paths" and "Input and output processing"; for variables, the Step Functions developer
guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from workflow.asl.checks.flow import (
    ERROR,
    Facts,
    Flow,
    Path,
    Read,
    Replaced,
    Root,
    Visit,
    after_choice,
    context_of,
    of_items,
    with_item,
    with_variables,
    written,
)
from workflow.asl.checks.intrinsics import arguments_of_call
from workflow.asl.checks.references import parts_of
from workflow.asl.checks.shapes import (
    List,
    Object,
    Scalar,
    Shape,
    at,
    described,
    literal,
    merged,
    object_of,
    placed,
)
from workflow.asl.walk import Way, is_distributed, rules, ways

__all__ = ["flow_of"]

_WITH_RESULT = ("Task", "Pass", "Parallel", "Map")
_SCALARS = {
    **dict.fromkeys(
        (
            "SecondsPath",
            "TimeoutSecondsPath",
            "HeartbeatSecondsPath",
            "MaxConcurrencyPath",
            "ToleratedFailureCountPath",
            "ToleratedFailurePercentagePath",
        ),
        "number",
    ),
    **dict.fromkeys(("TimestampPath", "ErrorPath", "CausePath"), "string"),
}
"""What the path in a field must lead to."""


class _State:
    """One JSONPath state with what is known of its data."""

    def __init__(self, visit: Visit) -> None:
        self.name, self.state, self.facts = visit.name, visit.state, visit.facts
        self.flow = Flow()
        context = context_of(visit.state, visit.facts.context)
        self.roots = {"context": context, "variables": visit.facts.variables}

    def read(self, value: Any, root: Shape, *, of: Root = "input", expects: str = "") -> Shape:
        """Notes what a path or an intrinsic function reads. Returns the shape of its value.

        Args:
            value: The path, or the call of an intrinsic function.
            root: The shape that `$` stands for.
            of: What `$` stands for, in messages.
            expects: The kind of value that the field needs.
        """
        if not isinstance(value, str):
            return None
        if value.startswith("States."):
            return self._intrinsic(value, root, of)
        found = parts_of(value)
        if found is None:
            return None
        start, parts = found
        shape = self.roots.get(start, root)
        self.flow.reads.append(Read(value, of if start == "input" else start, parts, shape, expects=expects))
        return at(parts, shape)

    def _intrinsic(self, call: str, root: Shape, of: Root) -> Shape:
        unquoted = re.sub(r"'(?:[^'\\]|\\.)*'(?!\s*\])", "''", call)
        function = call.partition("(")[0]
        first = arguments_of_call(call)[:1]
        kind = _FIRST.get(function, "")
        shapes = [
            self.read(path, root, of=of, expects=kind if [path] == first else "")
            for path in re.findall(_ARGUMENT, unquoted)
        ]
        if re.fullmatch(rf"States\.JsonMerge\(\s*{_ARGUMENT}\s*,\s*{_ARGUMENT}\s*,[^,]*\)", call):
            return merged(shapes)
        return _RESULTS_OF_INTRINSICS.get(function)

    def template(self, template: Any, root: Shape, *, of: Root = "input") -> Shape:
        """Notes what a payload template reads. Returns the shape of its result."""
        if isinstance(template, list):
            return List(tuple(self.template(item, root, of=of) for item in template))
        if not isinstance(template, Mapping):
            return literal(template)
        return object_of(
            {
                key.removesuffix(".$"): self.read(value, root, of=of)
                if key.endswith(".$")
                else self.template(value, root, of=of)
                for key, value in template.items()
            }
        )

    def placed(self, field: str, path: Any, result: Shape) -> Shape:
        """The shape of the input with a result added at a path."""
        if path is None:
            return self.facts.input
        found = parts_of(str(path))
        holder = self.facts.input
        for number, part in enumerate(found[1] if found else ()):
            if isinstance(holder, List | Scalar) and isinstance(part, str):
                where = "what holds it" if number else "the state"
                replaced = None if number else self.facts.replaced
                why = f": {replaced.what}; {replaced.fix}" if replaced else ""
                self.flow.problems.append(
                    f"{field}: nothing can be added at {path}, because {where} is {described(holder)}{why}"
                )
                break
            holder = at([part], holder)
        return placed(self.facts.input, found[1] if found else (None,), result, self.name)

    def assigned(self, part: Mapping[str, Any], root: Shape, of: Root) -> Shape:
        """The variables that a state, a rule or a catcher sets."""
        return self.template(part["Assign"], root, of=of) if "Assign" in part else None

    def selected(self, field: str, shape: Shape) -> Shape:
        """The part of a value that InputPath or OutputPath selects."""
        path = self.state.get(field, "$")
        return Object({}) if path is None else shape if path == "$" else self.read(path, shape)


_ARGUMENT = r"(?<![$\w])\$\$?(?:[A-Za-z_]\w*)?(?:\.[\w-]+|\[[^\]]*\])*"

_FIRST = {
    **dict.fromkeys(
        (
            "States.ArrayContains",
            "States.ArrayGetItem",
            "States.ArrayLength",
            "States.ArrayPartition",
            "States.ArrayUnique",
        ),
        "an array",
    ),
    **dict.fromkeys(
        ("States.Base64Decode", "States.Base64Encode", "States.StringSplit", "States.StringToJson"), "a text"
    ),
    "States.MathAdd": "an integer",
}
"""What intrinsic functions take as their first argument."""

_RESULTS_OF_INTRINSICS: dict[str, Shape] = {
    **dict.fromkeys(
        ("States.Array", "States.ArrayPartition", "States.ArrayRange", "States.ArrayUnique", "States.StringSplit"),
        List(),
    ),
    **dict.fromkeys(
        (
            "States.Format",
            "States.JsonToString",
            "States.UUID",
            "States.Hash",
            "States.Base64Encode",
            "States.Base64Decode",
        ),
        literal(""),
    ),
    **dict.fromkeys(("States.ArrayLength", "States.MathRandom", "States.MathAdd"), literal(0)),
    "States.ArrayContains": literal(True),
}  # fmt: skip


def flow_of(visit: Visit) -> Flow:
    """What a JSONPath state does with its data."""
    one = _State(visit)
    state, facts, kind = visit.state, visit.facts, visit.state["Type"]
    taken = one.selected("InputPath", facts.input)
    for field, value in state.items():
        if field.endswith("Path") and field not in ("InputPath", "OutputPath", "ResultPath"):
            one.read(value, taken, expects=_expected(field, state))
    arguments = one.template(state["Parameters"], taken) if "Parameters" in state and kind != "Map" else taken
    result = _result(one, visit, taken, arguments)
    one.template(state.get("Credentials"), taken)
    effective = (
        one.template(state["ResultSelector"], result, of="result") if "ResultSelector" in state else result
    )
    guarded = _read_rules(one, taken)
    made = _made(one, taken, effective)
    for way in ways(state):
        one.flow.out.append((way, _after(one, way, made, taken, result, guarded)))
    one.flow.ends = bool(state.get("End")) or kind == "Succeed"
    one.flow.end = made.input
    return one.flow


def _expected(field: str, state: Mapping[str, Any]) -> str:
    """What the path in a field must lead to."""
    if field == "ItemsPath":
        return "items" if is_distributed(state) else "list"
    return _SCALARS.get(field, "")


def _result(one: _State, visit: Visit, taken: Shape, arguments: Shape) -> Shape:
    state, kind = visit.state, visit.state["Type"]
    if kind == "Task":
        return visit.result
    if kind == "Parallel":
        given = replace(visit.facts, input=arguments)
        if "Parameters" in state:
            given = replace(given, replaced=_passes(one, "its Parameters to its branches", visit.facts))
        return List(tuple(visit.inside(given)))
    if kind == "Map":
        return _mapped(one, visit, taken)
    return literal(state["Result"]) if "Result" in state else arguments


def _mapped(one: _State, visit: Visit, taken: Shape) -> Shape:
    """The result of a Map: a list of what its items become, or where they were written."""
    state, facts = visit.state, visit.facts
    items = at((parts_of(str(state.get("ItemsPath", "$"))) or ("input", (None,)))[1], taken)
    if "ItemReader" in state:
        items = None
    elif "ItemsPath" not in state:
        one.read("$", taken, expects=_expected("ItemsPath", state))
    selector = state.get("ItemSelector", state.get("Parameters"))
    item = items.any_item if isinstance(items, List) else None
    inside, replaced = (
        with_item(facts, items),
        _passes(one, "each item to its item processor", facts, _SELECT),
    )
    if selector is not None:
        one.roots["context"] = inside.context
        item, replaced = one.template(selector, taken), _passes(one, "its ItemSelector to its items", facts)
        one.roots["context"] = facts.context
    if "ItemBatcher" in state:
        batch = state["ItemBatcher"].get("BatchInput")
        item = object_of({"BatchInput": one.template(batch, taken), "Items": List(item=item)})
    for part in ("ItemReader", "ResultWriter"):
        one.template(state.get(part, {}).get("Parameters"), taken)
    return written(state, visit.inside(of_items(inside, state, item, replaced)))


def _passes(one: _State, what: str, before: Facts, fix: str = "add the key there") -> Replaced:
    return Replaced(f"{one.name!r} passes only {what}", fix, before)


def _made(one: _State, taken: Shape, result: Shape) -> Facts:
    """What is known after the state, apart from variables."""
    state, facts = one.state, one.facts
    made, replaced = taken, facts.replaced
    if state["Type"] in _WITH_RESULT:
        path = state.get("ResultPath", "$")
        made = one.placed("ResultPath", path, result)
        if path == "$" and not _passes_on(state):
            what = next(
                (field for field in ("Parameters", "Result") if state["Type"] == "Pass" and field in state),
                "result",
            )
            replaced = Replaced(f"{one.name!r} replaces the state with its {what}", _KEEP, facts)
    elif taken is not facts.input:
        replaced = _keeps(one, "InputPath", facts)
    if state.get("OutputPath", "$") != "$":
        made, replaced = (
            one.selected("OutputPath", made),
            _keeps(one, "OutputPath", replace(facts, input=made)),
        )
    return replace(facts, input=made, replaced=replaced)


_SELECT = "add the key with ItemSelector"
_KEEP = "give it result_path='$.…' to keep the state"


def _passes_on(state: Mapping[str, Any]) -> bool:
    """Whether a state's result is its input."""
    changes = ("Result", "Parameters", "InputPath", "ResultSelector")
    return state["Type"] == "Pass" and not any(field in state for field in changes)


def _keeps(one: _State, field: str, before: Facts) -> Replaced:
    return Replaced(f"{one.name!r} keeps only its {field}, {one.state.get(field)}", f"remove {field}", before)


def _after(one: _State, way: Way, made: Facts, taken: Shape, result: Shape, guarded: list[Path]) -> Facts:
    """What is known on one way out of a state."""
    if way.kind == "catch":
        path = way.of.get("ResultPath", "$")
        after = replace(one.facts, input=one.placed(way.path.replace("Next", "ResultPath"), path, ERROR))
        if path == "$":
            what = f"the Catch of {one.name!r} replaces the state with the error"
            after = replace(after, replaced=Replaced(what, _KEEP, one.facts))
        return with_variables(after, one.assigned(way.of, ERROR, "error"), one.name)
    if one.state["Type"] == "Choice":
        after = after_choice(made, one.name, guarded, _tested(one.state))
        # Assign in a rule counts instead of that of the state, which is for the default.
        return with_variables(after, one.assigned(way.of or one.state, taken, "input"), one.name)
    if one.state["Type"] in _WITH_RESULT:
        return with_variables(made, one.assigned(one.state, result, "result"), one.name)
    return with_variables(made, one.assigned(one.state, taken, "input"), one.name)


def _tested(state: Mapping[str, Any]) -> list[Path]:
    paths = [rule["Variable"] for rule in rules(state) if isinstance(rule.get("Variable"), str)]
    return [found for path in paths if (found := parts_of(path))]


def _read_rules(one: _State, taken: Shape) -> list[Path]:
    """Notes the paths that a Choice reads. Returns those that it tests with IsPresent.

    Other tests, such as IsString, fail if there is no value.
    """
    present = [
        str(rule["Variable"]) for rule in rules(one.state) if "Variable" in rule and "IsPresent" in rule
    ]
    guarded = [found for path in present if (found := parts_of(path))]
    for path, kind in _paths_of_rules(one.state):
        found = parts_of(path)
        if found and not any(found[0] == root and found[1][: len(parts)] == parts for root, parts in guarded):
            one.read(path, taken, expects=kind)
    return guarded


def _paths_of_rules(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The paths in the rules of a Choice, each with the kind of value that the rule compares; "" for any."""
    for rule in rules(state):
        kind = next((_COMPARED[of] for key in rule for of in _COMPARED if key.startswith(of)), "")
        for key, value in rule.items():
            if (key == "Variable" or key.endswith("Path")) and isinstance(value, str):
                yield value, kind


_COMPARED = {
    "String": "a string",
    "Numeric": "a number",
    "Boolean": "a boolean",
    "Timestamp": "a string",
}
"""The kind of value that a comparison matches, by the beginning of its name."""
