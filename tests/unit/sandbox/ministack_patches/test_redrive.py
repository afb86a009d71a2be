"""RedriveExecution, and what other operations say about it."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time

import pytest

SUCCEED = {"Type": "Succeed"}
FAIL = {"Type": "Fail", "Error": "Lost", "Cause": "nothing there"}


class Function:
    """A function that fails until it is repaired. `calls` are the inputs that it got."""

    def __init__(self):
        self.calls = []
        self.broken = True

    def __call__(self, name, event):
        from ministack.services import stepfunctions

        self.calls.append(event)
        if self.broken and event.get("fragile"):
            raise stepfunctions._ExecutionError("Broken", f"of {event}")
        return {"answer": event.get("n")}


@pytest.fixture
def function(machines):
    """What the task of `invoke` calls."""
    from ministack.services import stepfunctions

    function = Function()
    stepfunctions._call_lambda = function
    return function


def invoke(payload, **more):
    arguments = {"FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f", "Payload": payload}
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "QueryLanguage": "JSONata",
        "Arguments": arguments,
        "Output": "{% $states.result.Payload.answer %}",
        **({"End": True} if "Next" not in more else {}),
        **more,
    }


def redrive(machines, arn, **more):
    return machines.call("_redrive_execution", executionArn=arn, **more)


def ended_again(machines, arn, count=1):
    """Waits for the end of a redrive. Returns the execution."""
    final = ("SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT")
    machines.wait(
        lambda change: (
            change["executionArn"] == arn and change["status"] in final and change["redriveCount"] == count
        )
    )
    return machines.call("_describe_execution", executionArn=arn)


def kinds(machines, arn):
    return [event["type"] for event in machines.history(arn)]


def test_redrive_continues_with_input_and_variables_of_failed_state(machines, function):
    states = {
        "Set": {
            "Type": "Pass",
            "QueryLanguage": "JSONata",
            "Assign": {"n": "{% $states.input.n + 1 %}"},
            "Output": {"from": "Set"},
            "Next": "Task",
        },
        "Task": invoke("{% {'fragile': true, 'n': $n, 'given': $states.input} %}"),
    }
    failed = machines.run(states, {"n": 1})
    assert (failed["redriveCount"], failed["redriveStatus"]) == (0, "REDRIVABLE")
    assert "redriveDate" not in failed
    assert "redriveStatusReason" not in failed
    arn = failed["executionArn"]
    before = machines.history(arn)
    function.broken = False
    date = redrive(machines, arn)["redriveDate"]
    done = ended_again(machines, arn)
    assert (done["status"], done["output"]) == ("SUCCEEDED", "2")
    assert (done["redriveCount"], done["redriveDate"]) == (1, date)
    assert "error" not in done
    assert function.calls == [{"fragile": True, "n": 2, "given": {"from": "Set"}}] * 2
    history = machines.history(arn)
    assert history[: len(before)] == before
    assert [event["type"] for event in history[len(before) :]] == [
        "ExecutionRedriven",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ]
    redriven = history[len(before)]
    assert redriven["executionRedrivenEventDetails"] == {"redriveCount": 1}
    assert [event["previousEventId"] for event in history[len(before) :]] == list(
        range(len(before), len(history))
    )


def test_redrive_sends_event_and_metrics_of_running_execution(machines, function):
    from ministack.services import cloudwatch

    failed = machines.run({"Task": invoke({"fragile": True})})
    arn = failed["executionArn"]
    redrive(machines, arn)
    ended_again(machines, arn)
    running, failed_again = machines.changes[2:]
    assert (running["status"], running["redriveCount"], running["stopDate"]) == ("RUNNING", 1, None)
    assert (running["error"], running["redriveStatus"]) == (None, "NOT_REDRIVABLE")
    assert running["redriveDate"] >= failed_again["startDate"]
    assert (failed_again["status"], failed_again["redriveCount"]) == ("FAILED", 1)
    counts = {
        key[1]: sum(point["Value"] for point in points)
        for key, points in cloudwatch._metrics.items()
        if key[0] == "AWS/States" and key[1] != "ExecutionTime"
    }
    assert counts == {
        "ExecutionsStarted": 1,
        "ExecutionsFailed": 2,
        "ExecutionsRedriven": 1,
        "RedrivenExecutionsFailed": 1,
    }


def test_redrive_of_caught_error_fails_in_fail_state_again(machines, function):
    task = invoke({"fragile": True}, Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Fail"}])
    arn = machines.run({"Task": task, "Fail": FAIL})["executionArn"]
    function.broken = False
    redrive(machines, arn)
    assert ended_again(machines, arn)["error"] == "Lost"
    assert len(function.calls) == 1
    assert kinds(machines, arn)[-3:] == ["ExecutionRedriven", "FailStateEntered", "ExecutionFailed"]


def test_redrive_runs_unsuccessful_branches_only(machines, function):
    def branch(name, payload):
        states = {f"{name}1": {"Type": "Pass", "Next": name}, name: invoke(payload)}
        return {"StartAt": f"{name}1", "States": states}

    both = {
        "Type": "Parallel",
        "Branches": [branch("Good", {"n": 1}), branch("Bad", {"n": 2, "fragile": True})],
        "Next": "End",
    }

    # The good branch has ended before the other fails.
    call, good = function.__call__, threading.Event()

    def in_order(name, event):
        if event["n"] == 2:
            assert good.wait(20)
        try:
            return call(name, event)
        finally:
            if event["n"] == 1:
                threading.Timer(0.05, good.set).start()

    from ministack.services import stepfunctions

    stepfunctions._call_lambda = in_order
    arn = machines.run({"Both": both, "End": SUCCEED})["executionArn"]
    function.broken = False
    redrive(machines, arn)
    assert json.loads(ended_again(machines, arn)["output"]) == [1, 2]
    assert [event["n"] for event in function.calls] == [1, 2, 2]
    found = kinds(machines, arn)
    assert [found.count(f"{kind}StateEntered") for kind in ("Parallel", "Pass", "Task")] == [1, 2, 2]
    redriven = machines.history(arn)[found.index("ExecutionRedriven")]["id"]
    after = machines.history(arn)[redriven]
    assert (after["type"], after["previousEventId"]) == ("TaskScheduled", redriven)


def test_redrive_keeps_results_of_finished_iterations(machines, function):
    item = invoke("{% $states.input %}")
    processor = {"StartAt": "Item", "States": {"Item": item}}
    items = {"Type": "Map", "MaxConcurrency": 1, "ItemProcessor": processor, "End": True}
    given = [{"n": 1}, {"n": 2, "fragile": True}, {"n": 3}]
    arn = machines.run({"Map": items}, given)["executionArn"]
    assert [event["n"] for event in function.calls] == [1, 2]
    function.broken = False
    redrive(machines, arn)
    assert json.loads(ended_again(machines, arn)["output"]) == [1, 2, 3]
    assert [event["n"] for event in function.calls] == [1, 2, 2, 3]
    found = kinds(machines, arn)
    assert [found.count(f"MapIteration{how}") for how in ("Started", "Failed", "Succeeded")] == [4, 1, 3]


def test_redrive_runs_all_iterations_again_if_their_output_was_too_large(machines):
    large = {"Type": "Pass", "Parameters": {"a.$": "States.Format('{}{}', $, $)"}, "End": True}
    processor = {"StartAt": "Item", "States": {"Item": large}}
    states = {"Map": {"Type": "Map", "ItemProcessor": processor, "End": True}}
    failed = machines.run(states, ["x" * 50_000, "y" * 100_000])
    assert failed["error"] == "States.DataLimitExceeded"
    redrive(machines, failed["executionArn"])
    assert ended_again(machines, failed["executionArn"])["error"] == "States.DataLimitExceeded"
    assert kinds(machines, failed["executionArn"]).count("MapIterationSucceeded") == 4


def test_redrive_gives_all_retries_again(machines, function):
    task = invoke({"fragile": True}, Retry=[{"ErrorEquals": ["Broken"], "MaxAttempts": 2}])
    arn = machines.run({"Task": task})["executionArn"]
    redrive(machines, arn)
    ended_again(machines, arn)
    redrive(machines, arn)
    assert ended_again(machines, arn, 2)["status"] == "FAILED"
    assert len(function.calls) == 9


def test_redrive_keeps_definition_of_start(machines, function):
    machine = machines.create({"Task": invoke({"fragile": True, "n": "old"})})
    arn = machines.start(machine)
    machines.ended(arn)
    new = {"StartAt": "Task", "States": {"Task": invoke({"n": "new"})}}
    machines.call("_update_state_machine", stateMachineArn=machine, definition=json.dumps(new))
    function.broken = False
    redrive(machines, arn)
    assert ended_again(machines, arn)["output"] == '"old"'
    described = machines.call("_describe_state_machine_for_execution", executionArn=arn)
    assert '"old"' in described["definition"]


def test_task_of_stopped_execution_cannot_write_into_redrive(machines, function, eventually):
    """The old task answers while the redriven execution waits for its own."""
    from ministack.services import stepfunctions

    called, answers = [], [threading.Event(), threading.Event()]

    def call(name, event):
        number = len(called)
        called.append(event)
        assert answers[number].wait(20)
        return {"answer": number}

    stepfunctions._call_lambda = call
    arn = machines.start(machines.create({"Task": invoke({}, Next="End"), "End": SUCCEED}))
    eventually(lambda: len(called) == 1)
    machines.call("_stop_execution", executionArn=arn)
    redrive(machines, arn)
    eventually(lambda: len(called) == 2)
    before = kinds(machines, arn)
    answers[0].set()
    time.sleep(0.05)
    assert kinds(machines, arn) == before
    answers[1].set()
    assert ended_again(machines, arn)["output"] == "1"


def test_token_of_stopped_task_is_over_and_redrive_gives_new_one(machines, eventually):
    from ministack.services import stepfunctions

    tokens = []
    stepfunctions._call_lambda = lambda name, event: tokens.append(event["token"])
    task = invoke("{% {'token': $states.context.Task.Token} %}")
    task |= {"Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "Output": "{% $states.result %}"}
    arn = machines.start(machines.create({"Task": task}))
    eventually(lambda: len(tokens) == 1)
    machines.call("_stop_execution", executionArn=arn)
    late = machines.call("_send_task_success", taskToken=tokens[0], output="1")
    assert late["__type"] == "TaskTimedOut"
    redrive(machines, arn)
    eventually(lambda: len(tokens) == 2)
    machines.call("_send_task_success", taskToken=tokens[1], output="2")
    assert ended_again(machines, arn)["output"] == "2"


def test_redrive_is_refused_for_what_did_not_fail(machines):
    done = machines.run({"End": SUCCEED})
    reason = "Execution is SUCCEEDED and cannot be redriven"
    assert (done["redriveStatus"], done["redriveStatusReason"]) == ("NOT_REDRIVABLE", reason)
    refused = redrive(machines, done["executionArn"])
    assert (refused["__type"], refused["message"]) == ("ExecutionNotRedrivable", reason)


def test_redrive_is_refused_while_running(machines):
    from ministack.services import stepfunctions

    release = threading.Event()
    stepfunctions._scaled_sleep = lambda seconds: release.wait(20)
    arn = machines.start(machines.create({"Wait": {"Type": "Wait", "Seconds": 9, "End": True}}))
    assert redrive(machines, arn)["message"] == "Execution is RUNNING and cannot be redriven"
    release.set()
    machines.ended(arn)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"stopDate": "2026-01-01T00:00:00Z"}, "Execution redrivable period exceeded"),
        ({"startDate": "2020-01-01T00:00:00Z"}, "Execution has exceeded the max execution time"),
        ({"events": [{}] * 24_999}, "Execution history event limit exceeded"),
    ],
)
def test_redrive_is_refused_for_old_or_long_executions(machines, changed, reason):
    from ministack.services import stepfunctions

    arn = machines.run({"Fail": FAIL})["executionArn"]
    stepfunctions._executions[arn].update(changed)
    assert machines.call("_describe_execution", executionArn=arn)["redriveStatusReason"] == reason
    refused = redrive(machines, arn)
    assert (refused["__type"], refused["message"]) == ("ExecutionNotRedrivable", reason)


@pytest.mark.parametrize(
    ("arn", "error"),
    [
        ("arn:aws:states:us-east-1:000000000000:execution:m:none", "ExecutionDoesNotExist"),
        ("arn:aws:states:us-east-1:000000000000:stateMachine:m", "InvalidArn"),
        (None, "InvalidArn"),
    ],
)
def test_redrive_of_nothing_is_refused(machines, arn, error):
    assert redrive(machines, arn)["__type"] == error


def test_same_client_token_redrives_once(machines, function):
    arn = machines.run({"Task": invoke({"fragile": True})})["executionArn"]
    first = redrive(machines, arn, clientToken="one")
    ended_again(machines, arn)
    assert redrive(machines, arn, clientToken="one") == first
    assert len(function.calls) == 2
    redrive(machines, arn, clientToken="two")
    ended_again(machines, arn, 2)
    assert len(function.calls) == 3


def test_list_filters_by_redrive(machines, function):
    machine = machines.create({"Task": invoke({"fragile": True})})
    one, two = machines.start(machine), machines.start(machine)
    for arn in (one, two):
        machines.ended(arn)
    redrive(machines, one)
    ended_again(machines, one)

    def listed(**more):
        found = machines.call("_list_executions", stateMachineArn=machine, **more)["executions"]
        return {(execution["executionArn"], execution["redriveCount"]) for execution in found}

    assert listed() == {(one, 1), (two, 0)}
    assert listed(redriveFilter="REDRIVEN") == {(one, 1)}
    assert listed(redriveFilter="NOT_REDRIVEN") == {(two, 0)}
    refused = machines.call("_list_executions", stateMachineArn=machine, redriveFilter="MAYBE")
    assert refused["__type"] == "ValidationException"


def test_operation_is_served(machines, function):
    from ministack.services import stepfunctions

    arn = machines.run({"Task": invoke({"fragile": True})})["executionArn"]
    request = stepfunctions.handle_request(
        "POST",
        "/",
        {"x-amz-target": "AWSStepFunctions.RedriveExecution"},
        json.dumps({"executionArn": arn}).encode(),
        {},
    )
    status, _, body = asyncio.run(request)
    assert status == 200
    assert json.loads(body)["redriveDate"] == pytest.approx(time.time(), abs=60)
    ended_again(machines, arn)


def test_stops_and_redrives_at_any_time_lose_and_repeat_nothing(machines, eventually):
    """Each state is left once, and each event links to an earlier one, whatever was stopped or failed between."""
    from ministack.services import stepfunctions

    choices = random.Random(11)

    def call(name, event):
        if choices.random() < 0.3:
            raise stepfunctions._ExecutionError("Broken", "")
        return {"answer": 1}

    stepfunctions._call_lambda, stepfunctions._SFN_WAIT_SCALE = call, 0.001

    def branch(name):
        states = {
            f"Wait {name}": {"Type": "Wait", "Seconds": 3, "Next": name},
            name: invoke({}, Retry=[{"ErrorEquals": ["Broken"], "MaxAttempts": 1}]),
        }
        return {"StartAt": f"Wait {name}", "States": states}

    items = {"Type": "Map", "MaxConcurrency": 2, "ItemProcessor": branch("Item"), "End": True}
    both = [branch("One"), {"StartAt": "Items", "States": {"Items": items}}]
    machine = machines.create(
        {
            "Both": {"Type": "Parallel", "Branches": both, "Next": "Last"},
            "Last": invoke({}, Next="End"),
            "End": SUCCEED,
        }
    )
    executions = [stepfunctions._executions[machines.start(machine, [1, 2, 3])] for _ in range(20)]

    def all_succeeded():
        for execution in executions:
            arn = execution["executionArn"]
            if execution["status"] == "RUNNING" and choices.random() < 0.2:
                machines.call("_stop_execution", executionArn=arn)
            elif execution["status"] in ("FAILED", "ABORTED"):
                redrive(machines, arn)
        return all(execution["status"] == "SUCCEEDED" for execution in executions)

    eventually(all_succeeded)
    assert sum(execution.get("redriveCount", 0) for execution in executions) > 5
    for execution in executions:
        events = execution["events"]
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
        assert all(event["previousEventId"] < event["id"] for event in events)
        left = [
            event["stateExitedEventDetails"]["name"] for event in events if "stateExitedEventDetails" in event
        ]
        assert sorted(left) == sorted(
            ["Both", "Wait One", "One", "Items", *["Wait Item", "Item"] * 3, "Last", "End"]
        )
        assert execution["output"] == "1"
