"""The rows of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambdas.reviews.output import Output
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
        is_approximate: Whether there were too many drawn shapes to find the best matches among them.
    """

    name: str
    kind: Kind
    predicted: Scored | None
    answers: Sequence[Any]
    in_prediction: bool = True
    is_approximate: bool = False


class Comparison(NamedTuple):
    """The rows of a review, and where the prediction in them came from; None if there was nothing to compare with."""

    rows: list[Row]
    prediction_source: PredictionSource | None


def percent(confidence: float | None) -> float | None:
    """Converts a confidence of Textract or Rekognition, 0 to 100, to 0 to 1. An impossible one is unknown."""
    return confidence / 100 if confidence is not None and 0 <= confidence <= 100 else None


def not_compared(row: Row) -> Row:
    """Returns the row without its prediction, so that nobody overrules the model in it."""
    return row._replace(predicted=None, in_prediction=False)


def is_known(output: Output, *, in_prediction: bool) -> bool:
    """Whether it is known what the AI service predicted for a field.

    Args:
        output: The output of a built-in task.
        in_prediction: Whether the field is in the prediction.
    """
    responses = [
        response for response in (output.ai_service_response, output.selected_ai_service_response) if response
    ]
    lists = [
        response.blocks if output.task_type == "textract" else response.moderation_labels
        for response in responses
    ]
    if None in lists or not lists or any(response.is_odd for response in responses):
        return False
    return in_prediction or not any(response.is_partial for response in responses)
