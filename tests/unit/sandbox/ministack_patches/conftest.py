"""Fixtures for tests of single corrections, which call the functions of MiniStack in this process."""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import ministack_patches


@pytest.fixture
def ministack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """MiniStack without resources, with permissions that are enforced. Corrections are undone after the test."""
    from ministack import app
    from ministack.services import (
        athena,
        cloudformation,
        cloudwatch,
        cloudwatch_logs,
        dynamodb,
        eventbridge,
        iam,
        lambda_svc,
        sns,
        sqs,
        stepfunctions,
    )
    from ministack.services.cloudformation import provisioners

    services = (athena, cloudformation, cloudwatch, cloudwatch_logs, dynamodb, eventbridge, iam, lambda_svc)
    services += (sns, sqs, stepfunctions)
    monkeypatch.setattr(app, "AUTH", True)
    monkeypatch.setattr(stepfunctions, "_SFN_WAIT_SCALE", 0)
    before = {
        module: dict(vars(module)) for name, module in sys.modules.items() if name.startswith("ministack.")
    }
    handlers = {kind: dict(handler) for kind, handler in provisioners._RESOURCE_HANDLERS.items()}
    yield
    for module, names in before.items():
        vars(module).update(names)
    provisioners._RESOURCE_HANDLERS.update(handlers)
    for service in services:
        service.reset()


@pytest.fixture
def machines(ministack: None, tmp_path: Path) -> Iterator[Machines]:
    """State machines, with all corrections, and a role that may do everything. Waits are skipped."""
    from ministack.services import stepfunctions

    ministack_patches.apply(tmp_path)
    yield Machines()
    for execution in stepfunctions._executions.values():
        if execution["status"] == "RUNNING":
            stepfunctions._stop_execution({"executionArn": execution["executionArn"]})


@pytest.fixture
def waiting(machines: Machines) -> Iterator[threading.Event]:
    """Lets states wait until the event is set."""
    from ministack.services import stepfunctions

    event = threading.Event()
    stepfunctions._scaled_sleep = lambda seconds: event.wait(20)
    yield event
    event.set()


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], object]], None]:
    """`eventually(condition)` waits, at most 20 s, until a function without arguments returns a true value."""
    return _eventually


def _eventually(condition: Callable[[], object]) -> None:
    for _ in range(4000):
        if condition():
            return
        time.sleep(0.005)
    raise AssertionError("it did not happen")


class Machines:
    """Creates and runs state machines by calling MiniStack's functions."""

    def __init__(self) -> None:
        self.changes: list[dict[str, Any]] = []
        """The details of the events about status changes, in their order."""
        self._changed = threading.Condition()
        self._listen()
        self.role = self.add_role("machine", {"Effect": "Allow", "Action": "*", "Resource": "*"})

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Returns the answer. An error has `status` and `__type`."""
        from ministack.services import stepfunctions

        status, _, body = getattr(stepfunctions, operation)(parameters)
        return {**json.loads(body), **({"status": status} if status >= 400 else {})}

    def create(self, states: dict[str, Any], **more: Any) -> str:
        """Creates a state machine that starts with the first state. Returns its ARN."""
        definition = {"StartAt": next(iter(states)), "States": states, **more}
        created = self.call(
            "_create_state_machine",
            name=f"m-{uuid.uuid4().hex[:8]}",
            definition=json.dumps(definition),
            roleArn=self.role,
        )
        return str(created["stateMachineArn"])

    def start(self, machine: str, given: Any = None, **more: Any) -> str:
        """Starts an execution. Returns its ARN."""
        text = json.dumps({} if given is None else given, ensure_ascii=False)
        started = self.call("_start_execution", stateMachineArn=machine, input=text, **more)
        return str(started["executionArn"])

    def run(self, states: dict[str, Any], given: Any = None, **more: Any) -> dict[str, Any]:
        """Creates a state machine, and returns an execution of it that has ended."""
        return self.ended(self.start(self.create(states, **more), given))

    def ended(self, execution: str) -> dict[str, Any]:
        """Waits until the event about the end was sent. Returns the execution."""
        final = ("SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT")
        self.wait(lambda change: change["executionArn"] == execution and change["status"] in final)
        return self.call("_describe_execution", executionArn=execution)

    def wait(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Waits for an event about a status change."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(condition, self.changes)), timeout=20), self.changes

    def history(self, execution: str) -> list[dict[str, Any]]:
        """Returns the events of an execution."""
        found = self.call("_get_execution_history", executionArn=execution, maxResults=1000)
        return list(found["events"])

    def _listen(self) -> None:
        from ministack.services import eventbridge

        put = eventbridge._put_events

        def put_and_note(data: dict[str, Any], **more: Any) -> Any:
            answer = put(data, **more)
            with self._changed:
                details = [json.loads(entry["Detail"]) for entry in data["Entries"]]
                self.changes += [detail for detail in details if "executionArn" in detail]
                self._changed.notify_all()
            return answer

        eventbridge._put_events = put_and_note

    def add_role(self, name: str, *statements: dict[str, Any]) -> str:
        """Creates a role that Step Functions may assume. Returns its ARN."""
        from ministack.services import iam

        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "states.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        iam._create_role({"RoleName": [name], "AssumeRolePolicyDocument": [_policy(trust)]})
        if statements:
            policy = _policy(*statements)
            iam._put_role_policy({"RoleName": [name], "PolicyName": ["all"], "PolicyDocument": [policy]})
        return f"arn:aws:iam::000000000000:role/{name}"


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
