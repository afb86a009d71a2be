"""Doubles of AWS that several unit tests share: the ledger's table, and sessions with stubbed clients.

DynamoDB and S3 are moto's (use them within `mock_aws`). Other services are botocore's Stubber: a test adds the
responses it expects, in order.
"""

from __future__ import annotations

import functools
import json
import threading
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import boto3
from boto3.dynamodb.types import TypeSerializer
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from workflow import ROOT

__all__ = [
    "REGION",
    "SageMaker",
    "StepFunctions",
    "StubbedSession",
    "add_red_loop",
    "create_ledger_table",
    "create_token_table",
]

REGION = "us-east-1"


def create_ledger_table(dynamodb: Any, name: str = "ledger") -> str:
    """Creates the ledger's table as the stack does, with production's keys and indexes, and returns its name."""
    return _create_table(dynamodb, "LedgerTable", name)


def create_token_table(dynamodb: Any, name: str = "tokens") -> str:
    """Creates the table of task tokens as the stack does, and returns its name."""
    return _create_table(dynamodb, "TokenTable", name)


def _create_table(dynamodb: Any, resource: str, name: str) -> str:
    properties = _template()["Resources"][resource]["Properties"]
    fields = ("BillingMode", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")
    given = {field: properties[field] for field in fields if field in properties}
    dynamodb.create_table(TableName=name, **given)
    return name


@functools.cache
def _template() -> Any:
    return json.loads((ROOT / "definitions" / "template.json").read_text())


_clients: defaultdict[str, list[Any]] = defaultdict(list)
"""boto3's clients that no session uses now, by service."""


class StubbedSession:
    """A boto3 session. Clients of the given services are stubbed; all others are boto3's own.

    Making clients takes longer than most tests, so `close` keeps them for the next session.

    Args:
        services: Names of the services to stub. Their stubbers are in `stubs`.
    """

    region_name = REGION

    def __init__(self, *services: str) -> None:
        self._boto3 = _boto3_session()
        self._clients: dict[str, Any] = {}
        self._watched: list[tuple[Any, str, Callable[..., None]]] = []
        self._services = services
        self.stubs: dict[str, Stubber] = {}
        self.reset()

    def reset(self) -> None:
        """Removes the responses that were added but not used."""
        for stub in self.stubs.values():
            stub.deactivate()
        self.stubs = {service: Stubber(self.client(service)) for service in self._services}
        for stub in self.stubs.values():
            stub.activate()

    def close(self) -> None:
        """Gives boto3's clients back, as they were."""
        for stub in self.stubs.values():
            stub.deactivate()
        for events, event, handler in self._watched:
            events.unregister(event, handler)
        for service, client in self._clients.items():
            if isinstance(client, BaseClient):
                _clients[service].append(client)

    def use(self, service: str, client: Any) -> None:
        """Sets the client of a service."""
        self._clients[service] = client

    def client(self, service: str, **_: Any) -> Any:
        if service not in self._clients:
            kept = _clients[service]
            self._clients[service] = kept.pop() if kept else self._boto3.client(service)
        return self._clients[service]

    def watch(self, service: str, event: str, handler: Callable[..., None]) -> None:
        """Calls a handler at an event of botocore, as long as the session is open."""
        events = self.client(service).meta.events
        events.register(event, handler)
        self._watched.append((events, event, handler))

    def __getattr__(self, name: str) -> Any:
        """Delegates to the boto3 session."""
        return getattr(self._boto3, name)

    def assert_all_called(self) -> None:
        """Checks that every response that a test added was used."""
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


@functools.cache
def _boto3_session() -> boto3.Session:
    return boto3.Session("testing", "testing", region_name=REGION)


class SageMaker:
    """Flow definitions as SageMaker has them.

    Args:
        arns: Their ARNs.

    Attributes:
        refuse: An error for each call; None for answers.
        calls: How many calls were made.
    """

    def __init__(self, *arns: str) -> None:
        self._arns = {arn.rpartition("/")[2]: arn for arn in arns}
        self.refuse: str | None = None
        self.calls = 0

    def describe_flow_definition(self, *, FlowDefinitionName: str) -> dict[str, Any]:  # noqa: N803
        self._call("DescribeFlowDefinition")
        if FlowDefinitionName not in self._arns:
            raise _refused("DescribeFlowDefinition", "ResourceNotFound")
        return {"FlowDefinitionArn": self._arns[FlowDefinitionName]}

    def list_flow_definitions(self, *, MaxResults: int) -> dict[str, Any]:  # noqa: N803
        self._call("ListFlowDefinitions")
        return {"FlowDefinitionSummaries": [{"FlowDefinitionName": name} for name in self._arns][:MaxResults]}

    def _call(self, operation: str) -> None:
        self.calls += 1
        if self.refuse:
            raise _refused(operation, self.refuse)


class StepFunctions:
    """Executions as Step Functions keeps them, for tests with several threads: a Stubber needs an order of calls.

    StartExecution is idempotent as AWS documents it: for the name of a running execution with the same input it
    returns that one; any other use of a name raises ExecutionAlreadyExists. Executions end as `outcome` says.

    Attributes:
        executions: The executions, by ARN.
        started: The names that StartExecution accepted, in order; a name that it found running is there again.
        outcome: Called with the name of each new execution; returns its status.
        refuse: Errors for the next calls, as (operation, code).
    """

    def __init__(self, machine: str) -> None:
        self.machine = machine
        self.executions: dict[str, dict[str, Any]] = {}
        self.started: list[str] = []
        self.outcome: Callable[[str], str] = lambda name: "SUCCEEDED"
        self.refuse: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def add(self, name: str, status: str = "FAILED", **more: Any) -> str:
        """Adds an execution, and returns its ARN."""
        arn = f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}"
        started = datetime(2026, 3, 4, tzinfo=UTC)
        self.executions[arn] = {
            "executionArn": arn, "stateMachineArn": self.machine, "status": status, "startDate": started, **more,
        }  # fmt: skip
        return arn

    def start_execution(self, **call: str) -> dict[str, Any]:
        with self._lock:
            self._maybe_refuse("StartExecution")
            assert call["stateMachineArn"] == f"{self.machine}:live"
            arn = f"{self.machine.replace(':stateMachine:', ':execution:')}:{call['name']}"
            known = self.executions.get(arn)
            if known and (known["status"], known.get("input")) != ("RUNNING", call["input"]):
                raise _refused("StartExecution", "ExecutionAlreadyExists")
            self.started.append(call["name"])
            if not known:
                self.add(call["name"], self.outcome(call["name"]), input=call["input"])
            return {"executionArn": arn, "startDate": self.executions[arn]["startDate"]}

    def describe_execution(self, **call: str) -> dict[str, Any]:
        with self._lock:
            self._maybe_refuse("DescribeExecution")
            if call["executionArn"] not in self.executions:
                raise _refused("DescribeExecution", "ExecutionDoesNotExist")
            return dict(self.executions[call["executionArn"]])

    def _maybe_refuse(self, operation: str) -> None:
        for number, (refused, code) in enumerate(self.refuse):
            if refused == operation:
                del self.refuse[number]
                raise _refused(operation, code)


def _refused(operation: str, code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "refused by the test"}}, operation)


def add_red_loop(
    dynamodb: Any, states: StepFunctions, name: str, *, state: str = "released", **attributes: Any
) -> str:
    """Adds a completed loop that the workflow failed to process. Returns the ARN of the failed execution.

    Args:
        dynamodb: The client of the ledger's table.
        states: Where the execution is added.
        name: The loop.
        state: The state of its claim.
        attributes: Attributes of the row, with their values for DynamoDB's resource.
    """
    created = "2026-03-04T05:06:07.890Z"
    detail = {"humanLoopName": name, "creationTime": created, "humanLoopStatus": "Completed"}
    arn = states.add(f"first-{name}", input=json.dumps({"detail": detail}))
    row = {
        "humanLoopName": name,
        "status": "Completed",
        "outcome": "failed",
        "reason": "Collect review: OutputMissing: no object",
        "createdAt": created,
        "escalatedAt": "2026-03-05T00:00:00.000Z",
        "updatedAt": "2026-03-05T00:00:00.000Z",
        "attempt": 1,
        f"claim {created} Completed": {"state": state, "execution": arn, "at": "2026-03-05T00:00:00.000Z"},
        **attributes,
    }
    item = {key: TypeSerializer().serialize(value) for key, value in row.items()}
    dynamodb.put_item(TableName="ledger", Item=item)
    return arn
