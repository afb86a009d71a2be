"""Counts stored reviews, in one pass over the records and with bounded memory."""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.record import PredictionSource
from workflow.operations.report.confidence import confidence_figures
from workflow.operations.report.confidence_counts import ConfidenceCounts
from workflow.operations.report.estimation import ClusterSums, estimate
from workflow.operations.report.field_counts import FieldCounts, NameCounts, share
from workflow.operations.report.figures import (
    OTHER_VERSIONS,
    UNKNOWN,
    Agreement,
    ConditionFigures,
    Costs,
    Estimate,
    Figures,
    FlowFigures,
    Granularity,
    MalformedReview,
    Model,
    ModelFigures,
    Selection,
    Share,
    Span,
    Times,
)
from workflow.operations.report.records import RecordPart, read_record
from workflow.operations.report.selection import UNKNOWN as UNKNOWN_STRATUM
from workflow.operations.report.selection import SelectionCounts, without_sample
from workflow.operations.report.trend import Third, TrendCounts
from workflow.operations.reviews_source import Period, StoredReview

__all__ = ["MAX_MODEL_VERSIONS", "MAX_PARTS", "MAX_SECONDS", "ReviewStatistics"]

MAX_MODEL_VERSIONS = 20
"""How many versions of a flow definition's model are told apart. Later ones are counted together."""

MAX_PARTLY_READ = 20
"""The locations of so many reviews with values that could not be read are kept."""

MAX_PARTS = 8
"""The period is divided into at most so many parts for the rates of a single model."""

MAX_SECONDS = 30 * 24 * 3600
"""The longest valid time of an answer: SageMaker gives a worker at most 30 days for a task."""

_JUDGED = frozenset({"kept", "changed", "removed"})
_COMPARED = _JUDGED | {"added"}


class ReviewStatistics:
    """Counts reviews one by one. `figures` returns the result.

    Memory grows by eight bytes for each answer (its seconds), with the field names up to a limit, and by a few
    megabytes for each model.
    """

    def __init__(self, period: Period) -> None:
        self._period = period
        self._granularity = _granularity(period)
        self._all = _ReviewCounts()
        self._spans = [(first, days, _ReviewCounts()) for first, days in _spans(period, self._granularity)]
        thirds = _thirds(len(self._spans))
        # All days of a span share its number.
        self._days = {
            str(first + timedelta(days=day)): (number, third)
            for number, ((first, days, _), third) in enumerate(zip(self._spans, thirds, strict=True))
            for day in range(days)
        }
        self._flows: defaultdict[str, _ReviewCounts] = defaultdict(_ReviewCounts)
        self._models: dict[Model, _ModelCounts] = {}
        self._versions: Counter[str] = Counter()
        self._conditions: defaultdict[tuple[str, str], tuple[_ReviewCounts, _ReviewCounts]] = defaultdict(
            lambda: (_ReviewCounts(), _ReviewCounts())
        )
        self._completed = 0
        self._fields = FieldCounts()
        self._unresolved = ClusterSums()
        self._sources: defaultdict[str, Counter[PredictionSource | None]] = defaultdict(Counter)
        self._seconds = array("d")
        self._shared_reviews = 0
        self._agreements = 0
        self._agreement_sum = 0.0
        self._malformed: list[MalformedReview] = []
        self._unreadable = 0
        self._partly_read: list[str] = []
        self._without_fields = 0
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
            if unreadable:
                self._unreadable += unreadable
                if len(self._partly_read) < MAX_PARTLY_READ:
                    self._partly_read.append(stored.location)
            elif not record["fields"]:
                self._without_fields += 1
            self.count(record)

    @property
    def seen(self) -> int:
        """The number of stored objects so far, including malformed ones."""
        return self._all.reviews + len(self._malformed)

    def count(self, record: RecordPart) -> None:
        """Counts a record of this period."""
        flow, answers, conditions = (
            record["flow_definition"],
            record["answers"],
            record["activation_conditions"],
        )
        fields = self._count_fields(flow, record)

        day = record["created_at"][:10]
        span, third = self._days[day]
        model = self._model(flow, record.get("model_version"))
        counted = [
            self._all,
            self._spans[span][2],
            self._flows[flow],
            model.spans[span],
        ]
        for condition in set(conditions):
            whole, alone = self._conditions[flow, condition]
            counted.append(whole)
            if len(conditions) == 1:
                counted.append(alone)
        overruled = fields.compared and record["overruled"]
        for review_counts in counted:
            review_counts.reviews += 1
            review_counts.predictions.add(fields.wrong, len(fields.judged))
            if fields.shared:
                review_counts.shared.add(fields.unanimous, fields.shared)
            review_counts.compared += fields.compared
            review_counts.overruled += overruled
        self._unresolved.add(fields.unresolved, fields.shared)
        if fields.judged:
            self._sources[flow][record["prediction_source"]] += len(fields.judged)

        model.first, model.last = min(model.first or day, day), max(model.last, day)
        stratum = model.selection.add(conditions, len(fields.judged))
        model.reviews += 1
        model.without_confidence += len(fields.judged) - len(fields.confident)
        model.predictions[stratum].add(fields.wrong, len(fields.judged))
        if fields.confident:
            model.confidence[stratum].add(fields.confident)
        if third is not None and fields.judged:
            model.trend.add(
                third, [((without_sample(stratum), name), is_wrong) for name, is_wrong in fields.judged]
            )

        self._completed += record["status"] == "Completed"
        self._invented += record["invented"]
        if fields.shared:
            self._shared_reviews += 1
            if record["agreement"] is not None:
                self._agreements += 1
                self._agreement_sum += record["agreement"]
        for answer in answers:
            seconds = answer["seconds_spent"]
            # The comparison is also false for NaN.
            if seconds is not None and 0 <= seconds <= MAX_SECONDS:
                self._seconds.append(seconds)

    def _count_fields(self, flow: str, record: RecordPart) -> _ReviewFields:
        """Counts the fields of a record by name, and returns what they are together."""
        several = len(record["answers"]) > 1
        found = _ReviewFields()
        names: dict[str, _NameInReview] = {}
        for part in record["fields"]:
            outcome, name = part["outcome"], part["name"]
            named = names.get(name)
            if named is None:
                named = names[name] = _NameInReview(self._fields.of(flow, name))
            named.counts.fields += 1
            if several and (agreement := part["agreement"]) is not None:
                named.shared += 1
                named.unanimous += agreement == 1
                found.unresolved += outcome == "unresolved"
            # Without a prediction, there is nothing to keep, change or remove, and no tie about it. A minority added
            # a value that the majority did not: "kept". People disagree about a field that the model does not
            # predict: "unresolved".
            if part["predicted"] is None and outcome not in ("added", "answered"):
                continue
            outcomes = named.counts.outcomes
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            if outcome in _COMPARED:
                found.compared = True
            if outcome not in _JUDGED:
                continue
            is_wrong = outcome != "kept"
            named.judged += 1
            named.wrong += is_wrong
            found.wrong += is_wrong
            found.judged.append((name, is_wrong))
            confidence = part["confidence"]
            if confidence is not None:
                found.confident.append((confidence, is_wrong))
        for named in names.values():
            named.counts.overruled.add(named.wrong, named.judged)
            if named.shared:
                named.counts.shared.add(named.unanimous, named.shared)
                found.shared += named.shared
                found.unanimous += named.unanimous
        self._fields.make_room()
        return found

    def _model(self, flow: str, version: str | None) -> _ModelCounts:
        model = Model(flow, version)
        counts = self._models.get(model)
        if counts is None:
            self._versions[flow] += 1
            if self._versions[flow] > MAX_MODEL_VERSIONS:
                model = Model(flow, OTHER_VERSIONS)
            counts = self._models.setdefault(model, _ModelCounts())
        return counts

    def figures(self, costs: Costs | None = None) -> Figures:
        """Returns the figures of all counted reviews.

        Args:
            costs: The prices of a review and of an error, for the cost of each threshold; None to leave that out.
        """
        models = [
            counts.figures(model, self._parts_of(counts.spans), costs)
            for model, counts in self._models.items()
        ]
        return Figures(
            period=self._period,
            granularity=self._granularity,
            reviews=self._all.reviews,
            completed=self._completed,
            overruled=self._all.overruled_predictions,
            overruled_reviews=self._all.overruled_reviews,
            outcomes=dict(self._fields.outcomes),
            without_confidence=sum(model.without_confidence for model in models),
            spans=self._spans_of({number: counts for number, (_, _, counts) in enumerate(self._spans)}),
            flow_definitions=[
                FlowFigures(
                    flow,
                    counts.reviews,
                    counts.overruled_predictions,
                    counts.overruled_reviews,
                    share(counts.shared),
                    self._sources.get(flow, {}),
                )
                for flow, counts in sorted(self._flows.items(), key=lambda item: (-item[1].reviews, item[0]))
            ],
            fields=self._fields.figures(),
            not_counted_by_name=self._fields.not_counted_by_name,
            field_counts_low_by=self._fields.low_by,
            models=sorted(models, key=lambda model: (-model.reviews, model.model[0], model.model[1] or "")),
            agreement=Agreement(
                reviews=self._shared_reviews,
                mean=self._agreement_sum / self._agreements if self._agreements else math.nan,
                unanimous=share(self._all.shared),
                unresolved=share(self._unresolved),
            ),
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
            partly_read=list(self._partly_read),
            without_fields=self._without_fields,
            invented=self._invented,
        )

    def _spans_of(self, counted: Mapping[int, _ReviewCounts]) -> list[Span]:
        none = _ReviewCounts()
        return [
            Span(first, days, counts.reviews, counts.overruled_predictions)
            for number, (first, days, _) in enumerate(self._spans)
            for counts in [counted.get(number, none)]
        ]

    def _parts_of(self, counted: Mapping[int, _ReviewCounts]) -> list[Span]:
        """Returns at most MAX_PARTS spans of equal length. A model has too few reviews for a rate of each day."""
        size = -(-len(self._spans) // MAX_PARTS)
        parts = []
        for start in range(0, len(self._spans), size):
            counts = [counted[number] for number in range(start, start + size) if number in counted]
            parts.append(
                Span(
                    self._spans[start][0],
                    sum(days for _, days, _ in self._spans[start : start + size]),
                    sum(one.reviews for one in counts),
                    share(sum((one.predictions for one in counts), ClusterSums())),
                )
            )
        return parts

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
class _NameInReview:
    """The fields of one review with one name."""

    counts: NameCounts
    wrong: int = 0
    judged: int = 0
    unanimous: int = 0
    shared: int = 0


@dataclass(slots=True)
class _ReviewFields:
    """The fields of one review together.

    Attributes:
        compared: Whether any field was compared with a prediction.
        wrong: The judged predictions that are wrong.
        judged: The name of each judged prediction, and whether it is wrong.
        confident: The confidence of each judged prediction that has one, and whether it is wrong.
        shared: The fields with two or more answers.
        unanimous: Of these, those in which all answers were the same.
        unresolved: Of these, those without a majority.
    """

    compared: bool = False
    wrong: int = 0
    judged: list[tuple[str, bool]] = field(default_factory=list)
    confident: list[tuple[float, bool]] = field(default_factory=list)
    shared: int = 0
    unanimous: int = 0
    unresolved: int = 0


@dataclass(slots=True)
class _ReviewCounts:
    reviews: int = 0
    predictions: ClusterSums = field(default_factory=ClusterSums)
    shared: ClusterSums = field(default_factory=ClusterSums)
    compared: int = 0
    overruled: int = 0

    @property
    def overruled_predictions(self) -> Share:
        return share(self.predictions)

    @property
    def overruled_reviews(self) -> Share:
        return Share(self.overruled, self.compared)


class _ModelCounts:
    """What is counted for one model. The dictionaries have the counts by why the reviews took place."""

    def __init__(self) -> None:
        self.reviews = 0
        self.first = self.last = ""
        self.without_confidence = 0
        self.selection = SelectionCounts()
        self.predictions: defaultdict[str, ClusterSums] = defaultdict(ClusterSums)
        self.confidence: defaultdict[str, ConfidenceCounts] = defaultdict(ConfidenceCounts)
        self.spans: defaultdict[int, _ReviewCounts] = defaultdict(_ReviewCounts)
        self.trend = TrendCounts()

    def figures(self, model: Model, parts: Sequence[Span], costs: Costs | None) -> ModelFigures:
        kind = self.selection.kind
        weights = self.selection.weights() if kind == "sampled" else None
        # A sample without confidences says nothing about the confidence of the rest.
        has_sample = not self.selection.sample.isdisjoint(self.confidence)
        confidence = confidence_figures(self.confidence, weights if has_sample else None, costs)
        return ModelFigures(
            model=model,
            reviews=self.reviews,
            first=date.fromisoformat(self.first),
            last=date.fromisoformat(self.last),
            selection=self._selection(weights),
            overruled=share(sum(self.predictions.values(), ClusterSums())),
            overruled_of_all=self._overruled_of_all(weights),
            without_confidence=self.without_confidence,
            confidence=confidence,
            parts=parts,
            trend=self.trend.trend(),
        )

    def _selection(self, weights: Mapping[str, float] | None) -> Selection:
        reviews, by_sampling = self.selection.reviews, self.selection.by_sampling
        documents = sampled = math.nan
        if weights is not None:
            documents = sum(number * weights.get(stratum, 0) for stratum, number in reviews.items())
            sampled = sum(reviews[stratum] * weights[stratum] for stratum in self.selection.alone)
        return Selection(
            kind=self.selection.kind,
            rate=by_sampling / sampled if weights is not None else math.nan,
            by_condition=self.selection.by_condition,
            by_sampling=by_sampling,
            unknown=reviews[UNKNOWN_STRATUM],
            documents=documents,
            shows_parts=self.selection.shows_parts,
        )

    def _overruled_of_all(self, weights: Mapping[str, float] | None) -> Estimate:
        if weights is None:
            return UNKNOWN
        return estimate(
            [(weights[stratum], sums) for stratum, sums in self.predictions.items() if stratum in weights]
        )


def _granularity(period: Period) -> Granularity:
    return "day" if period.days <= 45 else "week" if period.days <= 200 else "month"


def _spans(period: Period, granularity: Granularity) -> Iterable[tuple[date, int]]:
    """Yields the first day of each span of the period, and its number of days."""
    first = period.first
    while first < period.until:
        until = min(_next_start(first, granularity), period.until)
        yield first, (until - first).days
        first = until


def _thirds(spans: int) -> list[Third | None]:
    """Returns for each span of a period which third it belongs to, without the middle one."""
    third = spans // 3
    places = range(spans)
    return [0 if place < third else 1 if place >= spans - third and third else None for place in places]


def _next_start(day: date, granularity: Granularity) -> date:
    if granularity == "day":
        return day + timedelta(days=1)
    if granularity == "week":
        return day + timedelta(days=7 - day.weekday())
    # The 1st plus 32 days is always in the next month.
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Returns the smallest value that at least `share` of all values do not exceed; NaN for none.

    `statistics.quantiles` interpolates, so its result is not always a measured value.
    """
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan
