"""AWS for the tests of the functions: the ledger's table and the buckets by moto, A2I as a double, the rest stubbed."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from aws_lambda_powertools import Logger
from botocore.awsrequest import AWSResponse
from botocore.stub import Stubber
from moto import mock_aws

from lambdas.aws import clients as functions
from lambdas.aws.environment import environment
from lambdas.loops.abandoned import AbandonedExecutions
from lambdas.loops.escalation import Escalation
from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from lambdas.loops.reports import Reports
from lambdas.loops.start_request import StartRequest
from lambdas.loops.starting import Starter
from lambdas.loops.tokens import Tokens
from lambdas.loops.waiting import WaitingWorkflows
from tests.unit.doubles import REGION, create_ledger_table, create_token_table

# Powertools reads the namespace when a function's module is imported.
os.environ["POWERTOOLS_METRICS_NAMESPACE"] = "Afterloop"

BUCKET = "reviews"
FLOW = f"arn:aws:sagemaker:{REGION}:111122223333:flow-definition/triage"
MACHINE = f"arn:aws:states:{REGION}:111122223333:stateMachine:afterloop-dev:live"
EXECUTION = f"arn:aws:states:{REGION}:111122223333:execution:afterloop-dev:run"
TOPIC = f"arn:aws:sns:{REGION}:111122223333:escalations"
ALARMS = f"arn:aws:sns:{REGION}:111122223333:alarms"
STUBBED = ("textract", "rekognition", "stepfunctions", "sagemaker", "sns")
SERVICES = ("dynamodb", "s3", "sagemaker-a2i-runtime", *STUBBED)


class A2I:
    """A double of A2I: `loops` by name, as DescribeHumanLoop returns them. `errors` are raised first, by operation."""

    def __init__(self, client: Any) -> None:
        self.loops: dict[str, dict[str, Any]] = {}
        self.inputs: dict[str, Any] = {}
        self.errors: dict[str, list[str]] = {}
        self.calls: list[str] = []
        self._events = client.meta.events

    def add(
        self,
        name: str,
        status: str = "InProgress",
        flow: str = FLOW,
        age: timedelta = timedelta(0),
        **more: Any,
    ) -> dict[str, Any]:
        self.loops[name] = {
            "HumanLoopName": name,
            "HumanLoopArn": f"arn:aws:sagemaker:{REGION}:111122223333:human-loop/{name}",
            "FlowDefinitionArn": flow,
            "HumanLoopStatus": status,
            "CreationTime": datetime.now(UTC) - age,
            **more,
        }
        return self.loops[name]

    def __enter__(self) -> A2I:
        self._events.register("before-parameter-build.*.*", self._keep_parameters)
        self._events.register("before-call.*.*", self._answer)
        return self

    def __exit__(self, *_: object) -> None:
        self._events.unregister("before-parameter-build.*.*", self._keep_parameters)
        self._events.unregister("before-call.*.*", self._answer)

    def _keep_parameters(self, params: Any, context: Any, **_: Any) -> None:
        context["test_parameters"] = params

    def _answer(self, model: Any, context: Any, **_: Any) -> Any:
        self.calls.append(model.name)
        code, body = self._response(model.name, context["test_parameters"])
        if code:
            body = {"Error": {"Code": code, "Message": f"{code} of the double"}}
        return AWSResponse("", 400 if code else 200, {}, None), body

    def _response(self, operation: str, params: Any) -> tuple[str | None, dict[str, Any]]:
        name = params.get("HumanLoopName")
        if self.errors.get(operation):
            return self.errors[operation].pop(0), {}
        if operation == "StartHumanLoop":
            if name in self.loops:
                return "ConflictException", {}
            self.inputs[name] = json.loads(params["HumanLoopInput"]["InputContent"])
            return None, {"HumanLoopArn": self.add(name, flow=params["FlowDefinitionArn"])["HumanLoopArn"]}
        if operation == "DescribeHumanLoop":
            return ("ResourceNotFoundException", {}) if name not in self.loops else (None, self.loops[name])
        return None, self._page(params)

    def _page(self, params: Any) -> dict[str, Any]:
        after, before = params.get("CreationTimeAfter"), params.get("CreationTimeBefore")
        listed = [
            loop
            for loop in self.loops.values()
            if loop["FlowDefinitionArn"] == params["FlowDefinitionArn"]
            and (after is None or loop["CreationTime"] >= after)
            and (before is None or loop["CreationTime"] < before)
        ]
        listed.sort(key=lambda loop: (loop["CreationTime"], loop["HumanLoopName"]))
        # The token is the last loop, so that loops that are deleted meanwhile leave no gap.
        if token := params.get("NextToken"):
            listed = [loop for loop in listed if f"{loop['CreationTime']} {loop['HumanLoopName']}" > token]
        page, rest = listed[: params["MaxResults"]], listed[params["MaxResults"] :]
        last = f"{page[-1]['CreationTime']} {page[-1]['HumanLoopName']}" if rest else None
        return {"HumanLoopSummaries": page, **({"NextToken": last} if last else {})}


@dataclass
class AWS:
    """The AWS account of a test, and the objects that work with it."""

    clients: dict[str, Any]
    a2i: A2I
    stubs: dict[str, Stubber]
    flow_definitions: tuple[str, ...] = field(default=())
    messages: list[dict[str, Any]] = field(default_factory=list)
    """The requests that SNS got."""

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.clients["dynamodb"], "ledger")

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.clients["dynamodb"], "tokens", "ledger")

    @property
    def waiting(self) -> WaitingWorkflows:
        services = (self.clients[name] for name in ("s3", "stepfunctions", "sagemaker-a2i-runtime"))
        return WaitingWorkflows(self.ledger, self.tokens, *services)

    @property
    def starter(self) -> Starter:
        return Starter(
            ledger=self.ledger,
            bucket=BUCKET,
            s3=self.clients["s3"],
            a2i=self.clients["sagemaker-a2i-runtime"],
            textract=self.clients["textract"],
            rekognition=self.clients["rekognition"],
            waiting=self.waiting,
            flow_definitions=self.flow_definitions,
        )

    @property
    def abandoned(self) -> AbandonedExecutions:
        return AbandonedExecutions(
            self.ledger,
            self.waiting,
            self.clients["stepfunctions"],
            Escalation(self.clients["sns"], TOPIC, ALARMS, "dev"),
            Reports(self.clients["dynamodb"], "ledger"),
        )

    def row(self, name: str = "loop") -> Loop:
        row = self.ledger.find(name)
        assert row is not None
        return row

    def add_row(self, name: str = "loop", **values: Any) -> Loop:
        """Writes a row with any attributes, also claims: `claims={"TIME STATUS": {...}}`."""
        claims = {f"claim {claim}": value for claim, value in values.pop("claims", {}).items()}
        row = Loop(**{"human_loop_name": name, "flow_definition_arn": FLOW, "status": "InProgress"} | values)
        assert self.ledger.open(row) is None
        for claim, held in claims.items():
            self.clients["dynamodb"].update_item(
                TableName="ledger",
                Key={"humanLoopName": {"S": name}},
                UpdateExpression="SET #claim = :held",
                ExpressionAttributeNames={"#claim": claim},
                ExpressionAttributeValues={":held": {"M": {key: {"S": text} for key, text in held.items()}}},
            )
        return self.row(name)

    def put(self, key: str, document: Any) -> str:
        self.clients["s3"].put_object(Bucket=BUCKET, Key=key, Body=json.dumps(document))
        return f"s3://{BUCKET}/{key}"

    def describe_execution(self, status: str, event: Any = None, **more: Any) -> None:
        """Adds the description of the execution: with that status, or none if it is gone."""
        if status == "gone":
            self.stubs["stepfunctions"].add_client_error("describe_execution", "ExecutionDoesNotExist")
            return
        described = {
            "executionArn": EXECUTION,
            "stateMachineArn": MACHINE,
            "startDate": datetime.now(UTC),
            "status": status,
            **({} if event is None else {"input": json.dumps(event)}),
            **more,
        }
        self.stubs["stepfunctions"].add_response("describe_execution", described, {"executionArn": EXECUTION})

    def describe_history(self, *states: str, result: str = "TaskSucceeded") -> None:
        """Adds the history of the execution, with these Tasks, which all had this result."""
        events: list[dict[str, Any]] = []
        for state in states:
            for kind, more in (
                (result, {}),
                ("TaskStateExited", {"stateExitedEventDetails": {"name": state}}),
            ):
                event = {"id": len(events) + 1, "previousEventId": len(events), "type": kind, **more}
                events.append({"timestamp": datetime.now(UTC), **event})
        self.stubs["stepfunctions"].add_response("get_execution_history", {"events": events[::-1]})

    def accept_message(self) -> None:
        """Lets SNS accept a message, which is then in `messages`."""
        self.stubs["sns"].add_response("publish", {"MessageId": "1"})

    @contextmanager
    def watched(self, on_call: Callable[[str, str], None]) -> Iterator[None]:
        """Calls `on_call("before" or "after", operation)` around each call of any client."""

        def before(model: Any, **_: Any) -> None:
            on_call("before", model.name)

        def after(model: Any, **_: Any) -> None:
            on_call("after", model.name)

        hooks = {"before-parameter-build.*.*": before, "after-call.*.*": after}
        for client in self.clients.values():
            for event, hook in hooks.items():
                client.meta.events.register_first(event, hook)
        try:
            yield
        finally:
            for client in self.clients.values():
                for event, hook in hooks.items():
                    client.meta.events.unregister(event, hook)


@pytest.fixture(scope="session")
def boto3_clients() -> dict[str, Any]:
    """Clients for all tests: creating them takes longer than the tests. moto must be imported before."""
    session = boto3.Session("testing", "testing", region_name=REGION)
    return {service: session.client(service) for service in SERVICES}


@pytest.fixture
def aws(boto3_clients: dict[str, Any]) -> Iterator[AWS]:
    stubs = {service: Stubber(boto3_clients[service]) for service in STUBBED}
    with mock_aws(), A2I(boto3_clients["sagemaker-a2i-runtime"]) as a2i, ExitStack() as stack:
        create_ledger_table(boto3_clients["dynamodb"])
        create_token_table(boto3_clients["dynamodb"])
        boto3_clients["s3"].create_bucket(Bucket=BUCKET)
        for stub in stubs.values():
            stack.enter_context(stub)
        account = AWS(boto3_clients, a2i, stubs)

        def keep_message(params: Any, **_: Any) -> None:
            account.messages.append(params)

        sent = boto3_clients["sns"].meta.events
        sent.register_first("before-parameter-build.sns.Publish", keep_message)
        stack.callback(sent.unregister, "before-parameter-build.sns.Publish", keep_message)
        yield account
        for stub in stubs.values():
            stub.assert_no_pending_responses()


@dataclass
class Context:
    """The Lambda context, as far as the functions use it."""

    function_name: str = "function"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = f"arn:aws:lambda:{REGION}:111122223333:function:function"
    aws_request_id: str = "1"
    remaining_milliseconds: int = 900_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_milliseconds


@pytest.fixture
def context() -> Context:
    return Context()


@dataclass
class Logged:
    """What functions have logged."""

    _stream: io.StringIO

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines, without metrics."""
        lines = [json.loads(line) for line in self._stream.getvalue().splitlines()]
        return [line for line in lines if "_aws" not in line]

    def about(self, **keys: Any) -> list[str]:
        """The messages of the lines that have these keys."""
        return [line["message"] for line in self.lines if keys.items() <= line.items()]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Logged:
    # Loggers of one service share the handler.
    stream = io.StringIO()
    monkeypatch.setattr(Logger().registered_handler, "stream", stream)
    return Logged(stream)


@pytest.fixture
def function(aws: AWS, monkeypatch: pytest.MonkeyPatch) -> Iterator[AWS]:
    """The account, with the environment and the clients of the functions."""
    for name, value in {
        "STAGE": "dev",
        "LEDGER_TABLE": "ledger",
        "TOKEN_TABLE": "tokens",
        "REVIEW_BUCKET": BUCKET,
        "REVIEW_SETTINGS": "{}",
        "RESTART_SETTINGS": json.dumps({"max_attempts": 3, "back_off": {"jitter": 0}}),
        "FLOW_DEFINITION_ARNS": FLOW,
        "STATE_MACHINE": MACHINE,
        "ESCALATION_TOPIC": TOPIC,
        "ALARM_TOPIC": ALARMS,
    }.items():
        monkeypatch.setenv(name, value)
    cached = (
        environment,
        functions.abandoned,
        functions.client,
        functions.ledger,
        functions.starter,
        functions.waiting,
    )
    for one in cached:
        one.cache_clear()
    monkeypatch.setattr(boto3, "client", lambda service, **_: aws.clients[service])
    yield aws
    for one in cached:
        one.cache_clear()


def start_request(name: str = "loop", **changes: Any) -> StartRequest:
    return StartRequest.read(
        {
            "humanLoopName": name,
            "flowDefinitionArn": FLOW,
            "task": {"type": "custom", "inputContent": {"text": "ünïcode ✓", "n": 1}},
            **changes,
        }
    )
