"""Figures on stored reviews: one pass over the records, a fixed amount of memory however many there are.

The words of `lambdas.reviews.record` are used as they are there. A *judged prediction* is a field for which
the model predicted something and people came to a result: its outcome is kept, changed or removed. Ties
(unresolved), fields that people added, and fields with nothing to compare with (answered) are not among them;
each is counted on its own.
"""

from __future__ import annotations

import json
import math
import re
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Literal, NamedTuple, get_args

from lambdas.reviews.record import Outcome, ReviewRecord
from workflow.operations.reviews_source import Period, StoredReview

__all__ = [
    "BAND_EDGES",
    "THRESHOLDS",
    "Agreement",
    "ConditionFigures",
    "ConfidenceBand",
    "FieldFigures",
    "FieldName",
    "Figures",
    "FlowFigures",
    "MalformedReview",
    "ReviewStatistics",
    "Share",
    "Span",
    "ThresholdFigures",
    "Times",
    "wilson_interval",
]

THRESHOLDS: tuple[float, ...] = tuple(step / 100 for step in range(0, 101))
"""The confidence thresholds that are tried: each hundredth from 0 to 1."""

BAND_EDGES: tuple[float, ...] = tuple(step / 10 for step in range(1, 10))
"""Where one confidence band ends and the next begins: ten bands of a tenth each, the last one with 1."""

FIELD_NAMES_KEPT = 20_000
"""Field names that are counted one by one. A form's keys are free text, so there is no telling how many there
are: what comes after these is counted together, under OTHER_FIELDS."""

OTHER_FIELDS = "(all other fields)"

SMALL_SAMPLE = 30
"""Below this many, a share says little: it is marked as such."""

LONGEST_SECONDS = 30 * 24 * 3600
"""No answer takes longer: it is the most that a task of SageMaker's may give a worker. What a record says beyond it,
or below 0, is no time."""

_SCHEMA_VERSION = ReviewRecord.model_fields["schema_version"].default
_OUTCOMES = frozenset(get_args(Outcome))
_JUDGED = frozenset({"kept", "changed", "removed"})
_COMPARED = _JUDGED | {"added"}


# ---------------------------------------------------------------------------------------------- the figures


class Share(NamedTuple):
    """`hits` of `n`, with the 95 % confidence interval of the share."""

    hits: int
    n: int

    @property
    def value(self) -> float:
        """The share, 0 to 1; NaN if there is nothing to share."""
        return self.hits / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper bound, see `wilson_interval`."""
        return wilson_interval(self.hits, self.n)

    @property
    def small(self) -> bool:
        """Whether the sample is too small to say much."""
        return self.n < SMALL_SAMPLE

    def __add__(self, other: object) -> Share:
        if not isinstance(other, Share):
            return NotImplemented
        return Share(self.hits + other.hits, self.n + other.n)


class FieldName(NamedTuple):
    """A field of a flow definition, by its name."""

    flow_definition: str
    name: str


@dataclass(frozen=True)
class FieldFigures:
    """What happened to the fields of one name. Counts of fields, not of reviews.

    Attributes:
        overruled: of its judged predictions, those that people changed or removed.
        agreed: of its fields with two or more answers, those in which all answers were the same.
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
        """Changed or removed, of the judged predictions."""
        wrong = self.changed + self.removed
        return Share(wrong, wrong + self.kept)


@dataclass(frozen=True)
class Span:
    """One day, week (from Monday) or month (from the 1st) of the period, cut to it.

    Attributes:
        first: its first day.
        days: how many days of the period are in it.
        reviews: reviews whose loop was created in it.
        overruled: of its judged predictions, those that people changed or removed.
        overruled_reviews: of its compared reviews, those in which people changed, added or removed anything.
    """

    first: date
    days: int
    reviews: int
    overruled: Share
    overruled_reviews: Share


@dataclass(frozen=True)
class ConfidenceBand:
    """Judged predictions whose confidence lies from `low` up to, not including, `high` (1 is in the last).

    Attributes:
        mean_confidence: of the predictions in it, 0 to 1; NaN if there are none.
        kept: of its judged predictions, those that people left as they were.
    """

    low: float
    high: float
    mean_confidence: float
    kept: Share


@dataclass(frozen=True)
class ThresholdFigures:
    """Had only predictions below `threshold` been sent to people.

    Of the judged predictions with a known confidence only: what never reached people cannot be counted.

    Attributes:
        reviews: of the reviews with such a prediction, those with at least one below the threshold.
        checked: judged predictions below it: people would have looked at them.
        caught: of `checked`, those that people changed or removed.
        passed: judged predictions at or above it: nobody would have looked.
        let_through: of `passed`, those that people changed or removed.
    """

    threshold: float
    reviews: Share
    checked: int
    caught: int
    passed: int
    let_through: int

    @property
    def errors_let_through(self) -> Share:
        """Of all wrong predictions, those that nobody would have looked at."""
        return Share(self.let_through, self.let_through + self.caught)

    @property
    def error_rate_of_passed(self) -> Share:
        """Of the predictions nobody would have looked at, those that are wrong."""
        return Share(self.let_through, self.passed)


@dataclass(frozen=True)
class Agreement:
    """How much workers agree, in reviews with two or more answers.

    Attributes:
        reviews: how many such reviews there are.
        mean: mean of the reviews' agreement (itself the mean, over the fields, of the share of workers that
            gave the most frequent value), 0 to 1; NaN if there are none.
        unanimous: of their fields, those in which all answers were the same.
        unresolved: of their fields, those without a majority.
    """

    reviews: int
    mean: float
    unanimous: Share
    unresolved: Share


@dataclass(frozen=True)
class Times:
    """How long workers were at it, one value per answer that tells, in seconds.

    Attributes:
        answers: answers that tell how long they took; a time that cannot be is none.
        median: half of the answers took no longer.
        p90: nine of ten answers took no longer.
        total: the sum.
        sorted_seconds: every value, in order.
    """

    answers: int
    median: float
    p90: float
    total: float
    sorted_seconds: Sequence[float]


@dataclass(frozen=True)
class ConditionFigures:
    """Reviews in which one activation condition was true.

    Attributes:
        overruled_reviews: of its compared reviews, those in which people changed, added or removed anything.
        alone: the same, of the reviews in which it was the only condition that was true.
    """

    flow_definition: str
    condition: str
    reviews: int
    overruled_reviews: Share
    alone: Share


@dataclass(frozen=True)
class FlowFigures:
    """One flow definition's part."""

    flow_definition: str
    reviews: int
    overruled: Share
    overruled_reviews: Share


@dataclass(frozen=True)
class MalformedReview:
    """A stored object that is not a review record, and is in none of the figures."""

    location: str
    problem: str


@dataclass(frozen=True)
class Figures:
    """All that is known of the reviews of a period.

    Attributes:
        reviews: stored reviews in the period.
        unanswered: of them, those without an answer.
        completed: of them, those of loops that were completed; the others were stopped.
        overruled: of the judged predictions, those that people changed or removed.
        overruled_reviews: of the compared reviews (with at least one judged prediction or added field), those
            in which people changed, added or removed anything.
        outcomes: number of fields by outcome.
        without_confidence: judged predictions whose confidence is not known.
        spans: the period in days, weeks or months, in order, none left out.
        fields: most judged predictions first.
        uncounted_names: fields whose name is not counted on its own, because there are too many names.
        calibration_error: mean distance between confidence and the share kept, over the bands, weighted by
            their size (the expected calibration error), 0 to 1; NaN if no confidence is known.
        overconfidence: mean confidence minus the share kept: above 0, the model is surer than it is right.
        conditions: most reviews first.
        malformed: objects that are not review records.
    """

    period: Period
    granularity: Literal["day", "week", "month"]
    reviews: int
    unanswered: int
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

    @cached_property
    def names(self) -> Mapping[str, int]:
        """Of each field name, the number of flow definitions that have it."""
        return Counter(figures.field.name for figures in self.fields)


def wilson_interval(hits: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval of a share: 95 % with the default `z`.

    It stays within 0 to 1 and holds for small samples and shares near the ends, where the textbook's normal
    interval does not (E. B. Wilson, 1927, Journal of the American Statistical Association 22, 209-212).

    Returns:
        Lower and upper bound; (0, 1), that is nothing known, for `n` = 0.
    """
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    centre = share + z * z / (2 * n)
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


# ---------------------------------------------------------------------------------------- one pass over all


class ReviewStatistics:
    """Counts reviews one by one; `figures` gives what they add up to.

    Memory does not grow with the reviews but for eight bytes per answer (its seconds), and with the names of
    fields up to FIELD_NAMES_KEPT.
    """

    def __init__(self, period: Period) -> None:
        self._period = period
        self._first, self._until = str(period.first), str(period.until)
        self._reviews = self._unanswered = self._completed = 0
        self._fields: dict[FieldName, _FieldCounts] = {}
        self._other_fields = 0
        self._days: dict[str, _Counts] = {}
        self._flows: dict[str, _Counts] = {}
        self._conditions: dict[tuple[str, str], _ConditionCounts] = {}
        self._bands = [_BandCounts() for _ in range(len(BAND_EDGES) + 1)]
        # Predictions by the number of thresholds that are not above their confidence.
        self._kept_at = [0] * (len(THRESHOLDS) + 1)
        self._wrong_at = [0] * (len(THRESHOLDS) + 1)
        self._reviews_at = [0] * (len(THRESHOLDS) + 1)
        self._without_confidence = 0
        self._seconds = array("d")
        self._shared_reviews = 0
        self._agreement_sum = 0.0
        self._malformed: list[MalformedReview] = []

    def add(self, stored: StoredReview) -> None:
        """Counts one stored review. What is not a review record is kept among `Figures.malformed`."""
        try:
            record = parse_record(stored.content)
            if record["flow_definition"] != stored.flow_definition:
                raise _MalformedError(
                    f"$.flow_definition: {record['flow_definition']!r} lies in the folder of another, "
                    f"{stored.flow_definition!r}"
                )
            if not self._first <= record["created_at"][:10] < self._until:
                raise _MalformedError(
                    f"$.created_at: {record['created_at']!r} lies in the folder of another day"
                )
        except _MalformedError as problem:
            self._malformed.append(MalformedReview(stored.location, str(problem)))
        else:
            self._count(record)

    def add_all(self, reviews: Iterable[StoredReview]) -> None:
        """Counts reviews."""
        for stored in reviews:
            self.add(stored)

    @property
    def seen(self) -> int:
        """Stored objects so far, malformed ones included."""
        return self._reviews + len(self._malformed)

    def _count(self, record: dict[str, Any]) -> None:
        flow = record["flow_definition"]
        answers = record["answers"]
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
            if outcome == "kept" and part["predicted"] is None:
                continue  # a minority added something: there is still no prediction that was kept
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
            at = bisect_right(THRESHOLDS, confidence)
            if is_wrong:
                self._wrong_at[at] += 1
            else:
                self._kept_at[at] += 1
        if lowest <= 1:
            self._reviews_at[bisect_right(THRESHOLDS, lowest)] += 1

        overruled = record["overruled"]
        for counted in (
            self._days.setdefault(record["created_at"][:10], _Counts()),
            self._flows.setdefault(flow, _Counts()),
        ):
            counted.reviews += 1
            counted.judged += judged
            counted.wrong += wrong
            counted.compared += compared
            counted.overruled += compared and overruled
        conditions = record["activation_conditions"]
        for condition in set(conditions):
            condition_counts = self._conditions.setdefault((flow, condition), _ConditionCounts())
            condition_counts.reviews += 1
            condition_counts.compared += compared
            condition_counts.overruled += compared and overruled
            if len(conditions) == 1:
                condition_counts.alone += compared
                condition_counts.alone_overruled += compared and overruled

        self._reviews += 1
        self._completed += record["status"] == "Completed"
        self._unanswered += not answers
        if several and record["agreement"] is not None:
            self._shared_reviews += 1
            self._agreement_sum += record["agreement"]
        for answer in answers:
            seconds = answer["seconds_spent"]
            if seconds is not None and 0 <= seconds <= LONGEST_SECONDS:  # NaN is not either
                self._seconds.append(seconds)

    def _field_counts(self, flow: str, name: str) -> _FieldCounts:
        key = FieldName(flow, name)
        counts = self._fields.get(key)
        if counts is None:
            if len(self._fields) >= FIELD_NAMES_KEPT:
                self._other_fields += 1
                key = FieldName("", OTHER_FIELDS)
            counts = self._fields.setdefault(key, _FieldCounts())
        return counts

    # ----------------------------------------------------------------------------------- what it adds up to

    def figures(self) -> Figures:
        """The figures of all reviews that were counted."""
        totals = _total(self._days.values())
        outcomes: Counter[str] = Counter()
        for counts in self._fields.values():
            outcomes.update(counts.outcomes)
        granularity = _granularity(self._period)
        bands = self._confidence_bands()
        error, overconfidence = _calibration(bands)
        return Figures(
            period=self._period,
            granularity=granularity,
            reviews=self._reviews,
            unanswered=self._unanswered,
            completed=self._completed,
            overruled=Share(totals.wrong, totals.judged),
            overruled_reviews=Share(totals.overruled, totals.compared),
            outcomes=dict(outcomes),
            without_confidence=self._without_confidence,
            spans=_spans(self._period, granularity, self._days),
            flow_definitions=[
                FlowFigures(
                    flow,
                    counts.reviews,
                    Share(counts.wrong, counts.judged),
                    Share(counts.overruled, counts.compared),
                )
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
                    flow,
                    condition,
                    counts.reviews,
                    Share(counts.overruled, counts.compared),
                    Share(counts.alone_overruled, counts.alone),
                )
                for (flow, condition), counts in sorted(
                    self._conditions.items(), key=lambda item: (-item[1].reviews, item[0])
                )
            ],
            malformed=list(self._malformed),
        )

    def _field_figures(self) -> list[FieldFigures]:
        figures = [
            FieldFigures(
                field=name,
                **{outcome: counts.outcomes.get(outcome, 0) for outcome in _OUTCOMES},
                agreed=Share(counts.unanimous, counts.shared),
            )
            for name, counts in self._fields.items()
        ]
        return sorted(figures, key=lambda figure: (-figure.overruled.n, figure.field))

    def _confidence_bands(self) -> list[ConfidenceBand]:
        edges = (0.0, *BAND_EDGES, 1.0)
        return [
            ConfidenceBand(
                low,
                high,
                counts.confidence / counts.n if counts.n else math.nan,
                Share(counts.kept, counts.n),
            )
            for low, high, counts in zip(edges, edges[1:], self._bands, strict=False)
        ]

    def _threshold_figures(self) -> list[ThresholdFigures]:
        kept, wrong, reviews = sum(self._kept_at), sum(self._wrong_at), sum(self._reviews_at)
        figures = []
        kept_below = wrong_below = reviews_below = 0
        for index, threshold in enumerate(THRESHOLDS):
            kept_below += self._kept_at[index]
            wrong_below += self._wrong_at[index]
            reviews_below += self._reviews_at[index]
            figures.append(
                ThresholdFigures(
                    threshold=threshold,
                    reviews=Share(reviews_below, reviews),
                    checked=kept_below + wrong_below,
                    caught=wrong_below,
                    passed=kept + wrong - kept_below - wrong_below,
                    let_through=wrong - wrong_below,
                )
            )
        return figures

    def _agreement(self) -> Agreement:
        shared = sum(counts.shared for counts in self._fields.values())
        return Agreement(
            reviews=self._shared_reviews,
            mean=self._agreement_sum / self._shared_reviews if self._shared_reviews else math.nan,
            unanimous=Share(sum(counts.unanimous for counts in self._fields.values()), shared),
            unresolved=Share(
                sum(counts.outcomes.get("unresolved", 0) for counts in self._fields.values()), shared
            ),
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


@dataclass(slots=True)
class _Counts:
    reviews: int = 0
    judged: int = 0
    wrong: int = 0
    compared: int = 0
    overruled: int = 0


@dataclass(slots=True)
class _ConditionCounts:
    reviews: int = 0
    compared: int = 0
    overruled: int = 0
    alone: int = 0
    alone_overruled: int = 0


@dataclass(slots=True)
class _BandCounts:
    n: int = 0
    kept: int = 0
    confidence: float = 0.0


def _total(counts: Iterable[_Counts]) -> _Counts:
    total = _Counts()
    for part in counts:
        total.reviews += part.reviews
        total.judged += part.judged
        total.wrong += part.wrong
        total.compared += part.compared
        total.overruled += part.overruled
    return total


def _granularity(period: Period) -> Literal["day", "week", "month"]:
    return "day" if period.days <= 45 else "week" if period.days <= 200 else "month"


def _spans(
    period: Period, granularity: Literal["day", "week", "month"], days: Mapping[str, _Counts]
) -> list[Span]:
    spans = []
    first = period.first
    while first < period.until:
        until = min(_next_start(first, granularity), period.until)
        counts = _total(
            days.get(str(first + timedelta(days=offset)), _Counts()) for offset in range((until - first).days)
        )
        spans.append(
            Span(
                first,
                (until - first).days,
                counts.reviews,
                Share(counts.wrong, counts.judged),
                Share(counts.overruled, counts.compared),
            )
        )
        first = until
    return spans


def _next_start(day: date, granularity: Literal["day", "week", "month"]) -> date:
    if granularity == "day":
        return day + timedelta(days=1)
    if granularity == "week":
        return day + timedelta(days=7 - day.weekday())
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _calibration(bands: Sequence[ConfidenceBand]) -> tuple[float, float]:
    known = [band for band in bands if band.kept.n]
    n = sum(band.kept.n for band in known)
    if not n:
        return math.nan, math.nan
    gaps = [(band.mean_confidence - band.kept.value, band.kept.n) for band in known]
    return sum(abs(gap) * size for gap, size in gaps) / n, sum(gap * size for gap, size in gaps) / n


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed; NaN for none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


# ---------------------------------------------------------------------------------------- one stored object


class _MalformedError(Exception):
    """A stored object is not a review record: JSON path and what is wrong there."""


def parse_record(content: bytes) -> dict[str, Any]:
    """The record that an object holds, with what the statistics read of it checked.

    A pydantic model a record would take most of the time of a large report; this looks at the keys that are
    counted, and leaves the rest (votes, every worker's values) as it is.

    Raises:
        _MalformedError: where, as a JSON path, and what is wrong there.
    """
    try:
        record = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _MalformedError(f"not JSON: {error}") from error
    if not isinstance(record, dict):
        raise _MalformedError(f"$: expected one object, found {_shown(record)}")
    version = record.get("schema_version")
    if version != _SCHEMA_VERSION:
        raise _MalformedError(f"$.schema_version: expected {_SCHEMA_VERSION}, found {_shown(version)}")
    _check(record, _RECORD_KEYS, "$")
    if not _DAY.match(record["created_at"]):
        raise _MalformedError(f"$.created_at: expected an ISO time, found {_shown(record['created_at'])}")
    for condition in record["activation_conditions"]:
        if type(condition) is not str:
            raise _MalformedError(f"$.activation_conditions: expected names, found {_shown(condition)}")
    _check_share(record, "agreement", "$")
    for index, answer in enumerate(record["answers"]):
        _check(answer, _ANSWER_KEYS, "$.answers", index)
    for index, part in enumerate(record["fields"]):
        _check(part, _FIELD_KEYS, "$.fields", index)
        if part["outcome"] not in _OUTCOMES:
            raise _MalformedError(f"$.fields[{index}].outcome: {_shown(part['outcome'])} is not an outcome")
        _check_share(part, "confidence", "$.fields", index)
        _check_share(part, "agreement", "$.fields", index)
    return record


_DAY = re.compile(r"\d{4}-\d\d-\d\dT")
_TEXT, _NUMBER, _NONE = frozenset({str}), frozenset({float, int}), frozenset({type(None)})
_RECORD_KEYS = {
    "flow_definition": _TEXT,
    "status": _TEXT,
    "created_at": _TEXT,
    "activation_conditions": frozenset({list}),
    "answers": frozenset({list}),
    "fields": frozenset({list}),
    "agreement": _NUMBER | _NONE,
    "overruled": frozenset({bool}),
}
_ANSWER_KEYS = {"seconds_spent": _NUMBER | _NONE}
_FIELD_KEYS = {
    "name": _TEXT,
    "predicted": _TEXT | _NONE,
    "confidence": _NUMBER | _NONE,
    "outcome": _TEXT,
    "agreement": _NUMBER | _NONE,
}
_MISSING = object()


def _check(part: Any, keys: Mapping[str, frozenset[type]], path: str, index: int | None = None) -> None:
    if type(part) is not dict:
        raise _MalformedError(f"{_path(path, index)}: expected an object, found {_shown(part)}")
    for key, types in keys.items():
        value = part.get(key, _MISSING)
        if type(value) not in types:
            raise _MalformedError(
                f"{_path(path, index)}.{key}: "
                + ("missing" if value is _MISSING else f"{_shown(value)} cannot be what is meant")
            )


def _check_share(part: Mapping[str, Any], key: str, path: str, index: int | None = None) -> None:
    share = part[key]
    if share is not None and not 0 <= share <= 1:  # NaN is not either
        raise _MalformedError(f"{_path(path, index)}.{key}: expected 0 to 1, found {_shown(share)}")


def _path(path: str, index: int | None) -> str:
    return path if index is None else f"{path}[{index}]"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= 60 else f"{text[:60]}…"
