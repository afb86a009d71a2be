"""The lists of steps in the user's file: what is wrong with them, in which line, and what to write instead."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from lambdas.reviews.errors import shortened
from workflow.asl.origin import name_of, shown_path
from workflow.steps import Chain, State

__all__ = ["problems_of_branch"]

_MISSING = object()
"""The value of a variable that the file does not have."""


def problems_of_branch(branch: str, module: ModuleType, path: Path) -> Iterator[str]:
    """Why a branch is no list of steps, each with its line, and what to write.

    Args:
        branch: The name of the variable.
        module: The file, run.
        path: The file.
    """
    steps = getattr(module, branch, _MISSING)
    assigned = assigned_in(path, branch)

    def at(line: int | None) -> str:
        return f"{shown_path(path)}{f':{line}' if line else ''}: `{branch}`"

    if not isinstance(steps, list):
        yield f"{at(assigned.line)} must be a list of steps, {_instead_of_list(branch, steps)}"
        return
    if assigned.lost:
        yield (
            f"{at(assigned.line)} is assigned a second time, so the steps of line {assigned.lost} are lost: write "
            f"them in one list, or {branch} += […]"
        )
    lines = assigned.items if len(assigned.items) == len(steps) else [assigned.line] * len(steps)
    for index, (line, item) in enumerate(zip(lines, steps, strict=True)):
        if isinstance(item, Chain) and not item.steps:
            yield f"{at(line)} has an empty Chain at index {index}: write its steps, or remove it"
        elif not isinstance(item, State | Chain):
            yield f"{at(line)} must be a list of steps, but at index {index} is {_instead_of_step(item)}"
    states = [step for item in steps for step in (item.steps if isinstance(item, Chain) else [item])]
    for state, times in Counter(map(id, states)).items():
        if times > 1:
            name = name_of(next(one for one in states if id(one) == state))
            yield f"{at(assigned.line)} has {name} {times} times; create a step for each, with its own name"


def _instead_of_list(branch: str, value: Any) -> str:
    """What a branch is instead of a list, and what to write."""
    match value:
        case State():
            return f"not {_with_article(value)} ({value.state_id!r}): write [{type(value).__name__}(…)]"
        case Chain():
            return "not a Chain: write [Chain(…)]"
        case tuple():
            return "not a tuple: write [ and ] around the steps, without a comma after the ]"
        case None:
            return "not None: write [] for no steps (`append` and `extend` change the list, and return None)"
        case dict() | str() | int() | float() | type():
            return f"not {_thing(value)}: write [LambdaStep(…)], or [] for none"
        case _ if value is _MISSING:
            return f"but is missing: write {branch} = [LambdaStep(…)], or [] for none"
        case Callable():
            return f"not {_thing(value)}: call it"
        case _ if hasattr(value, "__iter__"):
            return f"not {_thing(value)}: write list(…) around it"
    return f"not {_thing(value)}: write [LambdaStep(…)], or [] for none"


def _instead_of_step(item: Any) -> str:
    """What an item is instead of a step, and what to write."""
    match item:
        case list() | tuple():
            return f"{_thing(item)}: write its steps without the inner brackets, or Chain([…])"
        case None:
            return "None: `append`, `add_choice` and the like return None; write the step itself"
        case str():
            return f"{_thing(item)}: write a step, such as LambdaStep(…)"
        case type() if issubclass(item, State):
            return f"{_thing(item)}: call it, {item.__name__}(…)"
        case type() | dict():
            return f"{_thing(item)}: write a step of workflow.steps"
        case Callable():
            return f"{_thing(item)}: call it"
    return f"{_thing(item)}: write a step of workflow.steps"


def _thing(value: Any) -> str:
    """A value as an error names it."""
    match value:
        case str():
            return f"the text {shortened(value, 60)}"
        case dict() | list() | tuple() | set():
            return {dict: "a dictionary", list: "a list", tuple: "a tuple", set: "a set"}.get(
                type(value), _with_article(value)
            )
        case bool() | int() | float():
            return f"{value!r}"
        case type():
            return f"the class {value.__name__}"
        case Callable():
            name = getattr(value, "__name__", "<lambda>")
            return "a lambda" if name == "<lambda>" else f"the function {name}"
    module = type(value).__module__
    own = module == "builtins" or module.startswith(("workflow.", "stepfunctions."))
    return _with_article(value) + ("" if own else f" of {module}")


def _with_article(thing: Any) -> str:
    """Returns a thing with its article, as an error about it says: `a LambdaStep`, `an ExampleStep`."""
    name = thing if isinstance(thing, str) else type(thing).__name__
    return f"a{'n' if name[:1] in 'AEIOUaeiou' else ''} {name}"


class Assigned:
    """Where a file assigns a variable, and the items of its list.

    Attributes:
        line: The last line that assigns it; None if none does.
        lost: The line of a list that a later assignment replaces unused; None if there is none.
        items: The lines of the list's items; empty if they are not known.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.line: int | None = None
        self.lost: int | None = None
        self.items: list[int] = []

    def read(self, statement: ast.stmt) -> None:
        """Takes in the next statement of the file."""
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=self.name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=self.name), value=ast.expr() as value)
            ):
                if self.items and not self._is_in(value):
                    self.lost = self.line
                self.line = statement.lineno
                self.items = _lines_of(value)
            case ast.AugAssign(target=ast.Name(id=self.name), value=value):
                self.items += _lines_of(value)
            case ast.Expr(
                value=ast.Call(
                    func=ast.Attribute(value=ast.Name(id=self.name), attr="append"), args=[argument]
                )
            ):
                self.items.append(argument.lineno)
            case ast.FunctionDef(name=self.name) | ast.ClassDef(name=self.name):
                self.line = statement.lineno
            case _ if self._is_in(statement):
                # A loop or a condition: nobody knows the items without running it, and none of them is lost.
                self.items = []
                bound = [one.lineno for one in self._uses(statement) if not isinstance(one.ctx, ast.Load)]
                self.line = bound[-1] if bound else self.line

    def _is_in(self, node: ast.AST) -> bool:
        return any(self._uses(node))

    def _uses(self, node: ast.AST) -> Iterator[ast.Name]:
        return (one for one in ast.walk(node) if isinstance(one, ast.Name) and one.id == self.name)


def assigned_in(path: Path, name: str) -> Assigned:
    """Returns where a file assigns a variable at its top level."""
    found = Assigned(name)
    for statement in ast.parse(path.read_bytes()).body:
        found.read(statement)
    return found


def _lines_of(value: ast.expr) -> list[int]:
    """The lines of the items of a list; empty if it is not written out."""
    items = value.elts if isinstance(value, ast.List) else []
    return [] if any(isinstance(item, ast.Starred) for item in items) else [item.lineno for item in items]
