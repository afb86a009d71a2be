"""Tests of the findings: each is said where it is true, and not where it is not."""

from __future__ import annotations

import pytest

from tests.unit.workflow.operations.report.worlds import CLAIMS, World
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
