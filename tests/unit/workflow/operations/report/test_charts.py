"""Tests of the charts: names and values are inside the drawing, also for few reviews."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.workflow.operations.report.test_statistics import confidence_of, field, figures_of, review
from workflow.operations.report.charts import dot_chart
from workflow.operations.report.drawing import Chart, Table
from workflow.operations.report.figures import Share
from workflow.operations.report.model_charts import calibration_chart, trend_chart
from workflow.operations.report.words import legible, shortened

TABLE = Table(("Field",), [])


def dots(*shares: Share) -> Chart:
    rows = [(f"field {number}", share) for number, share in enumerate(shares)]
    return dot_chart("dots", "", "", rows, colour="accent", whole=None, table=TABLE)


def axis(drawing: str) -> list[float]:
    """Returns the shares on a drawing's axis."""
    texts = (text.text or "" for text in ElementTree.fromstring(drawing).iter("text"))
    return [float(text[:-1]) / 100 for text in texts if re.fullmatch(r"[\d.]+%", text)]


def beyond(drawing: str) -> int:
    """Returns how many intervals reach beyond the axis. Each has a tip there, in addition to the dots."""
    markers = [group for group in ElementTree.fromstring(drawing).iter("g") if group.find("use") is not None]
    return len(markers) - drawing.count(" of ")


def drawings(chart: Chart) -> tuple[str, str]:
    return chart.wide, chart.narrow


def cut_dots(drawing: str) -> int:
    """Returns how many lines have dots that an edge can cut off."""
    root = ElementTree.fromstring(drawing)
    lines = [group for group in root.iter("g") if "-line2d_" in group.get("id", "")]
    dots = [group for line in lines for group in line.iter("g") if group.find("use") is not None]
    return sum(group.get("clip-path") is not None for group in dots)


@given(
    st.lists(
        st.integers(1, 29).flatmap(lambda n: st.integers(0, n).map(lambda hits: Share(hits, n))),
        min_size=1,
        max_size=5,
    )
)
# Drawing is slow.
@settings(max_examples=10)
def test_small_samples_have_whole_intervals_if_all_are_small(shares: list[Share]) -> None:
    for drawing in drawings(dots(*shares)):
        assert beyond(drawing) == 0


# One drawing has as many names as examples.
@given(st.lists(st.text(st.characters(codec=None), min_size=1, max_size=60), min_size=16, max_size=16))
@settings(max_examples=4)
def test_names_are_drawn_as_text(names: list[str]) -> None:
    chart = dot_chart(
        "c", "", "", [(name, Share(1, 40)) for name in names], colour="warm", whole=None, table=TABLE
    )
    for drawing, limit in ((chart.wide, 36), (chart.narrow, 26)):
        drawing.encode("utf-8")
        texts = {"".join((text.text or "").split()) for text in ElementTree.fromstring(drawing).iter("text")}
        # White space can change, and characters that cannot be shown are replaced.
        assert {"".join(shortened(legible(name), limit).split()) for name in names} <= texts


def test_a_small_sample_does_not_stretch_the_axis() -> None:
    chart = dots(*[Share(980, 1000)] * 4, Share(7, 7))
    for drawing in drawings(chart):
        assert min(axis(drawing)) >= 0.9
        assert beyond(drawing) == 1


@pytest.mark.parametrize("days", [[5], [3, 9, 20]])
def test_day_without_neighbours_has_its_whole_interval(days: list[int]) -> None:
    figures = figures_of(
        *(review(field("changed" if number == 0 else "kept"), day=day) for day in days for number in range(6))
    )
    high = max(span.overruled.interval[1] for span in figures.spans if span.overruled.n)
    for drawing in drawings(trend_chart(figures, figures.models)):
        root = ElementTree.fromstring(drawing)
        (lines,) = (
            group for group in root.iter("g") if re.search(r"-LineCollection_\d+$", group.get("id", ""))
        )
        ends = [
            [float(number) for number in re.findall(r"[\d.]+", path.get("d", ""))]
            for path in lines.iter("path")
        ]
        assert len(ends) == len(days)
        assert all(min(y1, y2) >= 14 and abs(y1 - y2) > 20 for _, y1, _, y2 in ends), "inside the margin"
        assert max(axis(drawing)) > high - 0.15


def test_consecutive_days_have_an_area() -> None:
    figures = figures_of(*(review(field("changed"), field("kept"), day=day) for day in (5, 6)))
    assert "FillBetweenPolyCollection" in trend_chart(figures, figures.models).wide
    assert "-LineCollection" not in trend_chart(figures, figures.models).wide


@pytest.mark.parametrize("outcome", ["kept", "changed"])
def test_dots_at_the_ends_are_not_cut_off(outcome: str) -> None:
    figures = figures_of(review(field(outcome, confidence=1.0), field(outcome, confidence=0.55)))
    for chart in (
        trend_chart(figures, figures.models),
        calibration_chart(figures, [(figures.models[0], confidence_of(figures))]),
        dots(Share(0, 9), Share(9, 9)),
    ):
        for drawing in drawings(chart):
            assert "<use" in drawing
            assert cut_dots(drawing) == 0
