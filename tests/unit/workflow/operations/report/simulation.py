"""Worlds in which the truth is known: what a model gets wrong, how sure it is, and which reviews take place.

The reviews go through the code that counts real ones, one step after a record is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from workflow.operations.report.figures import Costs, Figures, ModelFigures
from workflow.operations.report.statistics import ReviewStatistics
from workflow.operations.reviews_source import Period

__all__ = [
    "CONDITION",
    "JANUARY",
    "Reviews",
    "alike",
    "only_model",
    "reviewed",
    "sampling",
]

JANUARY = Period(date(2026, 1, 1), date(2026, 1, 31))
CONDITION = "ImportantFormKeyConfidenceCheck(Total, KeyValueBlockConfidenceLessThan=80)"

Array = npt.NDArray[Any]


def sampling(rate: float) -> str:
    """Returns the name of a Sampling condition."""
    return f"Sampling(RandomSamplingPercentage={100 * rate:g})"


@lru_cache(100_000)
def _field(name: str, wrong: bool, confidence: float | None) -> dict[str, Any]:
    return {
        "name": name,
        "predicted": '"1"',
        "confidence": confidence,
        "outcome": "changed" if wrong else "kept",
        "agreement": None,
        "compared": True,
    }


@dataclass
class Reviews:
    """Reviews of a period of 30 days, to be counted."""

    statistics: ReviewStatistics = field(default_factory=lambda: ReviewStatistics(JANUARY))

    def add(
        self,
        wrong: Sequence[bool] | Array,
        confidence: Sequence[float] | Array | None = None,
        *,
        names: Sequence[str] | None = None,
        flow: str = "invoices",
        day: int = 0,
        conditions: Iterable[str] = (),
        version: str | None = None,
        agreements: Sequence[float] | None = None,
    ) -> Reviews:
        """Adds a review: which of its fields are wrong, and how confident the model is of each."""
        fields = [
            _field(
                names[place] if names else "total",
                bool(bad),
                None if confidence is None else float(confidence[place]),
            )
            for place, bad in enumerate(wrong)
        ]
        if agreements is not None:
            fields = [
                {**part, "agreement": agreement} for part, agreement in zip(fields, agreements, strict=True)
            ]
        record: Any = {
            "schema_version": 1,
            "flow_definition": flow,
            "status": "Completed",
            "created_at": f"{JANUARY.first + timedelta(days=int(day))}T10:00:00.000Z",
            "activation_conditions": list(conditions),
            "answers": [{"seconds_spent": 10.0}] * (1 if agreements is None else 3),
            "fields": fields,
            "agreement": None if agreements is None else sum(agreements) / len(agreements),
            "overruled": any(part["outcome"] != "kept" for part in fields),
            "invented": False,
            "prediction_source": "settings",
            "model_version": version,
        }
        self.statistics.count(record)
        return self

    def figures(self, costs: Costs | None = None) -> Figures:
        """Returns the figures of the reviews so far."""
        return self.statistics.figures(costs)

    def model(self, costs: Costs | None = None) -> ModelFigures:
        """Returns the figures of the only model."""
        return only_model(self.figures(costs))


def only_model(figures: Figures) -> ModelFigures:
    """Returns the figures of the only model."""
    (model,) = figures.models
    return model


def alike(rng: np.random.Generator, share: float | Array, likeness: float, shape: tuple[int, int]) -> Array:
    """Returns which fields of documents are wrong.

    Each document has a probability of its own (beta-binomial), so that its fields are alike.

    Args:
        rng: The random numbers.
        share: The share of wrong fields, for all or for each field.
        likeness: The correlation between two fields of a document, 0 to less than 1.
        shape: The number of documents and of fields in each.
    """
    documents, _ = shape
    if likeness:
        strength = (1 - likeness) / likeness
        # With a share for each field, the document shifts all of them by the same quantile.
        if np.ndim(share) == 0:
            chance = rng.beta(share * strength, (1 - np.asarray(share)) * strength, (documents, 1))
        else:
            chance = np.clip(share * rng.gamma(1 / likeness, likeness, (documents, 1)), 0, 1)
    else:
        chance = np.broadcast_to(share, shape)
    found: Array = rng.random(shape) < chance
    return found


def reviewed(
    rng: np.random.Generator,
    confidence: Array,
    wrong: Array,
    *,
    threshold: float,
    rate: float,
    reviews: Reviews | None = None,
    flow: str = "invoices",
    parts: bool = False,
) -> Reviews:
    """Reviews the documents with a confidence below the threshold, and a random sample of all of them.

    Args:
        rng: The random numbers.
        confidence: The confidence of each field (columns) of each document (rows).
        wrong: Which fields are wrong, in the same shape.
        threshold: The threshold.
        rate: The rate of the sample, 0 for none.
        reviews: The reviews to add to.
        flow: The flow definition.
        parts: Whether workers see only the fields below the threshold, unless the document is in the sample.
    """
    reviews = reviews or Reviews()
    below = (confidence < threshold).any(axis=1)
    drawn = rng.random(len(confidence)) < rate
    days = rng.integers(0, 30, len(confidence))
    for place in np.flatnonzero(below | drawn):
        conditions = [CONDITION] * bool(below[place]) + [sampling(rate)] * bool(drawn[place])
        shown = confidence[place] < threshold if parts and not drawn[place] else slice(None)
        reviews.add(
            wrong[place][shown],
            confidence[place][shown],
            day=int(days[place]),
            conditions=conditions,
            flow=flow,
        )
    return reviews
