"""What the state of an execution holds that no definition says: the event, and a review's figures.

The checks of paths go by it: a step that asks for `$.review.agreemnet` is found before anything is sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel

from lambdas.reviews.event import Detail, HumanLoopOutput, StatusChange
from lambdas.reviews.summary import ReviewSummary
from workflow.asl.checks import Shape

__all__ = ["EVENT", "RESULTS"]


def _fields(model: type[BaseModel]) -> dict[str, Shape]:
    """What a model holds, by the names that JSON has; what is inside of a field may be anything."""
    return {str(field.alias): None for field in model.model_fields.values()}


EVENT: Shape = {
    **_fields(StatusChange),
    "replay-name": None,
    "detail": {**_fields(Detail), "humanLoopOutput": _fields(HumanLoopOutput)},
}
"""The status change; an archive's replay adds `replay-name`."""

_REVIEW = {"review": _fields(ReviewSummary)}

RESULTS: Mapping[str, Shape] = {"Collect review": _REVIEW, "Keep answers": _REVIEW}
"""What functions add, by the name of the state that runs them."""
