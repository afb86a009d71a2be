"""Tests of what a report counts in the ledger's rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop, LoopStatus, Outcome
from tests.unit.doubles import StubbedSession, create_ledger_table
from tests.unit.workflow.operations.report.test_page import MADE, Page
from tests.unit.workflow.operations.report.test_statistics import JANUARY
from workflow.errors import AfterloopError
from workflow.operations.report.findings import findings
from workflow.operations.report.loop_facts import STATUSES, count_loops, ledger_rows
from workflow.operations.report.page import render_page
from workflow.operations.report.statistics import ReviewStatistics
from workflow.operations.reviews_source import Period

DAY = "2026-01-05T10:00:00.000Z"


def row(status: str = "Failed", **more: Any) -> dict[str, Any]:
    return {"status": status, "createdAt": DAY, **more}


ESCALATED = {"outcome": "escalated", "escalatedAt": DAY}


def test_escalated_loops_count_after_a_person_acted() -> None:
    facts = count_loops(
        [
            row(**ESCALATED),
            row(**{**ESCALATED, "outcome": "closed", "closedAt": DAY}),
            row(**{**ESCALATED, "outcome": "restarted"}),
            row("Completed", outcome="failed", escalatedAt=DAY),
            row("Completed", outcome="stored", escalatedAt=DAY),  # redriven
            row("Completed", outcome="stored"),
            row(outcome="restarted"),
        ]
    )
    assert (facts.escalated, facts.undecided) == (5, 2)
    (finding,) = findings(ReviewStatistics(JANUARY).figures(), facts)
    assert (
        finding.point
        == "4 of 7 human loops failed; 5 were escalated to a person, of which 2 still need action."
    )
    page = Page(render_page(ReviewStatistics(JANUARY).figures(), facts, MADE))
    assert "5 were escalated to a person." in page.text


@pytest.mark.parametrize("more", [{"outcome": "escalated"}, {"outcome": "failed"}, {"outcome": "closed"}])
def test_older_rows_without_escalation_time_count(more: dict[str, str]) -> None:
    assert count_loops([row(**more)]).escalated == 1


def test_loops_that_were_not_started_are_counted_separately() -> None:
    facts = count_loops([row("Completed")] * 3 + [row("Refused"), row("NotNeeded")])
    assert (facts.loops, facts.started) == (5, 3)
    (finding,) = findings(ReviewStatistics(JANUARY).figures(), facts)
    assert (finding.point, finding.because) == ("No human loop failed.", "3 were started.")


def test_every_status_is_read() -> None:
    assert set(STATUSES) == set(get_args(LoopStatus))


@given(
    st.lists(
        st.fixed_dictionaries(
            {"status": st.sampled_from(STATUSES), "createdAt": st.just(DAY)},
            optional={
                "outcome": st.sampled_from(get_args(Outcome)),
                "escalatedAt": st.just(DAY),
                "closedAt": st.just(DAY),
                "attempt": st.integers(1, 5),
            },
        )
    )
)
def test_parts_add_up_to_all_loops(rows: list[dict[str, Any]]) -> None:
    facts = count_loops(rows)
    assert facts.by_status == Counter(one["status"] for one in rows)
    assert facts.undecided <= facts.escalated <= facts.loops == len(rows)
    assert facts.started == facts.loops - sum(facts.by_status.get(one, 0) for one in ("NotNeeded", "Refused"))


class TestLedgerRows:
    """Reads a ledger's table with production's indexes."""

    PERIOD = Period(date(2026, 1, 5), date(2026, 1, 15))

    @pytest.fixture
    def session(self) -> Iterator[StubbedSession]:
        with mock_aws():
            session = StubbedSession()
            ledger = Ledger(session.client("dynamodb"), create_ledger_table(session.client("dynamodb")))
            for number, (created, status, flow) in enumerate(
                [
                    ("2026-01-04T23:59:59.999Z", "Completed", "arn:a"),
                    ("2026-01-05T00:00:00.000Z", "Completed", "arn:a"),
                    ("2026-01-14T23:59:59.999999+00:00", "Failed", "arn:a"),
                    ("2026-01-10T10:00:00Z", "Refused", "arn:b"),
                    ("2026-01-15T00:00:00.000Z", "Completed", "arn:b"),
                ]
            ):
                row = Loop(
                    human_loop_name=f"loop-{number}",
                    status=status,
                    created_at=created,
                    flow_definition_arn=flow,
                )
                assert ledger.open(row) is None
            yield session

    @pytest.mark.parametrize(
        ("flow", "statuses"),
        [
            (None, ["Completed", "Failed", "Refused"]),
            ("arn:a", ["Completed", "Failed"]),
            ("arn:b", ["Refused"]),
            ("arn:c", []),
        ],
    )
    def test_rows_are_those_of_the_period(
        self, session: StubbedSession, flow: str | None, statuses: list[str]
    ) -> None:
        rows = list(ledger_rows("ledger", session, self.PERIOD, flow))  # type: ignore[arg-type]
        assert sorted(row["status"] for row in rows) == statuses

    def test_rows_are_read_page_by_page(
        self, session: StubbedSession, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pages: list[dict[str, Any]] = []
        table = session.resource("dynamodb").Table("ledger")
        query = table.query

        def one_at_a_time(**arguments: Any) -> Any:
            pages.append(arguments)
            return query(**arguments, Limit=1)

        monkeypatch.setattr(table, "query", one_at_a_time)
        resource = type("Resource", (), {"Table": lambda self, name: table})()
        monkeypatch.setattr(session, "resource", lambda service: resource)
        assert len(list(ledger_rows("ledger", session, self.PERIOD, "arn:a"))) == 2  # type: ignore[arg-type]
        assert [("ExclusiveStartKey" in page) for page in pages] == [False, True]

    def test_missing_table_is_one_error(self, session: StubbedSession) -> None:
        with pytest.raises(AfterloopError, match="cannot read the ledger nowhere: "):
            list(ledger_rows("nowhere", session, self.PERIOD))  # type: ignore[arg-type]
