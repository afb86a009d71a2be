"""What a JSONata state reads, and what it makes of its input.

Source: Transforming data with JSONata, Step Functions developer guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workflow.asl.checks.expressions import expression_in, path_of, uses
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
from workflow.asl.checks.problem import hint
from workflow.asl.checks.shapes import (
    Key,
    List,
    Object,
    Part,
    Scalar,
    Shape,
    at,
    described,
    joined,
    literal,
    merged,
    object_of,
)
from workflow.asl.checks.syntax import parsed, texts
from workflow.asl.expressions import event_that_fits
from workflow.asl.walk import Way, is_distributed, rules, ways

__all__ = ["flow_of"]

_ROOTS: dict[str, Root] = {"input": "input", "result": "result", "errorOutput": "error", "context": "context"}
_WITH_RESULT = ("Task", "Parallel", "Map")
_WITHOUT_RESULT = ("Arguments", "Items", "ItemSelector", "ItemReader", "ItemBatcher", "MaxConcurrency")
"""Fields that are evaluated before there is a result."""


class _State:
    """One JSONata state with what is known of its data."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.name, self.state, self.facts = visit, visit.name, visit.state, visit.facts
        self.flow = Flow()
        self.result: Shape = None

    def roots(self, error: Shape = None) -> dict[str, Shape]:
        """The fields of `$states`."""
        context = context_of(self.state, self.facts.context)
        fields = {"input": self.facts.input, "result": self.result, "context": context}
        return fields if error is None else {**fields, "errorOutput": error}

    def read(self, part: Mapping[str, Any], *, of_catch: bool = False) -> list[Path]:
        """Notes what the fields of a state, a rule or a catcher read. Returns the paths that they test."""
        guarded: list[Path] = []
        for field, text in texts(part):
            expression = expression_in(text)
            if expression is None:
                continue
            if field == "Condition" or field.endswith(".Condition"):
                kind = self.value(text)
                if isinstance(kind, Object | List | Scalar) and kind not in (literal(True), Scalar()):
                    self.flow.problems.append(
                        f"{field}: the expression gives {described(kind)}; a condition needs true or false"
                    )
            found = uses(expression)
            for name in found.bare:
                self.flow.problems.append(
                    f"{field}: {name!r} is read from nothing; write $states.input.{name}, or '{name}' for a text"
                )
            for use in found.paths:
                self._note(use.variable, use.parts, use.is_tolerant, field, of_catch=of_catch)
            for use in found.tested:
                if use.variable != "states":
                    guarded.append(("variables", (use.variable, *use.parts)))
                elif use.parts[:1] == ("input",):
                    guarded.append(("input", use.parts[1:]))
        return guarded

    def _note(
        self, variable: str, parts: tuple[Part, ...], is_tolerant: bool, field: str, *, of_catch: bool
    ) -> None:
        if variable != "states":
            path = Read(_text(f"${variable}", parts), "variables", (variable, *parts), self.facts.variables)
            self.flow.reads.append(path._replace(is_tolerant=is_tolerant, maps=True))
            return
        if not parts or not isinstance(parts[0], str):
            return
        name, rest = parts[0], parts[1:]
        path_text = _text("$states", parts)
        if name not in _ROOTS:
            self.flow.problems.append(
                f"{field}: $states has no {name!r}; it has input, result, errorOutput and context{hint(name, _ROOTS)}"
            )
        elif name == "errorOutput" and not of_catch:
            self.flow.problems.append(f"{field}: {path_text} exists only in the Output and Assign of a Catch")
        elif name == "result" and of_catch:
            self.flow.problems.append(
                f"{field}: {path_text}: a Catch has no result; read $states.errorOutput"
            )
        elif name == "result" and field.partition(".")[0].partition("[")[0] in _WITHOUT_RESULT:
            self.flow.problems.append(
                f"{field}: {path_text} does not exist yet; only Output and Assign see the result"
            )
        elif name == "result" and self.state["Type"] not in _WITH_RESULT:
            self.flow.problems.append(
                f"{field}: {path_text}: a {self.state['Type']} has no result; read $states.input"
            )
        else:
            root = ERROR if of_catch and name == "errorOutput" else self.roots().get(name)
            self.flow.reads.append(Read(path_text, _ROOTS[name], rest, root, is_tolerant, maps=True))

    def value(self, value: Any, error: Shape = None) -> Shape:
        """The shape of a field's value: JSON with expressions."""
        if isinstance(value, Mapping):
            return object_of({str(key): self.value(item, error) for key, item in value.items()})
        if isinstance(value, list):
            return List(tuple(self.value(item, error) for item in value))
        expression = expression_in(value)
        if expression is None:
            return literal(value)
        # An event that was cut down has the same documented fields.
        plain = expression.strip().replace(event_that_fits("$states.input"), "$states.input")
        return self._shape(parsed(plain)[0], self.roots(error))

    def _shape(self, node: Any, roots: Mapping[str, Shape]) -> Shape:
        """The shape of what a node of a syntax tree evaluates to, as far as it is obvious."""
        kind = getattr(node, "type", None)
        if kind in ("path", "variable"):
            return self._shape_of_path(node, roots)
        if kind in ("string", "number", "value"):
            return literal(node.value)
        if kind == "unary" and node.value == "[":
            return self._shape_of_list(node, roots)
        if kind == "unary" and node.value == "{":
            return self._shape_of_object(node, roots)
        if kind == "condition" and node._else is not None:
            return joined(self._shape(node.then, roots), self._shape(node._else, roots))
        if kind == "binary" and node.value == "&":
            return literal("")
        if kind == "binary" and node.value in ("=", "!=", "<", "<=", ">", ">=", "and", "or", "in"):
            return literal(True)
        if kind == "function" and node.procedure.value == "merge" and len(node.arguments) == 1:
            parts = node.arguments[0]
            if parts.type == "unary" and parts.value == "[":
                return merged(self._shape(part, roots) for part in parts.expressions)
        return None

    def _shape_of_path(self, node: Any, roots: Mapping[str, Shape]) -> Shape:
        found = path_of(node)
        if found is None:
            return None
        variable, parts, _ = found
        if variable != "states":
            return at((variable, *parts), self.facts.variables, maps=True)
        name = parts[0] if parts else None
        return at(parts[1:], roots.get(name), maps=True) if isinstance(name, str) else None

    def _shape_of_list(self, node: Any, roots: Mapping[str, Shape]) -> Shape:
        # A part without a value is left out, and a list among them is not a list of its own.
        shapes = [self._shape(part, roots) for part in node.expressions]
        kinds = {getattr(part, "type", "") for part in node.expressions}
        return List(tuple(shapes)) if kinds <= {"string", "number", "value", "unary"} else List()

    def _shape_of_object(self, node: Any, roots: Mapping[str, Shape]) -> Shape:
        if any(key.type != "string" for key, _ in node.lhs_object):
            return None
        keys = {}
        for key, part in node.lhs_object:
            keys[str(key.value)] = Key(self._shape(part, roots), self._lacking(part), self.name)
        return Object(keys)

    def _lacking(self, node: Any) -> str | None:
        """When a key with this value is left out: when the path that it reads has no value."""
        found = path_of(node) if node.type in ("path", "variable") else None
        if node.type == "condition" and node._else is None:
            return ""
        if found is None or found[0] != "states" or found[1][:1] != ("input",):
            return None
        key: Key | None = None
        shape = self.facts.input
        for part in found[1][1:]:
            key = shape.get(part) if isinstance(shape, Object) and isinstance(part, str) else None
            if key is None:
                return None
            if key.lacking is not None:
                return key.lacking
            shape = key.shape
        return None


def _text(start: str, parts: tuple[Part, ...]) -> str:
    """A path as it is written."""
    steps = []
    for part in parts:
        if part is None:
            steps.append("…")
            break
        steps.append(
            f"[{part}]" if isinstance(part, int) else f".{part}" if part.isidentifier() else f".`{part}`"
        )
    return start + "".join(steps)


def flow_of(visit: Visit) -> Flow:
    """What a JSONata state does with its data."""
    one = _State(visit)
    state, facts = visit.state, visit.facts
    one.result = _result(one)
    guarded = [] if visit.is_own else one.read({key: value for key, value in state.items() if key != "Catch"})
    if not visit.is_own:
        for catcher in state.get("Catch", ()):
            one.read(catcher, of_catch=True)
    default = one.result if state["Type"] in _WITH_RESULT else facts.input
    for way in ways(state):
        one.flow.out.append((way, _after(one, way, default, guarded)))
    one.flow.ends = bool(state.get("End")) or state["Type"] == "Succeed"
    one.flow.end = one.value(state["Output"]) if "Output" in state else default
    return one.flow


def _after(one: _State, way: Way, default: Shape, guarded: list[Path]) -> Facts:
    """What is known on one way out of a state."""
    error = ERROR if way.kind == "catch" else None
    # The fields of a rule or a catcher count instead of those of the state.
    part = way.of if way.kind in ("catch", "choice") else one.state
    after = one.facts
    if one.state["Type"] == "Choice":
        after = after_choice(after, one.name, guarded, _tested(one.state, guarded))
    if "Output" in part:
        made, what = one.value(part["Output"], error), "Output"
    elif error is not None:
        made, what = error, "error"
    elif one.state["Type"] in _WITH_RESULT:
        made, what = default, "result"
    else:
        made, what = after.input, ""
    if what and made is not one.facts.input:
        who = f"the Catch of {one.name!r}" if error is not None else repr(one.name)
        value = {"Output": "…", "error": "$states.errorOutput", "result": "$states.result"}[what]
        fix = f"give it output=\"{{% $merge([$states.input, {{'…': {value}}}]) %}}\" to keep the state"
        after = replace(
            after, input=made, replaced=Replaced(f"{who} replaces the state with its {what}", fix, one.facts)
        )
    if "Assign" in part and isinstance(part["Assign"], Mapping):
        after = with_variables(after, one.value(part["Assign"], error), one.name)
    return after


def _tested(state: Mapping[str, Any], guarded: list[Path]) -> list[Path]:
    """The paths that the conditions of a Choice read."""
    found = list(guarded)
    for rule in rules(state):
        expression = expression_in(rule.get("Condition"))
        for use in uses(expression).paths if expression else ():
            if use.variable != "states":
                found.append(("variables", (use.variable, *use.parts)))
            elif use.parts[:1] == ("input",):
                found.append(("input", use.parts[1:]))
    return found


def _result(one: _State) -> Shape:
    state, facts = one.state, one.facts
    if state["Type"] == "Task":
        return one.visit.result
    if state["Type"] == "Parallel":
        given = facts
        if "Arguments" in state:
            replaced = Replaced(
                f"{one.name!r} passes only its Arguments to its branches", "add the key there", facts
            )
            given = replace(facts, input=one.value(state["Arguments"]), replaced=replaced)
        return List(tuple(one.visit.inside(given)))
    return _mapped(one) if state["Type"] == "Map" else None


def _mapped(one: _State) -> Shape:
    state, facts = one.state, one.facts
    items = None if "ItemReader" in state else one.value(state["Items"]) if "Items" in state else facts.input
    if not one.visit.is_own and "ItemReader" not in state:
        path = _written(state["Items"]) if "Items" in state else "$states.input"
        expects = "items" if is_distributed(state) else "list"
        one.flow.reads.append(Read(path, "input", (), items, maps=True, expects=expects))
    item = items.any_item if isinstance(items, List) else None
    inside = with_item(facts, items)
    only = f"{one.name!r} passes only each item to its item processor"
    replaced = Replaced(only, "add the key with ItemSelector", facts)
    if "ItemSelector" in state:
        one.facts = inside
        item = one.value(state["ItemSelector"])
        one.facts = facts
        replaced = Replaced(
            f"{one.name!r} passes only its ItemSelector to its items", "add the key there", facts
        )
    if "ItemBatcher" in state:
        batch = one.value(state["ItemBatcher"].get("BatchInput"))
        item = object_of({"BatchInput": batch, "Items": List(item=item)})
    return written(state, one.visit.inside(of_items(inside, state, item, replaced)))


def _written(items: Any) -> str:
    """An expression as messages show it."""
    return (expression_in(items) or "Items").strip()
