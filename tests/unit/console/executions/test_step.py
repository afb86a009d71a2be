"""One step of an execution."""

from __future__ import annotations

import pytest

from console.executions.step import MAX_ATTEMPTS, MAX_INSIDE, UnknownStep, find_visit, step_view
from console.executions.views import VisitView
from tests.unit.console.executions.executions import NOW, History, execution_of, mapped
from workflow.operations.executions import ExecutionView


def view_of(execution: ExecutionView, state: str, visit: int | None = None) -> VisitView:
    view = step_view(execution, state, find_visit(execution, state, visit), now=NOW).visit
    assert view is not None
    return view


def test_step_has_data_and_attempts_with_their_pauses() -> None:
    states = {"A": {"Type": "Task", "Comment": "Collects it.", "End": True}}
    history = History({"StartAt": "A", "States": states})
    history.entered("A", given={"name": "n"})
    history.tried("Busy")
    history.tried()
    history.left("A", output={"name": "n", "review": {"fields": 3}})
    execution = execution_of(history)
    step = step_view(execution, "A", find_visit(execution, "A", None), now=NOW)
    assert (step.kind, step.comment, step.status, step.definition) == (
        "Task",
        "Collects it.",
        "retried",
        states["A"],
    )
    visit = view_of(execution, "A")
    assert (visit.input, visit.added) == ('{"name": "n"}', '{"review": {"fields": 3}}')
    first, second = visit.attempts
    assert (first.status, first.error, first.seconds, first.pause) == ("failed", "Busy", 2.0, None)
    assert (second.status, second.error, second.pause, second.function) == ("passed", None, 1.0, "tell")


def test_failed_visit_is_found_before_the_passed_ones() -> None:
    execution = execution_of(mapped(3, failed=(1,)))
    visit = find_visit(execution, "Refuse", None)
    assert visit is not None
    assert visit.index == 1
    assert [one.state for one in view_of(execution, "Refuse").around] == ["Each"]
    assert view_of(execution, "Refuse").around[0].where == "item 2"


def test_last_of_several_visits_is_found_unless_one_is_asked_for() -> None:
    execution = execution_of(mapped(3))
    assert view_of(execution, "Look").number == 3
    assert view_of(execution, "Look", 2).number == 2


def test_unknown_steps_and_visits_are_named() -> None:
    execution = execution_of(mapped(3))
    with pytest.raises(UnknownStep, match="no step 'Lok'"):
        find_visit(execution, "Lok", None)
    with pytest.raises(UnknownStep, match="entered 'Look' 3 times; there is no visit 4"):
        find_visit(execution, "Look", 4)
    with pytest.raises(UnknownStep, match="entered 'Refuse' not at all"):
        find_visit(execution, "Refuse", 1)
    assert find_visit(execution, "Refuse", None) is None
    assert step_view(execution, "Refuse", None, now=NOW).status == "not-reached"


def test_items_of_a_map_are_counted_and_listed_in_their_order() -> None:
    visit = view_of(execution_of(mapped(4, failed=(2,))), "Each")
    assert visit.inside_counts == {"passed": 3, "failed": 1}
    assert [one.label for one in visit.inside] == ["item 1", "item 2", "item 3", "item 4"]
    assert (visit.inside[2].status, visit.inside[2].step.state) == ("failed", "Refuse")


def test_failed_items_of_a_large_map_are_listed_first() -> None:
    visit = view_of(execution_of(mapped(120, failed=(99, 110))), "Each")
    assert len(visit.inside) == MAX_INSIDE
    assert [one.label for one in visit.inside[:3]] == ["item 100", "item 111", "item 1"]


def test_only_the_last_of_many_attempts_are_shown() -> None:
    history = History()
    history.entered("A")
    for _ in range(30):
        history.tried("Busy")
    visit = view_of(execution_of(history, "RUNNING"), "A")
    assert (len(visit.attempts), visit.earlier_attempts) == (MAX_ATTEMPTS, 10)
    assert [visit.attempts[0].number, visit.attempts[-1].number] == [11, 30]
    assert visit.attempts[0].pause == 1.0


def test_running_step_takes_until_now() -> None:
    history = History()
    history.entered("Back off", "Wait")
    visit = view_of(execution_of(history, "RUNNING"), "Back off")
    assert (visit.status, visit.seconds, visit.exited) == ("running", 59.0, None)
