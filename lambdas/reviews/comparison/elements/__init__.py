"""The crowd elements that workers fill in on the page of a custom task, one module per kind of element.

text.py            crowd-input, crowd-text-area
classification.py  crowd-classifier, crowd-image-classifier
labels.py          crowd-classifier-multi-select, crowd-image-classifier-multi-select
checks.py          crowd-checkbox, crowd-toggle-button
choice.py          crowd-radio-button, crowd-radio-group
boxes.py           crowd-bounding-box
spans.py           crowd-entity-annotation
keypoints.py       crowd-keypoint
polygons.py        crowd-polygon
lines.py           crowd-line, crowd-polyline
segmentation.py    crowd-semantic-segmentation, crowd-instance-segmentation
other.py           crowd-slider, and any other element, unchanged
drawn.py           shared by boxes, spans, keypoints, polygons and lines

A module defines everything about its element: the form of answers and predictions, how well a prediction without a name
fits, the fields that it makes, and when two values are equal. To add an element, add a module, a line in `_ELEMENTS`,
and its kind in `lambdas.reviews.record.Kind`. The section "Reference" of each module becomes a row of a table in
docs/reference.

An answer has the names of its elements, but not their types. The type follows from the form of the value. An odd part
of a value, such as a box without a label, is left out, and what the value lacks is not compared.

Source: "Crowd HTML Elements Reference", Amazon SageMaker Developer Guide.
"""

from __future__ import annotations

from abc import abstractmethod
from enum import IntEnum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel, to_snake

from lambdas.reviews.comparison.values import as_json
from lambdas.reviews.record import DRAWN
from lambdas.reviews.tolerant import tolerate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from lambdas.reviews.comparison.rows import Row
    from lambdas.reviews.record import FieldRecord, Kind
    from lambdas.reviews.rules import FieldSettings


def parse_element(value: Any) -> Element:
    """Returns the element for a value: the first one of the registry that accepts it."""
    given = [key for key in value if value[key] is not None] if isinstance(value, dict) else []
    if is_odd_element(value):
        given = [key for key in given if key not in BESIDE] or [*value]  # of only null, any key counts
    for kind, (keys, *_) in _ELEMENTS.items():
        if not keys or not set(keys).isdisjoint(given):
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


def keys_of_kind(kind: Kind) -> tuple[str, ...]:
    """Returns the keys by which the element of a kind is recognized; none if it is recognized otherwise."""
    return _ELEMENTS[kind].keys


def is_odd_element(value: Any) -> bool:
    """Whether a value that no element accepts has only keys of an element, and so is one of an odd form."""
    keys = {key for registered in _ELEMENTS.values() for key in registered.keys}
    return isinstance(value, dict) and not keys.isdisjoint(value) and value.keys() <= keys | BESIDE


def is_drawn(found: Any) -> bool:
    """Whether a prediction consists of drawn shapes, or is a mask. For a list, the first item decides."""
    if not isinstance(found, list):
        return parse_element(found).kind in PICTURED
    if not found or not isinstance(found[0], dict):
        return False
    lists = ({key: found[:1]} for kind in DRAWN for key in keys_of_kind(kind))
    return any(parse_element(value).kind in DRAWN for value in lists)


BESIDE = frozenset({"inputImageProperties", "initialValueModified", "workerComment"})
"""Keys that elements have beside the keys by which they are recognized."""

PICTURED: frozenset[Kind] = DRAWN | {"segmentation"}
"""The kinds that a prediction with shapes, or a mask, can be for."""


def _number_as_text(value: Any) -> Any:
    return as_json(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Label = Annotated[str, BeforeValidator(_number_as_text)]
"""A label. A number counts as its text."""


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

    nothing: ClassVar[Any] = []
    """What null means under the element's key."""

    is_partial: bool = Field(default=False, exclude=True, alias="is_partial")
    """Whether odd parts of the value are left out. Then what the value lacks is not compared."""

    @classmethod
    def parse(cls, value: Any) -> Self | None:
        """Returns the element for a value that has the element's key, or None if the value has another form.

        Odd parts are left out, if something remains.
        """
        own = keys_of_kind(cls.kind)
        value = {key: cls.nothing if key in own and inner is None else inner for key, inner in value.items()}
        found, lost = tolerate(cls.model_validate, value, depth=2)
        keys = lost.intersection(own)
        if found is None or any(not getattr(found, to_snake(key)) for key in keys):
            return None
        return found.model_copy(update={"is_partial": True}) if keys else found

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
    keys: tuple[str, ...]
    """The keys by which the element is recognized in a value."""
    module: str
    """The full name: the bundle of a function contains all modules that its code names."""
    name: str


# By the kind of fields that the element makes. The order matters: if a value has the keys of several elements, the
# first that accepts it wins, so elements with more information come first.
_ELEMENTS: dict[Kind, _Registered] = {
    "text": _Registered((), "lambdas.reviews.comparison.elements.text", "Text"),
    "box": _Registered(("boundingBoxes",), "lambdas.reviews.comparison.elements.boxes", "BoundingBoxes"),
    "span": _Registered(("entities",), "lambdas.reviews.comparison.elements.spans", "Entities"),
    "keypoint": _Registered(("keypoints",), "lambdas.reviews.comparison.elements.keypoints", "Keypoints"),
    "polygon": _Registered(("polygons",), "lambdas.reviews.comparison.elements.polygons", "Polygons"),
    "line": _Registered(("lines", "polylines"), "lambdas.reviews.comparison.elements.lines", "Lines"),
    "segmentation": _Registered(
        ("labeledImage", "labelMappings", "instances"),
        "lambdas.reviews.comparison.elements.segmentation",
        "Segmentation",
    ),
    "labels": _Registered(("labels",), "lambdas.reviews.comparison.elements.labels", "LabelSet"),
    "label": _Registered(("label",), "lambdas.reviews.comparison.elements.classification", "Classification"),
    "selection": _Registered((), "lambdas.reviews.comparison.elements.checks", "Checks"),
    # A choice is recognized by all answers and the prediction together, so check boxes come first.
    "choice": _Registered((), "lambdas.reviews.comparison.elements.choice", "Choice"),
    "other": _Registered((), "lambdas.reviews.comparison.elements.other", "Other"),
}
