"""How reviews were chosen: by activation conditions, or at random by A2I's Sampling.

A review that meets another condition than Sampling is certain to take place. One that meets only Sampling takes place
with the rate of the sample, so it stands for 1/rate documents (D. G. Horvitz and D. J. Thompson, 1952, Journal of the
American Statistical Association 47, 663-685). Custom tasks have no conditions: a program decided, and nothing says how.

Source of the conditions: "JSON Schema for Human Loop Activation Conditions in Amazon Augmented AI", Amazon SageMaker
Developer Guide. `lambdas.reviews.output` makes their names.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

__all__ = ["BY_CONDITION", "UNKNOWN", "SelectionCounts", "sampling_rate", "stratum_of"]

BY_CONDITION = "condition"
UNKNOWN = "unknown"

MIN_SAMPLED = 10
"""A random sample with fewer reviews does not speak for the other documents."""

MAX_SAMPLES = 4
"""How many samples (with different rates) are counted separately in one model. Each needs its own sums."""

_SAMPLING = re.compile(r"Sampling\((?:RandomSamplingPercentage=(\d+(?:\.\d+)?))?.*\)|Sampling", re.IGNORECASE)


@lru_cache(4096)
def sampling_rate(condition: str) -> float | None:
    """Returns the rate of a Sampling condition, 0 to 1; NaN if its name has none; None for another condition."""
    match = _SAMPLING.fullmatch(condition)
    if match is None:
        return None
    rate = float(match[1] or "nan") / 100
    return rate if 0 < rate <= 1 else math.nan


def stratum_of(conditions: Iterable[str]) -> str:
    """Returns why a review took place: BY_CONDITION, UNKNOWN, or the names of the Sampling conditions."""
    conditions = set(conditions)
    if not conditions:
        return UNKNOWN
    samples = {name for name in conditions if sampling_rate(name) is not None}
    return "\n".join(sorted(samples)) if samples == conditions else BY_CONDITION


class SelectionCounts:
    """Counts why the reviews of a model took place."""

    MAX_UNKNOWN_SHARE = 0.05
    """If more of the reviews say nothing about why they took place, nothing is said about all documents."""

    def __init__(self) -> None:
        self.reviews: Counter[str] = Counter()
        self._with_sampling: Counter[str] = Counter()

    def add(self, conditions: Sequence[str]) -> str:
        """Counts a review, and returns its stratum."""
        stratum = stratum_of(conditions)
        if stratum not in self.reviews and len(self._samples()) >= MAX_SAMPLES and stratum != BY_CONDITION:
            stratum = UNKNOWN
        self.reviews[stratum] += 1
        if stratum == BY_CONDITION:
            for name in set(conditions):
                if sampling_rate(name) is not None:
                    self._with_sampling[name] += 1
        return stratum

    @property
    def by_sampling(self) -> int:
        """The reviews that took place by chance alone."""
        return self.reviews.total() - self.reviews[BY_CONDITION] - self.reviews[UNKNOWN]

    @property
    def kind(self) -> Literal["sampled", "conditions", "unknown"]:
        """See `Selection.kind`."""
        total = self.reviews.total()
        if not total or self.reviews[UNKNOWN] > self.MAX_UNKNOWN_SHARE * total:
            return "unknown"
        if self.by_sampling < MIN_SAMPLED:
            return "conditions"
        known = all(0 < rate <= 1 for rate in self._rates().values())
        if not known or self._sampling_is_part_of_a_condition() or self._sampling_was_off_for_a_while():
            return "unknown"
        return "sampled"

    def weights(self) -> Mapping[str, float]:
        """Returns the number of documents that a review stands for, by stratum. Only if `kind` is "sampled"."""
        return {BY_CONDITION: 1.0} | {stratum: 1 / rate for stratum, rate in self._rates().items()}

    def _rates(self) -> dict[str, float]:
        strata = self._samples()
        rates = {stratum: _either(stratum.split("\n")) for stratum in strata}
        if any("\n" in stratum for stratum in strata):
            # Several samples at the same time: either of them is enough.
            both = _either({name for stratum in strata for name in stratum.split("\n")})
            return dict.fromkeys(strata, both)
        return rates

    def _samples(self) -> list[str]:
        return [stratum for stratum in self.reviews if stratum not in (BY_CONDITION, UNKNOWN)]

    def _sampling_is_part_of_a_condition(self) -> bool:
        """Returns whether Sampling is met so often together with other conditions that it is not a sample of its own.

        "Sampling and low confidence" samples among the low confidences, and its name does not show that. Chernoff's
        bound of the probability that independent conditions are met together so often is below one in 10,000.
        """
        n = self.reviews[BY_CONDITION]
        for name, both in self._with_sampling.items():
            rate = sampling_rate(name)
            if rate is None or math.isnan(rate):
                return True
            share = both / n
            if share > rate:
                distance = share * math.log(share / rate)
                if share < 1:
                    distance += (1 - share) * math.log((1 - share) / (1 - rate))
                if n * distance > math.log(10_000):
                    return True
        return False

    def _sampling_was_off_for_a_while(self) -> bool:
        """Returns whether Sampling is met too rarely together with other conditions to have been at work all the time.

        A flow definition that was made again under its name, with a sample, says nothing about the time before. Each
        review that met a sample and a condition stands for 1/rate reviews that met a condition, so they should stand
        for all of them. If none met both, A2I may not report a sample beside a condition.
        """
        n = self.reviews[BY_CONDITION]
        found = [(both, sampling_rate(name) or math.nan) for name, both in self._with_sampling.items()]
        if not found:
            return False
        stands_for = sum(both / rate for both, rate in found)
        rate = sum(both for both, _ in found) / stands_for
        return stands_for < n - 4 * math.sqrt(n * (1 - rate) / rate)


def _either(names: Iterable[str]) -> float:
    """Returns the rate with which any of independent samples draws a document."""
    rates = [rate for name in names if (rate := sampling_rate(name)) is not None]
    return rates[0] if len(rates) == 1 else 1 - math.prod(1 - rate for rate in rates)
