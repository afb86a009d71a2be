"""Shared by boxes, spans, keypoints, polygons and lines: workers draw any number of shapes, and each is a field.

If an answer says that the shapes that were shown are not modified (`initialValueModified`), and has as many of each
label, all of them were kept, whatever the page made of their coordinates.

Reference:
    fields: One for each shape, with the element and the label of the shape: `animals/dog`. Shapes of the same object
        are one field; those with the same label are matched first.
    prediction: The form of an answer, or only the list in it. Each shape in it can have a confidence.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import Counter
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat
from typing_extensions import override

from lambdas.reviews.comparison.alignment import align
from lambdas.reviews.comparison.elements import Fit, Part, keys_of_kind, parse_element
from lambdas.reviews.comparison.elements.labels import Labelled
from lambdas.reviews.comparison.rows import Row, Scored, not_compared
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

    input_image_properties: ImageProperties | None = None
    initial_value_modified: Any = None

    @abstractmethod
    def shapes(self) -> Sequence[tuple[Shape, dict[str, Any]]]:
        """Returns the shapes, each with its unknown keys."""

    @property
    def diagonal(self) -> float:
        """The diagonal of the image, in pixels; 0 if its size is unknown."""
        size = self.input_image_properties
        return math.hypot(size.width, size.height) if size else 0.0

    @classmethod
    def prediction(cls, predicted: Any) -> Self | None:
        """Returns a prediction as an answer, or None if it is not for this kind of element."""
        if isinstance(predicted, list):
            elements = (parse_element({key: predicted}) for key in keys_of_kind(cls.kind))
        else:
            elements = (parse_element(predicted) for _ in [0] if predicted is not None)
        return next((element for element in elements if isinstance(element, cls)), None)

    @classmethod
    @override
    def fit(cls, found: Any, answers: Sequence[Self | None]) -> Fit | None:
        return None if cls.prediction(found) is None else Fit.DRAWN

    @classmethod
    @override
    def rows(
        cls, name: str, answers: Sequence[Self | None], predicted: Any, settings: FieldSettings
    ) -> list[Row]:
        found = cls.prediction(predicted)
        items = [Scored(shape, confidence_of(more)) for shape, more in found.shapes()] if found else []
        shapes = [answer.drawn_after([item.value for item in items]) if answer else [] for answer in answers]
        made = []
        aligned = align([item.value for item in items], shapes)
        for index, drawn in aligned.rows:
            item = None if index is None else items[index]
            labels = [shape.label for shape in drawn if shape]
            label = item.value.label if item else min(labels, key=lambda one: (-labels.count(one), one))
            row = Row(
                cls.field_name(name, label),
                cls.kind,
                item,
                drawn,
                in_prediction=found is not None,
                is_approximate=aligned.is_approximate,
            )
            can_lack = (found is not None and found.is_partial and item is None) or any(
                shape is None and answer is not None and answer.is_partial
                for shape, answer in zip(drawn, answers, strict=True)
            )
            made.append(not_compared(row) if can_lack else row)
        return made

    def drawn_after(self, shown: Sequence[Shape]) -> list[Shape]:
        """Returns the shapes of a worker who saw other shapes at first: these, if the worker modified nothing."""
        drawn = [shape for shape, _ in self.shapes()]
        unmodified = self.initial_value_modified is False and (
            Counter(shape.label for shape in drawn) == Counter(shape.label for shape in shown)
        )
        return list(shown) if unmodified else drawn
