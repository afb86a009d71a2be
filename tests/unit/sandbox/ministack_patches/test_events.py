"""Delivery of events: retries, the dead-letter queue, permissions. Each test fails without the correction."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.ministack_patches import events

ACCOUNT = "arn:aws:{}:us-east-1:000000000000:{}"
RULE = ACCOUNT.format("events", "rule/rule")
MACHINE = ACCOUNT.format("states", "stateMachine:machine")
QUEUE = ACCOUNT.format("sqs", "dead")
ROLE = "arn:aws:iam::000000000000:role/role"
EVENT = {"Source": "test", "DetailType": "test", "Detail": '{"loop": "a"}'}


def allow(action: str, resource: str = "*", **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def from_rule(action: str, source: str = RULE) -> str:
    """A policy that allows the action to EventBridge, for one rule."""
    return allow(
        action,
        Principal={"Service": "events.amazonaws.com"},
        Condition={"ArnEquals": {"aws:SourceArn": source}},
    )


class Rule:
    """A rule with a dead-letter queue, and what arrives where."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from ministack.services import eventbridge, sqs, stepfunctions

        events.correct()
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.started: list[dict[str, Any]] = []
        monkeypatch.setattr(stepfunctions, "_start_execution", self._start)
        # Retries run in the thread of the test.
        monkeypatch.setattr(events.threading, "Thread", Inline)
        self.role()
        sqs._act_create_queue(
            {"QueueName": "dead", "Attributes": {"Policy": from_rule("sqs:SendMessage")}}, ""
        )
        eventbridge._ensure_default_bus()
        eventbridge._put_rule({"Name": "rule", "EventPattern": '{"source": ["test"]}'})

    def role(self, trust: str | None = None, policy: str | None = None) -> None:
        from ministack.services import iam

        iam._roles["role"] = {
            "RoleName": "role",
            "Arn": ROLE,
            "AssumeRolePolicyDocument": trust or from_rule("sts:AssumeRole"),
            "InlinePolicies": {"it": policy or allow("states:StartExecution", MACHINE)},
        }

    def target(self, arn: str = MACHINE, **more: Any) -> Any:
        from ministack.services import eventbridge

        target = {"Id": "target", "Arn": arn, "RoleArn": ROLE, "DeadLetterConfig": {"Arn": QUEUE}, **more}
        target = {name: value for name, value in target.items() if value is not None}
        status, _, body = eventbridge._put_targets({"Rule": "rule", "Targets": [target]})
        return status, json.loads(body)

    def deliver(self) -> list[dict[str, Any]]:
        """Sends an event and returns the messages in the dead-letter queue."""
        from ministack.services import eventbridge, sqs

        eventbridge._put_events({"Entries": [EVENT]})
        return list(sqs._queues[sqs._queue_url("dead")]["messages"])

    def metric(self, name: str) -> float:
        from ministack.services import cloudwatch

        return sum(
            point["Value"]
            for (namespace, metric, _), points in cloudwatch._metrics.items()
            if (namespace, metric) == ("AWS/Events", name)
            for point in points
        )

    def _start(self, data: dict[str, Any]) -> Any:
        self.started.append(data)
        status, body = self.answers.pop(0) if self.answers else (200, {})
        return status, {}, json.dumps(body).encode()


class Inline:
    """A thread that runs when it is started."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...], daemon: bool) -> None:
        self.start = lambda: target(*args)


@pytest.fixture
def rule(ministack: None, monkeypatch: pytest.MonkeyPatch) -> Rule:
    return Rule(monkeypatch)


def attributes(message: dict[str, Any]) -> dict[str, str]:
    return {name: value["StringValue"] for name, value in message["message_attributes"].items()}


THROTTLED = (400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
MISSING = (400, {"__type": "StateMachineDoesNotExist", "message": "State Machine Does Not Exist"})


def test_delivered_event_leaves_no_message(rule):
    rule.target()
    assert rule.deliver() == []
    assert [json.loads(data["input"])["detail"] for data in rule.started] == [{"loop": "a"}]
    counts = ("MatchedEvents", "TriggeredRules", "Invocations", "FailedInvocations")
    assert [rule.metric(name) for name in counts] == [1, 1, 1, 0]


def test_missing_target_sends_event_to_dead_letter_queue_at_once(rule):
    rule.target()
    rule.answers = [MISSING]
    [message] = rule.deliver()
    assert json.loads(message["body"])["detail"] == {"loop": "a"}
    assert attributes(message) == {
        "RULE_ARN": RULE,
        "TARGET_ARN": MACHINE,
        "ERROR_CODE": "NO_RESOURCE",
        "ERROR_MESSAGE": "State Machine Does Not Exist",
        "RETRY_ATTEMPTS": "0",
    }
    assert len(rule.started) == 1
    counts = ("Invocations", "FailedInvocations", "InvocationsSentToDlq", "InvocationsFailedToBeSentToDlq")
    assert [rule.metric(name) for name in counts] == [1, 1, 1, 0]


def test_throttled_event_is_delivered_by_retry(rule):
    rule.target()
    rule.answers = [THROTTLED, (500, {"__type": "InternalFailure"})]
    assert rule.deliver() == []
    assert len(rule.started) == 3
    assert (rule.metric("RetryInvocationAttempts"), rule.metric("FailedInvocations")) == (2, 0)


@pytest.mark.parametrize(
    ("policy", "attempts", "exhausted"),
    [
        ({"MaximumRetryAttempts": 2}, 2, "MaximumRetryAttempts"),
        ({"MaximumRetryAttempts": 0}, 0, "MaximumRetryAttempts"),
        # Waits of at most 1, 2, 4, 8, 16 and 32 s fit in.
        ({"MaximumEventAgeInSeconds": 60}, range(5, 7), "MaximumEventAgeInSeconds"),
    ],
)
def test_exhausted_retries_send_event_to_dead_letter_queue(rule, policy, attempts, exhausted):
    rule.target(RetryPolicy=policy)
    rule.answers = [THROTTLED] * 200
    [message] = rule.deliver()
    found = attributes(message)
    assert (found["ERROR_CODE"], found["EXHAUSTED_RETRY_CONDITION"]) == ("THROTTLING", exhausted)
    assert int(found["RETRY_ATTEMPTS"]) in (attempts if isinstance(attempts, range) else [attempts])
    assert len(rule.started) == int(found["RETRY_ATTEMPTS"]) + 1


@pytest.mark.parametrize(
    ("role", "code"),
    [
        ({"policy": allow("states:StartExecution", MACHINE + "2")}, "NO_PERMISSIONS"),
        ({"policy": allow("states:StopExecution")}, "NO_PERMISSIONS"),
        ({"trust": from_rule("sts:AssumeRole", RULE + "2")}, "FAILED_TO_ASSUME_ROLE"),
        (
            {"trust": allow("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})},
            "FAILED_TO_ASSUME_ROLE",
        ),
    ],
)
def test_role_without_permission_sends_event_to_dead_letter_queue(rule, role, code):
    rule.role(**role)
    rule.target()
    [message] = rule.deliver()
    assert (attributes(message)["ERROR_CODE"], rule.started) == (code, [])


@pytest.mark.parametrize("policy", ["", from_rule("sqs:SendMessage", RULE + "2")])
def test_queue_that_refuses_event_counts_as_lost(rule, policy):
    from ministack.services import sqs

    sqs._act_set_queue_attributes({"Attributes": {"Policy": policy}}, sqs._queue_url("dead"))
    rule.target()
    rule.answers = [MISSING]
    assert rule.deliver() == []
    assert rule.metric("InvocationsFailedToBeSentToDlq") == 1


@pytest.mark.parametrize(("policy", "code"), [("", "NO_PERMISSIONS"), (from_rule("sqs:SendMessage"), None)])
def test_queue_as_target_needs_policy(rule, policy, code):
    from ministack.services import sqs

    sqs._act_create_queue({"QueueName": "target", "Attributes": {"Policy": policy} if policy else {}}, "")
    rule.target(ACCOUNT.format("sqs", "target"), RoleArn=None)
    assert [attributes(message)["ERROR_CODE"] for message in rule.deliver()] == ([code] if code else [])
    assert len(sqs._queues[sqs._queue_url("target")]["messages"]) == (0 if code else 1)


@pytest.mark.parametrize(("service", "resource"), [("lambda", "function:f"), ("sqs", "q"), ("sns", "t")])
def test_target_that_does_not_exist_is_no_resource(rule, service, resource):
    rule.target(ACCOUNT.format(service, resource), RoleArn=None)
    assert [attributes(message)["ERROR_CODE"] for message in rule.deliver()] == ["NO_RESOURCE"]


def test_state_machine_as_target_needs_role(rule):
    status, error = rule.target(RoleArn=None)
    assert (status, error["__type"]) == (400, "ValidationException")
    assert error["message"] == f"RoleArn is required for target {MACHINE}."


@pytest.mark.parametrize(("size", "status"), [(262_144 - 8, 200), (262_144 - 7, 400)])
def test_event_that_is_too_large_is_refused(rule, size, status):
    from ministack.services import eventbridge

    entry = {"Source": "test", "DetailType": "test", "Detail": "x" * size}
    assert eventbridge._put_events({"Entries": [entry]})[0] == status
