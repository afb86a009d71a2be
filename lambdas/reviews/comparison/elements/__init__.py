"""The crowd elements: what workers fill in on a custom task's page, and how it comes back.

An answer names its elements, but does not say of which type they are: the shape of the value does. A value
of any other shape is kept as it is (`Other`).

Source: "Crowd HTML Elements Reference", Amazon SageMaker Developer Guide.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError
from pydantic.alias_generators import to_camel


class _Element(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        extra="allow",
        frozen=True,
        strict=True,
        defer_build=True,  # a review needs one or two of them
    )


class Text(_Element):
    """crowd-input, crowd-text-area: the text as typed. A blank one is left out of the answer."""

    value: str


class Classification(_Element):
    """crowd-classifier, crowd-image-classifier: one label, of an image with the worker's comment if given."""

    label: str
    worker_comment: str | None = None


class LabelSet(_Element):
    """crowd-classifier-multi-select: any number of labels."""

    labels: list[str]


class ImageProperties(_Element):
    """The size of the image that was annotated, in pixels."""

    width: FiniteFloat
    height: FiniteFloat


class BoundingBox(_Element):
    """A box on an image, in pixels from its top left corner."""

    label: str
    left: FiniteFloat
    top: FiniteFloat
    width: Annotated[FiniteFloat, Field(ge=0)]
    height: Annotated[FiniteFloat, Field(ge=0)]


class BoundingBoxes(_Element):
    """crowd-bounding-box."""

    bounding_boxes: list[BoundingBox]
    input_image_properties: ImageProperties | None = None


class Entity(_Element):
    """A span of a text: from the first character to the one after the last, counted from 0."""

    label: str
    start_offset: int
    end_offset: int


class Entities(_Element):
    """crowd-entity-annotation."""

    entities: list[Entity]


class Point(_Element):
    """A place on an image, in pixels from its top left corner."""

    x: FiniteFloat
    y: FiniteFloat


class Keypoint(Point):
    """A point with a label."""

    label: str


class Keypoints(_Element):
    """crowd-keypoint."""

    keypoints: list[Keypoint]
    input_image_properties: ImageProperties | None = None


class Polygon(_Element):
    """An outline with a label."""

    label: str
    vertices: list[Point]


class Polygons(_Element):
    """crowd-polygon."""

    polygons: list[Polygon]
    input_image_properties: ImageProperties | None = None


class Checks(_Element):
    """crowd-checkbox, crowd-radio-button: for each value ("on" by default), whether it is checked."""

    checked: dict[str, bool]


class Other(_Element):
    """Anything else, as it is."""

    value: Any


Element: TypeAlias = (
    Text | Classification | LabelSet | BoundingBoxes | Entities | Keypoints | Polygons | Checks | Other
)

# The key that tells an element by its value. Of a value with several of them, the first that fits says most.
_BY_KEY: dict[str, type[Classification | LabelSet | BoundingBoxes | Entities | Keypoints | Polygons]] = {
    "boundingBoxes": BoundingBoxes,
    "entities": Entities,
    "keypoints": Keypoints,
    "polygons": Polygons,
    "labels": LabelSet,
    "label": Classification,
}


def parse_element(value: Any) -> Element:
    """Returns the element that has such a value."""
    if isinstance(value, str):
        return Text(value=value)
    if not isinstance(value, dict):
        return Other(value=value)
    for key, model in _BY_KEY.items():
        if key not in value:
            continue
        try:
            return model.model_validate(value)
        except ValidationError:
            continue
    if value and all(isinstance(checked, bool) for checked in value.values()):
        return Checks(checked=value)
    return Other(value=value)
