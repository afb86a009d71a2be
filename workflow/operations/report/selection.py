"""How reviews were chosen: by activation conditions, or at random by A2I's Sampling.

A review that meets another condition than Sampling is certain to take place. One that meets only Sampling takes place
with the rate of the sample, so it stands for 1/rate documents (D. G. Horvitz and D. J. Thompson, 1952, Journal of the
American Statistical Association 47, 663-685). Custom tasks have no conditions: a program decided, and nothing says how.

A2I shows workers the part of a prediction that met the conditions, `selectedAiServiceResponse`, and the whole of it if
Sampling was met. If reviews of a condition show only a part, the rest of the same document is seen by chance alone. The
estimates then rest on the reviews that met Sampling, with or without another condition: a random sample of all
documents, each seen as a whole.

Source of the conditions: "JSON Schema for Human Loop Activation Conditions in Amazon Augmented AI", Amazon SageMaker
Developer Guide. `lambdas.reviews.output` makes their names.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Literal

from workflow.operations.report.estimation import ClusterSums

__all__ = ["BY_CONDITION", "UNKNOWN", "SelectionCounts", "sampling_rate", "stratum_of", "without_sample"]

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
    """Returns why a review took place.

    BY_CONDITION, UNKNOWN, the names of the Sampling conditions, or BY_CONDITION and these names: one in a line.
    """
    conditions = set(conditions)
    if not conditions:
        return UNKNOWN
    samples = sorted(name for name in conditions if sampling_rate(name) is not None)
    return "\n".join(samples if len(samples) == len(conditions) else [BY_CONDITION, *samples])


def without_sample(stratum: str) -> str:
    """Returns BY_CONDITION for a stratum of reviews that met a condition, with or without Sampling."""
    return BY_CONDITION if stratum.partition("\n")[0] == BY_CONDITION else stratum


def _samples_of(stratum: str) -> list[str]:
    return [name for name in stratum.split("\n") if name not in (BY_CONDITION, UNKNOWN)]


class SelectionCounts:
    """Counts why the reviews of a model took place."""

    MAX_UNKNOWN_SHARE = 0.05
    """If more of the reviews say nothing about why they took place, nothing is said about all documents."""

    def __init__(self) -> None:
        self.reviews: Counter[str] = Counter()
        self._with_sampling: Counter[str] = Counter()
        # The predictions (x) by review.
        self._predictions: defaultdict[str, ClusterSums] = defaultdict(ClusterSums)

    def add(self, conditions: Sequence[str], predictions: int = 1) -> str:
        """Counts a review with a number of predictions, and returns its stratum."""
        stratum = stratum_of(conditions)
        by_condition = without_sample(stratum) == BY_CONDITION
        if by_condition:
            for name in _samples_of(stratum):
                self._with_sampling[name] += 1
        is_new = stratum not in self.reviews and stratum != BY_CONDITION
        if is_new and len(self._with_both() if by_condition else self.alone) >= MAX_SAMPLES:
            stratum = BY_CONDITION if by_condition else UNKNOWN
        self.reviews[stratum] += 1
        self._predictions[stratum].add(0, predictions)
        return stratum

    @property
    def by_condition(self) -> int:
        """The reviews that met another condition than Sampling."""
        return self.reviews[BY_CONDITION] + sum(self.reviews[stratum] for stratum in self._with_both())

    @property
    def by_sampling(self) -> int:
        """The reviews that took place by chance alone."""
        return self.reviews.total() - self.by_condition - self.reviews[UNKNOWN]

    @property
    def alone(self) -> list[str]:
        """The strata of reviews that met only Sampling."""
        return [stratum for stratum in self._samples() if without_sample(stratum) != BY_CONDITION]

    @property
    def sample(self) -> set[str]:
        """The strata whose reviews stand for documents that nobody saw, or did not see as a whole."""
        return set(self._samples() if self.shows_parts else self.alone)

    @property
    def shows_parts(self) -> bool:
        """Whether reviews of a condition show only the predictions that met it, and not the whole document.

        Sampling does not depend on what is in a document. So the documents that met a condition have as many
        predictions with Sampling as without it, unless the latter are not all shown. (Welch's test: B. L. Welch, 1947,
        Biometrika 34, 28-35.) With few that met both, those that met only Sampling count too: they rarely have more
        predictions than those that met a condition.
        """
        if self.reviews[BY_CONDITION] < MIN_SAMPLED:
            return False
        both = self._with_both()
        if sum(self.reviews[stratum] for stratum in both) >= MIN_SAMPLED:
            return self._have_more(both, z=2.58)
        return self._have_more(self._samples(), z=4)

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
        whole = sum(self.reviews[stratum] for stratum in self._with_both())
        return "unknown" if self.shows_parts and whole < MIN_SAMPLED else "sampled"

    def weights(self) -> Mapping[str, float]:
        """Returns the number of documents that a review stands for, by stratum. Only if `kind` is "sampled"."""
        weights = {stratum: 1 / rate for stratum, rate in self._rates().items()}
        if self.shows_parts:
            return weights
        return weights | dict.fromkeys([BY_CONDITION, *self._with_both()], 1.0)

    def _have_more(self, strata: Sequence[str], z: float) -> bool:
        """Returns whether reviews have more predictions than those that met a condition without Sampling."""
        one = _mean_and_variance(self.reviews[BY_CONDITION], [self._predictions[BY_CONDITION]])
        other = _mean_and_variance(
            sum(self.reviews[stratum] for stratum in strata),
            [self._predictions[stratum] for stratum in strata],
        )
        return other[0] - one[0] > z * math.sqrt(one[1] + other[1])

    def _rates(self) -> dict[str, float]:
        strata = self._samples()
        if any(len(_samples_of(stratum)) > 1 for stratum in strata):
            # Several samples at the same time: either of them is enough.
            names = {name for stratum in strata for name in _samples_of(stratum)}
            return dict.fromkeys(strata, _either(names))
        return {stratum: _either(_samples_of(stratum)) for stratum in strata}

    def _samples(self) -> list[str]:
        """The strata of reviews that met Sampling, with another condition or without."""
        return [stratum for stratum in self.reviews if stratum not in (BY_CONDITION, UNKNOWN)]

    def _with_both(self) -> list[str]:
        """The strata of reviews that met Sampling and another condition."""
        return [stratum for stratum in self._samples() if without_sample(stratum) == BY_CONDITION]

    def _sampling_is_part_of_a_condition(self) -> bool:
        """Returns whether Sampling is met so often together with other conditions that it is not a sample of its own.

        "Sampling and low confidence" samples among the low confidences, and its name does not show that. Chernoff's
        bound of the probability that independent conditions are met together so often is below one in 10,000.
        """
        n = self.by_condition
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
        n = self.by_condition
        found = [(both, sampling_rate(name) or math.nan) for name, both in self._with_sampling.items()]
        if not found:
            return False
        stands_for = sum(both / rate for both, rate in found)
        rate = sum(both for both, _ in found) / stands_for
        return stands_for < n - 4 * math.sqrt(n * (1 - rate) / rate)


def _mean_and_variance(reviews: int, parts: Sequence[ClusterSums]) -> tuple[float, float]:
    """Returns the mean number of predictions of reviews, and its variance; (0, 0) for fewer than two reviews."""
    if reviews < 2:
        return 0.0, 0.0
    mean = sum(part.x for part in parts) / reviews
    spread = sum(part.xx for part in parts) - reviews * mean * mean
    return mean, max(0.0, spread) / (reviews - 1) / reviews


def _either(names: Iterable[str]) -> float:
    """Returns the rate with which any of independent samples draws a document."""
    rates = [rate for name in names if (rate := sampling_rate(name)) is not None]
    return rates[0] if len(rates) == 1 else 1 - math.prod(1 - rate for rate in rates)
