"""Tests of the page with the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from starlette.testclient import TestClient

from console.site import Connection
from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from sandbox.invented_reviews import write_reviews
from tests.unit.console.conftest import resources
from tests.unit.doubles import SageMaker, StubbedSession, create_ledger_table
from workflow.operations.reviews_source import open_reviews

JANUARY = "since=2026-01-01&until=2026-02-01"
HOSTILE = '"><script>alert(1)</script>\u202e'

pytestmark = pytest.mark.usefixtures("without_charts")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    write_reviews(folder, 60, first=date(2026, 1, 1), days=31, seed=5)
    return folder


@pytest.fixture
def client(
    console: Callable[..., TestClient], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.setattr("console.pages.report._reviews", lambda site: open_reviews(str(folder)))
    with mock_aws():
        session = StubbedSession()
        create_ledger_table(session.client("dynamodb"))
        session.client("s3").create_bucket(Bucket="reviews")
        flow = resources().flow_definition_arn("ticket-routing")
        session.use("sagemaker", SageMaker(flow))
        Ledger(session.client("dynamodb"), "ledger").open(
            Loop(
                human_loop_name="a",
                flow_definition_arn=flow,
                status="Failed",
                created_at="2026-01-05T00:00:00Z",
            )
        )
        yield console(Connection(resources(), session))  # type: ignore[arg-type]


def test_page_frames_the_report_of_the_chosen_days(client: TestClient) -> None:
    answer = client.get(f"/report?flow=ticket-routing&{JANUARY}")
    assert answer.status_code == 200
    document = "/report/document?flow=ticket-routing&amp;since=2026-01-01&amp;until=2026-02-01"
    assert f'<iframe class="report" src="{document}" title="The report">' in answer.text
    assert "created from 2026-01-01 to 2026-01-31 (whole days in UTC)" in " ".join(answer.text.split())
    options = "--flow-definition ticket-routing --since 2026-01-01 --until 2026-02-01 --stage dev"
    assert f"<code>python deploy.py report {options}</code>" in answer.text


def test_document_is_the_report_with_a_policy_of_its_own(client: TestClient) -> None:
    answer = client.get(f"/report/document?flow=ticket-routing&{JANUARY}")
    assert answer.status_code == 200
    assert "<h1>Human reviews of ticket-routing</h1>" in answer.text
    assert "How the human loops ended" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "style-src 'unsafe-inline'" in policy
    assert "frame-ancestors 'self'" in policy
    assert "script" not in policy


def test_json_has_the_figures_of_the_report(client: TestClient) -> None:
    document = client.get(f"/report?{JANUARY}&format=json").json()
    assert document["report"]["reviews"] == 60
    assert document["report"]["loops"]["byStatus"] == {"Failed": 1}
    assert (document["first"], document["last"], document["problems"]) == ("2026-01-01", "2026-01-31", {})
    assert "ticket-routing" in document["flowDefinitions"]


def test_report_covers_the_last_30_days_unless_others_are_chosen(client: TestClient) -> None:
    document: dict[str, Any] = client.get("/report?format=json").json()
    first, last = date.fromisoformat(document["first"]), date.fromisoformat(document["last"])
    assert (last - first).days == 29
    answer = client.get("/report/document")
    assert (answer.status_code, "There are no reviews from" in answer.text) == (200, True)


@pytest.mark.parametrize(
    ("query", "name", "problem"),
    [
        ("since=soon", "since", "invalid time 'soon': use 30m, 2h, 3d or 1w"),
        ("since=2999-01-01", "since", "2999-01-01 is in the future"),
        ("until=%00", "until", "invalid time"),
        ("since=2026-01-02&until=2026-01-01", "until", "has no days"),
        ("flow=ticket-ruoting", "flow", "did you mean 'ticket-routing'?"),
    ],
)
def test_mistakes_are_shown_beside_the_field_and_nothing_is_lost(
    client: TestClient, query: str, name: str, problem: str
) -> None:
    query = f"{query}&flow=ticket-routing" if "flow" not in query else f"{query}&{JANUARY}"
    document = client.get(f"/report?{query}&format=json")
    assert document.status_code == 400
    assert problem in document.json()["problems"][name]
    page = client.get(f"/report?{query}").text
    assert f'id="{name}-problem"' in page
    assert "<iframe" not in page
    for asked in document.json()["asked"].values():
        assert f'value="{asked}"' in page or "\x00" in asked
    answer = client.get(f"/report/document?{query}")
    assert answer.status_code == 400
    assert "There is no such report" in answer.text


def test_values_of_the_form_are_escaped(client: TestClient) -> None:
    answer = client.get("/report", params={"flow": HOSTILE, "since": HOSTILE})
    assert answer.status_code == 400
    assert "<script>alert" not in answer.text
    assert "\u202e" not in answer.text
