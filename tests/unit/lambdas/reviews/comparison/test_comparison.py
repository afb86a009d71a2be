from __future__ import annotations

from typing import Any

from hypothesis import given

from lambdas.reviews.comparison import compare
from tests import review_samples as samples


@given(samples.any_output)
def test_every_review_accounts_for_every_worker_in_every_row(document: dict[str, Any]) -> None:
    rows = compare(samples.parsed(document))
    workers = len(document["humanAnswers"])
    assert all(len(row.said) == workers for row in rows)
    assert all(
        row.predicted is not None or any(value is not None for value in row.said) or row.kind != "box"
        for row in rows
    )
    assert not rows or workers
