"""The names of claims."""

from __future__ import annotations

import pytest

from lambdas.loops.claims import claim_id


@pytest.mark.parametrize(
    ("time", "claim"),
    [
        ("2026-03-04T05:06:07Z", "2026-03-04T05:06:07.000Z Failed"),
        ("2026-03-04T05:06:07.89Z", "2026-03-04T05:06:07.890Z Failed"),
        ("2026-03-04T05:06:07.890999Z", "2026-03-04T05:06:07.890Z Failed"),
        ("4 March", "4 March Failed"),
    ],
)
def test_claim_id_has_milliseconds(time: str, claim: str) -> None:
    assert claim_id(time, "Failed") == claim
