"""The crowd elements that workers fill in on the page of a custom task, one module per kind of element.

text.py            crowd-input, crowd-text-area
classification.py  crowd-classifier, crowd-image-classifier
labels.py          crowd-classifier-multi-select
checks.py          crowd-checkbox, crowd-toggle-button
choice.py          crowd-radio-button: boxes of which each worker checked at most one
boxes.py           crowd-bounding-box
spans.py           crowd-entity-annotation
keypoints.py       crowd-keypoint
polygons.py        crowd-polygon
other.py           any other element, unchanged
drawn.py           shared by boxes, spans, keypoints and polygons

A module defines everything about its element: the form of answers and predictions, how well a prediction without a name
fits, the fields that it makes, and when two values are equal. To add an element, add a module, a line in `_ELEMENTS`,
and its kind in `lambdas.reviews.record.Kind`.

An answer has the names of its elements, but not their types. The type follows from the form of the value.

Source: "Crowd HTML Elements Reference", Amazon SageMaker Developer Guide.
"""

from __future__ import annotations

from abc import abstractmethod
from enum import IntEnum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from lambdas.reviews.record import DRAWN

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from lambdas.reviews.comparison.rows import Row
    from lambdas.reviews.record import FieldRecord, Kind
    from lambdas.reviews.rules import FieldSettings


def parse_element(value: Any) -> Element:
    """Returns the element for a value: the first one of the registry that accepts it."""
    for kind, (key, *_) in _ELEMENTS.items():
        if key is None or (isinstance(value, dict) and key in value):
            element = element_of_kind(kind).parse(value)
            if element is not None:
                return element
    raise AssertionError("the last element of the registry accepts any value")


def element_of(answers: Sequence[Element | None]) -> type[Element]:
    """Returns the type of the workers' answers to one element; `Other` if their types differ."""
    types = {type(answer) for answer in answers if answer is not None}
    return types.pop() if len(types) == 1 else element_of_kind("other")


@cache
def element_of_kind(kind: Kind) -> type[Element]:
    """Returns the element that makes fields of a kind. Imports only the module of that element."""
    _, module, name = _ELEMENTS[kind]
    return cast("type[Element]", getattr(import_module(module), name))


def key_of_kind(kind: Kind) -> str | None:
    """Returns the key by which the element of a kind is recognized, or None."""
    return _ELEMENTS[kind].key


def is_drawn(found: Any) -> bool:
    """Whether a prediction consists of drawn shapes. For a list, the first item decides."""
    if not isinstance(found, list):
        return parse_element(found).kind in DRAWN
    if not found or not isinstance(found[0], dict):
        return False
    lists = ({key: found[:1]} for key, *_ in _ELEMENTS.values() if key)
    return any(parse_element(value).kind in DRAWN for value in lists)


class Part(BaseModel):
    """An element of an answer, or a part of it."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        extra="allow",
        frozen=True,
        strict=True,
        defer_build=True,  # a review needs only one or two of these models
    )


class Fit(IntEnum):
    """How well a prediction without a name fits an element. The lowest value is the best."""

    DRAWN = 0
    LABELS = 1
    CHECKS = 2
    UNLIKELY_LABELS = 3
    ANYTHING = 4
    POOR = 5


class Element(Part):
    """The answer of one worker. Class methods work on the answers of all workers to one element."""

    kind: ClassVar[Kind]
    """The kind of the fields that the element makes."""
    nothing_is_an_answer: ClassVar[bool] = False
    """Whether an empty answer means that there is nothing to mark, which is useful for training."""
    can_accompany: ClassVar[bool] = False
    """Whether pages use it next to the element with the prediction, for example for a remark."""

    @classmethod
    def parse(cls, value: Any) -> Self | None:
        """Returns the element for a value that has the element's key, or None if the value has another form."""
        try:
            return cls.model_validate(value)
        except ValidationError:
            return None

    @classmethod
    @abstractmethod
    def fit(cls, found: Any, answers: Sequence[Self | None]) -> Fit | None:
        """Returns how well a prediction without a name fits, or None if it does not."""

    @classmethod
    @abstractmethod
    def rows(
        cls, name: str, answers: Sequence[Self | None], predicted: Any, settings: FieldSettings
    ) -> list[Row]:
        """Returns the rows of the element.

        Args:
            name: The element's name.
            answers: One per worker; None if the worker left the element empty.
            predicted: The prediction for the element, or None.
            settings: The settings of the field with the element's name.
        """

    @classmethod
    def owns(cls, field: FieldRecord, name: str, answers: Sequence[Element | None]) -> bool:
        """Whether the element with this name made a recorded field (of this element's kind)."""
        return field.name == name

    def raw_value(self) -> Any:
        """Returns the value in the form of the answer, for comparisons with values of other types."""
        return self.model_dump(by_alias=True)


class _Registered(NamedTuple):
    key: str | None
    """The key by which the element is recognized in a value."""
    module: str
    """The full name: the bundle of a function contains all modules that its code names."""
    name: str


# By the kind of fields that the element makes. The order matters: if a value has the keys of several elements, the
# first that accepts it wins, so elements with more information come first.
_ELEMENTS: dict[Kind, _Registered] = {
    "text": _Registered(None, "lambdas.reviews.comparison.elements.text", "Text"),
    "box": _Registered("boundingBoxes", "lambdas.reviews.comparison.elements.boxes", "BoundingBoxes"),
    "span": _Registered("entities", "lambdas.reviews.comparison.elements.spans", "Entities"),
    "keypoint": _Registered("keypoints", "lambdas.reviews.comparison.elements.keypoints", "Keypoints"),
    "polygon": _Registered("polygons", "lambdas.reviews.comparison.elements.polygons", "Polygons"),
    "labels": _Registered("labels", "lambdas.reviews.comparison.elements.labels", "LabelSet"),
    "label": _Registered("label", "lambdas.reviews.comparison.elements.classification", "Classification"),
    "selection": _Registered(None, "lambdas.reviews.comparison.elements.checks", "Checks"),
    # A choice is recognized by all answers and the prediction together, so check boxes come first.
    "choice": _Registered(None, "lambdas.reviews.comparison.elements.choice", "Choice"),
    "other": _Registered(None, "lambdas.reviews.comparison.elements.other", "Other"),
}
