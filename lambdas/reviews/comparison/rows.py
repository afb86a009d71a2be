"""What a comparison is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdas.reviews.record import Kind


class Scored(NamedTuple):
    """A predicted value, with the model's confidence from 0 to 1 if it is known."""

    value: Any
    confidence: float | None = None


class Row(NamedTuple):
    """One field: the prediction, and what each worker said.

    Attributes:
        said: One value a worker, in the order of the answers; None where the worker said nothing.
        asked: Whether there was a prediction that could have held this field. Where there was none, people
            cannot have overruled it.
    """

    name: str
    kind: Kind
    predicted: Scored | None
    said: Sequence[Any]
    asked: bool = True


def percent(confidence: float | None) -> float | None:
    """Returns a confidence of 0 to 100, as Textract and Rekognition give it, as one of 0 to 1."""
    return None if confidence is None else min(max(confidence / 100, 0.0), 1.0)
