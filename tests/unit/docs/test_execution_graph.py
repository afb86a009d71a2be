"""The status of states, from histories that take long on the local engine."""

from __future__ import annotations

from typing import Any

from docs.examples.execution_graph import Visit, visits, worst
from workflow.asl.graph import StateStatus


class History:
    """Events with ids and previous ids, as Step Functions returns them."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.add("ExecutionStarted", after=0)

    def add(self, kind: str, *, after: int | None = None, error: str = "") -> int:
        number = len(self.events) + 1
        event = {"id": number, "previousEventId": number - 1 if after is None else after, "type": kind}
        if error or not kind.endswith("Started"):
            event[f"{kind[0].lower()}{kind[1:]}EventDetails"] = {"error": error} if error else {}
        self.events.append(event)
        return number

    def entered(self, name: str, kind: str = "Task", *, after: int | None = None) -> int:
        number = self.add(f"{kind}StateEntered", after=after)
        self.events[-1]["stateEnteredEventDetails"] = {"name": name}
        return number

    def left(self, name: str, kind: str = "Task", *, after: int | None = None) -> int:
        number = self.add(f"{kind}StateExited", after=after)
        self.events[-1]["stateExitedEventDetails"] = {"name": name}
        return number

    def __str__(self) -> str:
        return " → ".join(map(str, visits(self.events)))


def test_failed_step_with_catch_is_caught() -> None:
    history = History()
    history.entered("Send the verdict")
    for _ in range(3):
        history.add("TaskScheduled")
        history.add("TaskFailed", error="KeyError")
    history.left("Send the verdict")
    history.entered("Escalate")
    history.add("TaskSucceeded")
    history.left("Escalate")
    history.entered("Failed", "Fail")
    history.add("ExecutionFailed", error="KeyError")
    assert str(history) == "Send the verdict (failed: KeyError) → Escalate → Failed"
    assert worst(visits(history.events)) == {
        "Send the verdict": StateStatus.CAUGHT,
        "Escalate": StateStatus.PASSED,
        "Failed": StateStatus.FAILED,
    }


def test_step_that_succeeds_on_retry_is_passed() -> None:
    history = History()
    history.entered("A")
    history.add("TaskTimedOut", error="States.Timeout")
    history.add("TaskSucceeded")
    history.left("A")
    assert visits(history.events) == [Visit("A", StateStatus.PASSED)]


def test_errors_of_parallel_branches_are_kept_apart() -> None:
    history = History()
    history.entered("Both", "Parallel")
    started = history.add("ParallelStateStarted")
    one = history.entered("One", after=started)
    other = history.entered("Other", after=started)
    one = history.add("TaskFailed", error="Oh", after=one)
    other = history.add("TaskSucceeded", after=other)
    history.left("One", after=one)
    history.left("Other", after=other)
    history.left("Both", "Parallel", after=other)
    assert str(history) == "Both → One (failed: Oh) → Other"


def test_branches_of_caught_parallel_are_not_running() -> None:
    history = History()
    history.entered("Outer", "Parallel")
    started = history.add("ParallelStateStarted")
    wait = history.entered("Wait", "Wait", after=started)
    history.entered("Inner", "Map", after=started)
    history.add("MapStateStarted")
    history.add("MapIterationStarted")
    history.entered("Item")
    failed = history.add("TaskFailed", error="Oh")
    history.add("MapIterationFailed", after=failed)
    failed = history.add("MapStateFailed", after=failed)
    history.add("WaitStateAborted", after=failed)
    history.add("ParallelStateFailed", after=failed)
    history.left("Outer", "Parallel")
    history.entered("Next")
    history.left("Next")
    assert wait
    assert str(history) == (
        "Outer (failed: ParallelStateFailed) → Wait (failed: aborted) → Inner (failed: MapStateFailed)"
        " → Item (failed: Oh) → Next"
    )
    assert worst(visits(history.events))["Wait"] is StateStatus.FAILED


def test_retry_of_map_ends_visits_of_earlier_attempt() -> None:
    history = History()
    history.entered("Map", "Map")
    history.add("MapStateStarted")
    history.add("MapIterationStarted")
    history.entered("Item")
    failed = history.add("TaskFailed", error="Oh")
    history.add("MapIterationFailed", after=failed)
    history.add("MapStateStarted", after=failed)
    history.add("MapIterationStarted")
    history.entered("Item")
    history.add("TaskSucceeded")
    last = history.left("Item")
    history.add("MapIterationSucceeded", after=last)
    history.left("Map", "Map", after=last)
    assert str(history) == "Map → Item (failed: Oh) → Item"


def test_iterations_of_same_state_are_told_apart() -> None:
    history = History()
    history.entered("Map", "Map")
    started = history.add("MapStateStarted")
    first = history.entered("Item", after=history.add("MapIterationStarted", after=started))
    second = history.entered("Item", after=history.add("MapIterationStarted", after=started))
    second = history.add("TaskFailed", error="Oh", after=second)
    history.left("Item", after=second)
    first = history.add("TaskSucceeded", after=first)
    first = history.left("Item", after=first)
    history.left("Map", "Map", after=first)
    assert str(history) == "Map → Item → Item (failed: Oh)"


def test_worst_status_of_several_visits_is_drawn() -> None:
    history = History()
    for error in ("", "Oh", ""):
        history.entered("Item")
        history.add("TaskFailed" if error else "TaskSucceeded", error=error)
        history.left("Item")
    assert str(history) == "Item → Item (failed: Oh) → Item"
    assert worst(visits(history.events)) == {"Item": StateStatus.CAUGHT}


def test_redrive_sets_failed_state_to_running() -> None:
    history = History()
    history.entered("A")
    assert str(history) == "A (running)"
    history.add("TaskFailed", error="Oh")
    history.add("ExecutionFailed", error="Oh")
    assert str(history) == "A (failed: Oh)"
    assert worst(visits(history.events)) == {"A": StateStatus.FAILED}
    history.add("ExecutionRedriven")
    assert str(history) == "A (running)"
    history.add("TaskSucceeded")
    history.left("A")
    assert str(history) == "A"


def test_stopped_execution_fails_its_current_state() -> None:
    history = History()
    history.entered("Wait", "Wait")
    history.add("ExecutionAborted")
    assert str(history) == "Wait (failed: ExecutionAborted)"
