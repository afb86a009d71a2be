"""Tests of the findings: each is said where it is true, and not where it is not."""

from __future__ import annotations

import math
import random
import re

import pytest

from tests.unit.workflow.operations.report.simulation import CONDITION, Reviews, sampling
from tests.unit.workflow.operations.report.worlds import CLAIMS, World
from workflow.operations.report.figures import Costs, Estimate, ModelFigures
from workflow.operations.report.findings import Claim, findings


def said(world: World) -> dict[Claim, str]:
    return {one.claim: f"{one.point} {one.because}" for one in findings(world.figures, world.facts)}


def test_each_claim_has_a_world_in_which_it_is_true_and_one_in_which_it_is_not() -> None:
    assert set(CLAIMS) == set(Claim)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_claim_is_said_where_it_is_true(claim: Claim) -> None:
    assert claim in said(CLAIMS[claim].said())


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_claim_is_not_said_where_it_is_not_true(claim: Claim) -> None:
    world = CLAIMS[claim].not_said()
    assert world.figures.reviews
    assert claim not in said(world)


def extreme_world(chance: random.Random) -> World:
    """Few or many reviews, all right or all wrong, sure of everything or nothing, chosen in any way, at any price."""
    reviews = Reviews()
    rate = chance.choice([0, 0.02, 0.5, 0.98, 1])
    confidences = chance.choice([[0.0], [1.0], [0.0, 1.0], [0.5, 0.7, 0.9], None])
    conditions = [[], [CONDITION], [sampling(0.05)], [CONDITION, sampling(0.05)], [sampling(1)], ["Sampling"]]
    conditions = chance.choice([conditions, [[CONDITION], [sampling(0.05)]]])
    for _ in range(chance.choice([1, 2, 5, 40, 150])):
        number = chance.choice([0, 1, 1, 3, 12])
        reviews.add(
            [chance.random() < rate for _ in range(number)],
            confidences and [chance.choice(confidences) for _ in range(number)],
            names=[chance.choice("xyz") for _ in range(number)],
            flow=chance.choice("ab"),
            day=chance.randint(0, 29),
            conditions=chance.choice(conditions),
            version=chance.choice([None, "1", "2"]),
            agreements=[chance.choice([1.0, 0.5]) for _ in range(number)] if number > 1 else None,
        )
    return World(reviews.figures(Costs(chance.choice([1e-9, 1, 1e12]), chance.choice([1e-9, 1, 1e12]))))


def estimates(model: ModelFigures) -> list[Estimate]:
    found = [model.overruled_of_all]
    if model.trend is not None:
        found.append(model.trend.difference)
    if (about := model.confidence) is not None:
        found += [about.overconfidence, about.brier, about.auroc]
        found += [band.kept for band in about.bands]
        found += [one.errors_missed for one in about.thresholds]
        found += [point.cost for point in about.costs.points] if about.costs else []
    return [estimate for estimate in found if estimate.known]


@pytest.mark.parametrize("seed", range(80))
def test_extreme_figures_have_finite_intervals_and_no_missing_values(seed: int) -> None:
    world = extreme_world(random.Random(seed))
    for text in said(world).values():
        assert not re.search(r"\b(nan|inf|None)\b", text)
    for model in world.figures.models:
        for estimate in estimates(model):
            assert all(map(math.isfinite, estimate))
            assert estimate.low <= estimate.value * (1 + 1e-9) + 1e-9
            assert estimate.value <= estimate.high * (1 + 1e-9) + 1e-9
