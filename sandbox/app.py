"""One ASGI app on one endpoint: the sandbox's own routes, the services that MiniStack lacks, and MiniStack.

The app recognizes the service by what the SDK sends: the path and the service in the signature (REST), or the
X-Amz-Target header (JSON 1.1). MiniStack's own code authenticates the caller and checks IAM permissions, so a role
without `sagemaker:StartHumanLoop` is refused as on AWS.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from ministack import app as ministack
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region, set_request_account_id, set_request_region
from ministack.core.router import extract_access_key_id, extract_region

from sandbox.a2i import HumanLoopService
from sandbox.ai_services import AiServices, Authorize
from sandbox.control_routes import ControlRoutes
from sandbox.effects import EngineEffects
from sandbox.fault_rules import FaultRules
from sandbox.ministack_patches import permissions
from sandbox.protocol import Operation, ServiceError, find_operation, operation, service_model
from sandbox.tenant import Tenant
from sandbox.training import TrainingJobs
from sandbox.workforce import Workforce, team_arn, template_arn

__all__ = ["SandboxApp"]

_log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

A2I = "sagemaker-a2i-runtime"
_TARGETS = {"SageMaker": "sagemaker", "Textract": "textract", "RekognitionService": "rekognition"}
"""Prefix of X-Amz-Target → botocore's name of the service."""

_IAM_PREFIX = {A2I: "sagemaker"}
"""Prefix of the service's IAM actions, if it is not botocore's name of the service."""


_NAMED: dict[str, Callable[[Tenant, str], str]] = {
    "TrainingJobName": lambda tenant, name: tenant.arn("training-job", name.lower()),
    "FlowDefinitionName": lambda tenant, name: tenant.arn("flow-definition", name),
    "WorkteamName": team_arn,
    "HumanTaskUiName": template_arn,
}
"""Parameter that names a resource → its ARN, which IAM checks."""


class SandboxApp:
    """The ASGI application that the child process serves."""

    def __init__(self, faults: FaultRules) -> None:
        effects = EngineEffects()
        self._loops = HumanLoopService(effects)
        ai = AiServices(self._loops, effects)
        self._control = ControlRoutes(self._loops, faults)
        training = TrainingJobs(effects)
        workforce = Workforce(lambda: datetime.now(UTC))
        self._acting_for_caller = {
            "AnalyzeDocument": ai.analyze_document,
            "DetectModerationLabels": ai.detect_moderation_labels,
            "CreateTrainingJob": training.create_training_job,
        }
        """Operations that do something else with the permissions of the caller."""
        self._operations = {
            "CreateFlowDefinition": self._loops.create_flow_definition,
            "DescribeFlowDefinition": self._loops.describe_flow_definition,
            "ListFlowDefinitions": self._loops.list_flow_definitions,
            "DeleteFlowDefinition": self._loops.delete_flow_definition,
            "StartHumanLoop": self._loops.start_human_loop,
            "DescribeHumanLoop": self._loops.describe_human_loop,
            "ListHumanLoops": self._loops.list_human_loops,
            "StopHumanLoop": self._loops.stop_human_loop,
            "DeleteHumanLoop": self._loops.delete_human_loop,
            "DescribeTrainingJob": training.describe_training_job,
            "ListTrainingJobs": training.list_training_jobs,
            "StopTrainingJob": training.stop_training_job,
            **workforce.operations,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Responds to one request."""
        if scope["type"] != "http":
            await ministack.app(scope, receive, send)
        elif scope["path"].startswith("/_sandbox/"):
            query = parse_qs(scope.get("query_string", b"").decode("utf-8", "replace"))
            body = await ministack._read_request_body(receive, scope["method"], {})
            status, answer = await self._control.respond(scope["method"], scope["path"], query, body)
            await _send(send, status, {"Content-Type": "application/json"}, json.dumps(answer).encode())
        else:
            headers = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
            }
            requested = _operation_for(scope, headers)
            if requested is None:
                await ministack.app(scope, receive, _with_request_id(send))
            else:
                await _send(send, *await self._serve(requested, scope, headers, receive))

    async def call(
        self, tenant: Tenant, requested: Operation, parameters: dict[str, Any], authorize: Authorize
    ) -> Any:
        """Performs an operation.

        Args:
            tenant: Account and Region of the caller.
            requested: The operation.
            parameters: The parameters, as `Operation.parse` returns them.
            authorize: Checks whether the caller may do what the operation does on the caller's behalf, such as
                reading a document from S3.

        Returns:
            The response as boto3 returns it.

        Raises:
            ServiceError: The error that AWS would return.
        """
        if requested.name in self._acting_for_caller:
            return await self._acting_for_caller[requested.name](tenant, parameters, authorize)
        if requested.name not in self._operations:
            message = f"The sandbox does not support {requested.service} {requested.name}"
            raise ServiceError("NotImplemented", message, 501)
        result = self._operations[requested.name](tenant, parameters)
        return await result if asyncio.iscoroutine(result) else result

    def has(self, name: str) -> bool:
        """Says whether the app performs an operation of the services that MiniStack lacks."""
        return name in self._operations or name in self._acting_for_caller

    def caller(self, loop: asyncio.AbstractEventLoop) -> Callable[[str, str, dict[str, Any]], Any]:
        """Returns a function with which other threads call the services: state machines use it for their tasks.

        The role of the state machine must allow what the function does.

        Args:
            loop: The event loop that serves requests.
        """

        def call(service: str, name: str, parameters: dict[str, Any]) -> Any:
            if name not in service_model(service).operation_names:
                raise ServiceError("UnknownOperationException", f"{service} has no operation {name}")
            requested = operation(service, name)
            tenant = Tenant(get_account_id(), get_region())
            given = requested.read(parameters)
            permissions.check(_action(requested), _resource(tenant, requested, given))
            # What the service does on the caller's behalf is checked in this thread's context, with the same role.
            work = self.call(tenant, requested, given, permissions.check)
            result = asyncio.run_coroutine_threadsafe(work, loop).result()
            return json.loads(requested.respond(result, "")[2])

        return call

    async def _serve(
        self, requested: Operation, scope: Scope, headers: dict[str, str], receive: Receive
    ) -> tuple[int, dict[str, str], bytes]:
        request_id = str(uuid.uuid4())
        query = parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True)
        path = _path(scope)
        try:
            authorize = _identify(scope, headers, query, path)
            body = await ministack._read_request_body(receive, scope["method"], headers)
            action = _action(requested)
            tenant = Tenant(get_account_id(), get_region())
            try:
                parameters = requested.parse(path, query, body)
            except ServiceError:
                # AWS checks permissions first: a caller without them does not learn what is wrong with the request.
                authorize(action, "*")
                raise
            authorize(action, _resource(tenant, requested, parameters))
            result = await self.call(tenant, requested, parameters, authorize)
            return requested.respond(result, request_id)
        except ServiceError as error:
            return requested.respond_error(error, request_id)
        except Exception:
            _log.exception("%s %s", requested.service, requested.name)
            failure = ServiceError("InternalServerException", "The sandbox failed; see its log", 500)
            return requested.respond_error(failure, request_id)


def _operation_for(scope: Scope, headers: dict[str, str]) -> Operation | None:
    """Returns the operation that a request is for, if the sandbox serves it."""
    prefix, _, name = headers.get("x-amz-target", "").partition(".")
    if prefix in _TARGETS:
        service = _TARGETS[prefix]
        return operation(service, name) if name in service_model(service).operation_names else None
    if scope["path"].startswith("/human-loops") and _signed_for(headers) in ("sagemaker", None):
        return find_operation(A2I, scope["method"], _path(scope))
    return None


def _path(scope: Scope) -> str:
    """Returns the path as it was sent: decoding it first would hide an escaped slash in a loop's name."""
    return str((scope.get("raw_path") or scope["path"].encode()).decode("latin-1"))


def _signed_for(headers: dict[str, str]) -> str | None:
    """Returns the service in the credential scope of a SigV4 signature."""
    match = re.search(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request", headers.get("authorization", ""))
    return match.group(1) if match else None


def _identify(scope: Scope, headers: dict[str, str], query: dict[str, list[str]], path: str) -> Authorize:
    """Authenticates the caller, as MiniStack does for its own services, and returns a function that authorizes it."""
    key = extract_access_key_id(headers, query)
    try:
        set_request_account_id(ministack._request_account_scope(key))
    except iam_evaluator.AmbiguousAccessKeyError:
        raise ServiceError("InvalidClientTokenId", "The security token is invalid.", 403) from None
    region = extract_region(headers, query)
    set_request_region(region)
    iam_evaluator.pin_request_origin((scope.get("client") or ("127.0.0.1",))[0], False)
    iam_evaluator.pin_signed_request(scope["method"], path, query, scope["headers"])
    iam_evaluator.pin_request_caller(headers, query)

    def authorize(action: str, resource: str) -> None:
        service = action.partition(":")[0]
        # For S3, MiniStack allows unsigned requests. Here another service reads on the caller's behalf, so the rules
        # of that service apply.
        values = permissions.PASSED_TO if action == "iam:PassRole" else {}
        denied = iam_evaluator.enforce(
            key, action, "textract" if service in ("s3", "iam") else service, region, resource, values
        )
        if denied is None:
            return
        if isinstance(denied, iam_evaluator.AuthError):
            raise ServiceError(denied.code, denied.message, 403)
        explicit = denied.decision == "Deny"
        message = iam_actions.identity_denial_message(action, denied.principal_arn, resource, explicit)
        raise ServiceError("AccessDeniedException", message, 400)

    return authorize


def _action(requested: Operation) -> str:
    """Returns the action that IAM checks for an operation."""
    return f"{_IAM_PREFIX.get(requested.service, requested.service)}:{requested.name}"


def _resource(tenant: Tenant, requested: Operation, parameters: dict[str, Any]) -> str:
    """Returns the ARN that IAM checks the operation on, or `*` for an operation without a resource."""
    if requested.service == A2I and requested.name != "ListHumanLoops":
        if "FlowDefinitionArn" in parameters:
            return str(parameters["FlowDefinitionArn"])
        return tenant.arn("human-loop", parameters["HumanLoopName"])
    for named, arn_of in _NAMED.items():
        if named in parameters:
            return arn_of(tenant, parameters[named])
    return "*"


def _with_request_id(send: Send) -> Send:
    """Gives each answer the ID of the request.

    AWS: each answer has one in a header (https://docs.aws.amazon.com/AmazonS3/latest/userguide/get-request-ids.html).
    MiniStack: not the refusals of IAM, so that the command line took the engine for another program.
    """

    async def send_with_id(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            if not any(name.lower() in (b"x-amzn-requestid", b"x-amz-request-id") for name, _ in headers):
                headers.append((b"x-amzn-requestid", str(uuid.uuid4()).encode()))
            message = {**message, "headers": headers}
        await send(message)

    return send_with_id


async def _send(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    pairs.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})
