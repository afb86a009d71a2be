"""The figures of a report, as data.

A *judged prediction* is a field for which the model predicted a value and workers reached a result: its outcome is
kept, changed or removed. Three outcomes are not judged predictions, and are counted separately: unresolved (a tie
about a prediction), added (by workers), and answered (nothing to compare with). `lambdas.reviews.record` defines the
outcomes.

An *error* is a judged prediction that workers changed or removed.

What is said about confidence, thresholds and trend is about one model (`ModelFigures`), never about several together.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Literal, NamedTuple

from lambdas.reviews.record import PredictionSource
from workflow.operations.report.estimation import UNKNOWN, Estimate, wilson_interval
from workflow.operations.reviews_source import Period

__all__ = [
    "OTHER_FIELDS",
    "OTHER_VERSIONS",
    "SMALL_SAMPLE",
    "Agreement",
    "ConditionFigures",
    "ConfidenceBand",
    "ConfidenceFigures",
    "CostCurve",
    "CostPoint",
    "Costs",
    "Estimate",
    "FieldFigures",
    "FieldName",
    "Figures",
    "FlowFigures",
    "Granularity",
    "MalformedReview",
    "Model",
    "ModelFigures",
    "Selection",
    "Share",
    "Span",
    "ThresholdFigures",
    "Times",
    "Trend",
    "UNKNOWN",
]

OTHER_VERSIONS = "(all other versions)"
"""The version under which the versions of a model are counted for which there was no room."""

OTHER_FIELDS = "(all other fields)"
"""The name under which the fields are counted for which there was no room; see `Figures.not_counted_by_name`."""

SMALL_SAMPLE = 30
"""A share that says as much as fewer independent cases is marked as a small sample."""

Granularity = Literal["day", "week", "month"]


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `n` counted cases, with the 95% confidence interval of the share.

    Attributes:
        hits: The cases that have the property.
        n: All cases.
        effective_n: The number of independent cases that would say as much. Less than `n` if there are several cases
            in a document, which are alike; None if each case is independent.
    """

    hits: int
    n: int
    effective_n: float | None = field(default=None, compare=False)

    @property
    def value(self) -> float:
        """The share, 0 to 1; NaN if `n` is 0."""
        return self.hits / self.n if self.n else math.nan

    @property
    def size(self) -> float:
        """The number of independent cases that would say as much."""
        return self.n if self.effective_n is None else self.effective_n

    @property
    def interval(self) -> tuple[float, float]:
        """The lower and upper bound of the share; (0, 1) if `n` is 0."""
        return self.bounds()

    def bounds(self, alpha: float = 0.05) -> tuple[float, float]:
        """Returns the bounds of an interval that misses the true share with a probability of `alpha`."""
        return wilson_interval(self.value * self.size if self.n else 0, self.size, alpha)

    @property
    def small(self) -> bool:
        """Whether the sample is too small for conclusions."""
        return self.size < SMALL_SAMPLE


class FieldName(NamedTuple):
    """A field of a flow definition, by name."""

    flow_definition: str
    name: str


@dataclass(frozen=True)
class FieldFigures:
    """The fields with one name. Counts of fields, not of reviews.

    Attributes:
        overruled: The judged predictions; hits are those that workers changed or removed.
        agreed: The fields with two or more answers; hits are those in which all answers were the same.
    """

    field: FieldName
    kept: int
    changed: int
    removed: int
    added: int
    unresolved: int
    answered: int
    overruled: Share
    agreed: Share


@dataclass(frozen=True)
class Span:
    """A day, a week (from Monday) or a month of the period, or several. The first and the last can be cut short.

    Attributes:
        first: The first day.
        days: The number of days in it.
        reviews: The reviews whose loop was created in it.
        overruled: The judged predictions; hits are those that workers changed or removed.
    """

    first: date
    days: int
    reviews: int
    overruled: Share


class Model(NamedTuple):
    """What made the predictions: the model behind a flow definition, and its version if the reviews name one."""

    flow_definition: str
    version: str | None


@dataclass(frozen=True)
class Selection:
    """How the reviews of a model were chosen, which decides what they say about the rest of its predictions.

    Attributes:
        kind: "sampled": by activation conditions, and the rest at random with a known rate (A2I's Sampling), so that
            the reviews speak for all documents. "conditions": by activation conditions only, or the random sample has
            too few reviews, so that nothing is known about what met no condition. "unknown": the
            reviews do not say (custom tasks), or not clearly enough.
        rate: The rate of the random sample, 0 to 1; NaN without one.
        by_condition: The reviews that were certain to take place, because a condition was met.
        by_sampling: The reviews that took place by chance alone. Each stands for 1/`rate` documents.
        unknown: The reviews without a word on why they took place. Estimates for all documents leave them out.
        documents: The estimated number of all documents, reviewed or not; NaN if `kind` is not "sampled".
        shows_parts: Whether reviews of a condition show only the predictions that met it, so that estimates for all
            predictions rest on the reviews that met Sampling, with or without another condition.
    """

    kind: Literal["sampled", "conditions", "unknown"]
    rate: float
    by_condition: int
    by_sampling: int
    unknown: int
    documents: float
    shows_parts: bool = False


@dataclass(frozen=True)
class ConfidenceBand:
    """The judged predictions with a confidence from `low` up to but not including `high`. The last band includes 1.

    Attributes:
        mean_confidence: The mean confidence of the predictions, 0 to 1; NaN if there are none.
        checked: The judged predictions; hits are those that workers kept. What the reviews contain, as counted.
        kept: The share of predictions that are right: of all predictions if `ConfidenceFigures.of_all`, otherwise of
            those that people checked.
    """

    low: float
    high: float
    mean_confidence: float
    checked: Share
    kept: Estimate


@dataclass(frozen=True)
class ThresholdFigures:
    """What happens if the documents with a prediction below `threshold` go to workers, and no others.

    This is about predictions with a known confidence. They are all predictions if `ConfidenceFigures.of_all`, and the
    numbers are estimates. Otherwise they are the predictions that people checked, and the numbers are counts: they
    show what lowering the threshold in use saves and misses, and nothing about what lies above it.

    Attributes:
        reviews: The share of documents that go to workers.
        errors_missed: The share of errors at or above the threshold, which nobody would correct.
        error_rate_of_passed: The share of errors among the predictions at or above the threshold.
        reviews_needed: The number of documents that go to workers.
        checked: The number of predictions below the threshold.
        caught: The number of errors below the threshold.
        passed: The number of predictions at or above the threshold.
        let_through: The number of errors at or above the threshold.
    """

    threshold: float
    reviews: Estimate
    errors_missed: Estimate
    error_rate_of_passed: Estimate
    reviews_needed: float
    checked: float
    caught: float
    passed: float
    let_through: float


class Costs(NamedTuple):
    """Prices, both in the same currency.

    Attributes:
        review: The price of one review, with all its workers. Above 0.
        error: The price of one error that nobody corrects. Above 0.
    """

    review: float
    error: float


class CostPoint(NamedTuple):
    """The cost of a threshold per document: of reviews, and of errors that pass."""

    threshold: float
    cost: Estimate


@dataclass(frozen=True)
class CostCurve:
    """What each threshold costs per document. With `ConfidenceFigures.of_all` false: per document that people checked.

    Attributes:
        costs: The prices.
        points: The cost for each threshold. The threshold 0 reviews nothing. The last point, with a threshold above 1,
            reviews every document.
        cheapest: The point with the lowest cost.
        range: The lowest and the highest threshold that can be the cheapest, at 95%.
        verdict: "threshold": the cheapest threshold costs less than reviewing nothing and than reviewing everything,
            beyond chance. "nothing", "everything": it is not shown to cost less than that, and that costs less than
            the other. "undecided": the data do not show even that.
        saving: What the cheapest threshold saves per document over the cheaper of nothing and everything.
    """

    costs: Costs
    points: Sequence[CostPoint]
    cheapest: CostPoint
    range: tuple[float, float]
    verdict: Literal["threshold", "nothing", "everything", "undecided"]
    saving: Estimate


@dataclass(frozen=True)
class ConfidenceFigures:
    """What a model's confidence is worth.

    Attributes:
        of_all: Whether the estimates are about all predictions of the model (`Selection.kind` is "sampled"), or only
            about those that people checked.
        predictions: The judged predictions with a known confidence.
        bands: The ten bands of confidence, from low to high.
        calibration_error: The expected calibration error: the mean distance between the confidence and the share
            kept, over the bands, weighted by their size. 0 to 1.
        mean_confidence: The mean confidence, 0 to 1.
        overconfidence: The mean confidence minus the share kept. Above 0, the model is overconfident.
        brier: The Brier score: the mean squared distance between the confidence and 1 (kept) or 0. Smaller is better.
        auroc: How well the confidence separates: the probability that a prediction that was kept has a higher
            confidence than one that was not. 0.5 is chance, 1 is perfect; unknown without predictions of both kinds.
        thresholds: One for each hundredth from 0 to 1.
        costs: The costs of each threshold; None if no prices were given.
    """

    of_all: bool
    predictions: int
    bands: Sequence[ConfidenceBand]
    calibration_error: float
    mean_confidence: float
    overconfidence: Estimate
    brier: Estimate
    auroc: Estimate
    thresholds: Sequence[ThresholdFigures]
    costs: CostCurve | None


@dataclass(frozen=True)
class Trend:
    """The change of a model's overrule rate, between the first and the last third of the period.

    It compares each field with itself, so a change in how often fields occur is no trend.

    Attributes:
        early: The rate in the first third, with the fields weighted as in `difference`.
        late: The rate in the last third, with the same weights.
        difference: `late` minus `early`.
        fields: The number of fields that occur in both thirds.
        covered: The share of the judged predictions in both thirds that belong to these fields.
    """

    early: float
    late: float
    difference: Estimate
    fields: int
    covered: float


@dataclass(frozen=True)
class ModelFigures:
    """The figures of one model.

    Attributes:
        reviews: The reviews of its predictions.
        first: The first day with such a review.
        last: The last day with such a review.
        overruled: The judged predictions; hits are those that workers changed or removed.
        overruled_of_all: The share of wrong predictions among all predictions of the model, also those that nobody
            checked; unknown if `selection.kind` is not "sampled".
        without_confidence: The judged predictions with unknown confidence.
        confidence: None if no prediction has a confidence.
        parts: The period in parts of several days, weeks or months, in order.
        trend: None if a third of the period has too few reviews.
    """

    model: Model
    reviews: int
    first: date
    last: date
    selection: Selection
    overruled: Share
    overruled_of_all: Estimate
    without_confidence: int
    confidence: ConfidenceFigures | None
    parts: Sequence[Span]
    trend: Trend | None


@dataclass(frozen=True)
class Agreement:
    """How much workers agree, in reviews with two or more answers.

    Attributes:
        reviews: The number of such reviews with at least one field.
        mean: The mean of the reviews' agreement, 0 to 1; NaN if there are no such reviews. A review's agreement is
            the mean, over its fields, of the share of workers who gave the most frequent value.
        unanimous: The fields of these reviews; hits are those in which all answers were the same.
        unresolved: The fields of these reviews; hits are those without a majority.
    """

    reviews: int
    mean: float
    unanimous: Share
    unresolved: Share


@dataclass(frozen=True)
class Times:
    """How long workers took, in seconds. One value for each answer with a valid time.

    Attributes:
        answers: The number of answers with a valid time.
        median: Half of the answers took no longer.
        p90: 90% of the answers took no longer.
        total: The sum.
        sorted_seconds: All values, in ascending order.
    """

    answers: int
    median: float
    p90: float
    total: float
    sorted_seconds: Sequence[float]


@dataclass(frozen=True)
class ConditionFigures:
    """The reviews in which one activation condition was true.

    Attributes:
        overruled_reviews: The compared reviews; hits are those with a correction.
        alone: The same, for reviews in which no other condition was true.
    """

    flow_definition: str
    condition: str
    reviews: int
    overruled_reviews: Share
    alone: Share


@dataclass(frozen=True)
class FlowFigures:
    """The figures of one flow definition.

    Attributes:
        unanimous: The fields with two or more answers; hits are those in which all answers were the same.
        prediction_sources: The judged predictions by where they came from; None in records from before that was
            stored.
    """

    flow_definition: str
    reviews: int
    overruled: Share
    overruled_reviews: Share
    unanimous: Share
    prediction_sources: Mapping[PredictionSource | None, int]


@dataclass(frozen=True)
class MalformedReview:
    """A stored object that is not a review record. No figure includes it."""

    location: str
    problem: str


@dataclass(frozen=True)
class Figures:
    """The figures of the reviews of a period.

    Attributes:
        reviews: The number of stored reviews in the period.
        completed: Of the reviews, those of completed loops. The others are of stopped loops.
        overruled: The judged predictions; hits are those that workers changed or removed.
        overruled_reviews: The compared reviews, which have at least one judged prediction or added field; hits are
            those in which workers changed, added or removed a field.
        outcomes: The number of fields by outcome. A tie about a field that the model does not predict is none of them.
        without_confidence: The judged predictions with unknown confidence.
        spans: All days, weeks or months of the period, in order.
        fields: The fields, those with most judged predictions first.
        not_counted_by_name: The fields (not names) that are counted under OTHER_FIELDS, because there are too many
            names to count each one. The names that occur most often are counted.
        field_counts_low_by: At most so many fields of one name can be among those of `not_counted_by_name`.
        models: The models, those with most reviews first.
        conditions: The conditions, those with most reviews first.
        malformed: The objects that are not review records.
        unreadable: The values in other records that could not be read: fields, activation conditions, times, and
            values of a whole review. No figure includes them.
        partly_read: The locations of the first reviews with such values.
        without_fields: Of the reviews, those without any field: nobody answered, or people left the page empty and
            there was no prediction.
        invented: Of the reviews, those that are sample data.
    """

    period: Period
    granularity: Granularity
    reviews: int
    completed: int
    overruled: Share
    overruled_reviews: Share
    outcomes: Mapping[str, int]
    without_confidence: int
    spans: Sequence[Span]
    flow_definitions: Sequence[FlowFigures]
    fields: Sequence[FieldFigures]
    not_counted_by_name: int
    field_counts_low_by: int
    models: Sequence[ModelFigures]
    agreement: Agreement
    times: Times
    conditions: Sequence[ConditionFigures]
    malformed: Sequence[MalformedReview]
    unreadable: int
    partly_read: Sequence[str]
    without_fields: int
    invented: int

    @cached_property
    def prediction_sources(self) -> Mapping[PredictionSource | None, int]:
        """The judged predictions by where they came from; see `FlowFigures`."""
        sources: Counter[PredictionSource | None] = Counter()
        for flow in self.flow_definitions:
            sources.update(flow.prediction_sources)
        return sources

    @cached_property
    def names(self) -> Mapping[str, int]:
        """The number of flow definitions that have a field with the name, by name."""
        return Counter(figures.field.name for figures in self.fields)

    @cached_property
    def conditions_with_enough_reviews(self) -> int:
        """The number of conditions with a share of reviews with a correction that is not small."""
        return sum(not condition.overruled_reviews.small for condition in self.conditions)
