"""The parts of an execution's state that no definition describes: the event, and the results of functions.

The path checks use it: a step that reads `$.review.agreemnet` is reported before anything is published.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from lambdas.reviews.event import Detail, HumanLoopOutput, StatusChange
from lambdas.reviews.summary import ReviewSummary
from workflow.asl.checks.shapes import List, Shape, literal

__all__ = ["EVENT", "RESULTS"]


def _kinds(model: type[BaseModel]) -> dict[str, Shape]:
    """The fields of a model by their JSON names, with the kind of value that each has if it has only one."""
    return {str(field.alias): _KINDS.get(field.annotation) for field in model.model_fields.values()}


_KINDS: dict[Any, Shape] = {
    str: literal(""),
    int: literal(0),
    float: literal(0.0),
    bool: literal(True),
    list[str]: List(item=literal("")),
}

EVENT: Mapping[str, Any] = {
    **_kinds(StatusChange),
    "replay-name": None,
    "detail": {**_kinds(Detail), "humanLoopOutput": _kinds(HumanLoopOutput)},
}
"""The status change. A replay from an archive adds `replay-name`."""

_REVIEW = {"review": _kinds(ReviewSummary)}

RESULTS: Mapping[str, Mapping[str, Any]] = {"Collect review": _REVIEW, "Keep answers": _REVIEW}
"""The results that functions add, by the name of the state that runs them."""
