"""Counts stored reviews, in one pass over the records and with bounded memory."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import accumulate
from typing import get_args

from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.record import Outcome
from workflow.operations.report.figures import (
    OTHER_FIELDS,
    Agreement,
    ConditionFigures,
    ConfidenceBand,
    FieldFigures,
    FieldName,
    Figures,
    FlowFigures,
    Granularity,
    MalformedReview,
    Share,
    Span,
    ThresholdFigures,
    Times,
)
from workflow.operations.report.records import RecordPart, read_record
from workflow.operations.reviews_source import Period, StoredReview

__all__ = ["BAND_EDGES", "MAX_FIELD_NAMES", "MAX_SECONDS", "THRESHOLDS", "ReviewStatistics"]

THRESHOLDS: tuple[float, ...] = tuple(step / 100 for step in range(0, 101))
"""The confidence thresholds in the report: each hundredth from 0 to 1."""

BAND_EDGES: tuple[float, ...] = tuple(step / 10 for step in range(1, 10))
"""The edges between the ten confidence bands. A confidence on an edge belongs to the band above."""

MAX_FIELD_NAMES = 20_000
"""How many field names are counted separately. The keys of a form are free text, so their number has no limit. The
names after these are counted together, under OTHER_FIELDS."""

MAX_SECONDS = 30 * 24 * 3600
"""The longest valid time of an answer: SageMaker gives a worker at most 30 days for a task."""

_JUDGED = frozenset({"kept", "changed", "removed"})
_COMPARED = _JUDGED | {"added"}


class ReviewStatistics:
    """Counts reviews one by one. `figures` returns the result.

    Memory grows by eight bytes for each answer (its seconds), and with the field names up to MAX_FIELD_NAMES.
    """

    def __init__(self, period: Period) -> None:
        self._period = period
        self._granularity = _granularity(period)
        self._all = _ReviewCounts()
        self._spans = [(first, days, _ReviewCounts()) for first, days in _spans(period, self._granularity)]
        # All days of a span share its counts.
        self._days = {
            str(first + timedelta(days=day)): counts
            for first, days, counts in self._spans
            for day in range(days)
        }
        self._flows: dict[str, _ReviewCounts] = {}
        self._conditions: dict[tuple[str, str], tuple[_ReviewCounts, _ReviewCounts]] = {}
        self._completed = 0
        self._fields: dict[FieldName, _FieldCounts] = {}
        self._other_fields = 0
        self._bands = [_BandCounts() for _ in range(len(BAND_EDGES) + 1)]
        # Counts by the number of thresholds that are not above the (lowest) confidence.
        self._kept_at = [0] * (len(THRESHOLDS) + 1)
        self._wrong_at = [0] * (len(THRESHOLDS) + 1)
        self._reviews_at = [0] * (len(THRESHOLDS) + 1)
        self._without_confidence = 0
        self._seconds = array("d")
        self._shared_reviews = 0
        self._agreement_sum = 0.0
        self._malformed: list[MalformedReview] = []
        self._unreadable = 0
        self._invented = 0

    def add(self, stored: StoredReview) -> None:
        """Counts a stored review. An object that is not a review record goes to `Figures.malformed`."""
        try:
            record, unreadable = read_record(stored.content)
            if record["flow_definition"] != stored.flow_definition:
                raise InvalidDocument(
                    "review record",
                    "$.flow_definition",
                    f"{record['flow_definition']!r} is in the folder of {stored.flow_definition!r}",
                )
            if record["created_at"][:10] not in self._days:
                raise InvalidDocument(
                    "review record",
                    "$.created_at",
                    f"{record['created_at']!r} is in the folder of another day",
                )
        except InvalidDocument as problem:
            self._malformed.append(MalformedReview(stored.location, str(problem)))
        else:
            self._unreadable += unreadable
            self._count(record)

    @property
    def seen(self) -> int:
        """The number of stored objects so far, including malformed ones."""
        return self._all.reviews + len(self._malformed)

    def _count(self, record: RecordPart) -> None:
        flow, answers, conditions = (
            record["flow_definition"],
            record["answers"],
            record["activation_conditions"],
        )
        several = len(answers) > 1
        compared = False
        judged = wrong = 0
        lowest = 2.0
        for part in record["fields"]:
            outcome = part["outcome"]
            counts = self._field_counts(flow, part["name"])
            if several and (agreement := part["agreement"]) is not None:
                counts.shared += 1
                counts.unanimous += agreement == 1
                counts.tied += outcome == "unresolved"
            # There is nothing to keep or to tie about without a prediction. A minority added a value that the
            # majority did not: "kept". People disagree about a field that the model does not predict: "unresolved".
            if part["predicted"] is None and outcome in ("kept", "unresolved"):
                continue
            counts.outcomes[outcome] = counts.outcomes.get(outcome, 0) + 1
            if outcome in _COMPARED:
                compared = True
            if outcome not in _JUDGED:
                continue
            judged += 1
            is_wrong = outcome != "kept"
            wrong += is_wrong
            confidence = part["confidence"]
            if confidence is None:
                self._without_confidence += 1
                continue
            lowest = min(lowest, confidence)
            band = self._bands[bisect_right(BAND_EDGES, confidence)]
            band.n += 1
            band.kept += not is_wrong
            band.confidence += confidence
            (self._wrong_at if is_wrong else self._kept_at)[bisect_right(THRESHOLDS, confidence)] += 1
        if lowest <= 1:
            self._reviews_at[bisect_right(THRESHOLDS, lowest)] += 1

        counted = [
            self._all,
            self._days[record["created_at"][:10]],
            self._flows.setdefault(flow, _ReviewCounts()),
        ]
        for condition in set(conditions):
            whole, alone = self._conditions.setdefault((flow, condition), (_ReviewCounts(), _ReviewCounts()))
            counted.append(whole)
            if len(conditions) == 1:
                counted.append(alone)
        overruled = compared and record["overruled"]
        for review_counts in counted:
            review_counts.reviews += 1
            review_counts.judged += judged
            review_counts.wrong += wrong
            review_counts.compared += compared
            review_counts.overruled += overruled

        self._completed += record["status"] == "Completed"
        self._invented += record["invented"]
        if several and record["agreement"] is not None:
            self._shared_reviews += 1
            self._agreement_sum += record["agreement"]
        for answer in answers:
            seconds = answer["seconds_spent"]
            # The comparison is also false for NaN.
            if seconds is not None and 0 <= seconds <= MAX_SECONDS:
                self._seconds.append(seconds)

    def _field_counts(self, flow: str, name: str) -> _FieldCounts:
        key = FieldName(flow, name)
        counts = self._fields.get(key)
        if counts is None:
            if len(self._fields) >= MAX_FIELD_NAMES:
                self._other_fields += 1
                key = FieldName("", OTHER_FIELDS)
            counts = self._fields.setdefault(key, _FieldCounts())
        return counts

    def figures(self) -> Figures:
        """Returns the figures of all counted reviews."""
        outcomes: Counter[str] = Counter()
        for counts in self._fields.values():
            outcomes.update(counts.outcomes)
        bands = self._confidence_bands()
        error, overconfidence = _calibration(bands)
        return Figures(
            period=self._period,
            granularity=self._granularity,
            reviews=self._all.reviews,
            completed=self._completed,
            overruled=self._all.overruled_predictions,
            overruled_reviews=self._all.overruled_reviews,
            outcomes=dict(outcomes),
            without_confidence=self._without_confidence,
            spans=[
                Span(first, days, counts.reviews, counts.overruled_predictions)
                for first, days, counts in self._spans
            ],
            flow_definitions=[
                FlowFigures(flow, counts.reviews, counts.overruled_predictions, counts.overruled_reviews)
                for flow, counts in sorted(self._flows.items(), key=lambda item: (-item[1].reviews, item[0]))
            ],
            fields=self._field_figures(),
            uncounted_names=self._other_fields,
            bands=bands,
            calibration_error=error,
            overconfidence=overconfidence,
            thresholds=self._threshold_figures(),
            agreement=self._agreement(),
            times=self._times(),
            conditions=[
                ConditionFigures(
                    flow, condition, whole.reviews, whole.overruled_reviews, alone.overruled_reviews
                )
                for (flow, condition), (whole, alone) in sorted(
                    self._conditions.items(), key=lambda item: (-item[1][0].reviews, item[0])
                )
            ],
            malformed=list(self._malformed),
            unreadable=self._unreadable,
            invented=self._invented,
        )

    def _field_figures(self) -> list[FieldFigures]:
        figures = [
            FieldFigures(
                field=name,
                **{outcome: counts.outcomes.get(outcome, 0) for outcome in get_args(Outcome)},
                agreed=Share(counts.unanimous, counts.shared),
            )
            for name, counts in self._fields.items()
        ]
        return sorted(figures, key=lambda figure: (-figure.overruled.n, figure.field))

    def _confidence_bands(self) -> list[ConfidenceBand]:
        return [
            ConfidenceBand(
                low,
                high,
                counts.confidence / counts.n if counts.n else math.nan,
                Share(counts.kept, counts.n),
            )
            for low, high, counts in zip((0.0, *BAND_EDGES), (*BAND_EDGES, 1.0), self._bands, strict=True)
        ]

    def _threshold_figures(self) -> list[ThresholdFigures]:
        counts = (self._kept_at, self._wrong_at, self._reviews_at)
        kept, wrong, reviews = map(sum, counts)
        # The last element counts what is at or above the highest threshold, so it is below none.
        below = zip(*(accumulate(at[:-1]) for at in counts), strict=True)
        return [
            ThresholdFigures(
                threshold=threshold,
                reviews=Share(reviews_below, reviews),
                checked=kept_below + wrong_below,
                caught=wrong_below,
                passed=kept + wrong - kept_below - wrong_below,
                let_through=wrong - wrong_below,
            )
            for threshold, (kept_below, wrong_below, reviews_below) in zip(THRESHOLDS, below, strict=True)
        ]

    def _agreement(self) -> Agreement:
        fields = self._fields.values()
        shared = sum(counts.shared for counts in fields)
        return Agreement(
            reviews=self._shared_reviews,
            mean=self._agreement_sum / self._shared_reviews if self._shared_reviews else math.nan,
            unanimous=Share(sum(counts.unanimous for counts in fields), shared),
            unresolved=Share(sum(counts.tied for counts in fields), shared),
        )

    def _times(self) -> Times:
        seconds = sorted(self._seconds)
        return Times(
            answers=len(seconds),
            median=_quantile(seconds, 0.5),
            p90=_quantile(seconds, 0.9),
            total=math.fsum(seconds),
            sorted_seconds=seconds,
        )


@dataclass(slots=True)
class _FieldCounts:
    outcomes: dict[str, int] = field(default_factory=dict)
    shared: int = 0
    unanimous: int = 0
    tied: int = 0


@dataclass(slots=True)
class _ReviewCounts:
    reviews: int = 0
    judged: int = 0
    wrong: int = 0
    compared: int = 0
    overruled: int = 0

    @property
    def overruled_predictions(self) -> Share:
        return Share(self.wrong, self.judged)

    @property
    def overruled_reviews(self) -> Share:
        return Share(self.overruled, self.compared)


@dataclass(slots=True)
class _BandCounts:
    n: int = 0
    kept: int = 0
    confidence: float = 0.0


def _granularity(period: Period) -> Granularity:
    return "day" if period.days <= 45 else "week" if period.days <= 200 else "month"


def _spans(period: Period, granularity: Granularity) -> Iterable[tuple[date, int]]:
    """Yields the first day of each span of the period, and its number of days."""
    first = period.first
    while first < period.until:
        until = min(_next_start(first, granularity), period.until)
        yield first, (until - first).days
        first = until


def _next_start(day: date, granularity: Granularity) -> date:
    if granularity == "day":
        return day + timedelta(days=1)
    if granularity == "week":
        return day + timedelta(days=7 - day.weekday())
    # The 1st plus 32 days is always in the next month.
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _calibration(bands: Sequence[ConfidenceBand]) -> tuple[float, float]:
    """Returns the expected calibration error and the overconfidence."""
    known = [band for band in bands if band.kept.n]
    n = sum(band.kept.n for band in known)
    if not n:
        return math.nan, math.nan
    gaps = [(band.mean_confidence - band.kept.value, band.kept.n) for band in known]
    return sum(abs(gap) * size for gap, size in gaps) / n, sum(gap * size for gap, size in gaps) / n


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Returns the smallest value that at least `share` of all values do not exceed; NaN for none.

    `statistics.quantiles` interpolates, so its result is not always a measured value.
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
