"""The figures of a report, as data.

A *judged prediction* is a field for which the model predicted a value and workers reached a result: its outcome is
kept, changed or removed. Three outcomes are not judged predictions, and are counted separately: unresolved (a tie
about a prediction), added (by workers), and answered (nothing to compare with). `lambdas.reviews.record` defines the
outcomes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Literal, NamedTuple

from workflow.operations.reviews_source import Period

__all__ = [
    "OTHER_FIELDS",
    "SMALL_SAMPLE",
    "Agreement",
    "ConditionFigures",
    "ConfidenceBand",
    "FieldFigures",
    "FieldName",
    "Figures",
    "FlowFigures",
    "Granularity",
    "MalformedReview",
    "Share",
    "Span",
    "ThresholdFigures",
    "Times",
    "wilson_interval",
]

OTHER_FIELDS = "(all other fields)"
"""The name under which rare fields are counted together."""

SMALL_SAMPLE = 30
"""A share of fewer cases is marked as a small sample."""

Granularity = Literal["day", "week", "month"]


class Share(NamedTuple):
    """`hits` of `n`, with the 95% confidence interval of the share."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; NaN if `n` is 0."""
        return self.hits / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """The lower and upper bound of the share; see `wilson_interval`."""
        return wilson_interval(self.hits, self.n)

    @property
    def small(self) -> bool:
        """Whether the sample is too small for conclusions."""
        return self.n < SMALL_SAMPLE

    def __add__(self, other: object) -> Share:
        if not isinstance(other, Share):
            return NotImplemented
        return Share(self.hits + other.hits, self.n + other.n)


class FieldName(NamedTuple):
    """A field of a flow definition, by name."""

    flow_definition: str
    name: str


@dataclass(frozen=True)
class FieldFigures:
    """The fields with one name. Counts of fields, not of reviews.

    Attributes:
        agreed: The fields with two or more answers; hits are those in which all answers were the same.
    """

    field: FieldName
    kept: int
    changed: int
    removed: int
    added: int
    unresolved: int
    answered: int
    agreed: Share

    @property
    def overruled(self) -> Share:
        """The judged predictions; hits are those that workers changed or removed."""
        wrong = self.changed + self.removed
        return Share(wrong, wrong + self.kept)


@dataclass(frozen=True)
class Span:
    """A day, a week (from Monday) or a month of the period. The first and the last can be cut short.

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


@dataclass(frozen=True)
class ConfidenceBand:
    """The judged predictions with a confidence from `low` up to but not including `high`. The last band includes 1.

    Attributes:
        mean_confidence: The mean confidence of the predictions, 0 to 1; NaN if there are none.
        kept: The judged predictions; hits are those that workers kept.
    """

    low: float
    high: float
    mean_confidence: float
    kept: Share


@dataclass(frozen=True)
class ThresholdFigures:
    """What would have happened if only predictions below `threshold` had gone to workers.

    This counts judged predictions with a known confidence only. Predictions that never reached workers cannot be
    counted.

    Attributes:
        reviews: The reviews with such a prediction; hits are those with at least one below the threshold.
        checked: The judged predictions below the threshold, which workers would have checked.
        caught: Of `checked`, those that workers changed or removed.
        passed: The judged predictions at or above the threshold, which nobody would have checked.
        let_through: Of `passed`, those that workers changed or removed.
    """

    threshold: float
    reviews: Share
    checked: int
    caught: int
    passed: int
    let_through: int

    @property
    def errors_let_through(self) -> Share:
        """All wrong predictions; hits are those that nobody would have checked."""
        return Share(self.let_through, self.let_through + self.caught)

    @property
    def error_rate_of_passed(self) -> Share:
        """The predictions that nobody would have checked; hits are the wrong ones."""
        return Share(self.let_through, self.passed)


@dataclass(frozen=True)
class Agreement:
    """How much workers agree, in reviews with two or more answers.

    Attributes:
        reviews: The number of such reviews.
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
    """The figures of one flow definition."""

    flow_definition: str
    reviews: int
    overruled: Share
    overruled_reviews: Share


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
        uncounted_names: The fields counted under OTHER_FIELDS, because there are too many names.
        calibration_error: The expected calibration error: the mean distance between the confidence and the share
            kept, over the bands, weighted by their size. 0 to 1; NaN if no confidence is known.
        overconfidence: The mean confidence minus the share kept. Above 0, the model is overconfident.
        conditions: The conditions, those with most reviews first.
        malformed: The objects that are not review records.
        unreadable: The values in other records that could not be read: fields, activation conditions, times, and
            values of a whole review. No figure includes them.
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
    uncounted_names: int
    bands: Sequence[ConfidenceBand]
    calibration_error: float
    overconfidence: float
    thresholds: Sequence[ThresholdFigures]
    agreement: Agreement
    times: Times
    conditions: Sequence[ConditionFigures]
    malformed: Sequence[MalformedReview]
    unreadable: int
    invented: int

    @cached_property
    def names(self) -> Mapping[str, int]:
        """The number of flow definitions that have a field with the name, by name."""
        return Counter(figures.field.name for figures in self.fields)


def wilson_interval(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Returns the Wilson score interval of a share, 95% with the default `z`.

    The interval stays within 0 to 1, and holds for small samples and for shares near the ends, unlike the normal
    approximation (E. B. Wilson, 1927, Journal of the American Statistical Association 22, 209-212).

    Returns:
        The lower and upper bound; (0, 1) if `n` is 0.
    """
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    centre = share + z * z / (2 * n)
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
