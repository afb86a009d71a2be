from __future__ import annotations

from typing import Any

from hypothesis import given

from lambdas.reviews.comparison import compare
from tests import review_samples as samples


@given(samples.any_output)
def test_every_row_has_a_value_per_worker(document: dict[str, Any]) -> None:
    rows = compare(samples.parsed(document)).rows
    workers = len(document["humanAnswers"])
    assert all(len(row.answers) == workers for row in rows)
    assert all(
        row.predicted is not None or any(value is not None for value in row.answers) or row.kind != "box"
        for row in rows
    )
    assert not rows or workers
