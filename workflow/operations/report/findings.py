"""What the figures mean, in sentences: the headline, and what a manager should take from the rest.

A sentence is said only if the sample carries it: two shares are called different when their 95 % intervals do
not overlap, and nothing is said of fewer than SMALL_SAMPLE cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from workflow.operations.report import words
from workflow.operations.report.loop_facts import LoopFacts
from workflow.operations.report.statistics import (
    OTHER_FIELDS,
    ConditionFigures,
    FieldFigures,
    FieldName,
    Figures,
    Share,
    ThresholdFigures,
)

__all__ = ["Finding", "Headline", "catches_nothing", "field_label", "findings", "headline"]

NEXT_TO_NOTHING = 0.02
"""A condition whose share of overruled reviews is surely below this catches next to nothing."""


@dataclass(frozen=True)
class Headline:
    """The one thing to know.

    Attributes:
        number: the main figure, such as `17.2%`; empty if there is none.
        sentence: goes on from the number, or stands alone without one.
        meaning: what it is a share of, and how sure it is.
    """

    number: str
    sentence: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.number} {self.sentence}".strip()


@dataclass(frozen=True)
class Finding:
    """One thing to take from the report: the point in a few words, then the numbers that carry it."""

    point: str
    because: str


def headline(figures: Figures) -> Headline:
    """The one thing to know of these figures."""
    when = words.period(figures.period)
    if figures.reviews == 0:
        return Headline("", f"There are no reviews from {when}.", "")
    if figures.overruled.n == 0:
        return Headline(
            "",
            f"{words.count(figures.reviews, 'review')} from {when}, but no prediction to hold them against.",
            "No model's prediction was found in these reviews that people came to a result on, so how often "
            "they overrule it is not known. If the prediction is part of what the loops were started with, name "
            "its place in the stage's settings, under predictions.",
        )
    share = figures.overruled
    said = words.one_in(share.value)
    low, high = share.interval
    meaning = (
        f"People looked at {words.count(share.n, 'prediction')} in {words.count(figures.reviews, 'review')} from "
        f"{when}, and changed or removed {words.count(share.hits)} of them"
        + (f", {said}. " if said else ". ")
    )
    if share.small or figures.overruled_reviews.small:
        anywhere = f"{words.percent(low, 0)} to {words.percent(high, 0)}"
        meaning += f"That is few: the true rate may be anywhere from {anywhere}."
    else:
        meaning += (
            f"Of every ten reviews, {_tenths(figures.overruled_reviews.value)} had something to correct."
        )
    return Headline(
        words.percent(share.value), "of the model's predictions were overruled by people.", meaning
    )


def findings(figures: Figures, facts: LoopFacts | None) -> list[Finding]:
    """What to take from the figures, the most telling first; empty if they carry nothing."""
    found = (
        _trend(figures),
        _fields(figures),
        _confidence(figures),
        _threshold(figures),
        _conditions(figures),
        _agreement(figures),
        _loops(facts),
    )
    return [finding for finding in found if finding is not None]


def field_label(field: FieldName, figures: Figures) -> str:
    """The field's name; with its flow definition where others have a field of that name too."""
    if field.name == OTHER_FIELDS or figures.names[field.name] == 1:
        return field.name
    return f"{field.name} · {field.flow_definition}"


def catches_nothing(condition: ConditionFigures) -> bool:
    """Whether the reviews that a condition sent to people found nothing to correct, or surely next to nothing."""
    share = condition.overruled_reviews
    return not share.small and (share.hits == 0 or share.interval[1] < NEXT_TO_NOTHING)


# ------------------------------------------------------------------------------------------ one sentence each


def _trend(figures: Figures) -> Finding | None:
    third = len(figures.spans) // 3
    if not third:
        return None
    early = sum((span.overruled for span in figures.spans[:third]), Share(0, 0))
    late = sum((span.overruled for span in figures.spans[-third:]), Share(0, 0))
    if early.small or late.small:
        return None
    numbers = f"{words.percent(early.value)} in the first third of the period, {words.percent(late.value)} in the last."
    if late.interval[0] > early.interval[1]:
        return Finding("People overrule the model more often than before.", numbers)
    if late.interval[1] < early.interval[0]:
        return Finding("People overrule the model less often than before.", numbers)
    return Finding("The rate has held steady.", numbers)


def _fields(figures: Figures) -> Finding | None:
    known = [
        field for field in figures.fields if not field.overruled.small and field.field.name != OTHER_FIELDS
    ]
    if len(known) < 2:
        return None
    worst = max(known, key=lambda field: field.overruled.value)
    best = min(known, key=lambda field: field.overruled.value)
    if worst.overruled.interval[0] <= best.overruled.interval[1]:
        return None
    most = max(known, key=lambda field: field.overruled.hits)

    def name(field: FieldFigures) -> str:
        said = f"“{words.shortened(words.legible(field.field.name), 60)}”"
        return said if len(figures.flow_definitions) == 1 else f"{said} ({field.field.flow_definition})"

    because = (
        f"{words.percent(worst.overruled.value)} of its {words.count(worst.overruled.n)} predictions; best is "
        f"{name(best)} with {words.percent(best.overruled.value)}."
    )
    if most is not worst:
        because += (
            f" Most corrections in all are to {name(most)}: {words.count(most.overruled.hits)}, "
            f"{words.percent(most.overruled.hits / figures.overruled.hits, 0)} of them."
        )
    return Finding(f"The model is overruled most on {name(worst)}.", because)


def _confidence(figures: Figures) -> Finding | None:
    known = [band for band in figures.bands if not band.kept.small]
    if not known:
        return None
    top = known[-1]
    gap = figures.overconfidence
    numbers = (
        f"Where it says {words.percent(top.mean_confidence, 0)}, people agree {words.percent(top.kept.value, 0)} of "
        f"the time; over all, its confidence is {words.percent(figures.calibration_error)} off."
    )
    if figures.calibration_error < 0.03:
        return Finding("The model's confidence can be taken at its word.", numbers)
    if figures.calibration_error < 0.05 and abs(gap) < 0.03:
        return Finding("The model's confidence is about right.", numbers)
    if gap > 0.015:
        return Finding("The model is surer of itself than it is right.", numbers)
    if gap < -0.015:
        return Finding("The model is more often right than it says.", numbers)
    return Finding("The model's confidence cannot be taken at its word.", numbers)


def _threshold(figures: Figures) -> Finding | None:
    """The lowest threshold in steps of 5 % that would catch nine errors of ten."""
    enough = [
        figure
        for figure in figures.thresholds
        if round(100 * figure.threshold) % 5 == 0
        and not figure.errors_let_through.small
        and figure.errors_let_through.value <= 0.1
        and figure.passed
    ]
    if not enough:
        return None
    figure: ThresholdFigures = enough[0]
    return Finding(
        f"A confidence threshold of {words.percent(figure.threshold, 0)} would catch nine errors of ten.",
        f"It would take {words.percent(figure.reviews.value, 0)} of these reviews and let "
        f"{words.count(figure.let_through, 'error')} through. Only predictions that people have seen are counted.",
    )


def _conditions(figures: Figures) -> Finding | None:
    idle = [condition for condition in figures.conditions if catches_nothing(condition)]
    if not idle:
        return None
    name = words.shortened(words.legible(idle[0].condition), 70)
    reviews = sum(condition.reviews for condition in idle)
    if len(idle) == 1:
        point = f"The activation condition “{name}” has caught next to nothing."
    else:
        point = f"{len(idle)} activation conditions have caught next to nothing, “{name}” among them."
    caught = sum(condition.overruled_reviews.hits for condition in idle)
    return Finding(
        point,
        f"In {words.count(reviews, 'review')} that {'it' if len(idle) == 1 else 'they'} sent to people, "
        f"{words.count(caught) if caught else 'none'} had something to correct.",
    )


def _agreement(figures: Figures) -> Finding | None:
    unanimous = figures.agreement.unanimous
    if unanimous.small:
        return None
    numbers = (
        f"In {words.count(figures.agreement.reviews, 'review')} with two or three answers, all said the same in "
        f"{words.percent(unanimous.value)} of the fields, and {words.percent(figures.agreement.unresolved.value)} "
        "stayed without a majority."
    )
    if unanimous.value >= 0.9:
        return Finding("People agree with each other.", numbers)
    if unanimous.value >= 0.75:
        return Finding("People mostly agree with each other.", numbers)
    return Finding(
        "People often disagree with each other.",
        numbers + " Clearer instructions may help more than a better model.",
    )


def _loops(facts: LoopFacts | None) -> Finding | None:
    if facts is None or not facts.loops:
        return None
    failed = facts.by_status.get("Failed", 0)
    were = "was" if facts.escalated == 1 else "were"
    if not facts.escalated:
        decided = "none was left to a person to decide"
    else:
        decided = f"{words.count(facts.escalated)} {were} left to a person to decide"
        if facts.undecided:
            decided += f", of which {words.count(facts.undecided)} still {'waits' if facts.undecided == 1 else 'wait'}"
    if not failed and not facts.escalated:
        return Finding("No human loop failed.", f"{words.count(facts.started)} were started.")
    return Finding(
        f"{words.count(failed, 'human loop')} of {words.count(facts.started)} failed; {decided}.",
        f"{words.count(facts.restarted)} {'was' if facts.restarted == 1 else 'were'} started anew; "
        f"{words.count(facts.recovered)} of the restarts ended in a review.",
    )


def _tenths(share: float) -> str:
    if math.isnan(share):
        return "an unknown number"
    tenths = round(10 * share)
    if tenths == 0:
        return "fewer than one" if share else "none"
    return ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "all")[tenths - 1]
