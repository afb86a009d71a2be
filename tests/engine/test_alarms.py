"""Alarms of a stage go off, and call whoever is subscribed, when what they are for happens.

tests/unit/sandbox/ministack_patches/test_alarms_of_stage.py says where the proof of each alarm is.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator

import pytest
from botocore.config import Config

from lambdas.reviews.event import status_change_event
from tests.engine.published import PublishedStage
from tests.engine.test_sandbox_events import rule_without_permission as rule_without_permission

EVENT_TIME = "2026-03-04T05:06:07.890Z"


@pytest.fixture(scope="module")
def hanging(published: PublishedStage) -> Iterator[str]:
    """A version of the workflow in which Collect review waits for a token that nobody gets, for at most a second."""
    states, machine = published.states, published.outputs["StateMachine"]
    before = states.describe_state_machine(stateMachineArn=machine)["definition"]
    definition = json.loads(before)
    assert definition["TimeoutSeconds"] > 24 * 3600
    definition["TimeoutSeconds"] = 1
    definition["States"]["Collect review"] |= {
        "Resource": "arn:aws:states:::sns:publish.waitForTaskToken",
        "Arguments": {
            "TopicArn": published.outputs["NotificationTopic"],
            "Subject": "token",
            "Message": "{% $string({'token': $states.context.Task.Token}) %}",
        },
    }
    version = states.update_state_machine(
        stateMachineArn=machine, definition=json.dumps(definition), publish=True
    )["stateMachineVersionArn"]
    states.update_state_machine(stateMachineArn=machine, definition=before)
    yield version
    states.delete_state_machine_version(stateMachineVersionArn=version)


def claimed(published: PublishedStage, version: str) -> tuple[str, str]:
    """Starts an execution of a version, and waits for its claim. Returns the loop and the ARN."""
    name = published.name()
    event = status_change_event(
        published.event(name, "Completed"), event_id=str(uuid.uuid4()), time=EVENT_TIME
    )
    arn = published.states.start_execution(stateMachineArn=version, input=json.dumps(event))["executionArn"]
    published.eventually(lambda: (row := published.ledger.find(name)) and row.claims)
    return name, arn


def released(published: PublishedStage, name: str) -> None:
    """Waits until ReleaseClaim has released the claim, and somebody has been called."""
    message = published.message(name, "execution-ended")
    assert message["humanLoopName"] == name
    assert published.row(name).claims[f"{EVENT_TIME} Completed"]["state"] == "released"
    assert published.row(name).outcome == "failed"


def execution_fails(published: PublishedStage, _: str) -> None:
    name = published.name()
    published.sandbox.events.deliver(published.event(name, "Frozen"))
    published.ended(name)


def execution_is_stopped(published: PublishedStage, version: str) -> None:
    name, arn = claimed(published, version)
    published.states.stop_execution(executionArn=arn)
    released(published, name)


def execution_does_not_end(published: PublishedStage, version: str) -> None:
    name, arn = claimed(published, version)
    published.eventually(
        lambda: published.states.describe_execution(executionArn=arn)["status"] == "TIMED_OUT"
    )
    released(published, name)


def function_fails(published: PublishedStage, _: str) -> None:
    with pytest.raises(RuntimeError, match="NotAnExecution"):
        published.invoke("afterloop-local-ReleaseClaim", {})


def function_is_throttled(published: PublishedStage, _: str) -> None:
    config, name = Config(retries={"total_max_attempts": 1}), "afterloop-local-StartLoop"
    functions = published.sandbox.session.client("lambda", config=config)
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        with pytest.raises(functions.exceptions.TooManyRequestsException):
            functions.invoke(FunctionName=name)
    finally:
        functions.delete_function_concurrency(FunctionName=name)


def message_is_not_delivered(published: PublishedStage, _: str) -> None:
    """A queue that subscribes to the topic does not let it send."""
    sns, sqs = published.sandbox.client("sns"), published.sandbox.client("sqs")
    queue = sqs.create_queue(QueueName=published.name("refuses"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = published.outputs["NotificationTopic"]
    subscription = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    sns.publish(TopicArn=topic, Message='{"humanLoopName": "nobody"}', Subject="test")
    sns.unsubscribe(SubscriptionArn=subscription)


FAULTS: dict[str, Callable[[PublishedStage, str], None]] = {
    "ExecutionsAborted": execution_is_stopped,
    "ExecutionsFailed": execution_fails,
    "ExecutionsTimedOut": execution_does_not_end,
    "FunctionErrors": function_fails,
    "FunctionsThrottled": function_is_throttled,
    "NotificationsFailed": message_is_not_delivered,
}
"""Alarm → what happens."""


@pytest.mark.parametrize("alarm", FAULTS)
def test_fault_sets_off_its_alarm(published: PublishedStage, hanging: str, alarm: str) -> None:
    FAULTS[alarm](published, hanging)
    published.went_off(alarm)


def test_event_that_a_rule_cannot_deliver_sets_off_both_alarms(
    published: PublishedStage, rule_without_permission: None
) -> None:
    published.sandbox.events.deliver(published.event(published.name(), "Stopped"))
    published.went_off("InvocationsFailed")
    published.went_off("EventsUndelivered")
    sqs, queue = published.sandbox.client("sqs"), published.outputs["UndeliveredEvents"]
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
