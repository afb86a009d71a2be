"""Intervals for shares and means when what is counted comes in groups, and the groups have weights.

The fields of a document are alike: where the scan is bad, all of them are wrong. So the independent cases are the
documents (reviews), not their fields. A share of fields is a ratio of two totals over reviews, and its variance is that
of the reviews' residuals (Taylor linearization; W. G. Cochran, Sampling Techniques, 3rd edition 1977, section 6.4). The
interval is Wilson's, for the number of independent cases that would have this variance. E. L. Korn and B. I. Graubard
(1998, Survey Methodology 24, 193-201) introduced this effective sample size, with its correction for few clusters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

__all__ = [
    "UNKNOWN",
    "ClusterSums",
    "Estimate",
    "estimate",
    "mean",
    "normal_quantile",
    "satterthwaite",
    "student_quantile",
    "wilson_interval",
]

_NORMAL = NormalDist()


def normal_quantile(probability: float) -> float:
    """Returns the quantile of the standard normal distribution."""
    return _NORMAL.inv_cdf(probability)


def student_quantile(probability: float, degrees: float) -> float:
    """Returns the quantile of Student's t distribution, for a probability above 0.5.

    It is exact for 1 and 2 degrees of freedom, and interpolated between them. For more, it is the expansion 26.7.5 of
    M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions (1964).
    At the 97.5% quantile its error is below 1% from 3 degrees of freedom on.
    """
    if degrees <= 2:
        one = math.tan(math.pi * (probability - 0.5))
        two = (2 * probability - 1) / math.sqrt(2 * probability * (1 - probability))
        return float(one * (two / one) ** (max(1.0, degrees) - 1))
    z = normal_quantile(probability)
    return (
        z
        + (z**3 + z) / (4 * degrees)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * degrees**4)
    )


def wilson_interval(hits: float, n: float, alpha: float = 0.05) -> tuple[float, float]:
    """Returns the Wilson score interval of a share, 95% by default.

    The interval stays within 0 to 1, and holds for small samples and for shares near the ends, unlike the normal
    approximation (E. B. Wilson, 1927, Journal of the American Statistical Association 22, 209-212).

    Args:
        hits: The cases that have the property. Need not be whole, and neither need `n`.
        n: All cases.
        alpha: The probability with which the interval misses the share.

    Returns:
        The lower and upper bound; (0, 1) if `n` is 0.
    """
    if n == 0:
        return 0.0, 1.0
    z = normal_quantile(1 - alpha / 2)
    share = hits / n
    spread = z * math.sqrt(max(0.0, share * (1 - share)) / n + z * z / (4 * n * n))
    centre = share + z * z / (2 * n)
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


class Estimate(NamedTuple):
    """A figure with its 95% confidence interval. All three are NaN if it is unknown."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """The lower and the upper bound."""
        return self.low, self.high

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return not math.isnan(self.value)

    def bounds(self, alpha: float) -> tuple[float, float]:
        """Returns the bounds of an interval that misses the true value with a probability of about `alpha`."""
        factor = normal_quantile(1 - alpha / 2) / normal_quantile(0.975)
        return self.value - factor * (self.value - self.low), self.value + factor * (self.high - self.value)


UNKNOWN = Estimate(math.nan, math.nan, math.nan)


@dataclass(slots=True)
class ClusterSums:
    """The sums over reviews that a share of fields, and its interval, need. `y` of the `x` fields of a review are hits.

    Attributes:
        clusters: The reviews with any such field.
        y: The sum of y.
        x: The sum of x.
        yy: The sum of y².
        xy: The sum of x·y.
        xx: The sum of x².
    """

    clusters: int = 0
    y: float = 0
    x: float = 0
    yy: float = 0
    xy: float = 0
    xx: float = 0

    def add(self, y: float, x: float) -> None:
        """Counts a review."""
        if x:
            self.clusters += 1
            self.y += y
            self.x += x
            self.yy += y * y
            self.xy += x * y
            self.xx += x * x

    def __add__(self, other: ClusterSums) -> ClusterSums:
        """Returns the sums over the reviews of both, which must not have reviews in common."""
        return ClusterSums(
            self.clusters + other.clusters,
            self.y + other.y,
            self.x + other.x,
            self.yy + other.yy,
            self.xy + other.xy,
            self.xx + other.xx,
        )

    @property
    def ratio(self) -> float:
        """The share of hits, or the mean of y per x; NaN without any."""
        return self.y / self.x if self.x else math.nan

    def spread(self, ratio: float) -> float:
        """Returns the sum of the squares of the residuals y - ratio·x."""
        return max(0.0, self.yy - 2 * ratio * self.xy + ratio * ratio * self.xx)

    @property
    def degrees(self) -> float:
        """The degrees of freedom of the spread: the number of reviews that have the rarer of hits and misses.

        If errors are rare, the spread comes from the few reviews that have one, however many reviews there are. L. Kish
        (Survey Sampling, 1965, section 11.7) counts them: as many equal ones would vary as much.
        """
        misses, squares = self.x - self.y, self.yy - 2 * self.xy + self.xx
        rarer = [
            total * total / square for total, square in ((self.y, self.yy), (misses, squares)) if square > 0
        ]
        return max(1.0, min([*rarer, self.clusters - 1]))

    @property
    def effective_n(self) -> float:
        """The number of independent cases that would say as much about the share as these do; 0 without any."""
        return _effective_n([(1.0, self)]) if self.x else 0.0


def estimate(strata: Sequence[tuple[float, ClusterSums]]) -> Estimate:
    """Returns a share that was estimated from reviews with weights, with its 95% interval.

    Args:
        strata: The sums over the reviews with the same weight, with that weight: the number of reviews that each of
            them stands for.

    Returns:
        The share; unknown if there are no cases.
    """
    known = [(weight, sums) for weight, sums in strata if sums.x > 0]
    if not known:
        return UNKNOWN
    # Also those without a case, because it may be by chance that they have none.
    heaviest = max(weight for weight, _ in strata)
    y = sum(weight * sums.y for weight, sums in known)
    x = sum(weight * sums.x for weight, sums in known)
    n = min(_effective_n(known), math.inf if 0 < y < x else x / heaviest)
    low, high = wilson_interval(y / x * n, n)
    if heaviest > min(weight for weight, _ in strata):
        # The few reviews that stand for many show no hit (or no miss), which is no proof that there is none: so many
        # could be missed by chance, according to Wilson's interval for 0 hits.
        unseen = heaviest * _NORMAL.inv_cdf(0.975) ** 2
        sampled = [sums for weight, sums in strata if weight == heaviest]
        if not sum(sums.y for sums in sampled):
            high = max(high, (y + unseen) / (x + unseen))
        if not sum(sums.x - sums.y for sums in sampled):
            low = min(low, y / (x + unseen))
    return Estimate(y / x, low, high)


def mean(
    strata: Sequence[tuple[float, ClusterSums]],
    low: float,
    high: float,
    degrees: Sequence[float] | None = None,
) -> Estimate:
    """Returns the mean of a quantity per case, with its 95% t interval; unknown if there are no cases.

    Args:
        strata: See `estimate`.
        low: The lowest possible mean.
        high: The highest possible mean.
        degrees: The degrees of freedom of each stratum; one less than its reviews by default.
    """
    if not any(sums.x for _, sums in strata):
        return UNKNOWN
    clusters = sum(sums.clusters for _, sums in strata)
    x = sum(weight * sums.x for weight, sums in strata)
    value = sum(weight * sums.y for weight, sums in strata) / x
    if clusters < 2:
        return Estimate(value, low, high)
    spreads = [weight * weight * sums.spread(value) for weight, sums in strata]
    if degrees is None:
        degrees = [max(1, sums.clusters - 1) for _, sums in strata]
    error = math.sqrt(sum(spreads) * clusters / (clusters - 1)) / x
    reach = student_quantile(0.975, satterthwaite([*zip(spreads, degrees, strict=True)])) * error
    return Estimate(value, max(low, value - reach), min(high, value + reach))


def _effective_n(strata: Sequence[tuple[float, ClusterSums]]) -> float:
    """Returns the number of independent cases that would say as much about the share."""
    (_weight, sums), *others = strata
    if not others and sums.xx == sums.x:  # One case a review, all with the same weight: each is independent.
        return sums.x
    y = sum(weight * sums.y for weight, sums in strata)
    x = sum(weight * sums.x for weight, sums in strata)
    squares = sum(weight * weight * sums.xx for weight, sums in strata)
    clusters = sum(sums.clusters for _, sums in strata)
    ratio = y / x
    spreads = [weight * weight * sums.spread(ratio) for weight, sums in strata]
    if clusters < 2 or not 0 < ratio < 1 or sum(spreads) <= 1e-9 * squares:
        # All alike as far as one sees, so nothing shows how alike the fields of a review are: assume wholly.
        return min(x * x / squares, x / max(weight for weight, _ in strata))
    alike = ratio * (1 - ratio) * x * x / sum(spreads)
    if all(sums.xx == sums.x for _, sums in strata):  # Nothing is alike, and the weights are known.
        return min(x, alike)
    alike *= (clusters - 1) / clusters
    degrees = satterthwaite(
        [(spread, sums.degrees) for spread, (_, sums) in zip(spreads, strata, strict=True)]
    )
    few = normal_quantile(0.975) / student_quantile(0.975, degrees)
    return min(x, alike) * few * few


def satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Returns the degrees of freedom of a sum of variances (F. E. Satterthwaite, 1946, Biometrics Bulletin 2).

    Args:
        parts: The variances (or the same multiple of each), with their degrees of freedom.
    """
    squares = sum(variance * variance / degrees for variance, degrees in parts)
    return sum(variance for variance, _ in parts) ** 2 / squares if squares else 1.0
