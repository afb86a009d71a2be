"""Shared by boxes, spans, keypoints and polygons: workers draw any number of shapes, and each shape is a field.

The name of a field is the element and the label of the shape: "animals/dog". A prediction has the form of an answer, or
is only the list in it. Each shape in it can have a confidence.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat
from typing_extensions import override

from lambdas.reviews.comparison.alignment import align
from lambdas.reviews.comparison.elements import Fit, Part, key_of_kind, parse_element
from lambdas.reviews.comparison.elements.labels import Labelled
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.prediction import confidence_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from lambdas.reviews.comparison.values import Shape
    from lambdas.reviews.rules import FieldSettings


class ImageProperties(Part):
    """The size of the image that was annotated, in pixels."""

    width: FiniteFloat
    height: FiniteFloat


class Drawn(Labelled):
    """An element in which workers draw shapes."""

    @abstractmethod
    def shapes(self) -> Sequence[tuple[Shape, dict[str, Any]]]:
        """Returns the shapes, each with its unknown keys."""

    @classmethod
    def predicted(cls, predicted: Any) -> list[Scored] | None:
        """Returns the shapes of a prediction, or None if it is not for this kind of element."""
        if predicted is None:
            return None
        element = parse_element(
            {key_of_kind(cls.kind): predicted} if isinstance(predicted, list) else predicted
        )
        if not isinstance(element, cls):
            return None
        return [Scored(shape, confidence_of(more)) for shape, more in element.shapes()]

    @classmethod
    @override
    def fit(cls, found: Any, answers: Sequence[Self | None]) -> Fit | None:
        return None if cls.predicted(found) is None else Fit.DRAWN

    @classmethod
    @override
    def rows(
        cls, name: str, answers: Sequence[Self | None], predicted: Any, settings: FieldSettings
    ) -> list[Row]:
        found = cls.predicted(predicted)
        items = found or []
        shapes = [[shape for shape, _ in answer.shapes()] if answer else [] for answer in answers]
        made = []
        for index, drawn in align([item.value for item in items], shapes):
            item = None if index is None else items[index]
            labels = [shape.label for shape in drawn if shape]
            label = item.value.label if item else min(labels, key=lambda one: (-labels.count(one), one))
            made.append(
                Row(cls.field_name(name, label), cls.kind, item, drawn, in_prediction=found is not None)
            )
        return made
