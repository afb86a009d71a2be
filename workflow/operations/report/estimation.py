"""Intervals for shares and means when what is counted comes in groups, and the groups have weights.

The fields of a document are alike: where the scan is bad, all of them are wrong. So the independent cases are the
documents (reviews), not their fields. A share of fields is a ratio of two totals over reviews, and its variance is that
of the reviews' residuals (Taylor linearization; W. G. Cochran, Sampling Techniques, 3rd edition 1977, section 6.4). The
interval is Wilson's, for the number of independent cases that would have this variance. E. L. Korn and B. I. Graubard
(1998, Survey Methodology 24, 193-201) introduced this effective sample size, with its correction for few clusters.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

__all__ = ["ClusterSums", "effective_interval", "normal_quantile", "student_quantile", "wilson_interval"]

_NORMAL = NormalDist()


def normal_quantile(probability: float) -> float:
    """Returns the quantile of the standard normal distribution."""
    return _NORMAL.inv_cdf(probability)


def student_quantile(probability: float, degrees: float) -> float:
    """Returns the quantile of Student's t distribution, exact for 1 and 2 degrees of freedom.

    For more, it is the expansion 26.7.5 of M. Abramowitz and I. A. Stegun, Handbook of Mathematical Functions (1964).
    At the 97.5% quantile its error is below 1% from 3 degrees of freedom on.
    """
    if degrees <= 1:
        return math.tan(math.pi * (probability - 0.5))
    if degrees <= 2:
        return (2 * probability - 1) / math.sqrt(2 * probability * (1 - probability))
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

    def weighted(self, weight: float) -> ClusterSums:
        """Returns the sums if each review stands for `weight` reviews."""
        square = weight * weight
        return ClusterSums(
            self.clusters,
            weight * self.y,
            weight * self.x,
            square * self.yy,
            square * self.xy,
            square * self.xx,
        )

    @property
    def ratio(self) -> float:
        """The share of hits, or the mean of y per x; NaN without any."""
        return self.y / self.x if self.x else math.nan

    @property
    def standard_error(self) -> float:
        """The standard error of the ratio; NaN for fewer than two reviews."""
        if self.clusters < 2:
            return math.nan
        ratio = self.ratio
        spread = max(0.0, self.yy - 2 * ratio * self.xy + ratio * ratio * self.xx)
        return math.sqrt(spread * self.clusters / (self.clusters - 1)) / self.x

    def interval(self, *, heaviest: float = 1.0) -> tuple[float, float]:
        """Returns the 95% interval of the share; `heaviest` is the largest weight."""
        error = self.standard_error
        return effective_interval(
            self.ratio,
            variance=0.0 if math.isnan(error) else error**2,
            cases=self.x,
            squares=self.xx,
            clusters=self.clusters,
            heaviest=heaviest,
        )

    @property
    def effective_n(self) -> float:
        """The number of independent cases that would say as much about the share as these do."""
        if self.xx == self.x:  # One case a review, without weights: each is independent.
            return self.x
        ratio = self.ratio
        spread = self.yy - 2 * ratio * self.xy + ratio * ratio * self.xx
        if self.clusters < 2 or spread <= 1e-9 * self.xx:
            # All alike as far as one sees, so nothing shows how alike the fields of a review are: assume wholly.
            return self.x**2 / self.xx
        alike = ratio * (1 - ratio) * self.x**2 / spread * (self.clusters - 1) / self.clusters
        few = normal_quantile(0.975) / student_quantile(0.975, self.clusters - 1)
        return min(self.x, alike) * few**2


def effective_interval(
    ratio: float,
    *,
    variance: float,
    cases: float,
    squares: float,
    clusters: int,
    heaviest: float = 1.0,
) -> tuple[float, float]:
    """Returns the 95% interval of a share that was estimated with weights.

    Args:
        ratio: The share.
        variance: Its variance.
        cases: The weighted number of cases.
        squares: The sum over reviews of the square of their weighted number of cases.
        clusters: The number of reviews.
        heaviest: The largest weight of a review.
    """
    certain = min(cases**2 / squares, cases / heaviest)
    size = certain
    if clusters > 1 and variance > 1e-15 and 0 < ratio < 1:
        few = normal_quantile(0.975) / student_quantile(0.975, clusters - 1)
        size = min(cases, ratio * (1 - ratio) / variance) * few**2
    return wilson_interval(ratio * size, size)
