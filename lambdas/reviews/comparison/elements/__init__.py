"""The crowd elements: what workers fill in on a custom task's page. One file a kind of element.

text.py            crowd-input, crowd-text-area
classification.py  crowd-classifier, crowd-image-classifier
labels.py          crowd-classifier-multi-select
checks.py          crowd-checkbox, crowd-radio-button
boxes.py           crowd-bounding-box
spans.py           crowd-entity-annotation
keypoints.py       crowd-keypoint
polygons.py        crowd-polygon
other.py           anything else, as it is
drawn.py           what boxes, spans, keypoints and polygons share

A file has all that is particular to its element: how an answer looks, how a prediction of it may look and how well
one without a name fits, which fields it makes, and when two values are the same. A new element is a new file, a
line in `_ELEMENTS`, and its kind in `lambdas.reviews.record.Kind`.

An answer names its elements, but does not say of which type they are: the shape of the value does.

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


def parse_element(value: Any) -> Element:
    """Returns the element that has such a value: the first in the order of the registry."""
    for kind, (key, *_) in _ELEMENTS.items():
        if key is None or (isinstance(value, dict) and key in value):
            element = element_of_kind(kind).parse(value)
            if element is not None:
                return element
    raise AssertionError("the last element of the registry takes any value")


def element_of(answers: Sequence[Element | None]) -> type[Element]:
    """Returns which element the workers' answers are of; `Other` if their values differ in shape."""
    types = {type(answer) for answer in answers if answer is not None}
    return types.pop() if len(types) == 1 else element_of_kind("other")


@cache
def element_of_kind(kind: Kind) -> type[Element]:
    """Returns the element that makes fields of a kind. Imports that element only."""
    _, module, name = _ELEMENTS[kind]
    return cast("type[Element]", getattr(import_module(module), name))


def key_of_kind(kind: Kind) -> str | None:
    """Returns the key that tells the element which makes fields of a kind; None if no key does."""
    return _ELEMENTS[kind].key


def is_drawn(found: Any) -> bool:
    """Tells whether a prediction is of what people draw: of a list, the first item tells."""
    if not isinstance(found, list):
        return parse_element(found).kind in DRAWN
    if not found or not isinstance(found[0], dict):
        return False
    lists = ({key: found[:1]} for key, *_ in _ELEMENTS.values() if key)
    return any(parse_element(value).kind in DRAWN for value in lists)


class Part(BaseModel):
    """An element, or a part of one, as it stands in an answer."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        extra="allow",
        frozen=True,
        strict=True,
        defer_build=True,  # a review needs one or two of them
    )


class Fit(IntEnum):
    """How well a prediction without a name fits an element: the least is the best."""

    DRAWN = 0
    LABELS = 1
    CHECKS = 2
    ODD_LABELS = 3
    ANYTHING = 4
    HARDLY = 5


class Element(Part):
    """What one worker filled in. What holds for all workers' answers to one element are class methods."""

    kind: ClassVar[Kind]
    """The kind of the fields that it makes."""
    nothing_is_an_answer: ClassVar[bool] = False
    """Whether people who leave it empty say that there is nothing, which a model can learn from."""
    stands_beside: ClassVar[bool] = False
    """Whether pages have it beside the element that a prediction is for, as a remark."""

    @classmethod
    def parse(cls, value: Any) -> Self | None:
        """Returns the element that has such a value, with the element's key in it; None if it does not fit."""
        try:
            return cls.model_validate(value)
        except ValidationError:
            return None

    @classmethod
    @abstractmethod
    def fit(cls, found: Any, answers: Sequence[Self | None]) -> Fit | None:
        """Returns how well a prediction without a name fits; None if it does not fit at all."""

    @classmethod
    @abstractmethod
    def rows(cls, name: str, answers: Sequence[Self | None], predicted: Any) -> list[Row]:
        """Returns the rows that the element makes.

        Args:
            name: The element's name.
            answers: One a worker; None where the worker left the element out.
            predicted: The prediction for it, as it was found; None without one.
        """

    @classmethod
    def owns(cls, field: FieldRecord, name: str, answers: Sequence[Element | None]) -> bool:
        """Tells whether a recorded field, of this element's kind, is one that the element of this name made."""
        return field.name == name

    def as_it_is(self) -> Any:
        """Returns the value as the answer has it, to be compared with values of other shapes."""
        return self.model_dump(by_alias=True)


class _Registered(NamedTuple):
    key: str | None
    """The key that tells the element by its value."""
    module: str
    """Its whole name: a bundle has the modules that its files name."""
    name: str


# By the kind of field that each makes, and no other does; in the order in which they are asked whether a value is
# theirs: of a value with several of their keys, the first that fits says most.
_ELEMENTS: dict[Kind, _Registered] = {
    "text": _Registered(None, "lambdas.reviews.comparison.elements.text", "Text"),
    "box": _Registered("boundingBoxes", "lambdas.reviews.comparison.elements.boxes", "BoundingBoxes"),
    "span": _Registered("entities", "lambdas.reviews.comparison.elements.spans", "Entities"),
    "keypoint": _Registered("keypoints", "lambdas.reviews.comparison.elements.keypoints", "Keypoints"),
    "polygon": _Registered("polygons", "lambdas.reviews.comparison.elements.polygons", "Polygons"),
    "labels": _Registered("labels", "lambdas.reviews.comparison.elements.labels", "LabelSet"),
    "label": _Registered("label", "lambdas.reviews.comparison.elements.classification", "Classification"),
    "selection": _Registered(None, "lambdas.reviews.comparison.elements.checks", "Checks"),
    "other": _Registered(None, "lambdas.reviews.comparison.elements.other", "Other"),
}
