"""Validates a value without its odd parts, so that one odd value in an output costs its field and not the review.

``{"id": "a", "confidence": "high"}`` becomes a block without a confidence. A part that lacks something required is left
out as a whole. The output in S3 still has everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")

Place = tuple[str | int, ...]


class Tolerated(NamedTuple, Generic[T]):
    """What is valid in a value.

    Attributes:
        value: The validated value; None if nothing remains.
        lost: The keys of the value, as in the document, in which something was left out.
    """

    value: T | None
    lost: frozenset[str] = frozenset()


def tolerate(validate: Callable[[Any], T], value: Any, depth: int | None = None) -> Tolerated[T]:
    """Validates what is valid in a value.

    Args:
        validate: Validates a value. Raises pydantic's ValidationError.
        value: JSON values. It is not changed.
        depth: How deep the parts are that are left out, at most. With 2, an odd corner costs its polygon in a list of
            polygons.
    """
    lost: set[str] = set()
    # Leaving something out can make what contains it invalid. So each round takes away at least one level.
    while True:
        try:
            return Tolerated(validate(value), frozenset(lost))
        except ValidationError as error:
            odd = {
                _place(problem, value)[:depth]
                for problem in error.errors(include_url=False, include_context=False)
            }
        if () in odd:
            return Tolerated(None, frozenset(lost))
        lost |= {str(place[0]) for place in odd}
        value = _without(value, odd)


def _place(problem: Any, value: Any) -> Place:
    """Returns the place of what is left out. Without a required key, that is the object that lacks the key."""
    place: list[str | int] = []
    for part in problem["loc"][:-1] if problem["type"] == "missing" else problem["loc"]:
        # A type of a union is also part of the location, but not of the value.
        is_key = (
            part in value if isinstance(value, dict) else isinstance(value, list) and isinstance(part, int)
        )
        if not is_key:
            break
        value = value[part]
        place.append(part)
    return tuple(place)


def _without(value: Any, places: Iterable[Place]) -> Any:
    inner: dict[str | int, set[Place]] = {}
    for first, *rest in places:
        inner.setdefault(first, set()).add(tuple(rest))
    items = value.items() if isinstance(value, dict) else enumerate(value)
    kept = [
        (key, _without(item, inner[key]) if key in inner else item)
        for key, item in items
        if () not in inner.get(key, ())
    ]
    return dict(kept) if isinstance(value, dict) else [item for _, item in kept]
