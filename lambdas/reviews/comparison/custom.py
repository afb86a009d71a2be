"""Custom tasks: pairs each crowd element with its prediction, and collects the rows of the elements.

`lambdas.reviews.comparison.elements` has the rules of each element; `lambdas.reviews.finding` finds predictions.
An element without a prediction, such as a comment next to a classification, also makes a field, but workers cannot
overrule the model in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lambdas.reviews.comparison.elements import Fit, element_of, element_of_kind, is_drawn
from lambdas.reviews.comparison.rows import Comparison
from lambdas.reviews.finding import find_prediction
from lambdas.reviews.record import DRAWN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdas.reviews.comparison.elements import Element
    from lambdas.reviews.comparison.rows import Row
    from lambdas.reviews.output import Output
    from lambdas.reviews.rules import FlowRules


def comparison(output: Output, rules: FlowRules) -> Comparison:
    """Returns the rows of a custom task, and whether the prediction was found by the settings or by a search."""
    rows = _predicted_rows(output, rules)
    if not any(row.in_prediction for row in rows):
        return Comparison(rows, None)
    return Comparison(rows, "search" if rules.prediction is None else "settings")


def unpredicted_rows(output: Output, rules: FlowRules) -> list[Row]:
    """Returns the rows of crowd elements on the page of a built-in task."""
    return _rows(_answered(output, rules), {}, rules)


def _predicted_rows(output: Output, rules: FlowRules) -> list[Row]:
    answered = _answered(output, rules)
    prediction = find_prediction(output.input_content, answered.keys(), rules.prediction)
    if prediction.unnamed is not None and (fits := _fits(prediction.unnamed, answered)):
        return _rows(answered, {_best(fits, prediction.key, answered): prediction.unnamed}, rules)

    # A2I leaves blank inputs out of an answer. So a predicted field without an answer is a field that was removed.
    no_answers = [None] * len(output.human_answers)
    buttons = {button for choice, names in rules.buttons.items() if choice in answered for button in names}
    names = sorted(prediction.fields - answered.keys() - buttons)
    blank = {name: _Answered(element_of_kind("text"), no_answers) for name in names}
    return _rows(answered | blank, _with_choices(prediction.by_name, answered, rules), rules)


class _Answered(NamedTuple):
    """The answers of all workers to one element."""

    element: type[Element]
    answers: Sequence[Element | None]


def _answered(output: Output, rules: FlowRules) -> dict[str, _Answered]:
    """Returns the answers by the name of the element, sorted, so that the order of the workers does not matter.

    Buttons that are one choice according to the settings are one element with the name of the choice.
    """
    names = {name for answer in output.human_answers for name in answer.elements}
    choices: dict[str, _Answered] = {}
    for choice, buttons in rules.buttons.items():
        from lambdas.reviews.comparison.elements.choice import Choice, of_buttons

        answers = of_buttons([answer.elements for answer in output.human_answers], buttons)
        if answers is not None and choice not in names.difference(buttons):
            choices[choice] = _Answered(Choice, answers)
            names.difference_update(buttons)
    by_name = {name: [answer.elements.get(name) for answer in output.human_answers] for name in names}
    answered = {name: _Answered(element_of(answers), answers) for name, answers in by_name.items()}
    return dict(sorted((answered | choices).items()))


def _with_choices(
    predicted: Mapping[Any, Any], answered: Mapping[str, _Answered], rules: FlowRules
) -> Mapping[Any, Any]:
    """Returns the predictions by name, with those of buttons as one prediction of their choice."""
    choices: dict[str, Any] = {}
    for choice, buttons in rules.buttons.items():
        if choice in answered and predicted.get(choice) is None:
            from lambdas.reviews.comparison.elements.choice import predicted_of_buttons

            choices[choice] = predicted_of_buttons(predicted, buttons)
    return {**predicted, **choices}


def _rows(answered: Mapping[str, _Answered], predicted: Mapping[Any, Any], rules: FlowRules) -> list[Row]:
    return [
        row
        for name, (element, answers) in answered.items()
        for row in element.rows(name, answers, predicted.get(name), rules.field(name))
    ]


def _fits(found: Any, answered: Mapping[str, _Answered]) -> dict[str, Fit]:
    """Returns how well a prediction without a name fits the elements. Leaves out elements that it does not fit."""
    drawn = is_drawn(found)  # a drawn shape fits only elements for drawing, and unknown elements
    fits = {
        name: element.fit(found, answers)
        for name, (element, answers) in answered.items()
        if not drawn or element.kind in (*DRAWN, "other")
    }
    return {name: fit for name, fit in fits.items() if fit is not None}


def _best(fits: Mapping[str, Fit], key: str | None, answered: Mapping[str, _Answered]) -> str | None:
    """Returns the element for a prediction without a name, or None if that is ambiguous.

    The element with the name of the prediction's own key ("label", "text") has priority, then the element that it
    fits best. Free text fits nearly any element: it needs a page with only one element, apart from check boxes.
    """
    if key in fits:
        return key
    best = min(fits.values())
    chosen = [name for name, fit in fits.items() if fit == best]
    if best >= Fit.ANYTHING:
        others = [element for name, (element, _) in answered.items() if name not in chosen]
        # With other elements, a "label" is not free text. Its own element was left blank.
        is_label = key is not None and key.lower() in ("label", "class")
        if not all(element.can_accompany for element in others) or (others and is_label):
            return None
    return chosen[0] if len(chosen) == 1 else None
