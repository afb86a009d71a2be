"""The message for a path that leads nowhere."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from workflow.asl.checks.expressions import functions
from workflow.asl.checks.flow import Facts, Read, Root
from workflow.asl.checks.problem import Severity, hint
from workflow.asl.checks.shapes import List, Object, Part, Scalar, Shape, at, described

__all__ = ["problem_of"]

MAX_LISTED = 20
"""Keys that a message lists."""

_SOURCES: dict[Root, str] = {
    "input": "no earlier step provides",
    "result": "the result has no",
    "error": "an error has no",
    "context": "the Context object has no",
    "variables": "no earlier step assigns",
}


def problem_of(read: Read, facts: Facts) -> tuple[str, Severity] | None:
    """What is wrong with a path that a state reads, and how severe it is; None if nothing is."""
    shape = read.shape
    for number, part in enumerate(read.parts):
        if shape is None or part is None:
            return None
        if problem := _step_problem(read, number, part, shape, facts):
            return problem
        if isinstance(shape, Object) and isinstance(part, str):
            key = shape.get(part)
            if key is None:
                return None  # It can have any key.
            if key.lacking and not read.is_tolerant:
                return _sometimes_missing(read, part, key.lacking), "warning"
        shape = at([part], shape, maps=read.maps)
    return _wrong_kind(read, shape, facts)


def _step_problem(
    read: Read, number: int, part: str | int, shape: Shape, facts: Facts
) -> tuple[str, Severity] | None:
    if isinstance(shape, List):
        return _problem_in_list(read, number, part, shape, facts)
    if isinstance(shape, Scalar) or isinstance(part, int):
        if (read.maps and part == 0) or shape is None:
            return None
        name = f"{part!r}" if isinstance(part, str) else f"[{part}]"
        return f"{read.path}: {_until(read, number)} is {described(shape)}; it has no {name}", "error"
    assert isinstance(shape, Object)
    if shape.get(part) is not None:
        return None
    replaced = _replaced(read, number, part, facts)
    is_certain = (
        replaced
        or shape.names in ("exact", "any case")
        or (read.root == "context" and part in _ONLY_IN)
        or get_close_matches(part, shape.keys, 1, 0.75)
    )
    if shape.names == "open" and not is_certain:
        return None
    return _missing(read, number, part, shape.keys, replaced, facts), "error" if is_certain else "warning"


def _missing(read: Read, number: int, part: str, keys: Collection[str], replaced: str, facts: Facts) -> str:
    if read.root == "variables" and number == 0:
        return _undefined(read, part, keys, facts)
    listed = sorted(keys)
    more = ", …" if len(listed) > MAX_LISTED else ""
    available = ", ".join(listed[:MAX_LISTED]) + more if listed else "nothing"
    source = _SOURCES[read.root if read.root != "variables" else "input"]
    if read.root == "context" and read.parts[:2] == ("Execution", "Input") and number > 1:
        source = "the input of the execution has no"
    how = replaced or hint(part, keys)
    if read.root == "context" and number == 0 and part in _ONLY_IN:
        how = f"; {_ONLY_IN[part]}"
    if not how and number == 0 and read.root == "result":
        how = "; the state itself is not part of it"
    return f"{read.path}: {source} {part!r} (available: {available}){how}"


def _undefined(read: Read, name: str, keys: Collection[str], facts: Facts) -> str:
    if name in facts.outside:
        why = "the states of a distributed Map do not see variables from outside; pass it with ItemSelector"
        return f"{read.path}: {why}"
    known = f" (assigned: {', '.join(sorted(keys))})" if keys else ""
    if not read.maps:
        return f"{read.path}: no earlier step assigns the variable {name!r}{known}{hint(name, keys)}"
    what = f"no earlier step assigns the variable {name!r}{known}, and JSONata has no such function"
    return f"{read.path}: {what}{hint(name, [*keys, *functions()])}"


def _replaced(read: Read, number: int, part: str, facts: Facts) -> str:
    """The step that replaced the state, if the path existed before it."""
    replaced = facts.replaced if read.root == "input" and number == 0 else None
    while replaced:
        before = replaced.before.input
        if before is None or (isinstance(before, Object) and before.get(part)):
            return f"; {replaced.what}: {replaced.fix}"
        replaced = replaced.before.replaced
    return ""


def _problem_in_list(
    read: Read, number: int, part: str | int, shape: List, facts: Facts
) -> tuple[str, Severity] | None:
    where = _until(read, number)
    if isinstance(part, int):
        if shape.items is None or part < len(shape.items):
            return None
        count = len(shape.items)
        items = f"{count} items; the last is" if count > 1 else "one item:"
        what = f"a list with {items} {where}[{count - 1}]" if count else "an empty list"
        return f"{read.path}: {where} is {what}", "error"
    if read.maps:
        inner = shape.any_item
        return _step_problem(read, number, part, inner, facts) if inner is not None else None
    how = _replaced(read, number, part, facts) or _in_item(read, where, part, shape)
    return f"{read.path}: {where} is a list, which has no {part!r}{how}", "error"


def _in_item(read: Read, where: str, part: str, shape: List) -> str:
    """How to read a key of a list's items."""
    having = (
        number
        for number, item in enumerate(shape.items or ())
        if isinstance(item, Object) and item.get(part) is not None
    )
    number = next(having, 0)
    return f"; write {where}[{number}]{read.path.removeprefix(where)}, or use a Map for each item"


def _sometimes_missing(read: Read, part: str, lacking: str) -> str:
    if read.root == "variables" and part == read.parts[0]:
        return (
            f"{read.path}: the variable {part!r} is not assigned {lacking};"
            " assign it on that way too, or test it first"
        )
    test = f"test it with {'$exists' if read.maps else 'IsPresent'} first"
    if lacking.startswith("if "):  # Nothing in the machine can provide it.
        return f"{read.path}: {part!r} is missing {lacking}; {test}"
    how = ", or" if ";" in lacking else "; provide it there too, or"
    return f"{read.path}: {part!r} is missing {lacking}{how} {test}"


def _wrong_kind(read: Read, shape: Shape, facts: Facts) -> tuple[str, Severity] | None:
    kind = described(shape)
    if read.expects in ("number", "string") and shape and kind not in (f"a {read.expects}", Scalar().kind):
        # A text can be a number.
        certain = (kind, read.expects) != ("a string", "number")
        return f"{read.path} is {kind}; this field needs a {read.expects}", "error" if certain else "warning"
    if read.expects in ("list", "items") and (
        isinstance(shape, Scalar) or (isinstance(shape, Object) and read.expects == "list")
    ):
        if read.path in ("$", "$states.input"):
            set_items = 'items="{% $states.input.… %}"' if read.maps else "items_path='$.…'"
            return (
                f"the Map goes through its whole input, which is {described(shape)}; set {set_items} to a list",
                "error",
            )
        return f"{read.path} is {described(shape)}; a Map needs a list", "error"
    if (fits := _ARGUMENTS.get(read.expects)) and shape and kind not in (fits, Scalar().kind):
        return f"{read.path} is {kind}; this intrinsic function takes {read.expects}", "error"
    is_test = read.expects in _TESTS and shape is not None
    if is_test and kind != read.expects and (kind in _TESTS or isinstance(shape, Object | List)):
        instead = f"; use ChoiceRule.{_TESTS[kind]}…" if kind in _TESTS else ""
        return f"{read.path} is {kind}; a test of {read.expects} never matches it{instead}", "warning"
    return None


_ARGUMENTS = {"an array": "a list", "a text": "a string", "an integer": "a number"}
_TESTS = {"a string": "String", "a number": "Numeric", "a boolean": "Boolean"}
_ONLY_IN = {
    "Map": "it exists only in the ItemSelector and the item processor of a Map",
    "Task": "it exists only in a Task that waits for a token (.waitForTaskToken)",
}
"""Parts of the Context object that not all states have."""


def _until(read: Read, number: int) -> str:
    """The part of the path before a step."""
    start = {"context": "$$", "variables": ""}.get(read.root, "$")
    if read.maps:
        start = {"input": "$states.input", "result": "$states.result", "error": "$states.errorOutput"}.get(
            read.root, "$states.context"
        )
    parts = list(read.parts[:number])
    if read.root == "variables":
        start = f"${parts.pop(0)}" if parts else "$"
    return start + "".join(_step_text(part) for part in parts)


def _step_text(part: Part) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    name = str(part)
    return f".{name}" if name.replace("-", "_").isidentifier() else f"['{name}']"
