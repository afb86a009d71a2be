"""The simulated account: executions of the real definition, invocations of the real functions, and their services.

All clients of boto3 and botocore in this process make their calls here while `Simulation.running` is open. A call stops
its actor until the scheduler lets it continue (tests/faults/scheduler.py).
"""

from __future__ import annotations

import functools
import importlib
import io
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

import boto3
import botocore.session
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError

from lambdas.aws import clients, object_store
from lambdas.aws.environment import environment
from lambdas.loops.abandoned import FAILED_STATUSES
from lambdas.loops.restart_policy import RestartRules
from lambdas.reviews.times import timestamp
from tests.faults.choices import Choices
from tests.faults.clock import Clock, simulated_time
from tests.faults.machine import Run, StateError
from tests.faults.scheduler import Actor, Call, Fault, Scheduler
from tests.faults.services import (
    A2I,
    ACCOUNT,
    FLOWS,
    REGION,
    TABLE,
    TOKEN_TABLE,
    Buckets,
    Ledger,
    Queue,
    Topics,
    refusal,
)
from tests.faults.threads import simulated_threads
from workflow.human_review import HumanReview
from workflow.machine import build_definition
from workflow.operations.loops import Loops
from workflow.operations.stage_resources import StageResources
from workflow.steps import Chain, definition

__all__ = ["MACHINE", "PARENT", "RULE", "Execution", "Simulation", "Token", "client"]

MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:afterloop-dev"
PARENT = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:orders"
RULE = "afterloop-dev"
RESTARTS = {"max_attempts": 3, "back_off": {"first_seconds": 60, "max_seconds": 600, "jitter": 0}}
LIFETIME = 40 * 86_400
"""The timeout of a waiting workflow, in seconds. The simulation does not end it then."""

_PLACEHOLDERS = {
    "LedgerTable": TABLE,
    "AlarmTopic": "alarms",
    "EscalationTopic": "escalations",
    "NotificationTopic": "notifications",
    "Stage": "dev",
    "Region": REGION,
}
_ENVIRONMENT = {
    "STAGE": "dev",
    "LEDGER_TABLE": TABLE,
    "TOKEN_TABLE": TOKEN_TABLE,
    "REVIEW_BUCKET": "reviews",
    "REVIEW_SETTINGS": '{"output_buckets": ["outputs"]}',
    "RESTART_SETTINGS": json.dumps(RESTARTS),
    "FLOW_DEFINITION_ARNS": ",".join(FLOWS),
    "STATE_MACHINE": f"{MACHINE}:live",
    "ALARM_TOPIC": "alarms",
    "ESCALATION_TOPIC": "escalations",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
    "REGION": REGION,
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "POWERTOOLS_METRICS_NAMESPACE": "Afterloop",
    "POWERTOOLS_METRICS_DISABLED": "true",
}
_THROTTLED = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "s3": "SlowDown",
    "lambda": "TooManyRequestsException",
}
_ATTEMPTS = 3
"""How often botocore tries a call: the standard mode's default, which the functions also set."""


@dataclass(eq=False)
class Execution:
    """An execution in Step Functions."""

    arn: str
    name: str
    machine: str
    text: str
    started: datetime
    status: str = "RUNNING"
    stopped: datetime | None = None
    error: str | None = None
    cause: str | None = None
    output: Any = None
    redrives: int = 0
    redriven: datetime | None = None
    run: Any = field(default=None, repr=False)
    actor: Any = field(default=None, repr=False)

    @property
    def event(self) -> dict[str, Any]:
        """Its input."""
        document: dict[str, Any] = json.loads(self.text)
        return document

    def described(self) -> dict[str, Any]:
        """As DescribeExecution returns it."""
        answer = {
            "executionArn": self.arn,
            "stateMachineArn": self.machine,
            "name": self.name,
            "status": self.status,
            "startDate": self.started,
            "input": self.text,
        }
        more = {"stopDate": self.stopped, "error": self.error, "cause": self.cause}
        return answer | {name: value for name, value in more.items() if value is not None}


@dataclass(eq=False)
class Token:
    """A task token, and what was sent with it."""

    text: str
    execution: Execution
    open: bool = True
    answer: tuple[str, Any] | None = None


class Context:
    """The context of an invocation of a function."""

    function_name = "function"
    memory_limit_in_mb = 256
    invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:function"
    aws_request_id = "1"

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._end = clock, clock.now + timedelta(seconds=seconds)

    def get_remaining_time_in_millis(self) -> int:
        """As Lambda's."""
        return int((self._end - self._clock.now).total_seconds() * 1000)


class Session:
    """A boto3 session."""

    region_name = REGION

    def client(self, service: str, **_: Any) -> Any:
        """Returns a client."""
        return client(service)

    def get_partition_for_region(self, region: str) -> str:
        """As boto3's."""
        return "aws"


class _BotocoreSession:
    def create_client(self, service: str, **_: Any) -> Any:
        return client(service)


class Simulation:
    """One schedule: its choices, its actors, and the account.

    Attributes:
        violations: What was wrong, in plain words.
        unconditional: Given the state, the operation and the request: whether a write is made without its condition.
    """

    def __init__(self, seed: int, choices: Choices) -> None:
        self.seed, self.choices = seed, choices
        self.clock = Clock()
        self.scheduler = Scheduler(choices, self.clock)
        self.violations: list[str] = []
        self.executions: dict[str, Execution] = {}
        self.tokens: dict[str, Token] = {}
        self.buckets, self.topics = Buckets(), Topics()
        self.undelivered = Queue(self.clock)
        self.a2i = A2I(self.clock, page=2)
        self.ledger: Ledger
        self.written: Any = lambda key, before, after: None
        self.answered: Any = lambda token, kind, document: None
        self.ended: Any = lambda execution: None
        self.unconditional: Callable[[str, str, Mapping[str, Any]], bool] = lambda where, operation, request: (
            False
        )
        self.acting: Actor | None = None
        self._numbers: dict[str, int] = {}

    @contextmanager
    def running(self) -> Iterator[None]:
        """Directs all clients and all clocks to this simulation."""
        cached = (
            environment,
            clients.client,
            clients.ledger,
            clients.starter,
            clients.waiting,
            clients.abandoned,
            object_store.object_store,
        )
        with (
            mock.patch.dict(os.environ, _ENVIRONMENT),
            simulated_time(self.clock, self.seed),
            simulated_threads(self.scheduler),
            mock.patch.object(boto3, "client", lambda service, **_: client(service)),
            mock.patch.object(botocore.session, "get_session", _BotocoreSession),
            mock.patch.object(BaseClient, "_make_api_call", self._api_call_of()),
            # What the functions print and count is not looked at, and takes a third of the time.
            mock.patch.object(AmazonCloudWatchEMFProvider, "add_metric", return_value=None),
            mock.patch.object(AmazonCloudWatchEMFProvider, "flush_metrics", return_value=None),
        ):
            logging.disable()
            for one in cached:
                one.cache_clear()
            self.ledger = Ledger(self.clock, lambda *change: self.written(*change))
            try:
                yield
            finally:
                logging.disable(logging.NOTSET)
                for one in cached:
                    one.cache_clear()

    def violated(self, text: str) -> None:
        """Notes that something is wrong. The schedule ends soon."""
        if text not in self.violations:
            self.violations.append(text)
            self.scheduler.say(f"*** {text}")
        self.scheduler.stopped = True

    # Executions

    def start_execution(self, machine: str, name: str, text: str) -> Execution:
        """StartExecution. Raises ClientError."""
        machine = machine.removesuffix(":live")
        arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
        there = self.executions.get(arn)
        if there is not None:
            if there.status == "RUNNING" and there.text == text:
                return there
            raise refusal("ExecutionAlreadyExists", "StartExecution")
        execution = Execution(arn, name, machine, text, self.clock.now)
        self.executions[arn] = execution
        described = _machine() if machine == MACHINE else _parent()
        execution.run = Run(described, arn, name, json.loads(text), self)
        self._begin(execution, f"execution {name}")
        return execution

    def _begin(self, execution: Execution, name: str) -> None:
        execution.actor = Actor(
            name,
            "execution",
            functools.partial(self._run, execution),
            killed=functools.partial(self._died, execution),
            about=execution,
            immortal=execution.machine != MACHINE,
        )
        self.scheduler.spawn(execution.actor)

    def redrive_execution(self, execution: Execution) -> None:
        """RedriveExecution: what Redrive in the console of Step Functions does. Raises ClientError."""
        if execution.status not in FAILED_STATUSES:
            raise refusal("ExecutionNotRedrivable", "RedriveExecution")
        execution.status, execution.stopped, execution.error, execution.cause = "RUNNING", None, None, None
        execution.redrives, execution.redriven = execution.redrives + 1, self.clock.now
        execution.run.history.append(("ExecutionRedriven", ""))
        self._begin(execution, f"execution {execution.name} (redrive {execution.redrives})")

    def _run(self, execution: Execution) -> None:
        actor = execution.actor
        try:
            execution.output = execution.run.run(lambda state: setattr(actor, "where", state))
            execution.status = "SUCCEEDED"
        except StateError as error:
            execution.status, execution.error, execution.cause = "FAILED", error.error, error.cause
        self._ended(execution)

    def _died(self, execution: Execution) -> None:
        execution.status = self.choices.of(("ABORTED", "TIMED_OUT"))
        execution.cause = f"{execution.status.lower()} in {execution.actor.where!r}"
        self._ended(execution)

    def _ended(self, execution: Execution) -> None:
        execution.stopped = self.clock.now
        self.scheduler.say(f"ends as {execution.status} {execution.error or ''}".rstrip(), execution.actor)
        for token in self.tokens.values():
            if token.execution is execution:
                token.open = False
        self.ended(execution)

    def abort(self, execution: Execution) -> None:
        """Ends an execution. What it has asked functions to do goes on."""
        self.scheduler.kill(execution.actor)

    # The tasks of executions (tests.faults.machine.Tasks)

    def now(self) -> str:
        """The time, as the context object writes it."""
        return timestamp(self.clock.now)

    def sleep(self, run: Run, seconds: float) -> None:
        """Lets an execution wait."""
        self.scheduler.sleep(seconds)

    def token(self, run: Run) -> str:
        """Returns a new task token for an execution."""
        text = f"token-{self.number('token')}"
        self.tokens[text] = Token(text, self.executions[run.arn])
        return text

    def number(self, kind: str) -> int:
        """Returns 1, 2, 3, … of a kind."""
        self._numbers[kind] = self._numbers.get(kind, 0) + 1
        return self._numbers[kind]

    def task(self, run: Run, name: str, state: Mapping[str, Any], arguments: Any) -> Any:
        """Runs a Task."""
        resource = state["Resource"].removeprefix("arn:aws:states:::")
        service, _, action = resource.partition(":")
        if service == "lambda":
            return self._lambda_task(run, state, arguments, waits=action.endswith(".waitForTaskToken"))
        prefix = {"dynamodb": "DynamoDB", "sns": "SNS"}[service]
        operation = action[:1].upper() + action[1:]

        def refuse(fault: Fault) -> Exception:
            return StateError(_INTEGRATION_ERRORS[service][fault], f"a simulated fault: {fault}")

        try:
            return self.scheduler.make(
                self._call(service, operation, _filled(arguments), refuse, subject=_subject(arguments))
            )
        except ClientError as error:
            details = error.response["Error"]
            raise StateError(f"{prefix}.{details['Code']}", details.get("Message", "")) from error

    def _lambda_task(self, run: Run, state: Mapping[str, Any], arguments: Any, *, waits: bool) -> Any:
        def refuse(fault: Fault) -> Exception:
            return StateError(_INTEGRATION_ERRORS["lambda"][fault], f"a simulated fault: {fault}")

        invocation = self.scheduler.make(
            self._invoke(arguments["FunctionName"], arguments["Payload"], refuse)
        )
        limit = None if waits else state.get("TimeoutSeconds")
        if not self.scheduler.wait(lambda: not invocation.done, limit):
            raise StateError("States.Timeout", "the function took too long")
        answer = _answer_of(invocation)
        if "errorType" in answer:
            raise StateError(answer["errorType"], json.dumps(answer))
        if not waits:
            return {"Payload": answer["value"], "StatusCode": 200}
        token = self.tokens[run.token or ""]
        # Without a limit: a workflow that waits for ever must be found, not time out.
        self.scheduler.wait(lambda: token.answer is None)
        token.open = False
        assert token.answer is not None
        kind, document = token.answer
        if kind == "failure":
            raise StateError(document["error"], document.get("cause", ""))
        return json.loads(document["output"])

    # Functions

    def _invoke(self, function: str, payload: Any, refuse: Any) -> Call:
        caller = self.scheduler.current
        payload = json.loads(json.dumps(payload))  # as it arrives at the function, and not changed after this

        def work() -> Actor:
            return self.invocation(function, payload, caller)

        return Call("lambda", "Invoke", work, refuse, subject=f"{function}({_short(payload)})")

    def invocation(self, function: str, payload: Any, caller: Actor | None = None) -> Actor:
        """Starts an invocation of a function of lambdas/."""
        module = importlib.import_module(f"lambdas.{function}")
        seconds = module.FUNCTION["timeout"]
        actor = Actor(
            f"{function} #{self.number('invocation')}",
            "function",
            lambda: json.loads(json.dumps(module.handler(payload, Context(self.clock, seconds)))),
            about=caller,
            deadline=self.clock.now + timedelta(seconds=seconds),
        )
        return self.scheduler.spawn(actor)

    # Clients

    def _api_call_of(self) -> Any:
        def call(client: Any, operation: str, request: dict[str, Any]) -> Any:
            return self._client_call(client, operation, request)

        return call

    def _client_call(self, client: Any, operation: str, request: dict[str, Any]) -> Any:
        service = client.meta.service_model.service_name

        def refuse(fault: Fault) -> Exception:
            if fault == "drop":
                return ConnectionClosedError(endpoint_url=f"https://{service}.simulated")
            code = _THROTTLED.get(service, "ThrottlingException")
            if fault == "throttle":
                return refusal(code, operation, 429)
            return refusal("InternalServerError", operation, 500)

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._once(service, operation, request, refuse)
            except BotoCoreError:
                if attempt == _ATTEMPTS:
                    raise
            except ClientError as error:
                code = error.response["Error"]["Code"]
                passes = (
                    code in (*_THROTTLED.values(), "ThrottlingException")
                    or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
                )
                if not passes or attempt == _ATTEMPTS:
                    raise client.exceptions.from_code(code)(error.response, operation) from error
            self.scheduler.sleep(0.1 * attempt)
        raise AssertionError

    def _once(self, service: str, operation: str, request: dict[str, Any], refuse: Any) -> Any:
        if service == "lambda":
            function = _snake(request["FunctionName"].rpartition("-")[2])
            invocation = self.scheduler.make(self._invoke(function, json.loads(request["Payload"]), refuse))
            self.scheduler.join(invocation)
            answer = _answer_of(invocation)
            failed = "errorType" in answer
            body = io.BytesIO(json.dumps(answer if failed else answer["value"]).encode())
            return {"Payload": body, **({"FunctionError": "Unhandled"} if failed else {})}
        call = self._call(service, operation, request, refuse, subject=_subject(request))
        return self.scheduler.make(call) if self.scheduler.in_actor else call.work()

    def _call(self, service: str, operation: str, request: Any, refuse: Any, subject: str) -> Call:
        actor = self.scheduler.current if self.scheduler.in_actor else None

        def work() -> Any:
            self.acting = actor
            return self._perform(service, operation, request)

        return Call(service, operation, work, refuse, subject=subject)

    def _perform(self, service: str, operation: str, request: dict[str, Any]) -> Any:
        if service == "dynamodb":
            where = self.acting.where if self.acting else ""
            if "ConditionExpression" in request and self.unconditional(where, operation, request):
                condition = f"({request['ConditionExpression']}) OR attribute_not_exists(neverThere)"
                request = {**request, "ConditionExpression": condition}
            return self.ledger.call(operation, request)
        if service == "s3":
            return self.buckets.call(operation, request)
        if service == "sagemaker-a2i-runtime":
            return self.a2i.call(operation, request)
        if service == "sqs":
            return self.undelivered.call(operation, request)
        if service == "sns":
            return self.topics.publish(request, self.clock.now)
        handler = getattr(self, f"_{_snake(operation)}", None)
        if handler is None:
            raise NotImplementedError(f"{service} {operation}")
        return handler(request)

    def _get_caller_identity(self, request: Any) -> Any:
        return {"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/operators/ada"}

    def _describe_stacks(self, request: Any) -> Any:
        parameters = [{"ParameterKey": "FlowDefinitionArns", "ParameterValue": ",".join(FLOWS)}]
        stack = {
            "StackName": request["StackName"],
            "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/afterloop-dev/1",
            "StackStatus": "CREATE_COMPLETE",
            "Parameters": parameters,
            "Outputs": [],
            "CreationTime": self.clock.start,
        }
        return {"Stacks": [stack]}

    def _list_flow_definitions(self, request: Any) -> Any:
        return {"FlowDefinitionSummaries": [{"FlowDefinitionArn": flow} for flow in FLOWS]}

    def _describe_flow_definition(self, request: Any) -> Any:
        return {"HumanLoopConfig": {}}

    def _start_execution(self, request: Any) -> Any:
        started = self.start_execution(request["stateMachineArn"], request["name"], request["input"])
        return {"executionArn": started.arn, "startDate": started.started}

    def _describe_execution(self, request: Any) -> Any:
        if request["executionArn"] not in self.executions:
            raise refusal("ExecutionDoesNotExist", "DescribeExecution")
        return self.executions[request["executionArn"]].described()

    def _stop_execution(self, request: Any) -> Any:
        execution = self.executions[request["executionArn"]]
        self.abort(execution)
        return {"stopDate": execution.stopped}

    def _list_executions(self, request: Any) -> Any:
        found = [one for one in self.executions.values() if one.machine == MACHINE]
        if status := request.get("statusFilter"):
            found = [one for one in found if one.status == status]
        found.sort(key=lambda one: (one.started, one.name), reverse=True)
        start = int(request.get("nextToken", 0))
        page, rest = found[start : start + 3], found[start + 3 :]
        answer: dict[str, Any] = {"executions": [one.described() for one in page]}
        if rest:
            answer["nextToken"] = str(start + 3)
        return answer

    def _get_execution_history(self, request: Any) -> Any:
        execution = self.executions[request["executionArn"]]
        events = []
        for number, (kind, state) in enumerate(execution.run.history, start=1):
            event = {
                "id": number,
                "previousEventId": number - 1,
                "timestamp": execution.started,
                "type": kind,
            }
            if kind.endswith("Entered"):
                event["stateEnteredEventDetails"] = {"name": state}
            if kind.endswith("Exited"):
                event["stateExitedEventDetails"] = {"name": state}
            events.append(event)
        events = events[::-1] if request.get("reverseOrder") else events
        return {"events": events[: request.get("maxResults", 1000)]}

    def _send_task_success(self, request: Any) -> Any:
        return self._send(request, "success")

    def _send_task_failure(self, request: Any) -> Any:
        return self._send(request, "failure")

    def _send(self, request: Any, kind: str) -> Any:
        operation = f"SendTask{kind.capitalize()}"
        token = self.tokens.get(request["taskToken"])
        if token is None:
            raise refusal("InvalidToken", operation)
        self.answered(token, kind, request)
        if not token.open or token.answer is not None:
            raise refusal("TaskTimedOut", operation)
        token.answer = (kind, request)
        return {}

    # People

    def operator(self) -> Loops:
        """Returns what an operator's command uses."""
        resources = StageResources(
            stage="dev",
            partition="aws",
            region=REGION,
            account_id=ACCOUNT,
            outputs={
                "LedgerTable": TABLE,
                "TokenTable": TOKEN_TABLE,
                "ReviewBucket": "reviews",
                "StateMachine": MACHINE,
                "AlarmTopic": "alarms",
                "EscalationTopic": "escalations",
                "Rule": RULE,
                "UndeliveredEvents": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/undelivered",
            },
            parameters={"FlowDefinitionArns": ",".join(FLOWS)},
        )
        return Loops(resources, Session())  # type: ignore[arg-type]


_INTEGRATION_ERRORS: dict[str, dict[str, str]] = {
    "dynamodb": {
        "throttle": "DynamoDB.ProvisionedThroughputExceededException",
        "error": "DynamoDB.InternalServerError",
        "drop": "DynamoDB.SdkClientException",
    },
    "sns": {
        "throttle": "SNS.ThrottledException",
        "error": "SNS.InternalErrorException",
        "drop": "SNS.SdkClientException",
    },
    "lambda": {
        "throttle": "Lambda.TooManyRequestsException",
        "error": "Lambda.ServiceException",
        "drop": "Lambda.SdkClientException",
    },
}
"""Service of an integration → fault → the error that the state fails with."""


def _answer_of(invocation: Actor) -> dict[str, Any]:
    """Returns `{"value": …}`, or the error as Lambda reports it."""
    if invocation.dead:
        return {"errorType": "Runtime.ExitError", "errorMessage": "the worker died"}
    error = invocation.error
    if error is not None:
        return {"errorType": type(error).__name__, "errorMessage": str(error)}
    return {"value": invocation.result}


def _filled(value: Any) -> Any:
    """Fills the placeholders in, as the stack does."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: _PLACEHOLDERS[match[1]], value)
    if isinstance(value, dict):
        return {name: _filled(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one) for one in value]
    return value


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _subject(request: Mapping[str, Any]) -> str:
    key = request.get("Key") or request.get("Item")
    if isinstance(key, Mapping):
        return str(key.get("humanLoopName", {}).get("S", ""))
    for name in ("HumanLoopName", "executionArn", "name", "Subject", "taskToken", "IndexName"):
        if name in request:
            return str(request[name]).rpartition(":execution:afterloop-dev:")[2]
    return str(key or "")


def _short(payload: Any) -> str:
    if isinstance(payload, Mapping):
        for place in (payload, payload.get("event", {}).get("detail", {}), payload.get("detail", {})):
            if isinstance(place, Mapping) and "humanLoopName" in place:
                return str(place["humanLoopName"])
        return str(payload.get("key", ""))
    return ""


@functools.cache
def client(service: str) -> Any:
    """Returns the client of a service. It exists once in the process: creating one takes as long as a schedule."""
    return _session().client(service)


@functools.cache
def _session() -> Any:
    """The session of all clients. Each one reads the endpoints of all services, which takes longer than a client."""
    own = botocore.session.Session()
    return boto3.Session("testing", "testing", region_name=REGION, botocore_session=own)


@functools.cache
def _machine() -> Any:
    return _filled(json.loads(json.dumps(build_definition())))


@functools.cache
def _parent() -> Any:
    """A workflow that asks people about its input's `text`, and waits."""
    step = HumanReview(
        "Ask people",
        flow_definition_arn=FLOWS[0],
        start_loop="start_loop",
        task_lifetime_seconds=3600,
        timeout_seconds=LIFETIME,
        restart=RestartRules(),
        query_language="JSONata",
        key="{% $states.input.key %}",
        input_content={"text": "{% $states.input.text %}"},
    )
    return definition(Chain([step]), comment="Orders")
