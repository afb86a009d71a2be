"""What a value may hold, as far as that is known before anything runs, and JSONPaths into it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from workflow.asl.checks.problem import hint

__all__ = ["Shape", "at", "joined", "literal", "missing", "placed", "possibly_with"]

Shape = dict[str, Any] | None
"""What a value may hold: a shape for each name that an object may have, or None for anything."""


def missing(path: str, shape: Shape) -> str | None:
    """Say what a path asks for that a value of this shape cannot have; None if it may be there."""
    names, _ = _names_of(path) or ([], False)
    for name in names:
        if shape is None:
            return None
        if name not in shape:
            there = ", ".join(sorted(shape)) or "nothing"
            return f"{path}: no step before provides {name!r} (there is {there}){hint(name, shape)}"
        shape = shape[name]
    return None


def at(path: str, shape: Shape) -> Shape:
    """What may be found at a path."""
    names, whole = _names_of(path) or ([], False)
    if not whole:
        return None
    for name in names:
        shape = None if shape is None else shape.get(name)
    return shape


def placed(given: Shape, path: Any, result: Shape) -> Shape:
    """The input with a result put at a path of it."""
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
    """The shape with paths that a Choice asks for: somebody thinks that they may be there."""
    for path in paths:
        if shape is not None and missing(path, shape):
            shape = placed(shape, path, None)
    return shape


def joined(one: Shape, other: Shape, depth: int = 0) -> Shape:
    """What a value may hold that has one shape or the other. `depth` is how far in it lies."""
    if one is None or other is None or depth > 8:  # Deeper than any path is, and loops end.
        return None
    both = {**one, **other}
    return {
        name: joined(one[name], other[name], depth + 1) if name in one and name in other else shape
        for name, shape in both.items()
    }


def literal(value: Any) -> Shape:
    """The shape of a JSON value that is written out."""
    return {str(name): literal(item) for name, item in value.items()} if isinstance(value, Mapping) else None


def _names_of(path: str) -> tuple[list[str], bool] | None:
    """The names that a path begins with, and whether they are all of it (no index, filter or wildcard follows).

    None for what is no path into the input: the context object (`$$.`), a variable (`$name`).
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
