"""Tests of the limit for the number of field names."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from workflow.operations.report import field_counts
from workflow.operations.report.field_counts import FieldCounts
from workflow.operations.report.figures import OTHER_FIELDS


def test_frequent_name_is_counted_whenever_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_counts, "MAX_FIELD_NAMES", 20)
    rng = np.random.default_rng(5)
    rare = [f"rare {number}" for number in rng.integers(0, 2_000, 3_000)]
    late = [f"late {number}" for number in rng.integers(0, 5, 300)]
    names = rare[:2_000] + [name for pair in zip(late, rare[2_000:2_300], strict=True) for name in pair]
    counts = FieldCounts()
    for place, name in enumerate(names):
        one = counts.of("invoices", name)
        one.fields += 1
        one.outcomes["kept"] = one.outcomes.get("kept", 0) + 1
        one.overruled.add(place % 2, 1)
        counts.make_room()
    figures = {one.field.name: one for one in counts.figures()}
    assert len(figures) <= 2 * 20 + 1
    for name, number in Counter(late).items():
        assert number - counts.low_by <= figures[name].overruled.n <= number
    assert figures[OTHER_FIELDS].kept == counts.not_counted_by_name
    assert sum(one.kept for one in figures.values()) == counts.outcomes["kept"] == len(names)
    assert sum(one.overruled.n for one in figures.values()) == len(names)


def test_nothing_is_counted_together_below_the_limit() -> None:
    counts = FieldCounts()
    counts.of("invoices", "total").fields += 1
    counts.make_room()
    assert (counts.not_counted_by_name, counts.low_by) == (0, 0)
    assert [one.field.name for one in counts.figures()] == ["total"]
