"""Whether two values of a field are the same, as the comparison of a review decides it."""

from __future__ import annotations

from typing import Any

from lambdas.reviews.comparison.rows import Row, Scored
from lambdas.reviews.consolidation import consolidate
from lambdas.reviews.rules import FieldSettings


def is_same(predicted: Any, answered: Any, **settings: Any) -> bool:
    """Compares a prediction with the answer of a worker."""
    row = Row("f", "other", Scored(predicted), [answered])
    return consolidate(row, FieldSettings(**settings)).outcome == "kept"
