"""Faults of `sandbox.faults` on the engine: clients, functions, state machines and rules."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from sandbox.engine import Sandbox
from sandbox.faults import Delay, DropAnswer, Error, Fault, Hit, Interrupt, KillWorker, ServerError, Throttle
from tests.engine.test_sandbox_ministack_patches import add_function, invoke

ONCE = Config(retries={"total_max_attempts": 1})

CODE = """
import boto3

def handler(event, context):
    table = boto3.client("dynamodb")
    table.put_item(TableName=event["table"], Item={"key": {"S": event["key"]}})
    return "put"
"""


@pytest.fixture
def table(sandbox: Sandbox, unique: str) -> str:
    sandbox.client("dynamodb").create_table(
        TableName=unique,
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return unique


@pytest.fixture
def keys(sandbox: Sandbox, table: str) -> Callable[[], list[str]]:
    """The keys of the items in the table."""

    def read() -> list[str]:
        items = sandbox.client("dynamodb").scan(TableName=table, ConsistentRead=True)["Items"]
        return sorted(item["key"]["S"] for item in items)

    return read


@pytest.fixture(scope="session")
def role(sandbox: Sandbox) -> str:
    """A role that may do everything."""
    iam, name = sandbox.client("iam"), "t-faults"
    services = ["lambda.amazonaws.com", "states.amazonaws.com", "events.amazonaws.com"]
    trust = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    created = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=_policy(everything))
    return str(created["Role"]["Arn"])


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def task(sandbox: Sandbox, unique: str, role: str, eventually: Any) -> Callable[..., dict[str, Any]]:
    """Runs a state machine of one task, and returns the execution when it has ended."""
    machines = sandbox.client("stepfunctions")

    def run(resource: str, parameters: dict[str, Any]) -> dict[str, Any]:
        state = {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}
        machine = machines.create_state_machine(
            name=f"{unique}-{uuid.uuid4().hex[:6]}",
            roleArn=role,
            definition=json.dumps({"StartAt": "Do", "States": {"Do": state}}),
        )
        arn = machines.start_execution(stateMachineArn=machine["stateMachineArn"])["executionArn"]

        def ended() -> Any:
            execution = machines.describe_execution(executionArn=arn)
            return execution if execution["status"] != "RUNNING" else None

        return dict(eventually(ended))

    return run


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code", "status"),
    [
        ("dynamodb", "Scan", {"TableName": "none"}, "ProvisionedThroughputExceededException", 400),
        ("dynamodb", "ListTables", {}, "ThrottlingException", 400),
        ("s3", "PutObject", {"Bucket": "none", "Key": "a/b", "Body": b"text"}, "SlowDown", 503),
        ("lambda", "Invoke", {"FunctionName": "none"}, "TooManyRequestsException", 429),
        ("sns", "ListTopics", {}, "Throttled", 429),
        ("sqs", "ListQueues", {}, "RequestThrottled", 400),
        ("stepfunctions", "ListStateMachines", {}, "ThrottlingException", 400),
        ("sagemaker-a2i-runtime", "DescribeHumanLoop", {"HumanLoopName": "none"}, "ThrottlingException", 429),
        ("cloudformation", "ListStacks", {}, "Throttling", 400),
    ],
)
def test_throttled_call_gets_error_of_its_service(sandbox, service, operation, arguments, code, status):
    client = sandbox.client(service, config=ONCE)
    call = getattr(client, xform_name(operation))
    inject = sandbox.faults.inject(Throttle(), service=service, operation=operation)
    with inject as injected, pytest.raises(ClientError) as throttled:
        call(**arguments)
    assert throttled.value.response["Error"]["Code"] == code
    assert throttled.value.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert injected.hits == [Hit(service, operation, "clients")]


def test_fault_ends_with_its_block_and_its_limits(sandbox, table, keys):
    client = sandbox.client("dynamodb", config=ONCE)

    def put(key: str) -> int:
        try:
            client.put_item(TableName=table, Item={"key": {"S": key}})
        except ClientError as error:
            return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return 200

    with sandbox.faults.inject(ServerError(503), service="dynamodb", skip=1, times=1) as injected:
        assert [put(key) for key in "abc"] == [200, 503, 200]
        assert (injected.count, injected.calls) == (1, 3)
    with sandbox.faults.inject(Error("Odd", "why", 418), service="dynamodb", operation="PutItem"):
        assert put("d") == 418
        assert keys() == ["a", "c"]
    assert put("e") == 200
    assert (injected.count, injected.calls) == (1, 3)


def test_dropped_answer_does_work_and_sdk_repeats_call(sandbox, table, keys):
    inject = sandbox.faults.inject(DropAnswer(), service="dynamodb", operation="PutItem")
    with inject, pytest.raises(ConnectionClosedError):
        sandbox.client("dynamodb", config=ONCE).put_item(TableName=table, Item={"key": {"S": "once"}})
    assert keys() == ["once"]
    with sandbox.faults.inject(DropAnswer(), service="dynamodb", operation="PutItem", times=1) as injected:
        sandbox.client("dynamodb").put_item(TableName=table, Item={"key": {"S": "again"}})
    assert (injected.count, injected.calls) == (1, 2)


@pytest.mark.parametrize(("when", "left"), [("before", []), ("after", ["x"])])
def test_interrupt_raises_keyboard_interrupt_in_caller(sandbox, table, keys, when, left):
    inject = sandbox.faults.inject(Interrupt(when), service="dynamodb", operation="PutItem")
    with inject, pytest.raises(KeyboardInterrupt):
        sandbox.client("dynamodb").put_item(TableName=table, Item={"key": {"S": "x"}})
    assert keys() == left


def test_killed_worker_ends_invocation_with_exit_error(sandbox, unique, role, table, keys):
    function = add_function(sandbox, unique, role, code=CODE)
    for when, left in (("before", []), ("after", ["after"])):
        with sandbox.faults.inject(KillWorker(when), service="dynamodb", operation="PutItem") as injected:
            kind, error = invoke(sandbox, function, {"table": table, "key": when})
        assert (kind, error["errorType"]) == ("Unhandled", "Runtime.ExitError")
        assert injected.hits == [Hit("dynamodb", "PutItem", "functions", function)]
        assert keys() == left
    assert invoke(sandbox, function, {"table": table, "key": "then"}) == (None, "put")


PUT = {"TableName": "", "Item": {"key": {"S": "x"}}}


@pytest.mark.parametrize(
    ("fault", "resource", "error", "left"),
    [
        (Throttle(), "dynamodb:putItem", "DynamoDB.ProvisionedThroughputExceededException", []),
        (ServerError(503), "dynamodb:putItem", "DynamoDB.AmazonDynamoDBException", []),
        (DropAnswer(), "dynamodb:putItem", "DynamoDB.SdkClientException", ["x"]),
        (DropAnswer(), "aws-sdk:dynamodb:putItem", "DynamoDb.SdkClientException", ["x"]),
        (Error("Odd"), "aws-sdk:dynamodb:putItem", "DynamoDb.DynamoDbException", []),
        (Delay(0.01), "dynamodb:putItem", None, ["x"]),
    ],
)
def test_task_of_service_meets_fault(sandbox, task, table, keys, fault: Fault, resource, error, left):
    with sandbox.faults.inject(fault, service="dynamodb", operation="PutItem") as injected:
        execution = task(f"arn:aws:states:::{resource}", {**PUT, "TableName": table})
    assert execution.get("error") == error
    assert injected.hits == [Hit("dynamodb", "PutItem", "state machines")]
    assert keys() == left


def test_task_of_function_meets_fault(sandbox, unique, role, task, table, keys):
    function = add_function(sandbox, unique, role, code=CODE)
    arguments = {"FunctionName": function, "Payload": {"table": table, "key": "x"}}
    invocation = "arn:aws:states:::lambda:invoke"
    with sandbox.faults.inject(Throttle(), service="lambda", operation="Invoke"):
        assert task(f"{invocation}.waitForTaskToken", arguments)["error"] == "Lambda.TooManyRequestsException"
    assert keys() == []
    with sandbox.faults.inject(DropAnswer(), service="lambda", caller="state machines"):
        assert task(invocation, arguments)["error"] == "Lambda.SdkClientException"
    assert keys() == ["x"]


def test_task_of_sandboxs_own_service_meets_fault(sandbox, task):
    a2i = "sagemaker-a2i-runtime"
    with sandbox.faults.inject(Throttle(), service=a2i, operation="DescribeHumanLoop") as injected:
        ended = task("arn:aws:states:::aws-sdk:sagemakera2iruntime:describeHumanLoop", {"HumanLoopName": "n"})
    assert ended["error"] == "SageMakerA2IRuntime.ThrottlingException"
    assert injected.count == 1


def test_rule_retries_start_that_meets_fault(sandbox, unique, role, task, eventually):
    executed = task("arn:aws:states:::aws-sdk:dynamodb:listTables", {})
    machine, events = executed["stateMachineArn"], sandbox.client("events")
    events.put_rule(Name=unique, EventPattern=json.dumps({"source": [unique]}))
    events.put_targets(Rule=unique, Targets=[{"Id": "machine", "Arn": machine, "RoleArn": role}])
    states = sandbox.client("stepfunctions")

    def executions() -> int:
        return len(states.list_executions(stateMachineArn=machine)["executions"])

    # The work is done and repeated if the answer is lost: a rule then starts two executions.
    for fault, calls, count in ((Delay(0.01), 1, 2), (Throttle(), 2, 3), (DropAnswer(), 2, 5)):
        with sandbox.faults.inject(fault, service="stepfunctions", caller="rules", times=1) as injected:
            events.put_events(Entries=[{"Source": unique, "DetailType": "x", "Detail": "{}"}])
            eventually(lambda count=count: executions() == count)
        assert injected.hits == [Hit("stepfunctions", "StartExecution", "rules")]
        assert injected.calls == calls
