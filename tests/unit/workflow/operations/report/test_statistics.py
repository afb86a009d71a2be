"""Tests of the report's figures, against an independent count and with generated records."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.record import AnswerRecord, FieldRecord, ReviewRecord, Vote, WorkerField
from sandbox.invented_reviews import generate
from workflow.errors import AfterloopError
from workflow.operations.report import field_counts, statistics
from workflow.operations.report.figures import OTHER_FIELDS, OTHER_VERSIONS, ConfidenceFigures, Figures, Share
from workflow.operations.report.statistics import MAX_SECONDS, ReviewStatistics
from workflow.operations.reviews_source import Period, StoredReview

JANUARY = Period(date(2026, 1, 1), date(2026, 2, 1))


def stored(record: ReviewRecord) -> StoredReview:
    return StoredReview(f"s3://reviews/{record.key}", record.flow_definition, record.to_line())


def figures_of(*records: ReviewRecord, period: Period = JANUARY) -> Figures:
    counted = ReviewStatistics(period)
    for record in records:
        counted.add(stored(record))
    return counted.figures()


def confidence_of(figures: Figures) -> ConfidenceFigures:
    (model,) = figures.models
    assert model.confidence is not None
    return model.confidence


def field(outcome: str, *, name: str = "total", **other: Any) -> dict[str, Any]:
    predicted = None if outcome in ("added", "answered") else '"1"'
    given = {"kind": "text", "confidence": None, "reviewed": None, "votes": [], "agreement": None}
    return {"name": name, "outcome": outcome, "predicted": predicted, **given, "per_worker": [], **other}


def review(*fields: dict[str, Any], day: int = 5, answers: int = 1, **other: Any) -> ReviewRecord:
    seconds = other.pop("seconds", 10.0)
    given = {
        "human_loop_name": "loop",
        "flow_definition": "invoices",
        "flow_definition_arn": "arn:aws:sagemaker:eu-west-1:123456789012:flow-definition/invoices",
        "status": "Completed",
        "created_at": f"2026-01-{day:02}T10:00:00.000Z",
        "completed_at": None,
        "task_type": "custom",
        "output_location": "s3://out/output.json",
        "activation_conditions": [],
        "answers": [{"submitted_at": "2026-01-05T11:00:00.000Z", "seconds_spent": seconds, "content": "{}"}]
        * answers,
        "fields": list(fields),
        "agreement": None,
        "overruled": any(part["outcome"] in ("changed", "added", "removed") for part in fields),
        "seconds_spent": None,
    }
    return ReviewRecord.model_validate(given | other)


def test_overrule_rate_counts_judged_predictions() -> None:
    figures = figures_of(
        review(field("kept"), field("changed"), field("removed"), field("added"), field("unresolved")),
        review(field("kept"), field("answered")),
    )
    assert figures.overruled == Share(2, 4)
    assert figures.overruled_reviews == Share(1, 2)
    assert figures.outcomes == {
        "kept": 2, "changed": 1, "removed": 1, "added": 1, "unresolved": 1, "answered": 1,
    }  # fmt: skip


def test_field_added_by_a_minority_is_not_a_kept_prediction() -> None:
    minority = field("kept", name="bird", predicted=None, agreement=2 / 3)
    figures = figures_of(review(field("kept"), minority, answers=3), review(minority, answers=3))
    assert figures.overruled == Share(0, 1)
    assert figures.overruled_reviews == Share(0, 1)
    assert figures.outcomes == {"kept": 1}
    assert {one.field.name: (one.overruled, one.agreed) for one in figures.fields} == {
        "total": (Share(0, 1), Share(0, 0)),
        "bird": (Share(0, 0), Share(0, 2)),
    }


def test_predictions_are_counted_by_where_they_came_from() -> None:
    figures = figures_of(
        review(field("kept"), field("changed"), prediction_source="search"),
        review(field("kept"), field("added"), prediction_source="settings"),
        review(field("kept")),  # From before the source was stored.
        review(field("answered")),
    )
    (flow,) = figures.flow_definitions
    assert flow.prediction_sources == {"search": 2, "settings": 1, None: 1}


def test_each_model_has_its_rates_in_parts_of_the_period() -> None:
    counted = ReviewStatistics(JANUARY)
    for record, version in (
        (review(field("changed"), day=1), "1"),
        (review(field("kept"), day=4), "1"),
        (review(field("kept"), field("kept"), day=5), "2"),
        (review(field("kept"), day=31, flow_definition="claims"), None),
    ):
        document = json.loads(record.to_line()) | {"model_version": version}
        counted.add(StoredReview("x", record.flow_definition, json.dumps(document).encode()))
    models = counted.figures().models
    for one in models:
        assert [span.days for span in one.parts] == [4] * 7 + [3]
        assert [span.first.day for span in one.parts] == [1, 5, 9, 13, 17, 21, 25, 29]
    assert {
        tuple(one.model): {
            place: (span.reviews, span.overruled) for place, span in enumerate(one.parts) if span.reviews
        }
        for one in models
    } == {
        ("invoices", "1"): {0: (2, Share(1, 2))},
        ("invoices", "2"): {1: (1, Share(0, 2))},
        ("claims", None): {7: (1, Share(0, 1))},
    }


def test_tie_without_a_prediction_is_no_outcome_of_a_prediction() -> None:
    tie = field("unresolved", predicted=None, agreement=0.5)
    figures = figures_of(review(tie, field("unresolved", agreement=0.5), answers=2))
    assert figures.outcomes == {"unresolved": 1}
    assert figures.fields[0].unresolved == 1
    assert figures.overruled_reviews == Share(0, 0)
    # It is a tie between people all the same.
    assert figures.agreement.unresolved == Share(2, 2)


def test_review_without_predictions_is_counted_but_not_compared() -> None:
    figures = figures_of(review(field("answered")), review(answers=0, status="Stopped"))
    assert (figures.reviews, figures.completed) == (2, 1)
    assert figures.overruled == figures.overruled_reviews == Share(0, 0)
    assert math.isnan(figures.overruled.value)


def test_confidence_on_an_edge_belongs_to_the_band_above() -> None:
    figures = figures_of(
        review(*(field("kept", confidence=value) for value in (0.0, 0.1, 0.3, 0.7, 0.8999, 0.9, 1.0)))
    )
    assert [band.checked.n for band in confidence_of(figures).bands] == [1, 1, 0, 1, 0, 0, 0, 1, 1, 2]


def test_calibration_error_is_the_weighted_mean_distance() -> None:
    figures = figures_of(
        review(
            *[field("kept", confidence=0.8)] * 6,
            *[field("changed", confidence=0.8)] * 4,  # says 80 %, is right in 60 %
            *[field("kept", confidence=0.5)] * 10,  # says 50 %, is right in 100 %
        )
    )
    about = confidence_of(figures)
    assert about.calibration_error == pytest.approx(0.5 * 0.2 + 0.5 * 0.5)
    assert about.overconfidence.value == pytest.approx(0.5 * 0.2 - 0.5 * 0.5)


def test_threshold_sends_lower_confidences_to_workers() -> None:
    figures = figures_of(
        review(field("kept", confidence=0.9), field("changed", confidence=0.7)),
        review(field("removed", confidence=0.8), field("kept", confidence=0.95)),
        review(field("changed")),  # Without a confidence, thresholds do not apply.
    )
    at = {round(figure.threshold, 2): figure for figure in confidence_of(figures).thresholds}
    assert (at[0.7].reviews_needed, at[0.7].caught, at[0.7].let_through) == (0, 0, 2)
    assert (at[0.8].reviews_needed, at[0.8].caught, at[0.8].let_through) == (1, 1, 1)
    assert (at[0.81].reviews_needed, at[0.81].caught, at[0.81].let_through) == (2, 2, 0)
    assert (at[0.8].reviews.value, at[0.8].errors_missed.value) == (0.5, 0.5)
    assert (at[0.9].checked, at[0.9].passed, at[0.91].checked) == (2, 2, 3)
    assert figures.without_confidence == 1


def test_agreement_counts_reviews_with_several_answers() -> None:
    figures = figures_of(
        review(field("kept"), agreement=None),
        review(field("kept", agreement=1.0), field("unresolved", agreement=0.5), answers=2, agreement=0.75),
        review(field("changed", agreement=2 / 3), answers=3, agreement=2 / 3),
    )
    assert figures.agreement.reviews == 2
    assert figures.agreement.mean == pytest.approx((0.75 + 2 / 3) / 2)
    assert figures.agreement.unanimous == Share(1, 3)
    assert figures.agreement.unresolved == Share(1, 3)


def test_times_use_the_nearest_rank() -> None:
    figures = figures_of(*(review(field("kept"), seconds=float(value)) for value in range(1, 11)))
    assert (figures.times.median, figures.times.p90, figures.times.total) == (5, 9, 55)
    assert figures_of(review(field("kept"), seconds=None)).times.answers == 0


@pytest.mark.parametrize("odd", [-1, -0.5, 1e300, 10**400, math.nan, math.inf, MAX_SECONDS + 1])
def test_invalid_time_is_left_out_but_its_review_is_counted(odd: float) -> None:
    document = json.loads(review(field("changed"), answers=3).to_line())
    for answer, seconds in zip(document["answers"], [20, odd, 40], strict=True):
        answer["seconds_spent"] = seconds
    counted = ReviewStatistics(JANUARY)
    counted.add(StoredReview("x", "invoices", json.dumps(document).encode()))
    figures = counted.figures()
    assert not figures.malformed
    assert figures.overruled == Share(1, 1)
    assert (figures.times.answers, figures.times.total) == (2, 60)


def test_conditions_are_counted_together_and_alone() -> None:
    figures = figures_of(
        review(field("changed"), activation_conditions=["low", "sample"]),
        review(field("kept"), activation_conditions=["sample"]),
        review(field("kept"), activation_conditions=["sample", "sample"]),
    )
    low, sample = sorted(figures.conditions, key=lambda condition: condition.condition)
    assert (low.reviews, low.overruled_reviews, low.alone) == (1, Share(1, 1), Share(0, 0))
    assert (sample.reviews, sample.overruled_reviews, sample.alone) == (3, Share(1, 3), Share(0, 1))


@pytest.mark.parametrize(
    ("days", "granularity", "spans"), [(1, "day", 1), (45, "day", 45), (46, "week", 7), (365, "month", 12)]
)
def test_spans_cover_the_period_exactly_once(days: int, granularity: str, spans: int) -> None:
    period = Period(date(2026, 1, 1), date(2026, 1, 1) + timedelta(days=days))
    figures = figures_of(review(field("changed"), day=1), period=period)
    assert figures.granularity == granularity
    assert len(figures.spans) == spans
    day = period.first
    for span in figures.spans:
        assert span.first == day
        day += timedelta(days=span.days)
    assert day == period.until
    assert sum(span.reviews for span in figures.spans) == 1
    assert figures.spans[0].overruled == Share(1, 1)


def test_names_over_the_limit_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_counts, "MAX_FIELD_NAMES", 2)
    figures = figures_of(
        review(*(field("changed", name=name) for name in "aaabb")),
        *(review(field("changed", name=name)) for name in "cdeefffff"),
    )
    by_name = {figure.field.name: figure.overruled.hits for figure in figures.fields}
    # "f" comes last and is the most frequent: rare names make room for it.
    assert by_name["f"] + figures.field_counts_low_by >= 5
    assert by_name["a"] == 3
    assert by_name[OTHER_FIELDS] == figures.not_counted_by_name
    assert sum(by_name.values()) == figures.overruled.n == 14
    assert figures.overruled == Share(14, 14)


def test_figures_match_an_independent_count() -> None:
    lines = list(generate(400, first=date(2026, 1, 1), days=31, seed=3))
    records = [ReviewRecord.model_validate_json(line) for _, line in lines]
    assert [record.key for record in records] == [key for key, _ in lines]
    figures = figures_of(*records)

    fields = [part for record in records for part in record.fields]
    judged = [part for part in fields if part.outcome in ("kept", "changed", "removed")]
    wrong = [part for part in judged if part.outcome != "kept"]
    assert figures.overruled == Share(len(wrong), len(judged))
    assert figures.reviews == 400
    compared = [
        record
        for record in records
        if any(part.outcome in ("kept", "changed", "removed", "added") for part in record.fields)
    ]
    assert figures.overruled_reviews == Share(sum(record.overruled for record in compared), len(compared))
    for name in {part.name for part in fields}:
        of_name = [part for part in judged if part.name == name]
        counted = total([figure.overruled for figure in figures.fields if figure.field.name == name])
        assert counted == Share(sum(part.outcome != "kept" for part in of_name), len(of_name))
    for model in figures.models:
        sampled = model.selection.kind == "sampled"
        of_model = [
            # A review that was only drawn by Sampling(RandomSamplingPercentage=10) stands for ten documents.
            (part, 10 if sampled and all("Sampling" in name for name in record.activation_conditions) else 1)
            for record in records
            if record.flow_definition == model.model.flow_definition
            for part in record.fields
            if part in judged
        ]
        for threshold in model.confidence.thresholds if model.confidence else []:
            below = [
                (part, weight)
                for part, weight in of_model
                if part.confidence is not None and part.confidence < threshold.threshold
            ]
            assert threshold.checked == pytest.approx(sum(weight for _, weight in below))
            caught = sum(weight for part, weight in below if part.outcome != "kept")
            assert threshold.caught == pytest.approx(caught)
    assert {model.model.flow_definition: model.selection.kind for model in figures.models} == {
        "invoice-forms": "sampled",
        "image-moderation": "conditions",  # with fewer than 10 sampled reviews
        "ticket-routing": "unknown",
        "contract-entities": "unknown",
    }
    seconds = sorted(
        answer.seconds_spent
        for record in records
        for answer in record.answers
        if answer.seconds_spent is not None
    )
    assert list(figures.times.sorted_seconds) == seconds
    assert figures.agreement.reviews == sum(
        len(record.answers) > 1 and bool(record.fields) for record in records
    )


def total(shares: Sequence[Share]) -> Share:
    return Share(sum(share.hits for share in shares), sum(share.n for share in shares))


def _consistent(figures: Figures) -> None:
    assert total([span.overruled for span in figures.spans]) == figures.overruled
    assert total([flow.overruled for flow in figures.flow_definitions]) == figures.overruled
    assert total([model.overruled for model in figures.models]) == figures.overruled
    assert total([one.overruled for one in figures.fields]) == figures.overruled
    for model in figures.models:
        known = model.overruled.n - model.without_confidence
        if model.confidence is None:
            assert known == 0
            continue
        assert sum(band.checked.n for band in model.confidence.bands) == known
        thresholds = model.confidence.thresholds
        for before, after in itertools.pairwise(thresholds):
            assert before.reviews_needed <= after.reviews_needed
            assert before.checked <= after.checked
            assert before.let_through >= after.let_through
            assert after.checked + after.passed == known


for _model in (AnswerRecord, FieldRecord, ReviewRecord, Vote, WorkerField):
    # Pydantic builds them when they are used first. Before that, Hypothesis cannot see which fields they need.
    _model.model_rebuild()

shares = st.none() | st.floats(0, 1)
texts = st.none() | st.text(max_size=5)
field_records = st.builds(
    FieldRecord,
    name=st.text(max_size=6),
    confidence=shares,
    agreement=shares,
    votes=st.lists(st.builds(Vote, value=texts, count=st.integers(0, 3)), max_size=2),
    per_worker=st.lists(
        st.builds(WorkerField, worker_index=st.integers(0, 2), value=texts, outcome=st.just("kept")),
        max_size=2,
    ),
)
answer_records = st.builds(
    AnswerRecord,
    accepted_at=st.none(),
    submitted_at=st.just(datetime(2026, 1, 31, tzinfo=UTC)),
    seconds_spent=st.none() | st.floats(0, 1e6),
)
review_records = st.builds(
    ReviewRecord,
    flow_definition=st.sampled_from(["a", "b"]),
    created_at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 31), timezones=st.just(UTC)),
    completed_at=st.none(),
    answers=st.lists(answer_records, max_size=3),
    agreement=shares,
    seconds_spent=st.none(),
    activation_conditions=st.lists(st.sampled_from("xyz"), max_size=3),
    fields=st.lists(field_records, max_size=4),
)


@given(st.lists(review_records, max_size=6), st.randoms(use_true_random=False))
def test_every_valid_record_is_counted_in_any_order(
    records: list[ReviewRecord], chance: random.Random
) -> None:
    figures = figures_of(*records)
    assert not figures.malformed
    assert figures.reviews == len(records)
    shuffled = list(records)
    chance.shuffle(shuffled)
    again = figures_of(*shuffled)
    assert again.overruled == figures.overruled
    assert [span.overruled for span in again.spans] == [span.overruled for span in figures.spans]
    assert {one.field: one for one in again.fields} == {one.field: one for one in figures.fields}


@given(st.lists(review_records, max_size=6))
def test_parts_add_up_to_the_whole(records: list[ReviewRecord]) -> None:
    # The model allows "kept" without a prediction, which is left out of the count. A comparison makes none.
    valid = [
        record.model_copy(
            update={
                "fields": [
                    part.model_copy(update={"predicted": part.predicted or "1"})
                    if part.outcome in ("kept", "changed", "removed")
                    else part
                    for part in record.fields
                ]
            }
        )
        for record in records
    ]
    _consistent(figures_of(*valid))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_content_that_is_not_a_record_is_malformed(content: bytes) -> None:
    counted = ReviewStatistics(JANUARY)
    counted.add(StoredReview("s3://reviews/odd.json", "invoices", content))
    figures = counted.figures()
    assert [one.location for one in figures.malformed] == ["s3://reviews/odd.json"]
    assert figures.reviews == 0
    assert counted.seen == 1


@given(st.data())
def test_record_with_one_wrong_value_is_counted_or_malformed(
    data: st.DataObject,
) -> None:
    document = json.loads(review(field("kept", confidence=0.5), activation_conditions=["low"]).to_line())
    place: Any = document
    path = []
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        path.append(key)
        if data.draw(st.booleans()) or not isinstance(place[key], dict | list) or not place[key]:
            place[key] = data.draw(json_values)
            break
        place = place[key]
    counted = ReviewStatistics(JANUARY)
    counted.add(StoredReview("x", "invoices", json.dumps(document).encode()))
    figures = counted.figures()
    assert figures.reviews + len(figures.malformed) == 1
    for one in figures.malformed:
        assert f", $.{path[0]}" in one.problem


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"schema_version": 2}, "$.schema_version: a newer version of Afterloop wrote this record"),
        ({"schema_version": 0}, "$.schema_version: Input should be 1"),
        ({"flow_definition": 7}, "$.flow_definition: expected a string, found a number"),
        (
            {"flow_definition": "claims"},
            "$.flow_definition: 'claims' is in the folder of 'invoices'",
        ),
        (
            {"created_at": "2026-03-01T00:00:00.000Z"},
            "$.created_at: '2026-03-01T00:00:00.000Z' is in the folder of another day",
        ),
    ],
)
def test_malformed_record_is_reported_with_its_path(change: dict[str, Any], problem: str) -> None:
    document = json.loads(review(field("kept")).to_line()) | change
    counted = ReviewStatistics(JANUARY)
    counted.add(StoredReview("x", "invoices", json.dumps(document).encode()))
    (malformed,) = counted.figures().malformed
    assert malformed.problem.startswith(f"review record, {problem}")


def test_period_without_days_is_refused() -> None:
    assert Period(date(2026, 1, 1), date(2026, 1, 2)).last == date(2026, 1, 1)
    with pytest.raises(AfterloopError, match="has no days"):
        Period(date(2026, 1, 2), date(2026, 1, 2))


def test_versions_of_a_model_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "MAX_MODEL_VERSIONS", 2)
    records = [
        review(field("changed"), model_version=version, day=day)
        for day, version in enumerate([None, "1", "2", "3", "1"], start=1)
    ]
    figures = figures_of(*records, review(field("kept"), flow_definition="claims", model_version="3"))
    assert {
        tuple(model.model): (model.reviews, model.first.day, model.last.day) for model in figures.models
    } == {
        ("invoices", None): (1, 1, 1),
        ("invoices", "1"): (2, 2, 5),
        ("invoices", OTHER_VERSIONS): (2, 3, 4),
        ("claims", "3"): (1, 5, 5),
    }


def test_sample_without_confidences_says_nothing_about_the_rest() -> None:
    low, sampled = "MissingImportantFormKey(Total)", "Sampling(RandomSamplingPercentage=5)"
    figures = figures_of(
        *[review(field("changed", confidence=0.5), activation_conditions=[low])] * 20,
        *[review(field("kept"), activation_conditions=[sampled])] * 20,
    )
    (model,) = figures.models
    assert model.selection.kind == "sampled"
    assert model.selection.documents == 20 + 20 * 20
    assert model.overruled_of_all.value == pytest.approx(20 / 420)
    assert model.confidence is not None
    assert not model.confidence.of_all
