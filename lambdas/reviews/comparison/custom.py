"""Custom tasks: pairs each crowd element with the prediction that the loop was started with, and asks it for its rows.

What is particular to an element, `lambdas.reviews.comparison.elements` has; where a prediction lies,
`lambdas.reviews.prediction`. What has no prediction, such as a comment beside a classification, is a field all the
same, but not one in which people overrule the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lambdas.reviews.comparison.elements import Fit, element_of, element_of_kind, is_drawn
from lambdas.reviews.prediction import find_prediction
from lambdas.reviews.record import DRAWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdas.reviews.comparison.elements import Element
    from lambdas.reviews.comparison.rows import Row
    from lambdas.reviews.output import Output


def rows(output: Output, prediction_path: str | None = None) -> list[Row]:
    """Returns the rows of a custom task: those that each element makes of its answers and its prediction."""
    answered = _answered(output)
    prediction = find_prediction(output.input_content, answered.keys(), prediction_path)
    if prediction.unnamed is not None and (fits := _fits(prediction.unnamed, answered)):
        return _rows(answered, {_best(fits, prediction.key, answered): prediction.unnamed})

    # A blank input is left out of an answer: what the model predicted for it was taken away.
    nobody = [None] * len(output.human_answers)
    blank = sorted(prediction.fields - answered.keys())
    left_blank = {name: _Answered(element_of_kind("text"), nobody) for name in blank}
    return _rows(answered | left_blank, prediction.by_name)


def unpredicted_rows(output: Output) -> list[Row]:
    """Returns the rows of what workers filled in beside a built-in task."""
    return _rows(_answered(output), {})


class _Answered(NamedTuple):
    """What each worker filled in at one element."""

    element: type[Element]
    answers: Sequence[Element | None]


def _answered(output: Output) -> dict[str, _Answered]:
    """Returns what workers filled in, by the element's name, in an order that does not depend on the workers'."""
    names = sorted({name for answer in output.human_answers for name in answer.elements})
    by_name = {name: [answer.elements.get(name) for answer in output.human_answers] for name in names}
    return {name: _Answered(element_of(answers), answers) for name, answers in by_name.items()}


def _rows(answered: Mapping[str, _Answered], predicted: Mapping[Any, Any]) -> list[Row]:
    return [
        row
        for name, (element, answers) in answered.items()
        for row in element.rows(name, answers, predicted.get(name))
    ]


def _fits(found: Any, answered: Mapping[str, _Answered]) -> dict[str, Fit]:
    """Returns how well a prediction without a name fits each of the elements that it fits at all."""
    drawn = is_drawn(found)  # then it is for what people draw, or for values of a shape that we do not know
    fits = {
        name: element.fit(found, answers)
        for name, (element, answers) in answered.items()
        if not drawn or element.kind in (*DRAWN, "other")
    }
    return {name: fit for name, fit in fits.items() if fit is not None}


def _best(fits: Mapping[str, Fit], key: str | None, answered: Mapping[str, _Answered]) -> str | None:
    """Returns the element that a prediction without a name is for; None if that is not plain.

    It is the one that is called like the prediction's own key ("label", "text"), or else the only one
    that it fits best. What fits nearly anything, such as free text, must be for the only element beside check boxes.
    """
    if key in fits:
        return key
    best = min(fits.values())
    chosen = [name for name, fit in fits.items() if fit == best]
    if best >= Fit.ANYTHING:
        others = [element for name, (element, _) in answered.items() if name not in chosen]
        # A "label" beside other elements is not free text: the element that it is for was left blank.
        is_label = key is not None and key.lower() in ("label", "class")
        if not all(element.stands_beside for element in others) or (others and is_label):
            return None
    return chosen[0] if len(chosen) == 1 else None
