"""What the role of a state machine allows its tasks to do."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import parse_qs

from sandbox.integration_names import SDK, operation_of, sdk_prefix
from sandbox.ministack_patches import roles, trust
from sandbox.ministack_patches.call_permissions import needed
from sandbox.protocol import service_model

__all__ = [
    "PASSED_TO",
    "NotAllowed",
    "acting_as",
    "check",
    "check_call",
    "check_trust",
    "correct",
    "machine",
    "sdk_error",
]

_role: ContextVar[str | None] = ContextVar("afterloop_role", default=None)
"""ARN of the role with which the current thread acts for a state machine. None means without limits."""

_machine: ContextVar[str] = ContextVar("afterloop_machine", default="")
"""ARN of the state machine for which the current thread acts."""

_OPTIMIZED_ERRORS = {
    "lambda": "Lambda.AWSLambdaException",
    "sagemaker": "SageMaker.AmazonSageMakerException",
    "dynamodb": "DynamoDB.AmazonDynamoDBException",
    "sns": "SNS.AuthorizationErrorException",
    "sqs": "SQS.AmazonSQSException",
    "states": "StepFunctions.AWSStepFunctionsException",
    "events": "EventBridge.AWSEventBridgeException",
}


class NotAllowed(Exception):
    """The role of the state machine does not allow an action. The text is the message of IAM."""


def correct() -> None:
    """Corrects permissions of state machines."""
    _enforce_roles()
    _parse_policies_once()


@contextlib.contextmanager
def acting_as(role_arn: str | None, machine_arn: str = "") -> Iterator[None]:
    """Limits the calls of the block, and of threads that copy its context, to what a role allows.

    Args:
        role_arn: The role. None allows everything.
        machine_arn: The state machine that acts, for conditions of the role's trust policy.
    """
    token, acting = _role.set(role_arn), _machine.set(machine_arn)
    try:
        yield
    finally:
        _role.reset(token)
        _machine.reset(acting)


def machine() -> str:
    """Returns the ARN of the state machine for which the current thread acts; empty for none."""
    return _machine.get()


PASSED_TO = {"iam:PassedToService": "sagemaker.amazonaws.com"}
"""To which service callers pass roles here: SageMaker is the only one that takes them."""


def check(action: str, resource: str, values: Mapping[str, Any] = {}) -> None:
    """Checks an action of the current state machine.

    Args:
        action: The action in IAM, such as `lambda:InvokeFunction`.
        resource: ARN of the resource, or `*` for an action without one.
        values: The values of the condition keys that the call has.

    Raises:
        NotAllowed: The role does not allow it.
    """
    from ministack.core import iam_actions

    role = _role.get()
    if action == "iam:PassRole":
        values = {**PASSED_TO, **values}
    if role is None or roles.role_allows(role, action, resource, values):
        return
    account, name = role.split(":")[4], role.rpartition("/")[2]
    principal = f"arn:aws:sts::{account}:assumed-role/{name}/states"
    raise NotAllowed(iam_actions.identity_denial_message(action, principal, resource, False))


def check_call(resource: str, parameters: Any) -> None:
    """Checks whether the role of the current state machine allows a call that no service of the engine makes.

    What a call needs follows from its arguments, as for the policy of the role. Where they do not name the resource,
    any resource for which the role has the action will do.

    Args:
        resource: The Resource of the task.
        parameters: The arguments, with all paths and expressions evaluated.

    Raises:
        stepfunctions._ExecutionError: The error of a call that is not allowed.
    """
    from ministack.services import stepfunctions

    role = _role.get()
    if role is None:
        return
    service = resource.partition(":states:::")[2].partition(":")[0]
    try:
        for action, arn, values in needed(resource, parameters):
            check(action, arn or roles.any_resource(role, action), values)
    except NotAllowed as refused:
        if SDK in resource:
            raise sdk_error(resource, refused) from refused
        name = _OPTIMIZED_ERRORS.get(service) or _error_name(resource, service)
        raise stepfunctions._ExecutionError(name, str(refused)) from refused


def sdk_error(resource: str, refused: NotAllowed) -> Exception:
    """Returns the error of a task whose aws-sdk integration, such as `arn:…:aws-sdk:s3:getObject`, is not allowed."""
    from ministack.services import stepfunctions

    service = resource.partition(SDK)[2].partition(":")[0]
    error: Exception = stepfunctions._ExecutionError(_error_name(resource, service), str(refused))
    return error


def _enforce_roles() -> None:
    """Allows tasks what the role of the state machine allows.

    AWS: Step Functions assumes the role of the state machine for each call of a task. A call without permission fails
    the task. The name of the error is that of the error in the SDK for Java, which is the general one of the service
    where the service's model does not name the error. A task whose role may not be assumed any more fails with
    States.Permissions. (https://docs.aws.amazon.com/step-functions/latest/dg/
    procedure-create-iam-role.html, https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html)
    MiniStack: tasks may do everything.
    """
    from ministack import app
    from ministack.services import stepfunctions

    invoke, invoke_with_callback = stepfunctions._invoke_resource, stepfunctions._invoke_with_callback
    sdk_call, call_handler = stepfunctions._invoke_aws_sdk_integration, app.call_service_handler_sync
    resource_role = ContextVar("afterloop_sdk_call", default="")

    def invoke_allowed(resource: str, parameters: Any) -> Any:
        check_trust()
        _check_optimized(resource, parameters)
        return invoke(resource, parameters)

    def invoke_allowed_with_callback(
        resource: str, parameters: Any, token: str, state: dict[str, Any]
    ) -> Any:
        check_trust()
        _check_optimized(resource, parameters)
        return invoke_with_callback(resource, parameters, token, state)

    def call_sdk(resource: str, parameters: Any) -> Any:
        token = resource_role.set(resource)
        try:
            return sdk_call(resource, parameters)
        except NotAllowed as refused:
            raise sdk_error(resource, refused) from refused
        finally:
            resource_role.reset(token)

    def call_allowed_handler(
        handler: Any, method: str, path: str, headers: dict[str, str], body: Any, query: Any, *more: Any
    ) -> Any:
        if resource_role.get() and _role.get() is not None:
            check(*_requested(method, path, headers, body, query))
        return call_handler(handler, method, path, headers, body, query, *more)

    stepfunctions._invoke_resource = invoke_allowed
    stepfunctions._invoke_with_callback = invoke_allowed_with_callback
    stepfunctions._invoke_aws_sdk_integration = call_sdk
    app.call_service_handler_sync = call_allowed_handler


def _parse_policies_once() -> None:
    """Keeps the parsed form of a policy. MiniStack parses all policies of a role for each call."""
    from ministack.core import iam_evaluator

    parse = iam_evaluator.parse_policy_document
    parsed = functools.lru_cache(maxsize=1_000)(parse)

    def parse_once(document: Any) -> Any:
        return list(parsed(document)) if isinstance(document, str) else parse(document)

    iam_evaluator.parse_policy_document = parse_once


def check_trust() -> None:
    """Checks that Step Functions may assume the role of the current state machine.

    Raises:
        stepfunctions._ExecutionError: States.Permissions.
    """
    from ministack.services import stepfunctions

    role = _role.get()
    if role is not None and not trust.can_be_assumed(role, _machine.get()):
        raise stepfunctions._ExecutionError("States.Permissions", f"{trust.NOT_ASSUMED} ({role})")


def _check_optimized(resource: str, parameters: Any) -> None:
    """Checks a task whose integration MiniStack calls without a request."""
    from ministack.services import stepfunctions

    if _role.get() is None or "aws-sdk:" in resource:
        return
    service, needed = _needed(resource, parameters if isinstance(parameters, dict) else {})
    try:
        for action, arn in needed:
            check(action, arn)
    except NotAllowed as refused:
        raise stepfunctions._ExecutionError(_OPTIMIZED_ERRORS[service], str(refused)) from refused


def _needed(resource: str, parameters: dict[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """Returns the service of an optimized integration, and the actions with resources that it needs."""
    if ":function:" in resource:
        return "lambda", [("lambda:InvokeFunction", resource)]
    service, _, action = resource.removeprefix("arn:aws:states:::").partition(":")
    action = action.partition(".")[0]
    operation = f"{service}:{action[:1].upper()}{action[1:]}"
    match service:
        case "lambda":
            return service, [
                ("lambda:InvokeFunction", _arn("lambda", "function", parameters, "FunctionName"))
            ]
        case "dynamodb":
            return service, [(operation, _arn("dynamodb", "table", parameters, "TableName", "/"))]
        case "sns":
            return service, [
                (operation, str(parameters.get("TopicArn") or parameters.get("TargetArn") or "*"))
            ]
        case "sqs":
            account, _, name = str(parameters.get("QueueUrl", "")).rpartition("/")
            return service, [(operation, _arn_of("sqs", name, account.rpartition("/")[2]))]
        case "sagemaker":
            name = str(parameters.get("TrainingJobName", "")).lower()
            job = _arn_of("sagemaker", f"training-job/{name}")
            actions = ["CreateTrainingJob", "AddTags"]  # Step Functions tags the jobs that it starts.
            others = [("iam:PassRole", str(parameters.get("RoleArn")))]
            if resource.endswith(".sync"):
                actions += ["DescribeTrainingJob", "StopTrainingJob"]
                rule = _arn_of("events", "rule/StepFunctionsGetEventsForSageMakerTrainingJobsRule")
                others += [(f"events:{one}", rule) for one in ("DescribeRule", "PutRule", "PutTargets")]
            return service, [*((f"sagemaker:{one}", job) for one in actions), *others]
        case "states":
            machine = parameters.get("StateMachineArn") or parameters.get("stateMachineArn")
            return service, [(operation, str(machine))]
        case "events":
            buses = {str(entry.get("EventBusName") or "default") for entry in parameters.get("Entries", [])}
            return service, [
                (operation, bus if bus.startswith("arn:") else _arn_of("events", f"event-bus/{bus}"))
                for bus in sorted(buses)
            ]
    return service, []


def _arn(service: str, kind: str, parameters: dict[str, Any], key: str, separator: str = ":") -> str:
    """Returns the ARN of a resource that may be given by its name or its ARN."""
    given = str(parameters.get(key, ""))
    return given if given.startswith("arn:") else _arn_of(service, f"{kind}{separator}{given}")


def _arn_of(service: str, resource: str, account: str = "") -> str:
    from ministack.core.responses import get_account_id, get_region

    return f"arn:aws:{service}:{get_region()}:{account or get_account_id()}:{resource}"


def _requested(
    method: str, path: str, headers: dict[str, str], body: Any, query: dict[str, Any]
) -> tuple[str, str]:
    """Returns action and resource of the request that an aws-sdk integration makes."""
    from ministack.core import iam_actions
    from ministack.core.responses import get_account_id, get_region

    scope = re.search(r"/([^/]+)/aws4_request", headers["authorization"])
    service = scope[1] if scope else ""
    sent = body.encode() if isinstance(body, str) else body or b""
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        query = {**query, **parse_qs(sent.decode())}
    action = iam_actions.extract_iam_action(service, method, path, headers, sent, query)
    resource = iam_actions.extract_resource_arn(
        service, method, path, headers, sent, query, get_region(), get_account_id()
    )
    return str(action), str(resource)


@functools.cache
def _error_name(resource: str, service: str) -> str:
    """Returns the name of the error of a call that is not allowed.

    The SDK for Java has a class for each error in the service's model, and one for all others: `DynamoDbException`.
    """
    called = operation_of(resource)
    shapes = service_model(called[0]).operation_model(called[1]).error_shapes if called else ()
    prefix = sdk_prefix(service)
    modelled = [
        shape.name for shape in shapes if re.fullmatch("AccessDenied.*|AuthorizationError.*", shape.name)
    ]
    return f"{prefix}.{modelled[0] if modelled else prefix + 'Exception'}"
