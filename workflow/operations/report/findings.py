"""The headline and the key findings of a report, in sentences.

A finding needs enough evidence. Two shares count as different only if their 95% intervals do not overlap, and there
are no findings about fewer than SMALL_SAMPLE cases.
"""

from __future__ import annotations

from dataclasses import dataclass

from workflow.operations.report import words
from workflow.operations.report.figures import (
    OTHER_FIELDS,
    ConditionFigures,
    FieldFigures,
    FieldName,
    Figures,
    Share,
    ThresholdFigures,
)
from workflow.operations.report.loop_facts import LoopFacts

__all__ = ["Finding", "Headline", "catches_nothing", "field_label", "findings", "headline"]

NEGLIGIBLE_SHARE = 0.02
"""A condition catches almost nothing if the upper bound of its share of reviews with a correction is below this."""


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


@dataclass(frozen=True)
class Finding:
    """A finding: the point in a few words, and the numbers that support it."""

    point: str
    because: str


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
        meaning += f"{words.percent(figures.overruled_reviews.value, 0)} of the reviews have at least one correction."
    return Headline(
        words.percent(share.value), "of the model's predictions were overruled by people.", meaning
    )


def findings(figures: Figures, facts: LoopFacts | None) -> list[Finding]:
    """Returns the findings in the figures, most important first."""
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
    """Returns the field's name, with its flow definition if another one has a field with the same name."""
    if field.name == OTHER_FIELDS or figures.names[field.name] == 1:
        return field.name
    return f"{field.name} · {field.flow_definition}"


def catches_nothing(condition: ConditionFigures) -> bool:
    """Returns whether almost no review that the condition sent to people has a correction."""
    share = condition.overruled_reviews
    return not share.small and (share.hits == 0 or share.interval[1] < NEGLIGIBLE_SHARE)


# The findings


def _trend(figures: Figures) -> Finding | None:
    third = len(figures.spans) // 3
    if not third:
        return None
    early = sum((span.overruled for span in figures.spans[:third]), Share(0, 0))
    late = sum((span.overruled for span in figures.spans[-third:]), Share(0, 0))
    if early.small or late.small:
        return None
    numbers = (
        f"{words.percent(early.value)} in the first third of the period, "
        f"{words.percent(late.value)} in the last third."
    )
    if late.interval[0] > early.interval[1]:
        return Finding("The overrule rate is rising.", numbers)
    if late.interval[1] < early.interval[0]:
        return Finding("The overrule rate is falling.", numbers)
    return Finding("The overrule rate is stable.", numbers)


def _fields(figures: Figures) -> Finding | None:
    known = [
        field for field in figures.fields if not field.overruled.small and field.field.name != OTHER_FIELDS
    ]
    if len(known) < 2:
        return None
    worst = max(known, key=lambda field: field.overruled.value)
    best = min(known, key=lambda field: field.overruled.value)
    # If even the extremes can be equal, no field stands out.
    if worst.overruled.interval[0] <= best.overruled.interval[1]:
        return None
    most_corrected = max(known, key=lambda field: field.overruled.hits)

    def name(field: FieldFigures) -> str:
        quoted = f"“{words.shortened(words.legible(field.field.name), 60)}”"
        return quoted if len(figures.flow_definitions) == 1 else f"{quoted} ({field.field.flow_definition})"

    because = (
        f"{words.percent(worst.overruled.value)} of its {words.count(worst.overruled.n)} predictions. The lowest rate "
        f"is {words.percent(best.overruled.value)}, for {name(best)}."
    )
    if most_corrected is not worst:
        hits = most_corrected.overruled.hits
        because += (
            f" The field with the most corrections is {name(most_corrected)}: {words.count(hits)}, "
            f"{words.percent(hits / figures.overruled.hits, 0)} of all corrections."
        )
    return Finding(f"People overrule the model most often on {name(worst)}.", because)


def _confidence(figures: Figures) -> Finding | None:
    known = [band for band in figures.bands if not band.kept.small]
    if not known:
        return None
    top = known[-1]
    gap = figures.overconfidence
    numbers = (
        f"At {words.percent(top.mean_confidence, 0)} confidence, people agree "
        f"{words.percent(top.kept.value, 0)} of the time. "
        f"The average calibration error is {words.percent(figures.calibration_error)}."
    )
    if figures.calibration_error < 0.03:
        return Finding("The model's confidence is reliable.", numbers)
    if figures.calibration_error < 0.05 and abs(gap) < 0.03:
        return Finding("The model's confidence is mostly reliable.", numbers)
    if gap > 0.015:
        return Finding("The model is overconfident.", numbers)
    if gap < -0.015:
        return Finding("The model is underconfident.", numbers)
    return Finding("The model's confidence is not reliable.", numbers)


def _threshold(figures: Figures) -> Finding | None:
    """Returns the lowest threshold, in steps of 5%, that would catch at least 90% of the errors."""
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
        f"A confidence threshold of {words.percent(figure.threshold, 0)} would catch at least 90% of the errors.",
        f"It would need {words.percent(figure.reviews.value, 0)} of these reviews and miss "
        f"{words.count(figure.let_through, 'error')}. This includes only predictions that people checked.",
    )


def _conditions(figures: Figures) -> Finding | None:
    idle = [condition for condition in figures.conditions if catches_nothing(condition)]
    if not idle:
        return None
    name = words.shortened(words.legible(idle[0].condition), 70)
    reviews = sum(condition.reviews for condition in idle)
    if len(idle) == 1:
        point = f"The activation condition “{name}” caught almost nothing."
    else:
        point = f"{len(idle)} activation conditions, including “{name}”, caught almost nothing."
    caught = sum(condition.overruled_reviews.hits for condition in idle)
    return Finding(
        point,
        f"Of {words.count(reviews, 'review')} that {'it' if len(idle) == 1 else 'they'} sent to people, "
        f"{words.count(caught) if caught else 'none'} had a correction.",
    )


def _agreement(figures: Figures) -> Finding | None:
    unanimous = figures.agreement.unanimous
    if unanimous.small:
        return None
    numbers = (
        f"In {words.count(figures.agreement.reviews, 'review')} with two or three answers, "
        f"{words.percent(unanimous.value)} of the fields have identical answers, and "
        f"{words.percent(figures.agreement.unresolved.value)} have no majority."
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
    if not failed and not facts.escalated:
        return Finding("No human loop failed.", f"{words.count(facts.started)} were started.")
    were = "was" if facts.escalated == 1 else "were"
    escalated = f"{words.count(facts.escalated) if facts.escalated else 'none'} {were} escalated to a person"
    if facts.undecided:
        need = "needs" if facts.undecided == 1 else "need"
        if facts.undecided == facts.escalated:
            escalated += f" and still {need} action"
        else:
            escalated += f", of which {words.count(facts.undecided)} still {need} action"
    return Finding(
        f"{words.count(failed)} of {words.count(facts.started, 'human loop')} failed; {escalated}.",
        f"{words.count(facts.restarted)} {'was' if facts.restarted == 1 else 'were'} restarted. "
        f"{words.count(facts.recovered)} of the restarts ended with a review.",
    )
