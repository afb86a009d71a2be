"""Tests of the list of human loops."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from lambdas.loops.loop import Loop
from lambdas.loops.rows import UnreadableRow
from tests.unit.console.conftest import resources
from workflow.operations.flow_definitions import UnknownFlowDefinition
from workflow.operations.listing import ListingError, LoopFilter, LoopPage


class Listed:
    """The loops of a stage, which has one page of them. It keeps what was asked for.

    Attributes:
        filter: The filter.
        options: The other arguments.
    """

    def __init__(self, page: LoopPage) -> None:
        self._page = page
        self.filter = LoopFilter()
        self.options: dict[str, Any] = {}
        self.flow_definitions = SimpleNamespace(known=self._known)

    def _known(self, name: str) -> str:
        if name == "on":
            raise UnknownFlowDefinition("unknown flow definition 'on'; did you mean 'one'?")
        return f"arn:flow-definition/{name}"

    def page(self, loop_filter: LoopFilter, **options: Any) -> LoopPage:
        self.filter, self.options = loop_filter, options
        if options["after"] == "invalid":
            raise ListingError("the address has an invalid cursor")
        return self._page


@pytest.fixture
def listing(console: Callable[..., TestClient]) -> Callable[..., tuple[TestClient, Listed]]:
    """Makes a client of a console with one page of loops: `listing(loop, …, next_cursor="x")`."""

    def make(*loops: Loop, **more: Any) -> tuple[TestClient, Listed]:
        listed = Listed(LoopPage(list(loops), **more))
        flows = ",".join(f"arn:aws:sagemaker:eu-west-1:1:flow-definition/{name}" for name in ("two", "one"))
        stage = resources().__class__(**{**vars(resources()), "parameters": {"FlowDefinitionArns": flows}})
        connection = SimpleNamespace(resources=stage, loops=listed)
        return console(connection), listed

    return make


def loop(name: str = "loop-1", **more: Any) -> Loop:
    attributes = {
        "status": "Completed",
        "outcome": "stored",
        "created_at": "2026-03-04T05:06:07.890Z",
        **more,
    }
    return Loop(human_loop_name=name, flow_definition_arn="arn:flow-definition/one", **attributes)


def test_page_has_what_one_looks_for_in_a_loop(listing):
    review = {"fields": 7, "changed": 2, "added": 1, "removed": 0}
    escalated = loop("late", status="Failed", outcome="escalated", reason="All attempts are used.", attempt=3)
    client, _ = listing(escalated, loop(review=review))

    document = client.get("/?format=json").json()
    text = client.get("/").text

    first, second = document["loops"]
    assert (first["name"], first["group"], first["why"]) == ("late", "needsAction", "All attempts are used.")
    assert (first["attempt"], first["overruledFields"]) == (3, None)
    assert (second["flowDefinition"], second["overruledFields"], second["fields"]) == ("one", 3, 7)
    assert text.index("Need a person") < text.index("All attempts are used.") < text.index("Ended")
    assert "3 of 7" in text
    assert '<time datetime="2026-03-04T05:06:07.890Z"' in text
    assert document["flowDefinitions"] == ["one", "two"]
    assert document["command"] == "python deploy.py loops list --stage dev"


def test_filters_and_order_are_those_of_the_address(listing):
    client, listed = listing(loop(), next_cursor="here&there")
    asked = "status=Failed&outcome=escalated&flow=o'ne&since=2026-01-31&until=2026-02-01T10:00&order=newest"

    document = client.get(f"/loops?{asked}&after=where&format=json").json()

    since, until = datetime(2026, 1, 31, tzinfo=UTC), datetime(2026, 2, 1, 10, tzinfo=UTC)
    assert listed.filter == LoopFilter("Failed", "o'ne", "escalated", since, until)
    assert listed.options == {"after": "where", "newest_first": True}
    assert document["next"].endswith("order=newest&after=here%26there")
    assert "flow=o%27ne" in document["first"]
    assert "after" not in document["first"]
    assert not document["grouped"]
    assert """--flow-definition 'o'"'"'ne' --since 2026-01-31""" in document["command"]
    assert document["command"].endswith("--newest-first --stage dev")


@pytest.mark.parametrize(
    ("asked", "name", "problem"),
    [
        ("status=Done", "status", "'Done' is not one of Starting, InProgress"),
        ("outcome=x", "outcome", "'x' is not one of processing"),
        ("since=soon", "since", "invalid time 'soon': use 30m"),
        ("since=9000-01-01", "since", "in the future"),
        ("until=%F0%9F%92%A9", "until", "invalid time"),
        ("since=1h&until=2h", "until", "no loop can match"),
        (f"flow={'x' * 3000}", "flow", "a name has up to 63 characters"),
        ("after=invalid", "after", "the address has an invalid cursor"),
    ],
)
def test_invalid_filter_says_what_is_wrong_beside_its_field(listing, asked, name, problem):
    client, _ = listing(loop())

    response = client.get(f"/loops?{asked}")

    assert response.status_code == 400
    assert list(client.get(f"/loops?{asked}&format=json").json()["problems"]) == [name]
    assert problem.replace("'", "&#39;") in response.text
    assert name == "after" or f'aria-describedby="{name}-problem"' in response.text
    assert "data-live" not in response.text


def test_unknown_flow_definition_is_an_error_and_one_without_loops_is_not(listing):
    client, _ = listing()
    unknown, known = client.get("/loops?flow=on"), client.get("/loops?flow=one")
    assert (unknown.status_code, known.status_code) == (400, 200)
    assert "did you mean &#39;one&#39;?</span>" in unknown.text
    assert "No loop matches." in known.text


def test_filters_of_the_list_lead_to_the_report_about_it(listing):
    client, _ = listing(loop())
    assert 'href="/report?flow=one&amp;since=2h"' in client.get("/loops?flow=one&since=2h&status=Failed").text
    assert 'href="/report?' not in client.get("/loops?status=Failed").text


def test_name_or_key_leads_to_the_page_of_the_loop(listing):
    client, _ = listing()
    response = client.get("/loops?find=+Order+17/a?+", follow_redirects=False)
    assert (response.status_code, response.headers["location"]) == (303, "/loops/Order%2017%2Fa%3F")


def test_hostile_names_and_reasons_are_shown_as_text(listing):
    hostile = loop("../<b>&\u202egpj\x1b", outcome="failed", reason='"><script>alert(1)</script>\n')
    text = listing(hostile)[0].get("/").text
    assert "<script>alert" not in text
    assert 'href="/loops/..%2F%3Cb%3E%26%E2%80%AEgpj%1B"' in text
    assert r"../&lt;b&gt;&amp;\u202Egpj\x1B</a>" in text
    assert r"&lt;/script&gt;\n" in text


@pytest.mark.parametrize(
    ("review", "counts"),
    [
        ({"fields": "7", "changed": 1, "added": 0, "removed": 0}, (None, 1)),
        ({"fields": 7, "changed": None, "added": 0, "removed": 0}, (7, None)),
        ({"fields": True, "changed": 1.5, "added": 0}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_odd_figure_of_a_review_costs_that_figure_only(listing, review, counts):
    client, _ = listing(loop(review=review))
    (row,) = client.get("/?format=json").json()["loops"]
    assert (row["fields"], row["overruledFields"]) == counts
    assert client.get("/").status_code == 200


def test_rows_that_cannot_be_read_are_named(listing):
    client, _ = listing(loop("good"), unreadable=[UnreadableRow("<odd>", "attempt: <three>")])
    text = client.get("/").text
    assert (
        "<strong>&lt;odd&gt;</strong>: its row in the ledger cannot be read: attempt: &lt;three&gt;" in text
    )
    assert "good" in text


@pytest.mark.parametrize(
    ("more", "address", "text"),
    [
        ({}, "/", "There are no human loops yet."),
        ({}, "/loops?status=Failed", "No loop matches."),
        ({}, "/loops?after=x", "No more loops."),
        (
            {"next_cursor": "x", "searched": "2026-03-04T05:06:07.890Z"},
            "/loops?outcome=failed",
            "2026-03-04 05:06:07 UTC</time>.",
        ),
    ],
)
def test_empty_page_says_why_it_is_empty(listing, more, address, text):
    assert text in listing(**more)[0].get(address).text


def test_list_is_live_and_has_no_inline_style_or_script(listing):
    text = listing(loop())[0].get("/").text
    assert '<div id="loops" data-live>' in text
    assert " style=" not in text
    assert "<style" not in text
    assert "<script>" not in text
