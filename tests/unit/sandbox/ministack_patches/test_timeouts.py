"""Timeouts of executions and tasks, and heartbeats. The tests say when time is over."""

from __future__ import annotations

import json
import threading

import pytest

from sandbox.ministack_patches import timeouts

WAIT = {"Type": "Wait", "Seconds": 3600, "Next": "End"}
SUCCEED = {"Type": "Succeed"}


class StoppedClock:
    """A clock that goes on when a test says so. `due` are the calls that are left, with their seconds."""

    def __init__(self):
        self.due = {}

    def after(self, seconds, action):
        number = object()
        self.due[number] = (seconds, action)
        return lambda: self.due.pop(number, None)

    @property
    def seconds(self):
        return sorted(seconds for seconds, _ in self.due.values())

    def run_out(self, seconds):
        """Makes the calls that are due after that time."""
        for number, (limit, action) in list(self.due.items()):
            if limit == seconds:
                del self.due[number]
                action()


@pytest.fixture
def clock(machines, monkeypatch):
    clock = StoppedClock()
    monkeypatch.setattr(timeouts, "clock", clock)
    return clock


@pytest.fixture
def tokens(machines):
    """The tokens that tasks gave to their function."""
    from ministack.services import stepfunctions

    tokens = []
    stepfunctions._call_lambda = lambda name, event: tokens.append(event["token"])
    return tokens


def callback(**more):
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {
            "FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "Payload": {"token.$": "$$.Task.Token"},
        },
        "End": True,
        **more,
    }


def test_execution_times_out_and_nothing_catches_it(machines, clock, tokens, eventually):
    from ministack.services import cloudwatch

    task = callback(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "End"}])
    arn = machines.start(machines.create({"Task": task, "End": SUCCEED}, TimeoutSeconds=60))
    eventually(lambda: tokens)
    clock.run_out(60)
    ended = machines.ended(arn)
    assert (ended["status"], ended["redriveStatus"], ended.get("output")) == ("TIMED_OUT", "REDRIVABLE", None)
    last = machines.history(arn)[-1]
    assert (last["type"], last["executionTimedOutEventDetails"]["error"]) == (
        "ExecutionTimedOut",
        "States.Timeout",
    )
    assert [change["status"] for change in machines.changes] == ["RUNNING", "TIMED_OUT"]
    counted = {key[1] for key in cloudwatch._metrics if key[0] == "AWS/States"}
    assert "ExecutionsTimedOut" in counted
    late = machines.call("_send_task_success", taskToken=tokens[0], output="1")
    assert late["__type"] == "TaskTimedOut"


def test_timeout_ends_waits_and_branches(machines, clock, eventually):
    from ministack.services import stepfunctions

    stepfunctions._SFN_WAIT_SCALE = 1
    branch = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}}
    other = {"StartAt": "More", "States": {"More": branch["States"]["Wait"]}}
    before = threading.active_count()
    both = {"Type": "Parallel", "Branches": [branch, other], "End": True}
    arn = machines.start(machines.create({"Both": both}, TimeoutSeconds=60))
    eventually(lambda: [event["type"] for event in machines.history(arn)].count("WaitStateEntered") == 2)
    clock.run_out(60)
    assert machines.ended(arn)["status"] == "TIMED_OUT"
    eventually(lambda: threading.active_count() <= before)


def test_execution_within_its_time_leaves_no_clock_running(machines, clock):
    ended = machines.run({"End": SUCCEED}, TimeoutSeconds=60)
    assert (ended["status"], clock.due) == ("SUCCEEDED", {})


def test_redrive_has_all_its_time_again(machines, clock, tokens, eventually):
    arn = machines.start(machines.create({"Task": callback()}, TimeoutSeconds=60))
    eventually(lambda: tokens)
    clock.run_out(60)
    machines.ended(arn)
    machines.call("_redrive_execution", executionArn=arn)
    eventually(lambda: len(tokens) == 2)
    assert clock.seconds == [60]
    machines.call("_send_task_success", taskToken=tokens[1], output="1")
    machines.wait(lambda change: change["status"] == "SUCCEEDED")


@pytest.mark.parametrize("caught", ["States.HeartbeatTimeout", "States.Timeout", "States.ALL"])
def test_missed_heartbeat_is_caught_by_its_names(machines, clock, tokens, caught, eventually):
    catch = [{"ErrorEquals": ["States.TaskFailed"], "Next": "Bad"}] if caught != "States.ALL" else []
    catch += [{"ErrorEquals": [caught], "Next": "End"}]
    task = callback(HeartbeatSeconds=30, TimeoutSeconds=600, Catch=catch)
    states = {"Task": task, "End": SUCCEED, "Bad": {"Type": "Fail"}}
    arn = machines.start(machines.create(states))
    eventually(lambda: tokens)
    clock.run_out(30)
    ended = machines.ended(arn)
    assert ended["status"] == "SUCCEEDED"
    timed_out = [event for event in machines.history(arn) if event["type"] == "TaskTimedOut"]
    assert [event["taskTimedOutEventDetails"]["error"] for event in timed_out] == ["States.Timeout"]
    assert json.loads(ended["output"])["Error"] == "States.Timeout"


def test_heartbeat_restarts_its_clock(machines, clock, tokens, eventually):
    arn = machines.start(machines.create({"Task": callback(HeartbeatSeconds=30)}))
    eventually(lambda: tokens and clock.due)
    first = dict(clock.due)
    assert "status" not in machines.call("_send_task_heartbeat", taskToken=tokens[0])
    assert clock.seconds == [30]
    assert not set(first) & set(clock.due)
    machines.call("_send_task_success", taskToken=tokens[0], output="1")
    assert machines.ended(arn)["status"] == "SUCCEEDED"
    assert clock.due == {}


def test_task_without_answer_times_out(machines, tokens):
    from ministack.services import stepfunctions

    # The wait for a token, which is real time.
    wait = stepfunctions.threading.Event.wait
    limits = []

    class Impatient(threading.Event):
        def wait(self, timeout=None):
            limits.append(timeout)
            return wait(self, 0)

    stepfunctions.threading = type("threading", (), {**vars(threading), "Event": Impatient})
    execution = machines.run({"Task": callback(TimeoutSecondsPath="$.limit")}, {"limit": 77})
    assert (execution["status"], execution["error"], limits) == ("FAILED", "States.Timeout", [77])
    kinds = [event["type"] for event in machines.history(execution["executionArn"])]
    assert kinds[-2:] == ["TaskTimedOut", "ExecutionFailed"]


@pytest.mark.parametrize("limit", [0, -1, "soon", True])
def test_timeout_that_is_no_time_fails_execution(machines, limit):
    execution = machines.run({"Task": callback(TimeoutSecondsPath="$.limit")}, {"limit": limit})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")


def test_clock_calls_in_order_and_not_what_is_cancelled():
    clock, called, done = timeouts.Clock(), [], threading.Event()
    clock.after(0.05, done.set)
    clock.after(0.02, lambda: called.append("late"))
    clock.after(0.0, lambda: called.append("early"))
    clock.after(0.01, lambda: called.append("cancelled"))()
    assert done.wait(20)
    assert sorted(called) == ["early", "late"]
