"""The shapes of the results of Tasks.

They come from botocore's models of the services. Where a result is not what the API answers (the payload of a
function, the output of an execution, the answer to a task token), it is what the Step Functions developer guide says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from workflow.asl.checks.shapes import Key, List, Names, Object, Shape, literal, object_of
from workflow.asl.integration import Integration, integration_of
from workflow.asl.optimized import api_of
from workflow.asl.services import botocore_name, model_of

__all__ = ["result_of"]


def result_of(state: Mapping[str, Any]) -> Shape:
    """The shape of a Task's result, before ResultSelector; None if it can be anything.

    Args:
        state: A Task in Amazon States Language.
    """
    called = integration_of(state)
    if called is None or called.form == ".waitForTaskToken":
        return None  # A function's or an activity's own result, or the answer of whoever gets the token.
    return _result(called)


@cache
def _result(called: Integration) -> Shape:
    name = f"{called.service}:{called.action}"
    if called.is_sdk:
        return _of_api(called)
    if name in _FIXED:
        return _FIXED[name]
    if name == "states:startExecution" and called.form:
        return _execution(called.form)
    if called.form and name in _DESCRIBED:
        service, action = _DESCRIBED[name]
        return _of_api(Integration(service, action, "", is_sdk=True))
    if called.form or name not in _LIKE_THE_API:
        return None
    shape = _of_api(called, names="any case")
    if not isinstance(shape, Object):
        return None
    keys = {**shape.keys, **_METADATA}
    if name == "dynamodb:getItem":
        keys["Item"] = replace(shape.keys["Item"], lacking="if the table has no such item")
    return replace(shape, keys=keys)


_METADATA = {name: Key(Object({}, "open"), "") for name in ("SdkHttpMetadata", "SdkResponseMetadata")}
_SOMETIMES = Key(None, "")

_LAMBDA = Object(
    {
        **object_of({"ExecutedVersion": literal(""), "Payload": None, "StatusCode": literal(0)}).keys,
        **_METADATA,
        "LogResult": _SOMETIMES,
    }
)
_HTTP = object_of(
    {"Headers": Object({}, "open"), "ResponseBody": None, "StatusCode": literal(0), "StatusText": literal("")}
)
_FIXED = {"lambda:invoke": _LAMBDA, "http:invoke": _HTTP, "apigateway:invoke": _HTTP}
"""Source: the pages of these integrations in the Step Functions developer guide."""


def _execution(form: str) -> Shape:
    """The result of an execution that ended. `.sync` has its output as a string, `.sync:2` as JSON."""
    text = literal("")
    parts = {
        **dict.fromkeys(("ExecutionArn", "StateMachineArn", "Name", "Status"), text),
        **dict.fromkeys(("StartDate", "StopDate"), None),
        **dict.fromkeys(("Input", "Output"), text if form == ".sync" else None),
    }
    return object_of(parts, names="probable")


_LIKE_THE_API = frozenset(
    """
    dynamodb:deleteItem dynamodb:getItem dynamodb:putItem dynamodb:updateItem events:putEvents glue:startJobRun
    sns:publish sqs:sendMessage states:startExecution batch:submitJob ecs:runTask athena:startQueryExecution
    athena:getQueryExecution athena:getQueryResults sagemaker:createTrainingJob sagemaker:createTransformJob
    sagemaker:createProcessingJob sagemaker:createModel sagemaker:createEndpoint sagemaker:createEndpointConfig
    sagemaker:updateEndpoint sagemaker:createLabelingJob sagemaker:createHyperParameterTuningJob
    codebuild:startBuild bedrock:invokeModel
    """.split()  # noqa: SIM905 (shorter than a list)
)
"""Optimized integrations whose result is what the API answers."""

_DESCRIBED = {
    "sagemaker:createTrainingJob": ("sagemaker", "describeTrainingJob"),
    "sagemaker:createTransformJob": ("sagemaker", "describeTransformJob"),
    "sagemaker:createProcessingJob": ("sagemaker", "describeProcessingJob"),
}
"""Jobs whose result, once they have ended, is their description."""

MAX_DEPTH = 6
"""Structures that hold themselves end here."""


def _of_api(called: Integration, names: Names = "probable") -> Shape:
    """The shape of an API's answer; None if the API is unknown.

    botocore may be older than the API, and in AWS SDK integrations, Step Functions writes some names differently.
    """
    service, action = called.service, called.action
    if not called.is_sdk:
        service, action = api_of(service, action)
    model = model_of(botocore_name(service) or "")
    operation = model.get("operations", {}).get(action[:1].upper() + action[1:])
    if operation is None:
        return None
    if "output" not in operation:
        return Object({}, names)
    shape = _shape(operation["output"], model["shapes"], 0)
    return replace(shape, names=names) if isinstance(shape, Object) else shape


def _shape(member: Mapping[str, Any], shapes: Mapping[str, Any], depth: int) -> Shape:
    shape = shapes[member["shape"]]
    kind = shape["type"]
    if depth > MAX_DEPTH or shape.get("document") or kind == "blob" or shape.get("streaming"):
        return None
    if kind == "structure":
        required = shape.get("required", ())
        return Object(
            {
                name[:1].upper() + name[1:]: Key(
                    _shape(part, shapes, depth + 1), None if name in required else ""
                )
                for name, part in shape.get("members", {}).items()
            },
            "probable",
        )
    if kind == "list":
        return List(item=_shape(shape["member"], shapes, depth + 1))
    if kind == "map":
        return Object({}, "open")
    return _SCALARS.get(kind)


_SCALARS = {
    "string": literal(""),
    "boolean": literal(True),
    **dict.fromkeys(("integer", "long", "float", "double"), literal(0)),
}
