"""When two values of a field count as equal.

Texts and labels must be equal, unless the settings of the field say when they are the same
(`lambdas.reviews.comparison.sameness`). Two workers never draw the same shape to the pixel, so they vote on the label
of a shape, and the agreed shape is in the middle of the drawn ones.
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Sequence


class Drawing(ABC):
    """What a worker draws: a shape, or a mask (`lambdas.reviews.comparison.elements`)."""

    __slots__ = ()

    @property
    @abstractmethod
    def vote_value(self) -> Any:
        """The value that workers vote on."""

    @property
    def is_agreed(self) -> bool:
        """Whether it is known how far several drawings with the same vote agree."""
        return True

    @abstractmethod
    def is_kept(self, reviewed: Any) -> bool:
        """Whether workers who drew the other drawing kept this one, the prediction."""

    @abstractmethod
    def middle(self, shapes: Sequence[Any]) -> Any:
        """Returns the drawing that represents several with the same vote."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Returns the drawing as a JSON value; a shape in the form of the crowd element."""


class Shape(Drawing):
    """A labeled region of an image or a text."""

    __slots__ = ()

    label: str

    @property
    @override
    def vote_value(self) -> Any:
        """The value that workers vote on: the label."""
        return self.label

    @override
    def is_kept(self, reviewed: Any) -> bool:
        return bool(self.label == reviewed.label and self.is_unmoved(reviewed))

    @property
    def effort(self) -> int:
        """How long the shape takes in a comparison with another one, in units of about a microsecond."""
        return 1

    @property
    @abstractmethod
    def extent(self) -> tuple[float, float]:
        """Start and end of the shape along the x axis or the text. Only shapes whose extents overlap are similar."""

    @property
    def vertical_extent(self) -> tuple[float, float]:
        """Start and end of the shape along the y axis. A text has no such axis."""
        return 0.0, 0.0

    def is_near(self, other: Any) -> bool:
        """Whether the shapes can be similar, as far as that can be said without much effort."""
        return True

    @abstractmethod
    def similarity(self, other: Any) -> float:
        """Returns the similarity of two shapes, without their labels: 1 for equal, 0 for different objects."""

    @abstractmethod
    def is_unmoved(self, other: Any) -> bool:
        """Whether the other shape is in the same place."""


MAX_NAME = 256
"""Characters of each part of the name of a field that consists of parts. Each field of an element has its name, so a
name of 50 KB with 3,000 labels would make a record of 150 MB."""
_DIGEST_LENGTH = 16


def joined_name(*parts: str) -> str:
    """Returns the name of a field that consists of parts, such as an element and a label: ``animals/dog``.

    Of a part that is too long, the end is a digest.
    """
    return "/".join(part if len(part) <= MAX_NAME else _shortened(part) for part in parts)


def _shortened(part: str) -> str:
    import hashlib  # no usual name is so long

    digest = hashlib.sha256(part.encode(errors="surrogatepass")).hexdigest()[:_DIGEST_LENGTH]
    return f"{part[: MAX_NAME - _DIGEST_LENGTH - 1]}…{digest}"


def normalised(text: str) -> str:
    """Returns the text with all white space replaced by single spaces, and none at the ends."""
    return " ".join(text.split())


def as_json(value: Any) -> str:
    """Returns JSON that is identical for equal values: with sorted keys, and 2.0 as 2."""
    return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def vote(value: Any) -> str | None:
    """Returns the vote for a value, as a key; None for an empty field."""
    return None if value is None else as_json(value.vote_value if isinstance(value, Drawing) else value)


def agreed(values: Sequence[Any]) -> Any:
    """Returns the value that represents several values with the same vote."""
    first = values[0]
    return first.middle(values) if isinstance(first, Drawing) else first


def is_agreed(value: Any) -> bool:
    """Whether it is known how far the workers agree whose answers an agreed value represents."""
    return value.is_agreed if isinstance(value, Drawing) else True


def unchanged(predicted: Any, reviewed: Any) -> bool:
    """Whether workers kept a prediction."""
    if isinstance(predicted, Drawing) and isinstance(reviewed, Drawing):
        return predicted.is_kept(reviewed)
    return as_json(predicted) == as_json(reviewed)


def _plain(value: Any) -> Any:
    if isinstance(value, Drawing):
        return _plain(value.to_dict())
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)  # the result of a JMESPath can be infinite or NaN, which JSON does not have
        # Above 2**53, not every integer is a float.
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value
