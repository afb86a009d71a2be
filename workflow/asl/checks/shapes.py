"""The structure of a value, as far as it is known before an execution, and JSONPaths into it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from workflow.asl.checks.problem import hint

__all__ = ["Shape", "at", "joined", "literal", "missing", "placed", "possibly_with"]

Shape = dict[str, Any] | None
"""The possible keys of an object with their shapes, or None for any value."""


def missing(path: str, shape: Shape) -> str | None:
    """The message for a path that cannot exist in a value of this shape; None if it can."""
    names, _ = _names_of(path) or ([], False)
    for name in names:
        if shape is None:
            return None
        if name not in shape:
            available = ", ".join(sorted(shape)) or "nothing"
            return f"{path}: no earlier step provides {name!r} (available: {available}){hint(name, shape)}"
        shape = shape[name]
    return None


def at(path: str, shape: Shape) -> Shape:
    """The shape at a path."""
    names, whole = _names_of(path) or ([], False)
    if not whole:
        return None
    for name in names:
        shape = None if shape is None else shape.get(name)
    return shape


def placed(given: Shape, path: Any, result: Shape) -> Shape:
    """The shape of an input with a result stored at a path."""
    if path is None:
        return given
    names, whole = _names_of(str(path)) or ([], False)
    if not whole or (names and given is None):
        return None
    made = result
    for depth in reversed(range(len(names))):
        holder: Shape = given
        for name in names[:depth]:
            holder = None if holder is None else holder.get(name, {})
        made = None if holder is None else {**holder, names[depth]: made}
    return made


def possibly_with(shape: Shape, paths: Collection[str]) -> Shape:
    """The shape with paths that a Choice tests, because its author expects that they can exist."""
    for path in paths:
        if shape is not None and missing(path, shape):
            shape = placed(shape, path, None)
    return shape


def joined(one: Shape, other: Shape, depth: int = 0) -> Shape:
    """The shape of a value that has one shape or the other. `depth` is the nesting level."""
    if (
        one is None or other is None or depth > 8
    ):  # Deeper than real paths. The limit also ends the analysis of loops that nest the state again and again.
        return None
    both = {**one, **other}
    return {
        name: joined(one[name], other[name], depth + 1) if name in one and name in other else shape
        for name, shape in both.items()
    }


def literal(value: Any) -> Shape:
    """The shape of a literal JSON value."""
    return {str(name): literal(item) for name, item in value.items()} if isinstance(value, Mapping) else None


def _names_of(path: str) -> tuple[list[str], bool] | None:
    """The names at the beginning of a path, and whether they are the whole path (no index, filter or wildcard).

    None for anything but a path into the input, such as the context object (`$$.`) or a variable (`$name`).
    """
    if not re.match(r"\$(?:[.\[]|$)", path):
        return None
    names = []
    position = 1
    while match := _NAME.match(path, position):
        names.append(next(name for name in match.groups() if name is not None))
        position = match.end()
    return names, position == len(path)


_NAME = re.compile(r"""\.([A-Za-z_][\w-]*)|\[\s*'([^'\\]*)'\s*\]|\[\s*"([^"\\]*)"\s*\]""")
