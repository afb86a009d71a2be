"""crowd-radio-button, crowd-radio-group, and HTML radio buttons: the option that is checked. One choice is one field.

An answer has true or false for each option, and looks like that of check boxes. It is a choice if there are several
options, no worker checked more than one, and somebody checked one, or the prediction has probabilities of all options;
unless the prediction names several. The settings of the field can say what it is
(`lambdas.reviews.rules.FieldSettings`), and can make one choice of buttons that have names of their own.

Reference:
    fields: One, with the name of the element; of buttons with names of their own, the name in the setting `buttons`.
        Without that setting, each of these is a check box. A worker who checked nothing gave an empty answer.
    same: The options are the same.
    prediction: The likeliest option, however low its confidence: an option, with or without a confidence; a list of
        options with confidences; ``{"cat": 0.4, "dog": 0.3}``; or true or false for each option. What is not an option
        is no prediction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

from lambdas.reviews.comparison.elements import Fit
from lambdas.reviews.comparison.elements.checks import Checks, are_checks, boxes_of
from lambdas.reviews.comparison.elements.labels import MIN_CONFIDENCE, candidates
from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.comparison.values import normalised
from lambdas.reviews.prediction import as_text, scored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdas.reviews.comparison.elements import Element
    from lambdas.reviews.record import FieldRecord
    from lambdas.reviews.rules import FieldSettings


ROUNDED = 0.02
"""How far the sum of the probabilities of all options may be from 1."""


class Choice(Checks):
    """Buttons of which one can be checked."""

    kind = "choice"

    @classmethod
    @override
    def fit(cls, found: Any, answers: Sequence[Checks | None]) -> Fit | None:
        return Fit.CHECKS if _predicted(boxes_of(answers), found) else None

    @classmethod
    @override
    def rows(
        cls, name: str, answers: Sequence[Checks | None], predicted: Any, settings: FieldSettings
    ) -> list[Row]:
        found = _predicted(boxes_of(answers), predicted)
        return [
            Row(
                name=name,
                kind=cls.kind,
                predicted=found.option if found else None,
                answers=[_value(answer.options()) if answer else None for answer in answers],
                in_prediction=found is not None,
            )
        ]

    @classmethod
    @override
    def owns(cls, field: FieldRecord, name: str, answers: Sequence[Element | None]) -> bool:
        return field.name == name


def is_choice(answers: Sequence[Checks | None], predicted: Any) -> bool:
    """Whether the answers look like one choice, and the prediction does not name several options."""
    options = boxes_of(answers)
    checked = [len(answer.options()) for answer in answers if answer]
    if len(options) < 2 or max(checked, default=0) > 1 or _names_several(options, predicted):
        return False
    return max(checked, default=0) == 1 or _is_distribution(options, predicted)


def of_buttons(
    answers: Sequence[Mapping[str, Element]], buttons: Sequence[str]
) -> list[Choice | None] | None:
    """Returns the choice that each worker made among buttons with names of their own.

    Args:
        answers: The elements of each worker, by name.
        buttons: The names of the buttons.

    Returns:
        One per worker; None for a worker whose page had none of the buttons. None instead of the list if nobody's page
        had them, or if one of these elements is no button.
    """
    given = [{name: elements[name] for name in buttons if name in elements} for elements in answers]
    if not any(given) or not all(isinstance(one, Checks) for found in given for one in found.values()):
        return None
    return [
        Choice(checked={name: bool(one.options()) for name, one in found.items() if isinstance(one, Checks)})
        if found
        else None
        for found in given
    ]


def predicted_of_buttons(predicted: Mapping[Any, Any], buttons: Sequence[str]) -> Any:
    """Returns the prediction of a choice, from predictions by the names of its buttons; None if there are none."""
    found = {name: _of_button(predicted[name]) for name in buttons if name in predicted}
    singles = {name: single for name, single in found.items() if single is not None}
    if not singles:
        return None
    checked = [name for name, single in singles.items() if single.value is True]
    if len(checked) == 1:
        return {"label": checked[0], "confidence": singles[checked[0]].confidence}
    return {name: single.value for name, single in singles.items()}


def _of_button(predicted: Any) -> Scored | None:
    if are_checks(predicted) and predicted:
        return Scored(any(predicted.values()))
    single = scored(predicted)
    return single if single and isinstance(single.value, bool | int | float) else None


class _Found(NamedTuple):
    option: Scored | None
    """None if the model predicts that nothing is checked."""


def _predicted(options: Sequence[str], predicted: Any) -> _Found | None:
    """Returns what the model predicts, or None if the prediction cannot be compared."""
    if are_checks(predicted) and not predicted.keys().isdisjoint(options):
        checked = [option for option in options if predicted.get(option)]
        return _Found(Scored(_value(checked)) if checked else None)
    labels = candidates(predicted)
    if labels is None:
        return None
    if _is_plain(labels) and len(labels) != 1:
        found = [_option(options, label) for label in labels]
        if None in found:
            return None
        return _Found(Scored(_value([option for option in found if option])) if found else None)
    top = max(labels, key=lambda label: (label.confidence or 0.0, str(label.value)))
    option = _option(options, top)
    is_certain_of_nothing = len(labels) > 1 and not top.confidence
    return None if option is None or is_certain_of_nothing else _Found(Scored(option, top.confidence))


def _names_several(options: Sequence[str], predicted: Any) -> bool:
    if are_checks(predicted) and not predicted.keys().isdisjoint(options):
        return sum(predicted.values()) > 1
    labels = candidates(predicted)
    if labels is None or scored(predicted) is not None:
        return False
    if _is_plain(labels):
        return len(labels) != 1
    # The probabilities of the options of one choice have the sum 1, so at most one is higher than a half.
    named = [label.confidence for label in labels if (label.confidence or 1.0) >= MIN_CONFIDENCE]
    return len(named) > 1 and sum(1.0 if one is None else one for one in named) > 1.0 + 1e-6


def _is_distribution(options: Sequence[str], predicted: Any) -> bool:
    """Whether a prediction has probabilities of options whose sum is 1. Those of check boxes have any sum."""
    labels = candidates(predicted) or []
    if len(labels) < 2 or not all(
        label.confidence is not None and _option(options, label) for label in labels
    ):
        return False
    return abs(sum(label.confidence or 0.0 for label in labels) - 1.0) < ROUNDED


def _is_plain(labels: Sequence[Scored]) -> bool:
    return all(label.confidence is None for label in labels)


def _option(options: Sequence[str], label: Scored) -> str | None:
    """Returns the option that a label names. Case does not matter if it does not tell options apart."""
    text = str(as_text(label).value)
    for key in (normalised, lambda option: normalised(option).casefold()):
        found = [option for option in options if key(option) == key(text)]
        if len(found) == 1:
            return found[0]
    return None


def _value(checked: Sequence[str]) -> Any:
    """Returns the checked option. Several, if the settings say that it is one choice, are a value of their own."""
    return sorted(checked) if len(checked) > 1 else next(iter(checked), None)
