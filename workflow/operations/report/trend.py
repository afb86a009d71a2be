"""Counts predictions by field in the first and the last third of a period, and compares the two.

The rates are compared within each field, and the differences are averaged with the weights of Mantel and Haenszel
(W. G. Cochran, 1954, Biometrics 10, 417-451; N. Mantel and W. Haenszel, 1959, Journal of the National Cancer Institute
22, 719-748). So a change in how often each field occurs is not a trend. The variance has the review as its unit.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Hashable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from workflow.operations.report.estimation import student_quantile
from workflow.operations.report.figures import SMALL_SAMPLE, Estimate, Trend

__all__ = ["MAX_FIELDS", "MIN_ERRORS", "Third", "TrendCounts"]

MAX_FIELDS = 128
"""How many fields of a model are compared: those that occur first. Each pair of fields needs its own sum."""

MIN_ERRORS = 10
"""There must be so many errors in both thirds together. Below, their number says little about their rate."""

Third = Literal[0, 1]
"""The first (0) or the last (1) third of a period."""

Array = npt.NDArray[np.float64]

_BATCH = 512


class TrendCounts:
    """The judged predictions of a model, by field, in the first and the last third of a period."""

    def __init__(self) -> None:
        self._columns: dict[Hashable, int] = {}
        self._thirds = (_ThirdCounts(), _ThirdCounts())
        self._judged = 0

    def add(self, third: Third, predictions: Sequence[tuple[Hashable, bool]]) -> None:
        """Counts a review: the field of each judged prediction, and whether it is wrong."""
        self._judged += len(predictions)
        columns = self._columns
        counted = []
        for field, wrong in predictions:
            column = columns.get(field)
            if column is None:
                if len(columns) >= MAX_FIELDS:
                    continue
                column = columns[field] = len(columns)
            counted.append((column, wrong))
        if counted:
            self._thirds[third].add(counted)

    def trend(self) -> Trend | None:
        """Returns the change; None if there are too few reviews or errors to compare."""
        early, late = self._thirds
        if min(early.reviews, late.reviews) < SMALL_SAMPLE:
            return None
        (wrong_early, all_early, products_early), (wrong_late, all_late, products_late) = (
            third.sums(len(self._columns)) for third in self._thirds
        )
        both = (all_early > 0) & (all_late > 0)
        if wrong_early[both].sum() + wrong_late[both].sum() < MIN_ERRORS:
            return None
        total = np.where(both, all_early + all_late, 1)
        weights = np.where(both, all_early * all_late / total, 0)
        weights = weights / weights.sum()
        rates_early = np.divide(wrong_early, all_early, out=np.zeros_like(total), where=both)
        rates_late = np.divide(wrong_late, all_late, out=np.zeros_like(total), where=both)
        difference = float(weights @ (rates_late - rates_early))
        variance = 0.0
        for cases, rates, products, reviews in (
            (all_early, rates_early, products_early, early.reviews),
            (all_late, rates_late, products_late, late.reviews),
        ):
            influence = np.divide(weights, cases, out=np.zeros_like(total), where=both)
            residual = np.concatenate((influence, -influence * rates))
            variance += float(residual @ products @ residual) * reviews / (reviews - 1)
        reach = student_quantile(0.975, min(early.reviews, late.reviews) - 1) * math.sqrt(max(0.0, variance))
        return Trend(
            early=float(weights @ rates_early),
            late=float(weights @ rates_late),
            difference=Estimate(difference, max(-1.0, difference - reach), min(1.0, difference + reach)),
            fields=int(both.sum()),
            covered=float((all_early + all_late)[both].sum()) / self._judged,
        )


class _ThirdCounts:
    """The sums over the reviews of a third: the wrong and all predictions by field, and their products."""

    def __init__(self) -> None:
        self.reviews = 0
        self._width = 0
        self._totals = np.zeros(0)
        self._products = np.zeros((0, 0))
        self._rows, self._fields, self._wrong = array("i"), array("i"), array("b")
        self._batch = 0

    def add(self, predictions: Sequence[tuple[int, bool]]) -> None:
        for column, wrong in predictions:
            self._rows.append(self._batch)
            self._fields.append(column)
            self._wrong.append(wrong)
        self.reviews += 1
        self._batch += 1
        if self._batch == _BATCH:
            self._flush(max(self._width, 1 + max(self._fields)))

    def sums(self, width: int) -> tuple[Array, Array, Array]:
        """Returns the wrong predictions by field, all by field, and the products of both together."""
        self._flush(width)
        return self._totals[:width], self._totals[width:], self._products

    def _flush(self, width: int) -> None:
        if width > self._width:
            old = np.concatenate((np.arange(self._width), width + np.arange(self._width)))
            totals, products = np.zeros(2 * width), np.zeros((2 * width, 2 * width))
            totals[old] = self._totals
            products[np.ix_(old, old)] = self._products
            self._width, self._totals, self._products = width, totals, products
        if self._batch:
            width = self._width
            places = np.frombuffer(self._rows, dtype=np.intc) * width + np.frombuffer(
                self._fields, dtype=np.intc
            )
            wrong = np.frombuffer(self._wrong, dtype=np.int8)
            size = self._batch * width
            counts = [
                np.bincount(part, minlength=size).reshape(self._batch, width)
                for part in (places[wrong == 1], places)
            ]
            rows = np.hstack(counts).astype(np.float32)
            self._totals += rows.sum(axis=0)
            self._products += rows.T @ rows
            self._rows, self._fields, self._wrong = array("i"), array("i"), array("b")
            self._batch = 0
