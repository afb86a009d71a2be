"""Any answer, as JSON: for a flow definition without a description, and for what a page cannot express."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from typing_extensions import override

from console.posted import Posted
from console.worker_tasks.elements import Element, ElementView, Filled, Shown
from lambdas.reviews.comparison.elements import is_odd_element, parse_element
from lambdas.reviews.output import REKOGNITION, TEXTRACT

__all__ = ["SAMPLES", "Anything", "AnythingView"]

SAMPLES: Mapping[str, Any] = {
    "crowd-classifier": {"sentiment": {"label": "complaint"}},
    "crowd-classifier-multi-select": {"topics": {"labels": ["delivery", "quality"]}},
    "crowd-input": {"comment": "Broken on arrival"},
    "crowd-checkbox": {"damaged": {"on": True}},
    "crowd-radio-button": {"animal": {"cat": False, "dog": True}},
    "crowd-bounding-box": {
        "animals": {
            "boundingBoxes": [{"height": 401, "label": "Dog", "left": 243, "top": 117, "width": 187}],
            "inputImageProperties": {"height": 533, "width": 800},
        }
    },
    "crowd-entity-annotation": {
        "parts": {"entities": [{"endOffset": 54, "label": "person", "startOffset": 47}]}
    },
    "crowd-keypoint": {
        "points": {
            "inputImageProperties": {"height": 1301, "width": 975},
            "keypoints": [{"label": "Left Eye", "x": 458, "y": 286}],
        }
    },
    "crowd-polygon": {
        "shapes": {
            "inputImageProperties": {"height": 853, "width": 1280},
            "polygons": [
                {
                    "label": "dog",
                    "vertices": [{"x": 570, "y": 239}, {"x": 603, "y": 513}, {"x": 823, "y": 645}],
                }
            ],
        }
    },
    "crowd-slider": {"quality": 4},
    "crowd-textract-analyze-document": {
        TEXTRACT: {
            "blocks": [
                {
                    "blockType": "KEY_VALUE_SET",
                    "entityTypes": ["KEY"],
                    "id": "8c97b240-0969-4678-834a-646c95da9cf4",
                    "relationships": [{"ids": ["6ee7b7da-ee1b-428d-a567-55a3e3affa54"], "type": "VALUE"}],
                    "text": "Name:",
                }
            ]
        }
    },
    "crowd-rekognition-detect-moderation-labels": {
        REKOGNITION: {"moderationLabels": [{"name": "Alcohol", "parentName": ""}]}
    },
}
"""Crowd element → an answerContent with it. Names are those of the page; here they are examples."""


class AnythingView(ElementView):
    """The JSON.

    Attributes:
        text: What is in the field.
        samples: Crowd element → an answerContent with it, as JSON.
    """

    text: str
    samples: dict[str, str]


class Anything(Element):
    """The answerContent, as JSON."""

    element: Literal["anything"] = "anything"
    name: str = "answerContent"
    header: str = "The answer as JSON: for each crowd element its name, and what the element gives."

    @override
    def fill(self, shown: Shown, field: str, posted: Posted | None) -> Filled:
        text = "{\n\n}" if posted is None else posted.text(f"{field}text")
        answer, problem = read(text) if posted is not None else ({}, None)
        return Filled(json_view(self, field, text, problem), answer, posted is not None and problem is None)


def json_view(element: Element, field: str, text: str, problem: str | None = None) -> AnythingView:
    """Returns a field with JSON."""
    return AnythingView(
        kind="anything",
        name=element.name,
        header=element.header,
        field=field,
        problem=problem,
        text=text,
        samples={name: json.dumps(sample, indent=2) for name, sample in SAMPLES.items()},
    )


def read(text: str) -> tuple[dict[str, Any], str | None]:
    """Reads an answerContent. Returns it, and what is wrong with it."""
    try:
        answer = json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        return {}, f"This is not JSON: {error.msg}, in line {error.lineno}, column {error.colno}."
    except (ValueError, RecursionError) as error:
        return {}, f"This is not JSON: {error}."
    if not isinstance(answer, dict):
        return {}, "An answer is a JSON object: { name of the element: what it gives }."
    odd = [
        name
        for name, value in answer.items()
        if name not in (TEXTRACT, REKOGNITION)
        and parse_element(value).kind == "other"
        and is_odd_element(value)
    ]
    if odd:
        return (
            {},
            f"{odd[0]!r} has the keys of a crowd element, but not its form: compare it with the samples below.",
        )
    return answer, None


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not valid in JSON")
