"""Tests of the page: it is self-contained, escapes names, and works with little or no data."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from typing import Any

import pytest

from sandbox.invented_reviews import generate
from tests.unit.workflow.operations.report.test_statistics import field, figures_of, review
from workflow.operations.report.figures import Figures
from workflow.operations.report.findings import findings, headline
from workflow.operations.report.loop_facts import LoopFacts, count_loops
from workflow.operations.report.page import Origin, render_page
from workflow.operations.report.statistics import ReviewStatistics
from workflow.operations.report.words import duration, one_in, percent, shortened
from workflow.operations.report.words import period as period_in_words
from workflow.operations.reviews_source import Period, StoredReview

JANUARY = Period(date(2026, 1, 1), date(2026, 2, 1))
MADE = Origin("s3://reviews/reviews/", None, datetime(2026, 2, 1, 9, tzinfo=UTC))
MISSING_VALUE = re.compile(r"\b(nan|None(?! of)|inf|Infinity)\b")
VOID = {"meta", "wbr", "br"}


class Page(HTMLParser):
    """The elements, attributes and text of a page. Checks that every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def figures() -> Figures:
    counted = ReviewStatistics(JANUARY)
    for key, line in generate(1500, days=31):
        counted.add(StoredReview(key, key.split("=")[1].split("/")[0], line))
    return counted.figures()


@pytest.fixture(scope="module")
def facts() -> LoopFacts:
    day = "2026-01-05T10:00:00.000Z"
    return count_loops(
        [{"status": "Completed", "createdAt": day, "attempt": 1}] * 90
        + [{"status": "Failed", "createdAt": day, "outcome": "restarted", "failureCode": "InternalError"}] * 3
        + [{"status": "Failed", "createdAt": day, "outcome": "escalated", "failureCode": "ValidationError"}]
        + [{"status": "Completed", "createdAt": day, "attempt": 2}] * 2
    )


@pytest.fixture(scope="module")
def html(figures: Figures, facts: LoopFacts) -> str:
    return render_page(figures, facts, MADE)


def test_page_loads_nothing(html: str) -> None:
    assert "://" not in html.replace("s3://reviews/reviews/", "")
    page = Page(html)
    policy = next(meta for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in str(policy["content"])
    assert not {"script", "link", "img", "iframe", "object", "image", "foreignobject"} & {
        tag for tag, _ in page.elements
    }
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "xlink:href"):
                assert str(value).startswith("#")
            assert "url(" not in str(value) or "url(#" in str(value)
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_headline_comes_first_with_the_main_number(html: str, figures: Figures) -> None:
    main = headline(figures)
    assert main.number == percent(figures.overruled.value)
    text = Page(html).text
    assert (
        text.index(main.number)
        < text.index("predictions were overruled by people")
        < text.index("Key findings")
    )


def test_figures_have_descriptions_and_tables(html: str) -> None:
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    drawings = page.all("svg")
    assert len(drawings) == 2 * len(page.all("figure")) == 2 * 8
    for drawing in drawings:
        assert drawing["role"] == "img"
        title, description = str(drawing["aria-labelledby"]).split()
        assert {title, description} <= set(ids)
    # Every reference within the page has a target.
    for target in re.findall(r'(?:href="#|url\(#)([^")]+)', html):
        assert target in ids
    assert len(page.all("details")) == 8  # The tables with the numbers of the charts are collapsed.
    assert len(page.all("table")) >= len(page.all("figure"))


def test_colours_are_css_variables(html: str) -> None:
    page = Page(html)
    style = html[html.index("<style>") : html.index("</style>")]
    defined = set(re.findall(r"(--[a-z]+):", style))
    used = {
        name
        for _, attributes in page.elements
        for name in re.findall(r"var\((--[a-z]+)\)", str(attributes.get("style")))
    }
    assert used
    assert used <= defined
    for _, attributes in page.elements:
        assert not re.search(r"#[0-9a-fA-F]{6}\b", str(attributes.get("style"))), attributes
    assert "#01fe" not in html
    dark = style[style.index("prefers-color-scheme: dark") :]
    colours = defined - {"--serif", "--sans"}
    assert colours <= set(re.findall(r"(--[a-z]+):", dark[: dark.index("}\n}")]))


def test_page_has_no_missing_values(html: str) -> None:
    assert not MISSING_VALUE.search(Page(html).text)


def test_same_reviews_make_the_same_page(html: str, figures: Figures, facts: LoopFacts) -> None:
    assert render_page(figures, facts, MADE) == html


def test_findings_follow_from_the_figures(figures: Figures, facts: LoopFacts) -> None:
    points = " ".join(finding.point for finding in findings(figures, facts))
    assert "The overrule rate of “invoice-forms” is rising." in points
    assert "4 of 96 human loops failed; 1 was escalated to a person and still needs action." in points


HOSTILE = "<script>alert(1)</script>\"'&$x^2$ \u202e\u200b\u2069\U000e0041\x00 {0} %s ]]> <!-- </style></svg>"


def test_names_from_documents_are_escaped(facts: LoopFacts) -> None:
    fields = [
        field("changed", name=HOSTILE, confidence=0.5, agreement=1.0),
        field("kept", name="$\\frac{$", confidence=0.9),
    ]
    counted = ReviewStatistics(JANUARY)
    record = review(field("kept"), answers=2).model_dump(mode="json")
    content = json.dumps({**record, "fields": fields, "activation_conditions": [HOSTILE]})
    for _ in range(40):
        counted.add(StoredReview("x", "invoices", content.encode()))
    counted.add(StoredReview(HOSTILE, "invoices", b"{"))
    html = render_page(counted.figures(), facts, Origin(HOSTILE, HOSTILE, MADE.made_at, HOSTILE))
    html.encode("utf-8")
    page = Page(html)
    assert not page.all("script")
    assert not set("\x00\x1b\u202e\u200b\u2069\U000e0041") & set(html)
    assert r"\u202E\u200B\u2069\U000E0041\x00" in page.text
    assert page.text.count("<script>alert(1)</script>") >= 7
    assert "$\\frac{$" in page.text


@pytest.mark.parametrize("flow_definition", [None, "invoices"])
def test_page_without_reviews_says_what_to_do(flow_definition: str | None, facts: LoopFacts) -> None:
    nothing = figures_of()
    text = Page(render_page(nothing, None, Origin("s3://b/", flow_definition, MADE.made_at))).text
    assert "There are no reviews from 1 to 31 January 2026." in text
    assert "What to do" in text
    assert "--flow-definition" in text
    with_loops = Page(render_page(nothing, facts, Origin("s3://b/", flow_definition, MADE.made_at))).text
    assert "The ledger has 96 human loops" in with_loops
    assert "3 InternalError, 1 ValidationError" in with_loops


def test_reviews_without_predictions_say_what_is_missing() -> None:
    text = Page(render_page(figures_of(review(field("answered"))), None, MADE)).text
    assert "without predictions to compare" in text
    assert "settings, under predictions" in text
    assert "overruled most" not in text


@pytest.mark.parametrize(
    ("record", "days"),
    [
        (review(field("kept")), 1),
        (review(field("kept")), 30),
        (review(field("kept")), 100),
        (review(field("changed"), answers=3, seconds=None), 800),
        (review(field("removed", confidence=1.0)), 800),
        (review(field("kept", confidence=0.0)), 30),
        (review(field("added"), activation_conditions=["x"]), 30),
        (review(field("unresolved", agreement=0.5), answers=2, agreement=0.5), 100),
        (review(answers=0, status="Stopped"), 800),
        (
            review(field("kept"), answers=3, agreement=0.5),
            30,
        ),  # The agreement of its field could not be read.
        (review(field("kept", agreement=1.0), answers=3), 30),  # Nor that of the review.
    ],
)
def test_one_review_is_enough_for_a_page(record: Any, days: int) -> None:
    figures = figures_of(record, period=Period.last_days(days, until=date(2026, 1, 6)))
    assert figures.reviews == 1
    text = Page(render_page(figures, count_loops([]), MADE)).text
    assert not MISSING_VALUE.search(text)


def test_small_samples_are_marked() -> None:
    figures = figures_of(*[review(field("changed", confidence=0.5))] * 5)
    text = Page(render_page(figures, None, MADE)).text
    assert "100.0% (few)" in text
    assert "The sample is small: the true rate is probably between 57% and 100%." in text
    assert not findings(figures, None)


def test_malformed_objects_are_listed_first() -> None:
    counted = ReviewStatistics(JANUARY)
    for number in range(25):
        counted.add(StoredReview(f"s3://b/{number}.json", "invoices", b"{"))
    text = Page(render_page(counted.figures(), None, MADE)).text
    assert "25 stored objects could not be read as a review and are not included in this report." in text
    assert "s3://b/0.json" in text
    assert "and 5 more" in text


def test_values_that_could_not_be_read_are_counted_first() -> None:
    counted = ReviewStatistics(JANUARY)
    document = json.loads(review(field("kept"), field("kept")).to_line())
    for confidence in (1.2, 7):
        document["fields"][0]["confidence"] = confidence
        location = f"s3://b/{confidence}.json"
        counted.add(StoredReview(location, "invoices", json.dumps(document).encode()))
    text = Page(render_page(counted.figures(), None, MADE)).text
    assert "2 values in these reviews could not be read and are not included" in text
    assert "s3://b/7.json" in text
    assert text.index("2 values") < text.index(
        "Key findings" if "Key findings" in text else "What people did"
    )


@pytest.mark.parametrize(
    ("invented", "real", "sentence"),
    [
        (3, 2, "3 of these 5 reviews are invented sample data. The figures mix them with real reviews"),
        (1, 4, "1 of these 5 reviews is invented sample data."),
        (5, 0, "All of these 5 reviews are invented sample data. They show what a report looks like."),
        (1, 0, "This review is invented sample data."),
        (0, 5, ""),
    ],
)
def test_invented_reviews_are_the_first_thing_said(invented: int, real: int, sentence: str) -> None:
    figures = figures_of(*[review(field("kept"), invented=True)] * invented, *[review(field("kept"))] * real)
    text = Page(render_page(figures, None, MADE)).text
    assert ("invented" in text) == bool(sentence)
    assert sentence in text
    if sentence:
        assert text.index(sentence) < text.index("People reviewed")


def test_loops_are_counted_from_the_ledger(facts: LoopFacts) -> None:
    assert facts.loops == 96
    assert facts.by_status == {"Completed": 92, "Failed": 4}
    assert (facts.restarts, facts.restarted, facts.recovered, facts.escalated) == (2, 3, 2, 1)
    assert facts.failure_codes == {"InternalError": 3, "ValidationError": 1}
    assert count_loops([{}]).by_status == {"Unknown": 1}


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0%"), (0.0003, "<0.1%"), (0.1724, "17.2%"), (0.9996, ">99.9%"), (1.0, "100.0%"),
        (float("nan"), "n/a"),
    ],
)  # fmt: skip
def test_percentage_is_never_rounded_to_0_or_100(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, ""), (0.001, "fewer than one in two hundred"), (0.01, "about one in 100"), (0.172, "about one in six"),
        (0.44, "about one in two"), (0.5, "about half"), (0.72, "about seven in ten"), (0.97, "nearly all"), (1.0, ""),
    ],
)  # fmt: skip
def test_share_in_words(share: float, text: str) -> None:
    assert one_in(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"), (9.94, "9.9 s"), (9.97, "10 s"), (59.6, "1 min"), (75, "1 min 15 s"), (3600, "1 h"),
        (7500, "2 h 5 min"), (11_080_800, "3,078 h"), (float("nan"), "n/a"),
    ],
)  # fmt: skip
def test_duration_has_at_most_two_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("first", "until", "text"),
    [
        (date(2026, 1, 1), date(2026, 1, 2), "1 January 2026"),
        (date(2026, 1, 1), date(2026, 2, 1), "1 to 31 January 2026"),
        (date(2026, 1, 15), date(2026, 3, 1), "15 January to 28 February 2026"),
        (date(2025, 12, 1), date(2026, 2, 1), "1 December 2025 to 31 January 2026"),
    ],
)
def test_period_includes_its_last_day(first: date, until: date, text: str) -> None:
    assert period_in_words(Period(first, until)) == text


def test_long_name_is_cut_with_an_ellipsis() -> None:
    assert shortened("Total amount", 12) == "Total amount"
    assert shortened("Total amounts", 12) == "Total amoun…"
