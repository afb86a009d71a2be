"""The answers of all workers by what makes a field of its own, which is not always one element.

Buttons with names of their own can be one choice, according to the settings. An element whose value is an object with
several judgements makes a field for each. The predictions for them are named like the elements, so they are renamed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lambdas.reviews.comparison.elements import element_of, element_of_kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from lambdas.reviews.comparison.elements import Element
    from lambdas.reviews.output import Output
    from lambdas.reviews.rules import FlowRules


class Answered(NamedTuple):
    """The answers of all workers to one element."""

    element: type[Element]
    answers: Sequence[Element | None]


@dataclass(frozen=True)
class Answers:
    """All answers of a review.

    Attributes:
        by_name: By the name of the element, of the choice, or of the judgement; sorted, so that the order of the
            workers does not matter.
        choices: The buttons of each choice.
        judged: The keys of the judgements in each element that has several.
    """

    by_name: Mapping[str, Answered]
    choices: Mapping[str, Sequence[str]]
    judged: Mapping[str, Sequence[str]]

    @property
    def names(self) -> Set[str]:
        """The names that predictions can have."""
        return self.by_name.keys() | self.judged.keys()

    @property
    def parts(self) -> Set[str]:
        """The names of elements that are not in `by_name`, because they are part of something, or have parts."""
        return {button for buttons in self.choices.values() for button in buttons} | self.judged.keys()

    def predictions(self, named: Mapping[Any, Any]) -> dict[Any, Any]:
        """Returns predictions by the names in `by_name`, from those by the names of elements."""
        found = dict(named)
        for choice, buttons in self.choices.items():
            if found.get(choice) is None:
                from lambdas.reviews.comparison.elements.choice import predicted_of_buttons

                found[choice] = predicted_of_buttons(named, buttons)
        for name, keys in self.judged.items():
            from lambdas.reviews.comparison.judgements import predicted_judgements

            found |= predicted_judgements(name, keys, named.get(name))
        return found

    def judged_by(self, prediction: Any) -> str | None:
        """Returns the only element for whose judgements a prediction without a name has values, or None."""
        keys = prediction.keys() if isinstance(prediction, dict) else frozenset()
        found = [name for name, judged in self.judged.items() if not keys.isdisjoint(judged)]
        return found[0] if len(found) == 1 else None


def answers_of(output: Output, rules: FlowRules) -> Answers:
    """Returns the answers of all workers."""
    workers = [answer.elements for answer in output.human_answers]
    names = {name for elements in workers for name in elements}
    by_name: dict[str, Answered] = {}
    choices: dict[str, Sequence[str]] = {}
    judged: dict[str, Sequence[str]] = {}
    for choice, buttons in rules.buttons.items():
        from lambdas.reviews.comparison.elements.choice import Choice, of_buttons

        answers = of_buttons(workers, buttons)
        if answers is not None and choice not in names.difference(buttons):
            by_name[choice], choices[choice] = Answered(Choice, answers), buttons
            names.difference_update(buttons)
    for name in names:
        given = [elements.get(name) for elements in workers]
        element = element_of(given)
        if element.kind == "other":
            from lambdas.reviews.comparison.judgements import field_name, judgements

            parts = judgements(given)
            # An element with the name of such a field would make a second field with it.
            if parts and names.isdisjoint(field_name(name, key) for key in parts):
                judged[name] = [*parts]
                by_name |= {
                    field_name(name, key): Answered(element_of(part), part) for key, part in parts.items()
                }
                continue
        if element.kind == "selection" and rules.field(name).choice:
            element = element_of_kind("choice")
        by_name[name] = Answered(element, given)
    return Answers(dict(sorted(by_name.items())), choices, judged)
