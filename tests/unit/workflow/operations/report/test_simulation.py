"""Tests of intervals and findings in worlds in which the truth is known.

An interval must cover the truth in 92 to 98% of worlds. What is only chance must be reported in at most 5% of them, and
what is real must be reported in most of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from tests.unit.workflow.operations.report.simulation import Reviews, alike, only_model, reviewed
from workflow.operations.report.figures import Estimate, Figures, Share
from workflow.operations.report.findings import Claim, Finding, findings


def covers(estimate: Estimate | Share, truth: float) -> bool:
    low, high = estimate.interval
    return low <= truth <= high


def said(figures: Figures) -> dict[Claim, Finding]:
    return {finding.claim: finding for finding in findings(figures, None)}


def share_of_worlds(worlds: int, holds: Callable[[np.random.Generator], bool], seed: int = 1) -> float:
    return float(np.mean([holds(np.random.default_rng((seed, world))) for world in range(worlds)]))


@pytest.mark.parametrize(
    ("documents", "fields", "share", "likeness"),
    [(60, 1, 0.2, 0), (60, 20, 0.2, 0.3), (30, 30, 0.1, 0.5), (150, 8, 0.03, 0.2)],
)
def test_interval_covers_the_rate_of_alike_fields(
    documents: int, fields: int, share: float, likeness: float
) -> None:
    def covered(rng: np.random.Generator) -> bool:
        reviews = Reviews()
        sizes = rng.integers(1, 2 * fields, documents) if fields > 1 else np.ones(documents, int)
        for wrong, size in zip(alike(rng, share, likeness, (documents, 2 * fields)), sizes, strict=True):
            reviews.add(wrong[:size])
        return covers(reviews.figures().overruled, share)

    assert 0.92 <= share_of_worlds(250, covered) <= 0.98


# What was not sent to people


def calibrated(rng: np.random.Generator, documents: int, fields: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Returns the confidence of predictions, and which are wrong: as many as the confidence says."""
    document = rng.beta(8, 2, (documents, 1))
    own = rng.beta(8, 2, (documents, fields))
    confidence = np.where(rng.random((documents, fields)) < 0.5, document, own) if fields > 1 else own
    return confidence, rng.random((documents, fields)) < 1 - confidence


def missed_in_truth(threshold: float) -> float:
    confidence, _ = calibrated(np.random.default_rng(0), 400_000)
    return float((1 - confidence[confidence >= threshold]).sum() / (1 - confidence).sum())


def missed(figures: Figures, threshold: float) -> Estimate:
    about = only_model(figures).confidence
    assert about is not None
    return about.thresholds[round(100 * threshold)].errors_missed


def test_threshold_in_use_is_not_said_to_catch_what_it_lets_pass() -> None:
    rng = np.random.default_rng(7)
    figures = reviewed(rng, *calibrated(rng, 40_000), threshold=0.8, rate=0.05).figures()
    truth = missed_in_truth(0.8)
    assert truth == pytest.approx(0.32, abs=0.01)
    assert covers(missed(figures, 0.8), truth)
    assert missed(figures, 0.8).high - missed(figures, 0.8).low < 0.1
    selection = only_model(figures).selection
    assert selection.kind == "sampled"
    assert selection.rate == pytest.approx(0.05)
    assert selection.documents == pytest.approx(40_000, rel=0.05)
    claims = said(figures)
    assert Claim.UNCHECKED not in claims
    point = claims[Claim.THRESHOLD_FOR_ALL].point
    threshold = int(re.findall(r"(\d+)% would catch at least 90% of all errors", point)[0]) / 100
    assert missed_in_truth(threshold) <= 0.1 < missed_in_truth(threshold - 0.04)


def test_fields_that_a_condition_hides_are_not_forgotten() -> None:
    # A2I shows workers only the fields that met the condition. The confident ones of the same document are seen only in
    # the sample.
    def covered(rng: np.random.Generator) -> tuple[bool, bool, bool]:
        figures = reviewed(rng, *calibrated(rng, 700, 4), threshold=0.8, rate=0.2, parts=True).figures()
        model = only_model(figures)
        return (
            model.selection.shows_parts,
            covers(model.overruled_of_all, 0.2),
            covers(missed(figures, 0.8), missed_in_truth(0.8)),
        )

    worlds = np.array([covered(np.random.default_rng((11, world))) for world in range(20)])
    seen_in_parts, rate, share_missed = worlds.mean(axis=0)
    assert seen_in_parts == 1
    # In 20 worlds, an interval of 95% covers the truth 16 times or more. Without regard to the hidden fields, it was 4.
    assert rate >= 0.8
    assert share_missed >= 0.8


def test_without_a_sample_nothing_is_said_about_all_errors() -> None:
    rng = np.random.default_rng(7)
    figures = reviewed(rng, *calibrated(rng, 10_000), threshold=0.8, rate=0).figures()
    claims = said(figures)
    assert Claim.UNCHECKED in claims
    assert Claim.THRESHOLD_FOR_ALL not in claims
    assert Claim.RATE_OF_ALL not in claims
    assert "that people corrected" in claims[Claim.THRESHOLD_TO_LOWER].because


@pytest.mark.parametrize(("documents", "fields", "rate"), [(400, 1, 0.25), (350, 4, 0.6)])
def test_intervals_for_all_predictions_cover_the_truth(documents: int, fields: int, rate: float) -> None:
    truths = {"0.8": missed_in_truth(0.8), "0.9": missed_in_truth(0.9), "rate": 0.2, "gap": 0.0}
    big, wrong = calibrated(np.random.default_rng(0), 300_000)
    truths["brier"] = float(((big - ~wrong) ** 2).mean())
    truths["auroc"] = _auroc(big.ravel(), wrong.ravel())
    covered = dict.fromkeys(truths, 0)
    for world in range(180):
        rng = np.random.default_rng((2, world))
        figures = reviewed(rng, *calibrated(rng, documents, fields), threshold=0.8, rate=rate).figures()
        model = only_model(figures)
        assert model.confidence is not None
        assert model.confidence.of_all
        for name, estimate in (
            ("0.8", missed(figures, 0.8)),
            ("0.9", missed(figures, 0.9)),
            ("rate", model.overruled_of_all),
            ("gap", model.confidence.overconfidence),
            ("brier", model.confidence.brier),
            ("auroc", model.confidence.auroc),
        ):
            covered[name] += covers(estimate, truths[name])
    assert {name: round(number / 180, 2) for name, number in covered.items() if number < 0.92 * 180} == {}


def _auroc(confidence: np.ndarray, wrong: np.ndarray) -> float:
    # The rank sum of Mann and Whitney, of confidences that are all different.
    ranks = np.empty(len(confidence))
    ranks[np.argsort(confidence)] = np.arange(1, len(confidence) + 1)
    right = ~wrong
    return float((ranks[right].sum() - right.sum() * (right.sum() + 1) / 2) / (right.sum() * wrong.sum()))


def test_small_sample_without_errors_is_no_proof() -> None:
    # About 12 sampled documents; in one of four worlds, none of them has an error.
    truth = missed_in_truth(0.8)
    covered, false = [], []
    for world in range(150):
        rng = np.random.default_rng((3, world))
        figures = reviewed(rng, *calibrated(rng, 240), threshold=0.8, rate=0.1).figures()
        model = only_model(figures)
        if model.selection.kind != "sampled" or model.confidence is None:
            continue
        covered.append(
            covers(missed(figures, 0.8), truth)
            and covers(model.overruled_of_all, 0.2)
            and covers(model.confidence.overconfidence, 0)
        )
        false.append(Claim.THRESHOLD_FOR_ALL in said(figures))
    assert len(covered) > 100
    assert np.mean(covered) >= 0.92
    assert np.mean(false) <= 0.05


def test_sample_without_an_error_proves_no_threshold() -> None:
    # All errors are in predictions below 0.8, or above 0.97, where the sample is small.
    def claimed(rng: np.random.Generator) -> bool:
        confidence = np.where(rng.random((400, 1)) < 0.5, 0.7, 0.98)
        wrong = rng.random((400, 1)) < np.where(confidence < 0.8, 0.3, 0.1)
        return Claim.THRESHOLD_FOR_ALL in said(
            reviewed(rng, confidence, wrong, threshold=0.8, rate=0.2).figures()
        )

    assert share_of_worlds(60, claimed) <= 0.05


# Fields, models and time


def test_one_of_many_equal_fields_is_not_named() -> None:
    names = [f"field {number}" for number in range(200)]

    def claimed(rng: np.random.Generator) -> bool:
        reviews = Reviews()
        for wrong in alike(rng, 0.2, 0.1, (60, 200)):
            reviews.add(wrong, names=names)
        return Claim.FIELD_STANDS_OUT in said(reviews.figures())

    assert share_of_worlds(40, claimed) <= 0.05


def test_field_that_is_overruled_more_is_named() -> None:
    names = [f"field {number}" for number in range(50)]
    rates = np.full(50, 0.1)
    rates[17] = 0.4

    def claimed(rng: np.random.Generator) -> bool:
        reviews = Reviews()
        for wrong in alike(rng, rates, 0.1, (80, 50)):
            reviews.add(wrong, names=names)
        found = said(reviews.figures()).get(Claim.FIELD_STANDS_OUT)
        return found is not None and "“field 17”" in found.point

    assert share_of_worlds(10, claimed) >= 0.8


def in_time(
    rng: np.random.Generator, early: np.ndarray, late: np.ndarray, mix: tuple[float, float] | None = None
) -> Figures:
    """Returns the figures of 240 documents with 20 fields that are alike, or of one of two fields in a changing mix."""
    reviews = Reviews()
    days = np.sort(rng.integers(0, 30, 240))
    for day in days:
        rates = early + (late - early) * (day / 29)
        if mix is None:
            reviews.add(
                alike(rng, rates, 0.3, (1, len(rates)))[0], names=[str(n) for n in range(len(rates))], day=day
            )
        else:
            which = int(rng.random() < mix[0] + (mix[1] - mix[0]) * day / 29)
            reviews.add([rng.random() < rates[which]], names=[str(which)], day=day)
    return reviews.figures()


def moves(figures: Figures) -> bool:
    return bool({Claim.RISING, Claim.FALLING} & set(said(figures)))


def test_chance_is_no_trend() -> None:
    rates = np.full(20, 0.2)
    assert share_of_worlds(80, lambda rng: moves(in_time(rng, rates, rates))) <= 0.05


def test_change_of_mix_is_no_trend() -> None:
    rates = np.array([0.05, 0.5])
    # The rate over both fields doubles.
    assert share_of_worlds(60, lambda rng: moves(in_time(rng, rates, rates, (0.2, 0.8)))) <= 0.05


def test_trend_is_found() -> None:
    early, late = np.full(20, 0.08), np.full(20, 0.35)
    found = share_of_worlds(15, lambda rng: Claim.RISING in said(in_time(rng, early, late)))
    assert found >= 0.8
    falls = share_of_worlds(15, lambda rng: Claim.FALLING in said(in_time(rng, late, early)))
    assert falls >= 0.8


def sure(
    rng: np.random.Generator, reviews: Reviews, flow: str, gap: float, documents: int = 150, fields: int = 6
) -> Reviews:
    """Adds documents of a model whose confidence is too high by `gap`; the fields of a document are alike."""
    confidence = rng.uniform(0.5, 0.95, (documents, fields))
    shift = rng.normal(0, 0.15, (documents, 1))
    wrong = rng.random((documents, fields)) < np.clip(1 - confidence + gap + shift, 0, 1)
    for place in range(documents):
        reviews.add(wrong[place], confidence[place], flow=flow, day=int(rng.integers(0, 30)))
    return reviews


def test_models_are_not_pooled() -> None:
    rng = np.random.default_rng(4)
    reviews = Reviews()
    for flow in ("a", "b", "c"):
        sure(rng, reviews, flow, 0.08, documents=300)
    sure(rng, reviews, "d", -0.24, documents=300)
    claims = said(reviews.figures())
    assert claims[Claim.OVERCONFIDENT].point == "The models of “a”, “b” and “c” are overconfident."
    assert claims[Claim.UNDERCONFIDENT].point == "The model of “d” is underconfident."
    assert Claim.RELIABLE not in claims


def test_calibrated_model_is_not_overconfident() -> None:
    wrong_claims = {Claim.OVERCONFIDENT, Claim.UNDERCONFIDENT, Claim.UNEVEN, Claim.RANKS_BADLY}

    def claimed(rng: np.random.Generator) -> bool:
        return bool(wrong_claims & set(said(sure(rng, Reviews(), "a", 0.0).figures())))

    assert share_of_worlds(80, claimed) <= 0.05


def test_overconfident_model_is_found() -> None:
    found = share_of_worlds(
        12, lambda rng: Claim.OVERCONFIDENT in said(sure(rng, Reviews(), "a", 0.1).figures())
    )
    assert found >= 0.8
