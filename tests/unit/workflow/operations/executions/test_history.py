"""From events to visits. The histories that the local engine makes quickly are tested there."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workflow.operations.executions.histories import START, History
from workflow.asl.graph import StateStatus
from workflow.operations.executions import figures_of


def machine(**states: Any) -> dict[str, Any]:
    return {
        "States": {name: {"Type": kind} if isinstance(kind, str) else kind for name, kind in states.items()}
    }


def statuses(history: History) -> dict[str, StateStatus]:
    figures = figures_of(history.definition, history.visits)
    return {name: one.status for name, one in figures.items()}


def test_failed_step_with_catch_is_caught() -> None:
    history = History()
    history.entered("Send the verdict")
    for _ in range(3):
        history.tried("KeyError")
    history.left("Send the verdict")
    history.entered("Escalate")
    history.tried()
    history.left("Escalate")
    history.entered("Failed", "Fail")
    history.add("ExecutionFailed", error="KeyError", cause="no such label")
    assert str(history) == "Send the verdict (caught KeyError) → Escalate → Failed (failed: KeyError)"
    sent, _, failed = history.visits
    assert (sent.retries, sent.cause, failed.cause) == (2, "why", "no such label")
    figures = figures_of({}, history.visits)["Send the verdict"]
    assert (figures.visits, figures.failed, figures.retries) == (1, 1, 2)


def test_step_that_succeeds_on_retry_is_retried() -> None:
    history = History()
    history.entered("A")
    history.tried("States.Timeout", kind="TaskTimedOut")
    history.tried(SdkResponseMetadata={"RequestId": "r-1"})
    history.left("A")
    assert str(history) == "A (1 retry)"
    first, second = history.visits[0].attempts
    assert (first.number, first.status, first.error) == (1, StateStatus.FAILED, "States.Timeout")
    assert (second.number, second.status, second.error) == (2, StateStatus.PASSED, None)
    assert (first.resource, first.function, first.request_id) == ("lambda:invoke", "tell", None)
    assert (second.request_id, json.loads(second.parameters or "")) == ("r-1", {"FunctionName": "tell"})
    assert (first.started, first.ended) == (START + timedelta(seconds=2), START + timedelta(seconds=4))
    assert first.duration == timedelta(seconds=2)
    assert second.event_ids == [6, 7, 8]


def test_running_step_between_retries_is_running() -> None:
    history = History()
    history.entered("A")
    history.tried("Oh")
    assert str(history) == "A (running)"
    assert history.visits[0].attempts[0].error == "Oh"


def test_visit_has_input_output_variables_and_what_was_added() -> None:
    history = History()
    history.entered("A", given={"detail": {"name": "x"}, "same": 1})
    history.tried()
    history.left(
        "A",
        output={"detail": {"name": "x", "more": True}, "same": True, "new": [1]},
        assignedVariables={"count": "3"},
        outputDetails={"truncated": False},
    )
    visit = history.visits[0]
    assert json.loads(visit.added or "") == {"detail": {"more": True}, "same": True, "new": [1]}
    assert visit.variables == {"count": "3"}
    assert (visit.kind, visit.entered, visit.duration) == (
        "Task",
        START + timedelta(seconds=1),
        timedelta(seconds=4),
    )


def test_added_is_none_where_input_or_output_is_incomplete() -> None:
    history = History()
    history.entered("Same", given={"a": 1})
    history.left("Same", output={"a": 1})
    history.entered("List", given=[1])
    history.left("List", output=[1, 2])
    history.entered("Truncated", given={"a": 1})
    history.left("Truncated", output={"b": 1}, outputDetails={"truncated": True})
    history.entered("Not JSON")
    history.events[-1]["stateEnteredEventDetails"]["input"] = "{"
    history.left("Not JSON", output={"b": 1})
    history.entered("Deep")
    history.events[-1]["stateEnteredEventDetails"]["input"] = '{"a":' * 50_000 + "1" + "}" * 50_000
    history.left("Deep", output={"b": 1})
    assert [visit.added for visit in history.visits] == [None] * 5
    assert history.visits[2].output_truncated


def test_state_that_is_visited_again_has_numbers() -> None:
    history = History()
    for _ in range(3):
        history.passed("Again?")
    assert [visit.number for visit in history.visits] == [1, 2, 3]
    assert figures_of({}, history.visits)["Again?"].visits == 3


def test_runtime_error_without_event_of_its_own_fails_the_state() -> None:
    history = History(machine(**{"A": "Pass", "Route": "Choice"}))
    history.passed("A")
    history.entered("Route", "Choice")
    history.add("ExecutionFailed", error="States.NoChoiceMatched", cause="none")
    assert str(history) == "A → Route (failed: States.NoChoiceMatched)"


def test_evaluation_error_fails_the_state() -> None:
    history = History()
    history.entered("A")
    history.add("EvaluationFailed", error="States.QueryEvaluationError", cause="nothing", state="A")
    history.add("ExecutionFailed", error="States.QueryEvaluationError", cause="nothing")
    assert str(history) == "A (failed: States.QueryEvaluationError)"
    assert history.visits[0].attempts == []


def test_errors_of_parallel_branches_are_kept_apart() -> None:
    branches = [machine(One="Task"), machine(Other="Task")]
    history = History(machine(Both={"Type": "Parallel", "Branches": branches}))
    history.entered("Both", "Parallel")
    started = history.add("ParallelStateStarted")
    other = history.entered("Other", after=started)
    one = history.entered("One", after=started)
    one = history.tried("Oh", after=one)
    other = history.tried(after=other)
    history.left("One", after=one)
    last = history.left("Other", after=other)
    history.add("ParallelStateSucceeded", after=last)
    history.left("Both", "Parallel", after=last)
    assert str(history) == "Both → Other → One (caught Oh)"
    assert [visit.branch for visit in history.visits] == [None, 1, 0]


def test_failed_branch_fails_parallel_and_aborts_others() -> None:
    history = History()
    history.entered("Outer", "Parallel")
    started = history.add("ParallelStateStarted")
    wait = history.entered("Wait", "Wait", after=started)
    inner = history.entered("Inner", "Map", after=started)
    history.add("MapStateStarted", after=inner, length=1)
    history.add("MapIterationStarted", name="Inner", index=0)
    history.entered("Item")
    failed = history.tried("Oh")
    history.add("MapIterationFailed", after=failed, name="Inner", index=0)
    failed = history.add("MapStateFailed", after=failed)
    history.add("WaitStateAborted", after=wait)
    failed = history.add("ParallelStateFailed", after=failed)
    history.left("Outer", "Parallel", after=failed)
    history.passed("Next")
    assert str(history) == (
        "Outer (caught Oh) → Wait (stopped) → Inner (failed: Oh) → Item (failed: Oh) → Next"
    )


def test_item_that_fails_without_an_event_of_its_own_fails_its_state() -> None:
    item = machine(Route="Choice")
    history = History(machine(Each={"Type": "Map", "ItemProcessor": item}))
    history.entered("Each", "Map")
    started = history.add("MapStateStarted", length=2)
    first = history.entered("Route", "Choice", after=history.add("MapIterationStarted", name="Each", index=0))
    second = history.add("MapIterationStarted", after=started, name="Each", index=1)
    history.entered("Route", "Choice", after=second)
    history.add("MapIterationFailed", after=first, name="Each", index=0)
    history.add("MapIterationAborted", after=first, name="Each", index=1)
    failed = history.add("MapStateFailed", after=first)
    assert str(history) == "Each (running) → Route (failed) → Route (stopped)"
    caught = History(history.definition)
    caught.events = [*history.events]
    caught.left("Each", "Map")
    assert str(caught) == "Each (caught an error) → Route (failed) → Route (stopped)"
    history.add("ExecutionFailed", after=failed, error="States.NoChoiceMatched")
    no_match = "States.NoChoiceMatched"
    assert str(history) == f"Each (failed: {no_match}) → Route (failed: {no_match}) → Route (stopped)"


def test_branch_that_fails_without_an_event_of_its_own_fails_its_state() -> None:
    history = History()
    history.entered("Both", "Parallel")
    started = history.add("ParallelStateStarted")
    history.entered("Other", "Wait", after=started)
    route = history.entered("Route", "Choice", after=started)
    failed = history.add("ParallelStateFailed", after=route)
    history.add("ExecutionFailed", after=failed, error="States.Runtime")
    assert str(history) == "Both (failed: States.Runtime) → Other (stopped) → Route (failed: States.Runtime)"


def test_abort_that_links_to_failure_of_another_branch_is_no_abort_of_it() -> None:
    history = History()
    history.entered("Both", "Parallel")
    started = history.add("ParallelStateStarted")
    history.entered("Other", after=started)
    failed = history.entered("One", after=started)
    failed = history.tried("Oh", after=failed)
    history.add("TaskStateAborted", after=failed)
    failed = history.add("ParallelStateFailed", after=failed)
    history.add("ExecutionFailed", after=failed, error="Oh")
    assert str(history) == "Both (failed: Oh) → Other (stopped) → One (failed: Oh)"


def test_retry_of_map_supersedes_visits_of_earlier_attempt() -> None:
    history = History()
    history.entered("Map", "Map")
    history.add("MapStateStarted")
    history.add("MapIterationStarted", name="Map", index=0)
    history.entered("Item")
    failed = history.tried("Oh")
    history.add("MapIterationFailed", after=failed, name="Map", index=0)
    history.add("MapStateStarted", after=failed)
    history.add("MapIterationStarted", name="Map", index=0)
    history.entered("Item")
    history.tried()
    last = history.left("Item")
    history.add("MapIterationSucceeded", after=last, name="Map", index=0)
    history.left("Map", "Map", after=last)
    assert str(history) == "Map (1 retry) → Item (failed: Oh) → Item"
    assert [visit.superseded for visit in history.visits] == [False, True, False]
    assert [attempt.error for attempt in history.visits[0].attempts] == ["Oh", None]
    assert statuses(history) == {"Map": StateStatus.RETRIED, "Item": StateStatus.RETRIED}


def test_iterations_of_same_state_are_told_apart() -> None:
    history = History()
    history.entered("Map", "Map")
    started = history.add("MapStateStarted")
    first = history.entered(
        "Item", after=history.add("MapIterationStarted", after=started, name="Map", index=0)
    )
    second = history.add("MapIterationStarted", after=started, name="Map", index=1)
    second = history.entered("Item", after=second)
    second = history.tried("Oh", after=second)
    history.left("Item", after=second)
    first = history.tried(after=first)
    first = history.left("Item", after=first)
    third = history.add("MapIterationStarted", after=first, name="Map", index=2)
    history.entered("Item", after=third)
    assert str(history) == "Map (running) → Item → Item (caught Oh) → Item (running)"
    assert [visit.index for visit in history.visits] == [None, 0, 1, 2]
    assert statuses(history)["Item"] is StateStatus.RUNNING


def test_worst_status_of_several_visits_counts() -> None:
    history = History()
    for error in ("", "Oh", ""):
        history.entered("Item")
        history.tried(error)
        history.left("Item")
    assert str(history) == "Item → Item (caught Oh) → Item"
    assert statuses(history) == {"Item": StateStatus.CAUGHT}


def test_redrive_sets_failed_state_to_running() -> None:
    history = History()
    history.entered("A")
    assert str(history) == "A (running)"
    history.tried("Oh")
    history.add("ExecutionFailed", error="Oh")
    assert str(history) == "A (failed: Oh)"
    history.add("ExecutionRedriven", redriveCount=1)
    assert str(history) == "A (running)"
    history.tried()  # Links to the redrive.
    history.left("A")
    assert str(history) == "A (1 retry)"
    assert [attempt.number for attempt in history.visits[0].attempts] == [1, 2]


def test_redrive_that_enters_the_state_again_supersedes_the_visit() -> None:
    history = History()
    history.passed("A")
    history.entered("Give up", "Fail")
    history.add("ExecutionFailed", error="Oh")
    redriven = history.add("ExecutionRedriven", redriveCount=1)
    history.entered("Give up", "Fail", after=redriven)
    history.add("ExecutionFailed", error="Oh")
    assert [(str(visit), visit.superseded) for visit in history.visits] == [
        ("A", False),
        ("Give up (failed: Oh)", True),
        ("Give up (failed: Oh)", False),
    ]


def test_redrive_continues_failed_branches_only() -> None:
    branches = [machine(One="Task"), machine(Other="Task")]
    history = History(machine(Both={"Type": "Parallel", "Branches": branches}))
    history.entered("Both", "Parallel")
    started = history.add("ParallelStateStarted")
    one = history.entered("One", after=started)
    other = history.entered("Other", after=started)
    history.left("One", after=history.tried(after=one))
    failed = history.add("ParallelStateFailed", after=history.tried("Oh", after=other))
    history.add("ExecutionFailed", after=failed, error="Oh")
    assert str(history) == "Both (failed: Oh) → One → Other (failed: Oh)"
    redriven = history.add("ExecutionRedriven", after=0, redriveCount=1)
    assert str(history) == "Both (running) → One → Other (running)"
    left = history.left("Other", after=history.tried(after=redriven))
    history.left("Both", "Parallel", after=left)
    assert str(history) == "Both → One → Other (1 retry)"


def test_stopped_execution_aborts_its_current_state() -> None:
    history = History()
    history.passed("A")
    history.entered("Wait", "Wait")
    history.add("ExecutionAborted", after=0, error="Oops", cause="by me")
    assert str(history) == "A → Wait (stopped)"


def test_timeout_of_execution_fails_its_current_state() -> None:
    history = History()
    history.entered("Ask")
    history.add("TaskScheduled", resourceType="sqs", resource="sendMessage.waitForTaskToken", parameters="{}")
    history.add("ExecutionTimedOut", after=0, error="States.Timeout")
    assert str(history) == "Ask (failed: States.Timeout)"
    (attempt,) = history.visits[0].attempts
    assert (attempt.status, attempt.error) == (StateStatus.FAILED, "States.Timeout")
    assert attempt.resource == "sqs:sendMessage.waitForTaskToken"


def test_states_in_distributed_map_are_unknown_once_it_is_reached() -> None:
    processor = {**machine(Item="Task"), "ProcessorConfig": {"Mode": "DISTRIBUTED"}}
    history = History(machine(Each={"Type": "Map", "ItemProcessor": processor}, Later="Pass"))
    assert statuses(history) == dict.fromkeys(("Each", "Item", "Later"), StateStatus.NOT_REACHED)
    history.entered("Each", "Map")
    history.add("MapStateStarted", length=2)
    history.add("MapRunStarted", mapRunArn="arn:run")
    assert history.visits[0].map_run == "arn:run"
    assert statuses(history) == {
        "Each": StateStatus.RUNNING,
        "Item": StateStatus.UNKNOWN,
        "Later": StateStatus.NOT_REACHED,
    }
    history.add("MapRunFailed", error="States.ExceedToleratedFailureThreshold", cause="2 of 2")
    history.add("MapStateFailed")
    history.add("ExecutionFailed", error="States.ExceedToleratedFailureThreshold")
    assert str(history) == "Each (failed: States.ExceedToleratedFailureThreshold)"


def test_started_child_execution_is_linked() -> None:
    history = History()
    history.entered("Run another")
    names = {"resourceType": "states", "resource": "startExecution.sync:2"}
    history.add("TaskScheduled", **names, parameters="{}")
    history.add("TaskStarted", **names)
    history.add("TaskSubmitted", **names, output='{"ExecutionArn": "arn:child"}')
    assert history.visits[0].attempts[0].execution == "arn:child"


def test_function_of_older_kind_of_task_is_named() -> None:
    history = History()
    history.entered("A")
    history.add("LambdaFunctionScheduled", resource="arn:aws:lambda:r:1:function:f", input="{}")
    history.add("LambdaFunctionStarted")
    history.add("LambdaFunctionTimedOut", error="States.Timeout")
    (attempt,) = history.visits[0].attempts
    assert (attempt.function, attempt.error) == ("arn:aws:lambda:r:1:function:f", "States.Timeout")


@pytest.mark.parametrize(
    ("service", "action", "function"),
    [
        ("lambda", "invoke", "tell"),
        ("lambda", "invoke.waitForTaskToken", "tell"),
        ("aws-sdk:lambda", "invoke", "tell"),
        ("aws-sdk:lambda", "getFunction", None),
        ("sns", "publish", None),
    ],
)
def test_function_of_a_task_is_named(service: str, action: str, function: str | None) -> None:
    history = History()
    history.entered("A")
    parameters = json.dumps({"FunctionName": "tell"})
    history.add("TaskScheduled", resourceType=service, resource=action, parameters=parameters)
    (attempt,) = history.visits[0].attempts
    assert attempt.function == function


def everything() -> History:
    """A Map in a Parallel with a retry, beside a branch that is aborted, and a redrive."""
    item = machine(Item="Task", After="Pass")
    branches = [machine(Each={"Type": "Map", "ItemProcessor": item}), machine(Wait="Wait")]
    history = History(machine(Both={"Type": "Parallel", "Branches": branches}, End="Fail"))
    both = history.entered("Both", "Parallel")
    for _ in range(2):
        started = history.add("ParallelStateStarted", after=both)
        wait = history.entered("Wait", "Wait", after=started)
        history.entered("Each", "Map", after=started)
        each = history.add("MapStateStarted", length=2)
        first = history.entered(
            "Item", after=history.add("MapIterationStarted", after=each, name="Each", index=0)
        )
        second = history.entered(
            "Item", after=history.add("MapIterationStarted", after=each, name="Each", index=1)
        )
        history.left("Item", after=history.tried(after=first))
        history.passed("After")
        both = history.tried("Oh", after=second)
        history.add("MapIterationFailed", after=both, name="Each", index=1)
        both = history.add("MapStateFailed", after=both)
        history.add("WaitStateAborted", after=wait)
    both = history.add("ParallelStateFailed", after=both)
    history.left("Both", "Parallel", after=both)
    history.entered("End", "Fail")
    history.add("ExecutionFailed", error="Oh")
    redriven = history.add("ExecutionRedriven", redriveCount=1)
    history.entered("End", "Fail", after=redriven)
    history.add("ExecutionFailed", error="Oh")
    return history


@given(lost=st.sets(st.integers(1, 60)), links=st.dictionaries(st.integers(1, 60), st.integers(-1, 90)))
def test_incomplete_history_is_read_as_far_as_it_goes(lost: set[int], links: dict[int, int]) -> None:
    history = everything()
    history.events = [
        event | ({"previousEventId": links[event["id"]]} if event["id"] in links else {})
        for event in history.events
        if event["id"] not in lost
    ]
    entered = [event for event in history.events if "stateEnteredEventDetails" in event]
    assert [visit.state for visit in history.visits] == [
        event["stateEnteredEventDetails"]["name"] for event in entered
    ]
    assert set(statuses(history)) == {"Both", "Each", "Item", "After", "Wait", "End"}


@pytest.mark.parametrize(
    "details", [None, {}, {"error": None, "cause": None}, {"resource": 1, "parameters": "["}]
)
@pytest.mark.parametrize(
    "kind", ["TaskScheduled", "TaskFailed", "TaskSucceeded", "MapIterationFailed", "Unheard"]
)
def test_event_without_known_details_is_read(kind: str, details: Any) -> None:
    history = History()
    history.entered("A")
    history.add("TaskScheduled")
    history.add(kind)
    if details is not None:
        history.events[-1][f"{kind[0].lower()}{kind[1:]}EventDetails"] = details
    history.left("A")
    assert [visit.state for visit in history.visits] == ["A"]
