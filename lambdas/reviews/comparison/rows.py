"""The rows of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdas.reviews.record import Kind, PredictionSource


class Scored(NamedTuple):
    """A predicted value with the model's confidence, from 0 to 1, or None if unknown."""

    value: Any
    confidence: float | None = None


class Row(NamedTuple):
    """One field: the prediction, and the value of each worker.

    Attributes:
        answers: One value per worker, in the order of the output's answers; None if the worker left the field empty.
        in_prediction: Whether the model predicts this kind of field. If not, workers cannot have overruled it.
    """

    name: str
    kind: Kind
    predicted: Scored | None
    answers: Sequence[Any]
    in_prediction: bool = True


class Comparison(NamedTuple):
    """The rows of a review, and where the prediction in them came from; None if there was nothing to compare with."""

    rows: list[Row]
    prediction_source: PredictionSource | None


def percent(confidence: float | None) -> float | None:
    """Converts a confidence of Textract or Rekognition, 0 to 100, to 0 to 1."""
    return None if confidence is None else min(max(confidence / 100, 0.0), 1.0)
