"""Small worlds for the sentences of the page: each has what its name says, and nothing else of interest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from html import escape
from typing import Any

import numpy as np
import pytest

from tests.unit.workflow.operations.report.simulation import CONDITION, Reviews, reviewed
from tests.unit.workflow.operations.report.test_statistics import JANUARY, field, review
from tests.unit.workflow.operations.report.worlds import World
from workflow.operations.report import charts, field_counts, model_charts
from workflow.operations.report.drawing import Chart, Table, draw_chart
from workflow.operations.report.figures import Costs
from workflow.operations.report.loop_facts import LoopFacts, count_loops
from workflow.operations.report.page import Origin
from workflow.operations.report.statistics import ReviewStatistics
from workflow.operations.reviews_source import StoredReview

__all__ = ["COSTS", "ORIGIN", "WORLDS", "described_charts", "selected", "unexplained"]

ORIGIN = Origin("s3://reviews/reviews/", None, datetime(2026, 2, 1, tzinfo=UTC))


@contextmanager
def described_charts(*drawn: str) -> Iterator[None]:
    """Replaces the drawings of charts, which take most of the time of a page, by their descriptions.

    Args:
        drawn: The charts that are drawn all the same.
    """

    def described(
        chart_id: str, title: str, description: str, draw: Any, *, heights: Any, table: Table
    ) -> Chart:
        if chart_id in drawn:
            return draw_chart(chart_id, title, description, draw, heights=heights, table=table)
        return Chart(
            chart_id, title, description, f"<svg><desc>{escape(description)}</desc></svg>", "", table
        )

    with pytest.MonkeyPatch.context() as patch:
        for module in (charts, model_charts):
            patch.setattr(module, "draw_chart", described)
        yield


def stored(*documents: Any, facts: LoopFacts | None = None) -> World:
    """Counts records, or objects that are none."""
    counted = ReviewStatistics(JANUARY)
    for document in documents:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        flow = document.get("flow_definition", "invoices") if isinstance(document, dict) else "invoices"
        counted.add(StoredReview("s3://reviews/x.json", flow, content))
    return World(counted.figures(), facts)


def record(*fields: dict[str, Any], **other: Any) -> dict[str, Any]:
    changed = {key: other.pop(key) for key in ("prediction_source", "model_version") if key in other}
    return {**json.loads(review(*fields, **other).to_line()), **changed}


def loops(**statuses: int) -> LoopFacts:
    day = "2026-01-05T10:00:00.000Z"
    return count_loops(
        {"status": status, "createdAt": day, "outcome": "escalated" if status == "Failed" else None}
        for status, number in statuses.items()
        for _ in range(number)
    )


def documents(number: int, fields: int = 2, *, seed: int = 3) -> tuple[Any, Any]:
    """Returns the confidence of each field of documents, and which are wrong: as often as the confidence says."""
    chance = np.random.default_rng(seed)
    confidence = chance.uniform(0.4, 1, (number, fields))
    return confidence, chance.random((number, fields)) > confidence


def selected(
    rate: float,
    *,
    number: int = 700,
    threshold: float = 0.8,
    flow: str = "invoices",
    into: Reviews | None = None,
) -> Reviews:
    """Reviews the documents below a threshold, and a sample of all."""
    chance = np.random.default_rng(5)
    return reviewed(
        chance, *documents(number), threshold=threshold, rate=rate, reviews=into or Reviews(), flow=flow
    )


def unexplained(
    number: int = 200, *, flow: str = "invoices", into: Reviews | None = None, **other: Any
) -> Reviews:
    """Reviews documents of a custom task, which do not say why they took place."""
    reviews = into or Reviews()
    confidence, wrong = documents(number)
    for place in range(number):
        reviews.add(wrong[place], confidence[place], day=place % 30, flow=flow, **other)
    return reviews


def without_confidence(number: int = 100, *, flow: str = "invoices", into: Reviews | None = None) -> Reviews:
    """Reviews documents of a model that says nothing about its confidence."""
    reviews = into or Reviews()
    for place in range(number):
        reviews.add([place % 3 == 0, False], names=["a", "b"], day=place % 30, flow=flow)
    return reviews


COSTS = Costs(1, 4)

WORLDS: dict[str, Callable[[], World]] = {
    # What can be read
    "no reviews": lambda: stored(),
    "no reviews, 3 loops": lambda: stored(facts=loops(Completed=3)),
    "1 review of 1 kept field": lambda: stored(record(field("kept"))),
    "1 review without a field": lambda: stored(record(field("kept")), record()),
    "1 object that is no review": lambda: stored(record(field("kept")), b"{"),
    "1 odd confidence": lambda: stored(
        {**record(), "fields": [field("kept"), field("kept", confidence=1.2)]}
    ),
    # Invented reviews
    "the only review is invented": lambda: stored(record(field("kept"), invented=True)),
    "both reviews are invented": lambda: stored(*[record(field("kept"), invented=True)] * 2),
    "1 of 2 reviews is invented": lambda: stored(record(field("kept"), invented=True), record(field("kept"))),
    # Outcomes
    "nothing to compare": lambda: stored(record(field("answered"), seconds=None)),
    "people added a field": lambda: stored(record(field("kept"), field("added"))),
    "predictions of two sources": lambda: stored(
        record(field("kept"), prediction_source="search"), record(field("kept"), prediction_source="settings")
    ),
    "predictions in the settings": lambda: stored(record(field("kept"), prediction_source="settings")),
    "17 fields": lambda: stored(record(*(field("kept", name=f"field {number}") for number in range(17)))),
    # Several answers
    "3 workers": lambda: stored(record(field("kept", agreement=1.0), answers=3, agreement=1.0)),
    # Conditions
    "two conditions that catch nothing": lambda: _two_idle_conditions(),
    # Human loops
    "loops failed": lambda: stored(record(field("kept")), facts=loops(Completed=3, Failed=2)),
    "loops completed": lambda: stored(record(field("kept")), facts=loops(Completed=3)),
    # Models
    "a random sample": lambda: World(selected(0.3).figures(COSTS)),
    "conditions only": lambda: World(selected(0).figures(COSTS)),
    "a custom task": lambda: World(unexplained().figures(COSTS)),
    "a custom task without prices": lambda: World(unexplained().figures()),
    "a sample, and a custom task": lambda: World(
        unexplained(flow="tickets", into=selected(0.3)).figures(COSTS)
    ),
    "without confidence": lambda: World(without_confidence().figures()),
    "one of two models without confidence": lambda: World(
        without_confidence(flow="tickets", into=unexplained()).figures()
    ),
    "one of two models with 3 reviews": lambda: World(
        unexplained(3, flow="tickets", into=unexplained()).figures()
    ),
    "a field without confidence": lambda: _field_without_confidence(),
    "7 models": lambda: _seven(),
    "1 confident field": lambda: stored(record(field("kept", confidence=0.9))),
    "two reliable models": lambda: World(
        unexplained(2_000, flow="tickets", into=unexplained(2_000)).figures()
    ),
    "two steady models": lambda: World(
        without_confidence(300, flow="tickets", into=without_confidence(300)).figures()
    ),
    "two fields apart": lambda: _two_fields_apart(),
    "more names than are counted": lambda: _more_names_than_are_counted(),
}
"""Name → world."""


def _two_idle_conditions() -> World:
    reviews = Reviews()
    for place in range(400):
        reviews.add([False], day=place % 30, conditions=[CONDITION, "MissingImportantFormKey(Total)"])
    return World(reviews.figures())


def _two_fields_apart() -> World:
    reviews = Reviews()
    names = [f"field {number}" for number in range(12)]
    for place in range(200):
        reviews.add([place % 2 == 0] * 2 + [place % 20 == 0] * 10, names=names, day=place % 30)
    return World(reviews.figures())


def _more_names_than_are_counted() -> World:
    reviews = Reviews()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(field_counts, "MAX_FIELD_NAMES", 2)
        for place in range(4):
            reviews.add([False], names=[f"field {place}"])
        return World(reviews.figures())


def _field_without_confidence() -> World:
    reviews = unexplained()
    reviews.add([True])
    return World(reviews.figures())


def _seven() -> World:
    reviews = Reviews()
    for number in range(7):
        unexplained(60, flow=f"flow-{number}", into=reviews)
    return World(reviews.figures(COSTS))


WORLDS = {name: cache(world) for name, world in WORLDS.items()}
