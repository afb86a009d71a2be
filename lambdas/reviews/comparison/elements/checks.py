"""crowd-checkbox, crowd-toggle-button, and HTML check boxes: for each value ("on" by default), whether it is checked.

Boxes of which each worker checked at most one are a choice (`lambdas.reviews.comparison.elements.choice`), unless the
settings of the field say that they are not.

Reference:
    fields: One for each box, with the element and the value of the box: `faults/blurry`. If the value is "on", only the
        element.
    same: Both are checked, or neither.
    prediction: True or false for each box; or the labels of the checked boxes, as for sets of labels. For a single box,
        also true or false.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeGuard

from typing_extensions import override

from lambdas.reviews.comparison.elements import Element, Fit
from lambdas.reviews.comparison.elements.labels import candidates, likely
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.comparison.values import joined_name
from lambdas.reviews.prediction import is_yes_or_no, scored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    from lambdas.reviews.record import FieldRecord, Kind
    from lambdas.reviews.rules import FieldSettings

DEFAULT = "on"
"""The default value of a box."""


class Checks(Element):
    """Check boxes or radio buttons."""

    kind: ClassVar[Kind] = "selection"
    can_accompany = True

    checked: dict[str, bool]

    @classmethod
    @override
    def parse(cls, value: Any) -> Self | None:
        return cls(checked=value) if value and are_checks(value) else None

    def options(self) -> list[str]:
        """Returns the boxes that are checked."""
        return [box for box, is_checked in self.checked.items() if is_checked]

    @classmethod
    @override
    def fit(cls, found: Any, answers: Sequence[Checks | None]) -> Fit | None:
        from lambdas.reviews.comparison.elements.choice import Choice, is_choice

        if is_choice(answers, found):
            return Choice.fit(found, answers)
        boxes = boxes_of(answers)
        if not _predicted(boxes, found):
            return None
        labels = candidates(found)
        if labels is None or is_yes_or_no(found):
            return Fit.CHECKS
        if not _are_among(boxes, labels):
            return None
        # "on" is only the default value of a box, and a label "on" is more likely another element's.
        return Fit.POOR if not labels or boxes == [DEFAULT] else Fit.CHECKS

    @classmethod
    @override
    def rows(
        cls, name: str, answers: Sequence[Checks | None], predicted: Any, settings: FieldSettings
    ) -> list[Row]:
        from lambdas.reviews.comparison.elements.choice import Choice, is_choice

        if settings.choice is None and is_choice(answers, predicted):
            return Choice.rows(name, answers, predicted, settings)
        boxes = boxes_of(answers)
        by_box = _predicted(boxes, predicted)
        return [
            Row(
                name=_field_name(name, box),
                kind=cls.kind,
                predicted=by_box.get(box),
                answers=[answer.checked.get(box) if answer else None for answer in answers],
                in_prediction=bool(by_box),
            )
            for box in boxes
        ]

    @override
    def raw_value(self) -> Any:
        return self.checked

    @classmethod
    @override
    def owns(cls, field: FieldRecord, name: str, answers: Sequence[Element | None]) -> bool:
        return any(field.name == _field_name(name, box) for box in boxes_of(answers))


def _field_name(name: str, box: str) -> str:
    return name if box == DEFAULT else joined_name(name, box)


def boxes_of(answers: Iterable[Element | None]) -> list[str]:
    """Returns the values of all boxes in the answers, sorted."""
    return sorted({box for answer in answers if isinstance(answer, Checks) for box in answer.checked})


def _predicted(boxes: Sequence[str], predicted: Any) -> dict[str, Scored]:
    """Returns the prediction for each box, from true or false per box, or from the names of the checked ones."""
    if are_checks(predicted):
        known = {box: Scored(predicted[box]) for box in boxes if box in predicted}
        if known:
            return known
    if is_yes_or_no(predicted):
        single = scored(predicted)
        return {boxes[0]: single} if single and len(boxes) == 1 else {}
    checked = likely(predicted)
    if checked is None or not _are_among(boxes, checked):
        return {}
    by_name = {str(item.value): item for item in checked}
    return {box: Scored(box in by_name, by_name[box].confidence if box in by_name else None) for box in boxes}


def are_checks(value: Any) -> TypeGuard[dict[str, bool]]:
    """Whether a value has true or false for each box."""
    return isinstance(value, dict) and all(isinstance(checked, bool) for checked in value.values())


def _are_among(boxes: Sequence[str], labels: Iterable[Scored]) -> bool:
    return all(str(label.value) in boxes for label in labels)
