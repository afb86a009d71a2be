"""The structure of a value, as far as it is known before an execution.

A shape is an `Object`, a `List`, a `Scalar`, or None for a value that can be anything. `joined` is what is known of a
value that comes from one of two ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Union, get_args

__all__ = [
    "Key",
    "List",
    "Names",
    "Object",
    "Part",
    "Scalar",
    "Shape",
    "at",
    "described",
    "joined",
    "literal",
    "merged",
    "object_of",
    "placed",
    "possibly_with",
    "shape_of",
    "silenced",
]

Part = str | int | None
"""A step of a path: a name, an index, or None for what can select anything (a wildcard, a filter)."""


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A key of an object.

    Attributes:
        shape: The shape of its value.
        lacking: When the key is missing, as a phrase: "on the way from 'Count'". None: never. Empty: it can be
            missing, but its readers know that.
        by: The state that wrote it; None if unknown, empty if several did.
    """

    shape: Shape = None
    lacking: str | None = None
    by: str | None = None


Names = Literal["exact", "any case", "probable", "open"]
_NAMES = get_args(Names)


@dataclass(frozen=True, slots=True, eq=False)
class Object:
    """An object.

    Attributes:
        keys: Its keys.
        names: How far their names are known: "exact"; "any case", if acronyms may be written otherwise; "probable", if
            it can have others, but hardly has; "open", if it can have any others.
        size: The keys and items in it, at any depth.
    """

    keys: Mapping[str, Key]
    names: Names = "exact"
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", 1 + sum(_size(key.shape) for key in self.keys.values()))

    def get(self, name: str) -> Key | None:
        """The key with a name; None if there is none."""
        found = self.keys.get(name)
        if found is None and self.names != "exact":
            found = next((key for known, key in self.keys.items() if _is_written(name, known)), None)
        return found


def _is_written(name: str, known: str) -> bool:
    """Whether a name is a known one, or that one with its acronyms as words: `Md5OfMessageBody` for `MD5Of…`."""
    return (
        name.lower() == known.lower()
        and name[:1] == known[:1]
        and all(one == other or one.islower() for one, other in zip(name, known, strict=True))
    )


@dataclass(frozen=True, slots=True, eq=False)
class List:
    """A list: with one shape for each item, or with any number of items of one shape."""

    items: tuple[Shape, ...] | None = None
    item: Shape = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", 1 + sum(map(_size, self.items or (self.item,))))

    @property
    def any_item(self) -> Shape:
        """The shape that all items have."""
        if self.items is None:
            return self.item
        shape = self.items[0] if self.items else None
        for other in self.items[1:]:
            shape = joined(shape, other)
        return shape


@dataclass(frozen=True, slots=True)
class Scalar:
    """A string, a number, a boolean or null. `kind` says which, with its article."""

    kind: str = "a single value"


Shape = Union[Object, List, Scalar, None]  # noqa: UP007 (a forward reference)

MAX_DEPTH = 8
"""Deeper than real paths."""

MAX_SIZE = 2000
"""Keys and items of a nested value. Beyond it, its content is unknown: states can nest the state again and again."""


def _size(shape: Shape) -> int:
    return shape.size if isinstance(shape, Object | List) else 1


def _bounded(shape: Shape) -> Shape:
    """A shape for a nested value."""
    if not isinstance(shape, Object | List) or shape.size <= MAX_SIZE:
        return shape
    return Object({}, "open") if isinstance(shape, Object) else List()


def object_of(keys: Mapping[str, Shape], by: str | None = None, *, names: Names = "exact") -> Object:
    """An object that always has these keys."""
    return Object({name: Key(_bounded(shape), by=by) for name, shape in keys.items()}, names)


def literal(value: Any) -> Shape:
    """The shape of a literal JSON value."""
    if isinstance(value, Mapping):
        return object_of({str(name): literal(item) for name, item in value.items()})
    if isinstance(value, list | tuple):
        return List(tuple(literal(item) for item in value))
    kinds = {str: "a string", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
    return Scalar(kinds[type(value)]) if type(value) in kinds else None


def shape_of(fields: Any) -> Shape:
    """The shape of an object from a description: key → description, None for any value, or a shape."""
    if isinstance(fields, Mapping):
        return object_of({str(name): shape_of(item) for name, item in fields.items()})
    return fields if isinstance(fields, Object | List | Scalar) else None


def described(shape: Shape) -> str:
    """What kind of value it is, for messages."""
    if isinstance(shape, Scalar):
        return shape.kind
    return "a list" if isinstance(shape, List) else "an object"


def at(parts: Iterable[Part], shape: Shape, *, maps: bool = False) -> Shape:
    """The shape at a path; with `maps`, a name of a list selects it in all its items, as in JSONata."""
    for part in parts:
        if shape is None or part is None:
            return None
        shape = _step(shape, part, maps)
    return shape


def _step(shape: Shape, part: str | int, maps: bool) -> Shape:
    if isinstance(shape, List):
        if isinstance(part, str):
            return List(item=at([part], shape.any_item, maps=True)) if maps else None
        if shape.items is None:
            return shape.item
        return shape.items[part] if -len(shape.items) <= part < len(shape.items) else None
    if isinstance(shape, Object) and isinstance(part, str):
        key = shape.get(part)
        return key.shape if key else None
    return shape if maps and part in (0, -1) else None


def placed(given: Shape, names: tuple[Part, ...], result: Shape, by: str | None = None) -> Shape:
    """The shape of an input with a result stored at a path."""
    if not names:
        return result
    name, *rest = names
    if not isinstance(given, Object) or not isinstance(name, str):
        return None
    old = given.keys.get(name)
    inside = placed(old.shape if old else Object({}), tuple(rest), result, by) if rest else result
    return replace(given, keys={**given.keys, name: Key(_bounded(inside), by=by)})


def possibly_with(shape: Shape, paths: Iterable[tuple[Part, ...]]) -> Shape:
    """The shape with paths whose existence is tested, because the author knows that they can be missing."""
    for path in paths:
        shape = _possibly(shape, path)
    return shape


def _possibly(shape: Shape, path: tuple[Part, ...]) -> Shape:
    if not path or not isinstance(shape, Object) or not isinstance(path[0], str):
        return shape
    name, rest = path[0], path[1:]
    key = shape.get(name)
    if key is None:
        return replace(shape, keys={**shape.keys, name: Key(None, "")})
    inside = _possibly(key.shape, rest)
    lacking = "" if key.lacking else key.lacking
    if inside is key.shape and lacking == key.lacking:
        return shape
    return replace(shape, keys={**shape.keys, name: Key(inside, lacking, key.by)})


def silenced(shape: Shape) -> Shape:
    """The shape with no reports about keys that may be missing."""
    if not isinstance(shape, Object):
        return shape
    changed = {}
    for name, key in shape.keys.items():
        inside = silenced(key.shape)
        if key.lacking or inside is not key.shape:
            changed[name] = Key(inside, "" if key.lacking else key.lacking, key.by)
    return replace(shape, keys={**shape.keys, **changed}) if changed else shape


Lacking = Callable[[str], str]
"""Names the way on which a key is missing."""


def joined(
    one: Shape, other: Shape, in_one: Lacking | None = None, in_other: Lacking | None = None, depth: int = 0
) -> Shape:
    """The shape of a value that has one shape or the other.

    Args:
        one: What is known so far. It is returned itself if the other adds nothing.
        other: The other shape.
        in_one: Names the way on which a key is missing in `one`; None if nobody needs to know.
        in_other: The same for `other`.
        depth: The level of nesting.
    """
    if one is other or one is None:
        return one
    if other is None or depth > MAX_DEPTH:
        return None
    if isinstance(one, Object) and isinstance(other, Object):
        return _joined_objects(one, other, in_one, in_other, depth)
    if isinstance(one, List) and isinstance(other, List):
        return _joined_lists(one, other, depth)
    if isinstance(one, Scalar) and isinstance(other, Scalar):
        return one if one.kind in (other.kind, Scalar().kind) else Scalar()
    return None


def _joined_objects(
    one: Object, other: Object, in_one: Lacking | None, in_other: Lacking | None, depth: int
) -> Object:
    changed: dict[str, Key] = {}
    for name, key in one.keys.items():
        its = other.keys.get(name)
        if its is key:
            continue
        if its is None:
            lacking = key.lacking
            if lacking is None:
                lacking = in_other(name) if in_other else ""
            if lacking != key.lacking:
                changed[name] = Key(key.shape, lacking, key.by)
            continue
        shape = joined(key.shape, its.shape, in_one, in_other, depth + 1)
        if shape is not key.shape:
            shape = _bounded(shape)
        lacking = key.lacking if key.lacking is not None else its.lacking
        by = key.by if key.by == its.by else ""
        if shape is not key.shape or lacking != key.lacking or by != key.by:
            changed[name] = Key(shape, lacking, by)
    for name in other.keys.keys() - one.keys.keys():
        its = other.keys[name]
        lacking = its.lacking if its.lacking is not None else in_one(name) if in_one else ""
        changed[name] = Key(its.shape, lacking, its.by)
    names = max(one.names, other.names, key=_NAMES.index)
    return Object({**one.keys, **changed}, names) if changed or names != one.names else one


def _joined_lists(one: List, other: List, depth: int) -> Shape:
    if one.items is not None and other.items is not None and len(one.items) == len(other.items):
        items = tuple(joined(a, b, depth=depth + 1) for a, b in zip(one.items, other.items, strict=True))
        return one if all(a is b for a, b in zip(one.items, items, strict=True)) else List(items)
    item = joined(one.any_item, other.any_item, depth=depth + 1)
    return one if one.items is None and item is one.item else List(item=item)


def merged(shapes: Iterable[Shape]) -> Shape:
    """The shape of objects merged into one: a later key replaces an earlier one."""
    keys: dict[str, Key] = {}
    names: Names = "exact"
    for shape in shapes:
        if not isinstance(shape, Object):
            return None
        names = max(names, shape.names, key=_NAMES.index)
        for name, key in shape.keys.items():
            old = keys.get(name)
            if old is None or key.lacking is None:
                keys[name] = key
            else:
                keys[name] = Key(joined(old.shape, key.shape), old.lacking, "")
    return Object(keys, names)
