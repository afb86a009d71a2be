"""Runs a step by TestState, and says what happened: the next state, or what would be retried or caught."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from lambdas.reviews.times import timestamp
from workflow.asl.integration import integration_of
from workflow.asl.walk import ways
from workflow.errors import AfterloopError
from workflow.operations.trials.reading import Mock
from workflow.publish.account import Account
from workflow.publish.aws_errors import error_code

__all__ = ["Caught", "Retried", "Trial", "client_of", "try_state"]

MAX_SECONDS = 300
"""How long TestState runs a state (API reference, TestState)."""

MAX_CAUSE = 32_768
MAX_ERROR = 256
"""Characters of a mocked cause and of a mocked error (API reference, MockErrorOutput)."""

_JSON_IN_RESULT = (("lambda", "invoke"), ("bedrock", "invokeModel"))
"""Optimized integrations whose result has JSON where the API has a string. TestState refuses JSON there in a mock,
unless it does not compare the mock with the API."""

MAX_CONTEXT_INPUT = 260_000
"""Bytes of the input in a context object, which has up to 262,144 (API reference, TestState)."""

_REFUSED = ("InvalidArn", "InvalidDefinition", "InvalidExecutionInput", "ValidationException")
"""The errors of TestState (API reference)."""

_DENIED = ("AccessDenied", "is not authorized to perform", "is authorized to assume the provided role")
"""What the cause of a failed call says if the role lacks a permission."""


@dataclass(frozen=True)
class Retried:
    """The retry that would follow an error."""

    retrier: int
    """Index of the retrier in `Retry`, from 0."""
    errors: list[str]
    """Its ErrorEquals."""
    seconds: int
    """The wait before the retry. With full jitter, the wait is a random part of it."""
    attempts: int
    """How many retries the retrier allows, with this one."""


@dataclass(frozen=True)
class Caught:
    """The catcher that handles an error."""

    catcher: int
    """Index of the catcher in `Catch`, from 0."""
    errors: list[str]
    """Its ErrorEquals."""
    next_state: str
    """The next state."""
    output: Any
    """The input of the next state."""


@dataclass(frozen=True)
class Trial:
    """What happened when a step was tried.

    Attributes:
        status: SUCCEEDED, CAUGHT_ERROR, RETRIABLE or FAILED.
        input: The input of the step.
        sent: What the step passes to its service; None if it calls none, or failed before.
        result: What the service answered, or the mock; None without an answer.
        output: The output of the step; None if it failed.
        next_state: The next state; None if the execution would end.
        variables: The workflow variables that the step has assigned.
        error: The error, if there was one.
        cause: Its cause.
        retried: The retry that would follow.
        caught: The catcher that handles the error: at once, or when no retry is left.
    """

    status: str
    input: Any
    sent: Any = None
    result: Any = None
    output: Any = None
    next_state: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    error: str | None = None
    cause: str | None = None
    retried: Retried | None = None
    caught: Caught | None = None

    @property
    def succeeded(self) -> bool:
        """Whether there was no error."""
        return self.status == "SUCCEEDED"

    @property
    def is_of_function(self) -> bool:
        """Whether a function raised the error."""
        return '"errorMessage"' in (self.cause or "")

    @property
    def is_denied(self) -> bool:
        """Whether the role of the state machine lacks a permission. A function that lacks one has its own error."""
        if self.is_of_function:
            return False
        said = f"{self.error} {self.cause}"
        return self.error == "States.Permissions" or any(sign in said for sign in _DENIED)


def client_of(account: Account) -> Any:
    """Returns a client for TestState. It makes each call once: a repeated one would run the step again."""
    # boto3 puts `sync-` before the host. An engine on this machine has no such name.
    config = Config(
        inject_host_prefix=account.is_aws,
        read_timeout=MAX_SECONDS + 30,
        connect_timeout=10,
        retries={"total_max_attempts": 1},
    )
    return account.session.client("stepfunctions", config=config)


def try_state(
    client: Any,
    name: str,
    state: Mapping[str, Any],
    given: Any,
    *,
    variables: Mapping[str, Any],
    role: str | None,
    mock: Mock | None,
) -> Trial:
    """Runs a state.

    Args:
        client: A client of Step Functions.
        name: Its name.
        state: Its definition, without placeholders.
        given: Its input.
        variables: The workflow variables.
        role: ARN of the role. Only a Task without a mock needs one.
        mock: What its call gets. None makes the call.

    Raises:
        AfterloopError: TestState refuses the state, the input or the mock.
        botocore.exceptions.ClientError: TestState is not permitted, or AWS fails.
    """
    request = {
        "definition": json.dumps(_machine(name, state)),
        "stateName": name,
        "input": json.dumps(given),
        "inspectionLevel": "DEBUG",
        "variables": json.dumps(variables),
        # A role that is not needed is not passed on: that takes a permission.
        **({"roleArn": role} if role and mock is None and state["Type"] == "Task" else {}),
        **({"mock": _mock_input(state, mock), "context": _context(name, state, given)} if mock else {}),
    }
    answer = _answer(client, name, request)
    found = answer.get("inspectionData", {})
    retried = _retried(state, found)
    caught = _caught(state, answer)
    if retried:
        caught = _caught(state, _answer(client, name, _when_used_up(name, state, request, answer, retried)))
    sent = found.get("afterArguments", found.get("afterParameters"))
    return Trial(
        status=answer["status"],
        input=given,
        sent=_json(sent) if state["Type"] == "Task" else None,
        result=_json(found.get("result")),
        output=_json(answer.get("output")) if answer["status"] == "SUCCEEDED" else None,
        next_state=answer.get("nextState") if answer["status"] == "SUCCEEDED" else None,
        variables=_assigned(state, _json(found.get("variables")) or {}, variables),
        error=answer.get("error"),
        cause=answer.get("cause"),
        retried=retried,
        caught=caught,
    )


def _answer(client: Any, name: str, request: Mapping[str, Any]) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = client.test_state(**request)
    except ClientError as error:
        if error_code(error) not in _REFUSED:
            raise
        message = " ".join(error.response["Error"].get("Message", "").split())
        raise AfterloopError(f"TestState refuses step {name!r}: {message}") from None
    return answer


def _machine(name: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """A machine of the state alone, in which it has its name. Each state that it leads to is an end."""
    following = {way.to for way in ways(state)} - {name}
    own = {key: value for key, value in state.items() if key != "QueryLanguage"}
    language = {"QueryLanguage": state["QueryLanguage"]} if "QueryLanguage" in state else {}
    states = {name: own, **{other: {"Type": "Succeed"} for other in sorted(following)}}
    return {**language, "StartAt": name, "States": states}


def _mock_input(state: Mapping[str, Any], mock: Mock) -> dict[str, Any]:
    if mock.error is not None:
        return {"errorOutput": {"error": mock.error, "cause": mock.cause}}
    called = integration_of(state)
    is_json = called is not None and not called.is_sdk and (called.service, called.action) in _JSON_IN_RESULT
    return {
        "result": json.dumps(mock.result),
        **({"fieldValidationMode": "NONE"} if is_json else {}),
    }


def _context(name: str, state: Mapping[str, Any], given: Any) -> str:
    """The context object. With a mock, TestState has none of its own."""
    waits = str(state.get("Resource", "")).endswith(".waitForTaskToken")
    arn = "arn:aws:states:us-east-1:123456789012"
    now = timestamp(datetime.now(UTC))
    # A context object is as limited as an input.
    execution_input = {"Input": given} if len(json.dumps(given)) < MAX_CONTEXT_INPUT else {}
    execution = {"Id": f"{arn}:execution:trial:trial", "Name": "trial", "StartTime": now, **execution_input}
    return json.dumps(
        {
            "Execution": execution,
            "State": {"Name": name, "EnteredTime": now, "RetryCount": 0},
            "StateMachine": {"Id": f"{arn}:stateMachine:trial", "Name": "trial"},
            **({"Task": {"Token": "token-of-the-trial"}} if waits else {}),
        }
    )


def _when_used_up(
    name: str,
    state: Mapping[str, Any],
    request: Mapping[str, Any],
    answer: Mapping[str, Any],
    retried: Retried,
) -> dict[str, Any]:
    """The request that asks what happens to the same error when the retrier has no attempt left. It calls nothing."""
    error = {"error": answer.get("error", "")[:MAX_ERROR], "cause": answer.get("cause", "")[:MAX_CAUSE]}
    kept = {key: value for key, value in request.items() if key not in ("roleArn", "mock", "context")}
    return {
        **kept,
        "mock": {"errorOutput": error},
        "context": _context(name, state, json.loads(request["input"])),
        "stateConfiguration": {"retrierRetryCount": retried.attempts},
    }


def _retried(state: Mapping[str, Any], found: Mapping[str, Any]) -> Retried | None:
    details = found.get("errorDetails", {})
    if "retryIndex" not in details:
        return None
    index = details["retryIndex"]
    retrier = state["Retry"][index]
    return Retried(
        retrier=index,
        errors=list(retrier["ErrorEquals"]),
        seconds=details.get("retryBackoffIntervalSeconds", 0),
        attempts=retrier.get("MaxAttempts", 3),
    )


def _assigned(
    state: Mapping[str, Any], after: Mapping[str, Any], before: Mapping[str, Any]
) -> dict[str, Any]:
    own = state.get("Assign", {})
    named = {name.removesuffix(".$") for name in own} if isinstance(own, dict) else set()
    return {
        name: after[name]
        for name in after
        if name in named or name not in before or after[name] != before[name]
    }


def _caught(state: Mapping[str, Any], answer: Mapping[str, Any]) -> Caught | None:
    index = answer.get("inspectionData", {}).get("errorDetails", {}).get("catchIndex")
    if index is None:
        return None
    catcher = state["Catch"][index]
    return Caught(
        catcher=index,
        errors=list(catcher["ErrorEquals"]),
        next_state=answer.get("nextState", catcher["Next"]),
        output=_json(answer.get("output")),
    )


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)
