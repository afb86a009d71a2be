"""What a JSONata expression reads, from its syntax tree.

A path that does not exist has no value. A field without a value fails the state, but an expression can test whether
there is one (`$exists(…)`, `… ? … : …`, `… = true`), and a key of an object is left out.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

from workflow.asl.checks.shapes import Part
from workflow.asl.checks.syntax import parsed

__all__ = ["Uses", "expression_in", "functions", "path_of", "uses"]

_OF_STEP_FUNCTIONS = frozenset({"hash", "parse", "partition", "random", "range", "uuid"})
_TESTS = frozenset({"boolean", "count", "exists", "lookup", "not", "type"})
_MERGING = frozenset({"append", "merge"})


class Use(NamedTuple):
    """A path that an expression reads.

    Attributes:
        variable: What it starts from, without `$`: `states`, or a workflow variable.
        parts: Its steps.
        is_tolerant: Whether the expression also has a value without it.
    """

    variable: str
    parts: tuple[Part, ...]
    is_tolerant: bool


class Uses(NamedTuple):
    """What an expression reads.

    Attributes:
        paths: The paths, except those that it tests.
        tested: The paths whose existence it tests.
        bare: Names at the top level, where there is nothing to read them from.
    """

    paths: tuple[Use, ...]
    tested: tuple[Use, ...]
    bare: tuple[str, ...]


def expression_in(text: Any) -> str | None:
    """The expression in `{% … %}`; None for any other value."""
    match = _EXPRESSION.fullmatch(text) if isinstance(text, str) else None
    return match and match[1].strip()


_EXPRESSION = re.compile(r"\s*\{%(.*)%\}\s*", re.DOTALL)


@cache
def functions() -> frozenset[str]:
    """The names of JSONata's functions and those that Step Functions adds."""
    from jsonata import Jsonata  # type: ignore[import-untyped]

    return frozenset(Jsonata.static_frame.bindings) | _OF_STEP_FUNCTIONS


@cache
def uses(expression: str) -> Uses:
    """What an expression reads; nothing if it does not parse."""
    tree = parsed(expression)[0]
    if tree is None:
        return Uses((), (), ())
    walker = _Walker()
    walker.walk(tree, tolerant=False, in_context=False)
    found = [use for use in dict.fromkeys(walker.found) if use.variable not in walker.local]
    tested = tuple(use for use in found if use in walker.tested)
    # A test of the whole input says nothing of what is in it.
    guards = {(use.variable, use.parts) for use in tested if use.variable != "states" or len(use.parts) > 1}
    paths = [
        use
        for use in found
        if not any((use.variable, use.parts[:n]) in guards for n in range(len(use.parts) + 1))
    ]
    return Uses(tuple(paths), tested, tuple(dict.fromkeys(walker.bare)))


def path_of(node: Any) -> tuple[str, tuple[Part, ...], list[Any]] | None:
    """The variable and the steps of a path that begins with a variable; None for any other node.

    Returns:
        The variable, the steps, and the nodes in the path that read on their own, such as filters.
    """
    first, *rest = node.steps if node.type == "path" else [node]
    if first.type != "variable" or first.value in ("", "$"):
        return None
    parts: list[Part] = []
    inside: list[Any] = []
    for number, step in enumerate([first, *rest]):
        if number and (step.type != "name" or None in parts):
            parts.append(None)
            inside.append(step)
        elif number:
            parts.append(step.value)
        for stage in [*(step.stages or ()), *(step.predicate or ())]:
            index = _index(stage)
            parts.append(index)
            if index is None:
                inside.append(stage)
    if node.group is not None:
        parts.append(None)
        inside.append(node.group)
    return first.value, tuple(parts), inside


def _index(stage: Any) -> int | None:
    """The number in `[0]`; None for a filter."""
    expression = getattr(stage, "expr", None)
    if stage.type != "filter" or expression is None or expression.type != "number":
        return None
    value = expression.value
    return int(value) if value == int(value) and value >= 0 else None


_FIELDS = tuple(
    """
    arguments expressions lhs rhs expression condition then _else pattern update delete terms steps stages predicate
    expr body procedure lhs_object group
    """.split()  # noqa: SIM905 (shorter than a list)
)
"""The fields of a node that hold nodes."""


def _children(node: Any) -> list[Any]:
    """The nodes that a node holds."""
    return [value for name in _FIELDS if (value := getattr(node, name, None)) is not None]


class _Walker:
    """Collects what an expression reads.

    `local` are its own variables: those that `:=` binds, and the parameters of its functions.
    """

    def __init__(self) -> None:
        self.local: set[str] = set()
        self.found: list[Use] = []
        self.tested: set[Use] = set()
        self.bare: list[str] = []

    def walk(self, node: Any, *, tolerant: bool, in_context: bool, tests: bool = False) -> None:
        """Notes what a node reads.

        Args:
            node: The node, or a list of nodes.
            tolerant: Whether it may have no value.
            in_context: Whether bare names have something to be read from.
            tests: Whether it is tested for a value.
        """
        if isinstance(node, list | tuple):
            for item in node:
                self.walk(item, tolerant=tolerant, in_context=in_context, tests=tests)
        elif hasattr(node, "type"):
            special = getattr(self, f"_walk_{node.type}", None)
            if special is not None:
                special(node, tolerant, in_context, tests)
            else:
                # Sorts, transforms, partial calls and the like: names in them are read from what they work on.
                self.walk(_children(node), tolerant=True, in_context=True)

    def _path(self, node: Any, tolerant: bool, in_context: bool, tests: bool) -> None:
        for step in node.steps or ():  # `@$name` and `#$name`
            self.local.update(name for name in (step.focus, step.index) if isinstance(name, str))
        found = path_of(node)
        if found is None:
            steps = node.steps if node.type == "path" else []
            if steps and steps[0].type == "name" and not in_context:
                self.bare.append(steps[0].value)
            self.walk(steps[:1], tolerant=tolerant, in_context=in_context)
            self.walk(steps[1:], tolerant=True, in_context=True)
            return
        name, parts, inside = found
        self.walk(inside, tolerant=True, in_context=True)
        if parts or name not in functions():
            use = Use(name, parts, tolerant)
            self.found.append(use)
            if tests:
                self.tested.add(use)

    _walk_path = _walk_variable = _path

    def _walk_name(self, node: Any, tolerant: bool, in_context: bool, tests: bool) -> None:
        self.walk([*(node.stages or ()), *(node.predicate or ())], tolerant=True, in_context=True)

    def _walk_filter(self, node: Any, tolerant: bool, in_context: bool, tests: bool) -> None:
        self.walk(node.expr, tolerant=True, in_context=True)

    def _walk_condition(self, node: Any, tolerant: bool, in_context: bool, tests: bool) -> None:
        self.walk(node.condition, tolerant=True, in_context=in_context, tests=True)
        self.walk([node.then, node._else], tolerant=tolerant, in_context=in_context, tests=tests)

    def _walk_binary(self, node: Any, tolerant: bool, in_context: bool, tests: bool) -> None:
        is_test = node.value in ("=", "!=", "in", "and", "or")
        self.walk(
            [node.lhs, node.rhs], tolerant=tolerant or is_test, in_context=in_context, tests=tests or is_test
        )

    def _walk_unary(self, node: Any, tolerant: bool, in_context: bool, tests: bool) -> None:
        if node.value == "{":
            self.walk([key for key, _ in node.lhs_object], tolerant=tolerant, in_context=in_context)
            self.walk([value for _, value in node.lhs_object], tolerant=True, in_context=in_context)
        elif node.value == "[":
            self.walk(node.expressions, tolerant=True, in_context=in_context)
        else:
            self.walk(node.expression, tolerant=tolerant, in_context=in_context)

    def _walk_block(self, node: Any, tolerant: bool, in_context: bool, tests: bool) -> None:
        *before, last = node.expressions or [None]
        self.walk(before, tolerant=True, in_context=in_context)
        self.walk(last, tolerant=tolerant, in_context=in_context, tests=tests)

    def _walk_bind(self, node: Any, tolerant: bool, in_context: bool, tests: bool) -> None:
        self.local.add(node.lhs.value)
        # What follows can test the variable.
        self.walk(node.rhs, tolerant=True, in_context=in_context, tests=True)

    def _walk_function(self, node: Any, tolerant: bool, in_context: bool, tests: bool) -> None:
        name = node.procedure.value if node.procedure.type == "variable" else None
        is_test = name in _TESTS
        self.walk(node.procedure, tolerant=tolerant, in_context=in_context)
        self.walk(
            node.arguments or [],
            tolerant=tolerant or is_test or name in _MERGING,
            in_context=in_context,
            tests=tests or is_test,
        )

    def _walk_lambda(self, node: Any, tolerant: bool, in_context: bool, tests: bool) -> None:
        self.local.update(argument.value for argument in node.arguments or ())
        self.walk(node.body, tolerant=True, in_context=True)

    def _walk_apply(self, node: Any, tolerant: bool, in_context: bool, tests: bool) -> None:
        self.walk([node.lhs, node.rhs], tolerant=tolerant, in_context=in_context)
