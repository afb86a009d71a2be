"""Custom tasks: pairs each crowd element with its prediction, and collects the rows of the elements.

`lambdas.reviews.comparison.elements` has the rules of each element; `lambdas.reviews.finding` finds predictions.
An element without a prediction, such as a comment next to a classification, also makes a field, but workers cannot
overrule the model in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdas.reviews.comparison.answered import Answered, answers_of
from lambdas.reviews.comparison.elements import PICTURED, Fit, element_of_kind, is_drawn
from lambdas.reviews.comparison.rows import Comparison
from lambdas.reviews.finding import find_prediction

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdas.reviews.comparison.rows import Row
    from lambdas.reviews.output import Output
    from lambdas.reviews.rules import FlowRules


MAX_FITTING = 500_000
"""The values of a prediction without a name, times the elements of a page, up to which it is tried which element the
prediction fits. A prediction of a thousand boxes is tried with 80 elements, a label with hundreds of thousands."""


def comparison(output: Output, rules: FlowRules) -> Comparison:
    """Returns the rows of a custom task, and whether the prediction was found by the settings or by a search."""
    rows = _predicted_rows(output, rules)
    if not any(row.in_prediction for row in rows):
        return Comparison(rows, None)
    return Comparison(rows, "search" if rules.prediction is None else "settings")


def unpredicted_rows(output: Output, rules: FlowRules) -> list[Row]:
    """Returns the rows of crowd elements on the page of a built-in task."""
    return _rows(answers_of(output, rules).by_name, {}, rules)


def _predicted_rows(output: Output, rules: FlowRules) -> list[Row]:
    answers = answers_of(output, rules)
    answered = answers.by_name
    prediction = find_prediction(output.input_content, answers.names, rules.prediction)
    if judged := answers.judged_by(prediction.unnamed):
        return _rows(answered, answers.predictions({judged: prediction.unnamed}), rules)
    if prediction.unnamed is not None and (fits := _fits(prediction.unnamed, answered)):
        return _rows(answered, {_best(fits, prediction.key, answered): prediction.unnamed}, rules)

    # A2I leaves blank inputs out of an answer. So a predicted field without an answer is a field that was removed.
    no_answers = [None] * len(output.human_answers)
    names = sorted(prediction.fields - answered.keys() - answers.parts)
    blank = {name: Answered(element_of_kind("text"), no_answers) for name in names}
    return _rows({**answered, **blank}, answers.predictions(prediction.by_name), rules)


def _rows(answered: Mapping[str, Answered], predicted: Mapping[Any, Any], rules: FlowRules) -> list[Row]:
    return [
        row
        for name, (element, answers) in answered.items()
        for row in element.rows(name, answers, predicted.get(name), rules.field(name))
    ]


def _fits(found: Any, answered: Mapping[str, Answered]) -> dict[str, Fit]:
    """Returns how well a prediction without a name fits the elements. Leaves out elements that it does not fit."""
    if len(answered) * _size(found) > MAX_FITTING:
        return {}
    drawn = is_drawn(found)  # a drawn shape fits only elements for drawing, and unknown elements
    fits = {
        name: element.fit(found, answers)
        for name, (element, answers) in answered.items()
        if not drawn or element.kind in (*PICTURED, "other")
    }
    return {name: fit for name, fit in fits.items() if fit is not None}


def _best(fits: Mapping[str, Fit], key: str | None, answered: Mapping[str, Answered]) -> str | None:
    """Returns the element for a prediction without a name, or None if that is ambiguous.

    The element with the name of the prediction's own key ("label", "text") has priority, then the element that it
    fits best. Free text fits nearly any element: it needs a page with only one element, apart from check boxes.
    """
    if key in fits:
        return key
    best = min(fits.values())
    chosen = {name: fit for name, fit in fits.items() if fit == best}
    if best >= Fit.ANYTHING:
        others = [element for name, (element, _) in answered.items() if name not in chosen]
        # With other elements, a "label" is not free text. Its own element was left blank.
        is_label = key is not None and key.lower() in ("label", "class")
        if not all(element.can_accompany for element in others) or (others and is_label):
            return None
    return next(iter(chosen)) if len(chosen) == 1 else None


def _size(found: Any) -> int:
    """Returns the number of values in a prediction."""
    inner = found.values() if isinstance(found, dict) else found if isinstance(found, list) else ()
    return 1 + sum(map(_size, inner))
