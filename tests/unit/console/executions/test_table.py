"""All steps of an execution, and the events of its history."""

from __future__ import annotations

import dataclasses

from console.executions.raw_events import EVENTS, events_of
from console.executions.step import find_visit
from console.executions.table import ROWS, table_of
from tests.unit.console.executions.executions import NOW, History, execution_of, mapped


def test_rows_have_depth_item_and_time() -> None:
    table = table_of(execution_of(mapped(2, failed=(1,)), "FAILED"), 1, now=NOW)
    assert [(row.order, row.step.state, row.depth, row.step.where, row.status) for row in table.rows] == [
        (1, "Each", 0, "", "running"),
        (2, "Look", 1, "item 1", "passed"),
        (3, "Refuse", 1, "item 2", "failed"),
    ]
    assert [row.offset for row in table.rows] == [1.0, 4.0, 8.0]
    assert table.rows[1].seconds == 1.0


def test_steps_of_an_item_are_together() -> None:
    history = mapped(2)
    execution = execution_of(history)
    mixed = [execution.visits[0], execution.visits[2], execution.visits[1]]
    table = table_of(dataclasses.replace(execution, visits=mixed), 1, now=NOW)
    assert [row.step.where for row in table.rows] == ["", "item 1", "item 2"]


def test_bars_stay_within_the_execution() -> None:
    history = History()
    history.passed("A")
    history.entered("Back off", "Wait")
    rows = table_of(execution_of(history, "RUNNING"), 1, now=NOW).rows
    bars = [row.bar for row in rows]
    assert all(bar is not None and bar.left >= 0 and bar.left + bar.width <= 100 for bar in bars)
    assert bars[1] is not None
    assert bars[1].left + bars[1].width == 100


def test_bar_of_an_execution_without_a_duration_is_left_out() -> None:
    history = History()
    history.passed("A")
    for event in history.events:
        event["timestamp"] = history.events[0]["timestamp"]
    assert table_of(execution_of(history), 1, now=NOW).rows[0].bar is None


def test_long_table_has_pages() -> None:
    execution = execution_of(mapped(ROWS))
    table = table_of(execution, 2, now=NOW)
    assert (len(table.rows), table.rows[0].order) == (1, ROWS + 1)
    assert (table.pages.page, table.pages.pages, table.pages.first, table.pages.total) == (2, 2, 201, 201)
    assert table_of(execution, 99, now=NOW).pages.page == 2


def test_events_are_those_of_the_history_with_their_step() -> None:
    history = mapped(1)
    events = events_of(execution_of(history), 1)
    assert [event.type for event in events.events] == [event["type"] for event in history.events]
    entered = events.events[4]
    assert entered.step is not None
    assert (entered.id, entered.type, entered.step.state, entered.offset) == (
        5,
        "PassStateEntered",
        "Look",
        4.0,
    )
    assert entered.details == {"name": "Look", "input": "{}"}


def test_events_of_a_visit_are_its_own() -> None:
    execution = execution_of(mapped(3))
    events = events_of(execution, 1, find_visit(execution, "Look", 2))
    assert [event.type for event in events.events] == ["PassStateEntered", "PassStateExited"]
    assert events.step is not None
    assert events.step.where == "item 2"


def test_long_history_has_pages() -> None:
    execution = execution_of(mapped(EVENTS))
    found = events_of(execution, 2)
    assert (len(found.events), found.events[0].id) == (EVENTS, EVENTS + 1)
    assert events_of(execution_of(History()), 1).pages.total == 1
