"""Tests of the sections about models: many models, and what is not known of a model."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.unit.workflow.operations.report.page_worlds import (
    COSTS,
    ORIGIN,
    described_charts,
    selected,
    unexplained,
)
from tests.unit.workflow.operations.report.simulation import Reviews
from tests.unit.workflow.operations.report.test_page import HOSTILE, Page
from workflow.operations.report.drawing import Table
from workflow.operations.report.figures import ConfidenceFigures, CostCurve, Figures, ModelFigures
from workflow.operations.report.model_charts import cost_chart, known_up_to, threshold_chart
from workflow.operations.report.model_sections import MAX_MODELS_DRAWN
from workflow.operations.report.page import render_page

TABLE = Table(("Threshold",), [])


def only(figures: Figures) -> tuple[ModelFigures, ConfidenceFigures, CostCurve]:
    (model,) = figures.models
    assert model.confidence is not None
    assert model.confidence.costs is not None
    return model, model.confidence, model.confidence.costs


@pytest.fixture(scope="module")
def twelve() -> str:
    """The page of twelve models."""
    reviews = Reviews()
    for number in range(12):
        unexplained(160 - 8 * number, flow=f"flow-{number}", into=reviews)
    with described_charts("trend"):
        return render_page(reviews.figures(COSTS), None, ORIGIN)


def test_charts_of_many_models_have_a_panel_for_the_busiest(twelve: str) -> None:
    (drawing,) = re.findall(r'<figure id="trend">(.*?)</svg>', twelve, re.DOTALL)
    names = re.findall(r">(flow-\d+)</text>", drawing)
    assert names == [f"flow-{number}" for number in range(MAX_MODELS_DRAWN)]
    assert twelve.count("not the other 6") == 4


def test_tables_have_all_of_many_models(twelve: str) -> None:
    for title in ("How the overrule rate changed", "wrong?", "reliable?", "different?", "costs least?"):
        (part,) = re.findall(rf"<h2>[^<]*{re.escape(title)}</h2>(.*?)</section>", twelve, re.DOTALL)
        open_tables = re.sub(r"<details>.*?</details>", "", part, flags=re.DOTALL)
        names = re.findall(r'<td class="t">(?:flow|-|<wbr>)+(\d+)</td>', open_tables)
        assert sorted(map(int, names)) == list(range(12))


def lines(drawing: str, colour: str) -> list[float]:
    """Returns the right ends of the lines of a colour, from 0 (left edge of the axes) to 1."""
    ends = []
    for path in ElementTree.fromstring(drawing).iter("path"):
        if f"stroke: var(--{colour})" in path.get("style", "") and "stroke-width: 2.2" in path.get(
            "style", ""
        ):
            xs = [float(x) for x in re.findall(r"[ML] ([\d.]+)", path.get("d", ""))]
            ends.append(max(xs))
    return ends


def test_curves_end_where_nobody_checked_above() -> None:
    model, about, curve = only(selected(0).figures(COSTS))
    assert known_up_to(model, about) == pytest.approx(0.8)
    everything = only(selected(0.3).figures(COSTS))
    assert known_up_to(*everything[:2]) == 1
    for chart, whole, colour in (
        (
            threshold_chart(selected(0).figures(COSTS), [(model, about)], TABLE),
            threshold_chart(selected(0.3).figures(COSTS), [everything[:2]], TABLE),
            "warm",
        ),
        (
            cost_chart(selected(0).figures(COSTS), [(model, about, curve)], TABLE),
            cost_chart(selected(0.3).figures(COSTS), [everything], TABLE),
            "accent",
        ),
    ):
        # The last line is that of the key, or the curve itself.
        assert max(lines(chart.wide, colour)) < 0.9 * max(lines(whole.wide, colour))
        assert "not known" in chart.narrow or "--rule" in chart.narrow
        assert "not known" not in whole.wide


def test_no_threshold_is_named_above_the_one_in_use() -> None:
    with described_charts():
        page = render_page(selected(0).figures(COSTS), None, ORIGIN)
    (costs,) = re.findall(r"<h2>Which threshold costs least\?</h2>(.*?)</section>", page, re.DOTALL)
    named = [int(text) for text in re.findall(r"<td>(\d+)%</td>", costs)]
    assert all(threshold <= 80 for threshold in named)
    (thresholds,) = re.findall(r"<h2>What if the confidence[^<]*</h2>(.*?)</section>", page, re.DOTALL)
    rows = [int(text) for text in re.findall(r"<tr><td>(\d+)%</td>", thresholds)]
    assert max(rows) == 80
    assert '<td class="t">today&#x27;s threshold</td>' in costs


def test_names_of_models_are_escaped_and_drawn_as_text() -> None:
    reviews = unexplained(60, flow=HOSTILE, into=unexplained(60, version=HOSTILE))
    with described_charts("trend"):
        html = render_page(reviews.figures(COSTS), None, ORIGIN)
    page = Page(html)
    html.encode("utf-8")
    assert not page.all("script")
    assert "\x00" not in html
    assert page.text.count("<script>alert(1)</script>") > 10
