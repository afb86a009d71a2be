"""Tests of the report in a browser: it loads nothing, has no errors, and is readable in all layouts."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from sandbox.invented_reviews import write_reviews
from workflow.operations.report.figures import Costs
from workflow.operations.report.statistics import MAX_PARTS
from workflow.operations.report.writing import make_report, write_report
from workflow.operations.reviews_source import Period, open_reviews

PERIOD = Period(date(2026, 1, 1), date(2026, 2, 1))
CHARTS = 9

# The contrast of text with its background (WCAG 2).
CONTRAST = """
() => {
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map(Number).map((v) => v / 255)
      .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== 'rgba(0, 0, 0, 0)') return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = [...document.querySelectorAll('h1, h2, p, dt, dd, td, th, li, summary, figcaption, a, svg text')];
  return texts.filter((element) => element.getClientRects().length).map((element) => {
    const style = getComputedStyle(element);
    const colour = element instanceof SVGElement ? style.fill : style.color;
    return [contrast(colour, behind(element)), element.textContent.slice(0, 40), colour];
  });
}
"""

# The elements that are wider than the page and not in a box that scrolls.
OVERFLOWING = """
() => [...document.querySelectorAll('body *')]
  .filter((element) => !element.closest('.scroll') && element.getBoundingClientRect().right > innerWidth + 1)
  .map((element) => element.tagName + ' ' + element.textContent.slice(0, 40))
"""


# The tables that are wider than their box.
SCROLLING = """
() => [...document.querySelectorAll('.scroll')]
  .filter((element) => element.scrollWidth > element.clientWidth)
  .map((element) => element.closest('section').querySelector('h2').textContent)
"""


def report_of(folder: Path, count: int) -> Path:
    write_reviews(folder / "stored", count, first=PERIOD.first, days=PERIOD.days, seed=9)
    return write_report(make_report(open_reviews(str(folder / "stored")), PERIOD), folder / "report.html")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_reviews(folder / "stored", 1200, first=PERIOD.first, days=PERIOD.days, seed=9)
    ledger = [
        {
            "status": status,
            "createdAt": f"2026-01-{day:02}T10:00:00.000Z",
            "outcome": outcome,
            "failureCode": "Expired",
        }
        for day in range(1, 32)
        for status, outcome in (("Completed", "stored"), ("Failed", "restarted"), ("Stopped", "notified"))
    ]
    source = open_reviews(str(folder / "stored"))
    made = make_report(source, PERIOD, ledger="the-ledger", loops=ledger, costs=Costs(0.4, 12))
    return write_report(made, folder / "report.html")


@dataclass
class Opened:
    page: Page
    requests: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)


@pytest.fixture
def opened(browser: Browser, report: Path) -> Iterator[Callable[..., Opened]]:
    """Opens a file, by default the report, with the given viewport and preferences."""
    contexts = []

    def open_page(file: Path = report, *, width: int = 1100, **preferences: Any) -> Opened:
        context = browser.new_context(viewport={"width": width, "height": 800}, **preferences)
        contexts.append(context)
        seen = Opened(context.new_page())
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.on("console", lambda message: seen.messages.append(message.text))
        seen.page.on("pageerror", lambda error: seen.messages.append(str(error)))
        seen.page.goto(file.as_uri())
        return seen

    yield open_page
    for context in contexts:
        context.close()


def background(page: Page) -> str:
    colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


def unfold(page: Page) -> None:
    """Opens all parts of the page that are folded, at once: a click on each takes a second."""
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")


def test_page_loads_nothing_and_has_no_errors(opened: Callable[..., Opened], report: Path) -> None:
    seen = opened()
    assert seen.requests == [report.as_uri()]
    assert seen.messages == []
    assert "predictions were overruled by people" in seen.page.title()
    assert seen.page.locator("svg.wide:visible").count() == CHARTS
    assert seen.page.locator("svg.narrow:visible").count() == 0


def test_policy_blocks_scripts_and_images(
    opened: Callable[..., Opened], report: Path, tmp_path: Path
) -> None:
    """The browser blocks a script or an image that gets into the page."""
    page = report.read_text(encoding="utf-8")
    altered = tmp_path / "altered.html"
    altered.write_text(
        page.replace(
            "</body>", '<script>document.title = "run"</script><img src="data:image/png;base64,AA"></body>'
        ),
        encoding="utf-8",
    )
    seen = opened(altered)
    assert seen.page.title() != "run"
    assert any("script-src" in message for message in seen.messages)
    assert any("img-src" in message or "image" in message for message in seen.messages)


def test_text_has_enough_contrast(opened: Callable[..., Opened]) -> None:
    page = opened().page
    unfold(page)
    for width, scheme in itertools.product((1100, 375), ("light", "dark")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        measured = page.evaluate(CONTRAST)
        assert len(measured) > 300
        weak = [text for text in measured if text[0] < 4.5]
        assert not weak, (width, scheme)


def test_dark_mode_is_dark(opened: Callable[..., Opened]) -> None:
    light, dark = (opened(color_scheme=scheme).page for scheme in ("light", "dark"))
    assert background(light) == "rgb(253, 252, 250)"
    assert background(dark) == "rgb(22, 25, 28)"
    line = ".wide [id$='line2d_1'] path, .wide path[style*='--warm']"
    colours = [
        page.locator(line).first.evaluate(
            "element => getComputedStyle(element).stroke + getComputedStyle(element).fill"
        )
        for page in (light, dark)
    ]
    assert colours[0] != colours[1]


def test_page_never_scrolls_sideways(opened: Callable[..., Opened]) -> None:
    page = opened().page
    unfold(page)
    for width in (320, 375, 560, 768, 1100):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(OVERFLOWING) == [], width
        phone = width <= 560
        assert page.locator("svg.narrow:visible").count() == (CHARTS if phone else 0), width
        assert page.locator("svg.wide:visible").count() == (0 if phone else CHARTS), width


# The right ends of the tables that are visible.
RIGHT_ENDS = """
() => [...document.querySelectorAll('.scroll')]
  .filter((element) => element.getClientRects().length).map((element) => element.getBoundingClientRect().right)
"""


@pytest.mark.parametrize("count", [5, 1200])
def test_tables_fit_on_a_desktop(
    opened: Callable[..., Opened], tmp_path: Path, report: Path, count: int
) -> None:
    page = opened(report if count == 1200 else report_of(tmp_path, count)).page
    unfold(page)
    assert page.locator(".scroll").count() >= 8
    for width in (900, 1100, 1400):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(SCROLLING) == [], width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ends = page.evaluate(RIGHT_ENDS)
        assert len(ends) >= 8
        assert max(ends) <= width - 20


def test_scrolling_table_keeps_its_first_column(opened: Callable[..., Opened]) -> None:
    page = opened(width=400).page
    table = page.locator("section:has(h2:text('What each activation condition catches')) .scroll")
    assert table.evaluate("element => { element.scrollLeft = 10000; return element.scrollLeft; }") > 0
    name, around = table.locator("tbody td").first.bounding_box(), table.bounding_box()
    assert name is not None
    assert around is not None
    assert name["x"] == around["x"]


def test_columns_of_names_are_wide_enough_on_paper(opened: Callable[..., Opened]) -> None:
    page = opened(width=670).page  # A4 without its margins.
    page.emulate_media(media="print")
    narrowest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('td.t')].map((cell) => cell.clientWidth).filter(Boolean))"
    )
    assert narrowest > 70
    assert page.evaluate("document.documentElement.scrollWidth") <= 670


def test_printed_page_is_white_with_all_charts(opened: Callable[..., Opened], tmp_path: Path) -> None:
    page = opened(width=400, color_scheme="dark").page
    page.emulate_media(media="print", color_scheme="dark")
    assert background(page) == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(35, 38, 43)"
    assert page.locator("svg.wide:visible").count() == CHARTS
    assert page.locator("summary:visible").count() == 0
    assert page.locator("#threshold ~ .scroll:visible").count() == 1
    pdf = page.pdf(format="A4", prefer_css_page_size=True)
    assert 5 <= pdf.count(b"/Type /Page\n") <= 12


def test_numbers_of_a_chart_expand(opened: Callable[..., Opened]) -> None:
    page = opened().page
    table = page.locator("#trend + details table")
    assert not table.is_visible()
    page.locator("#trend + details summary").click()
    assert table.is_visible()
    assert table.locator("tbody tr").count() == 4 * MAX_PARTS


def test_charts_are_images_with_names(opened: Callable[..., Opened]) -> None:
    page = opened().page
    assert page.get_by_role("img", name="The model's confidence and how often people agreed").count() == 1
    assert page.get_by_role("heading", name="Fields that are overruled most").is_visible()


def test_empty_report_says_what_to_do(opened: Callable[..., Opened], tmp_path: Path) -> None:
    (tmp_path / "stored").mkdir()
    made = make_report(open_reviews(str(tmp_path / "stored")), PERIOD, now=datetime(2026, 2, 1, tzinfo=UTC))
    seen = opened(write_report(made, tmp_path / "report.html"), width=375)
    assert seen.messages == []
    assert seen.page.get_by_text("There are no reviews from 1 to 31 January 2026.").is_visible()
    assert seen.page.get_by_role("heading", name="What to do").is_visible()
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 375
