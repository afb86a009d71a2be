"""What happened in an execution, in a sentence."""

from __future__ import annotations

from console.executions.summary import summary_of
from console.executions.views import SummaryView
from tests.unit.console.executions.executions import History, execution_of, mapped
from workflow.operations.executions import ExecutionView


def sentence(execution: ExecutionView) -> str:
    found = summary_of(execution)
    step = f" [{found.step.state} {found.step.visit}]" if found.step else ""
    return f"{found.text}{step}{found.rest}" + (f": {found.error}" if found.error else "")


def escalated() -> History:
    """A step failed, the error was caught, and led to a Fail state."""
    history = History()
    history.entered("Collect review")
    history.tried("OutputMissing")
    history.tried("OutputMissing")
    history.left("Collect review")
    history.entered("Escalate")
    history.tried()
    history.left("Escalate")
    history.entered("Failed", "Fail")
    history.add("ExecutionFailed", error="OutputMissing", cause="why")
    return history


def test_success_names_the_last_step() -> None:
    history = History()
    history.passed("A")
    history.passed("Handled")
    assert summary_of(execution_of(history)) == SummaryView(text="It succeeded, and ended in Handled.")


def test_failure_is_in_the_step_whose_caught_error_led_to_the_end() -> None:
    found = summary_of(execution_of(escalated(), "FAILED", error="OutputMissing", cause="why"))
    assert (found.text, found.rest, found.error) == ("It failed in", " after 2 attempts", "OutputMissing")
    assert found.step is not None
    assert found.step.state == "Collect review"
    assert found.cause is not None
    assert found.cause.message == "why"
    assert found.notes == (
        "The error was caught, and led to Failed.",
        "Tried again: Collect review (once).",
    )


def test_failure_of_another_error_is_in_the_fail_state() -> None:
    history = escalated()
    history.events[-1]["executionFailedEventDetails"] = {"error": "Refused"}
    execution = execution_of(history, "FAILED", error="Refused")
    assert sentence(execution) == "It ended in [Failed 1], a Fail state: Refused"
    assert "An error was caught in Collect review." in summary_of(execution).notes


def test_failure_in_a_map_is_in_the_step_of_the_item() -> None:
    history = mapped(3, failed=(1,))
    history.add("MapStateFailed")
    history.add("ExecutionFailed", error="States.ItemFailed")
    found = summary_of(execution_of(history, "FAILED", error="States.ItemFailed"))
    assert found.step is not None
    assert (found.step.state, found.step.where) == ("Refuse", "item 2")


def test_tolerated_failures_of_items_are_noted() -> None:
    history = mapped(3, failed=(1,))
    history.add("MapStateSucceeded")
    history.left("Each", "Map")
    execution = execution_of(history)
    assert sentence(execution) == "It succeeded, and ended in Each."
    assert summary_of(execution).notes == ("Some items failed, and Each tolerated that.",)


def test_running_execution_names_the_step_and_the_attempt() -> None:
    history = History()
    assert sentence(execution_of(history, "RUNNING")) == "It has just started."
    history.passed("A")
    assert sentence(execution_of(history, "RUNNING")) == "It has just left [A 1]"
    history.entered("Tell the shop")
    assert sentence(execution_of(history, "RUNNING")) == "It is running [Tell the shop 1]"
    history.tried("Busy")
    paused = "It is in [Tell the shop 1] (attempt 1 failed, and the next one follows after a pause)"
    assert sentence(execution_of(history, "RUNNING")).startswith(paused)
    history.add("TaskScheduled", resourceType="lambda", resource="invoke")
    assert sentence(execution_of(history, "RUNNING")) == "It is running [Tell the shop 1] (attempt 2)"


def test_waiting_execution_says_so() -> None:
    history = History()
    history.entered("Back off", "Wait")
    assert sentence(execution_of(history, "RUNNING")) == "It is waiting in [Back off 1]"


def test_stopped_and_timed_out_executions_name_the_step_that_ran() -> None:
    for kind, status, text in (
        ("ExecutionAborted", "ABORTED", "It was stopped in [Back off 1]"),
        ("ExecutionTimedOut", "TIMED_OUT", "It ran out of time in [Back off 1]"),
    ):
        history = History()
        history.passed("A")
        history.entered("Back off", "Wait")
        history.add(kind)
        assert sentence(execution_of(history, status)) == text


def test_many_steps_are_counted() -> None:
    history = History()
    for name in "ABCDE":
        history.entered(name)
        history.tried("Busy")
        history.tried()
        history.left(name)
    assert summary_of(execution_of(history)).notes == (
        "Tried again: A (once), B (once), C (once) and 2 more.",
    )


def test_redriven_execution_says_how_often() -> None:
    history = History()
    history.passed("A")
    assert summary_of(execution_of(history, redrives=2)).notes == (
        "It was redriven twice in the Step Functions console.",
    )
