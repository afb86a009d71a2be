"""When two values of a field are one.

Texts and labels are, if they are equal. Shapes never are to the pixel: people vote for a shape's label, and
the agreed shape lies in the middle of those that were drawn.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


class Shape(ABC):
    """A labelled place on an image, or in a text: see `lambdas.reviews.comparison.elements`."""

    __slots__ = ()

    label: str

    @property
    def voted(self) -> Any:
        """What workers vote on: the label, since they draw no two shapes alike."""
        return self.label

    @property
    @abstractmethod
    def extent(self) -> tuple[float, float]:
        """From where to where the shape reaches, along the x axis or the text."""

    @property
    def extent_down(self) -> tuple[float, float]:
        """From where to where the shape reaches along the y axis; a text has none."""
        return 0.0, 0.0

    @abstractmethod
    def likeness(self, other: Any) -> float:
        """Returns how alike two shapes are, from 1 down to 0: not the same thing. Labels do not count."""

    @abstractmethod
    def unmoved(self, other: Any) -> bool:
        """Tells whether the other shape is where this one is."""

    @abstractmethod
    def middle(self, shapes: Sequence[Any]) -> Any:
        """Returns the shape in the middle of several of the same vote."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Returns the shape as the crowd element writes it."""


def normalised(text: str) -> str:
    """Returns the text with its white space made single spaces, none at the ends."""
    return " ".join(text.split())


def as_json(value: Any) -> str:
    """Returns the value as JSON text, the same for the same value: keys sorted, 2.0 as 2."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def vote(value: Any) -> str | None:
    """Returns what a value counts as when votes are counted; None for nothing."""
    return None if value is None else as_json(value.voted if isinstance(value, Shape) else value)


def agreed(values: Sequence[Any]) -> Any:
    """Returns the value that stands for those of one vote."""
    first = values[0]
    return first.middle(values) if isinstance(first, Shape) else first


def unchanged(predicted: Any, reviewed: Any) -> bool:
    """Tells whether people left a prediction as it was."""
    if isinstance(predicted, Shape) and isinstance(reviewed, Shape):
        return predicted.label == reviewed.label and predicted.unmoved(reviewed)
    return as_json(predicted) == as_json(reviewed)


def _plain(value: Any) -> Any:
    if isinstance(value, Shape):
        return _plain(value.to_dict())
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)  # a JMESPath can make such a number; JSON has none
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value
