"""The main result of a report."""

from __future__ import annotations

from dataclasses import dataclass

from workflow.operations.report import words
from workflow.operations.report.figures import Figures

__all__ = ["Headline", "headline"]


@dataclass(frozen=True)
class Headline:
    """The main result.

    Attributes:
        number: The main figure, such as `17.2%`; empty if there is none.
        sentence: The rest of the sentence that starts with the number, or a whole sentence without one.
        meaning: What the number is a share of, and how reliable it is.
    """

    number: str
    sentence: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.number} {self.sentence}".strip()


def headline(figures: Figures) -> Headline:
    """Returns the main result of the figures."""
    when = words.period(figures.period)
    if figures.reviews == 0:
        return Headline("", f"There are no reviews from {when}.", "")
    if figures.overruled.n == 0:
        return Headline(
            "",
            f"{words.count(figures.reviews, 'review')} from {when}, without predictions to compare.",
            "In these reviews, people did not reach a result for any prediction of a model, so the overrule rate is "
            "unknown. If the prediction is in the input of the human loops, specify its location in the stage's "
            "settings, under predictions.",
        )
    share = figures.overruled
    in_words = words.one_in(share.value)
    low, high = share.interval
    meaning = (
        f"People reviewed {words.count(share.n, 'prediction')} in {words.count(figures.reviews, 'review')} from "
        f"{when}. They changed or removed {words.count(share.hits)} of them"
        + (f", {in_words}. " if in_words else ". ")
    )
    if share.small or figures.overruled_reviews.small:
        meaning += (
            f"The sample is small: the true rate is probably between {words.percent(low, 0)} and "
            f"{words.percent(high, 0)}."
        )
    else:
        compared = figures.overruled_reviews
        meaning += (
            f"{words.percent(compared.value, 0)} of the {words.count(compared.n, 'compared review')} have at least one "
            "correction."
        )
    return Headline(
        words.percent(share.value), "of the model's predictions were overruled by people.", meaning
    )
