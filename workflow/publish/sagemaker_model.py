"""The part of SageMaker's API that a plan reads: flow definitions, and who and what they need.

boto3 knows some 400 operations of SageMaker. To load its model takes 15 MB and a tenth of the time of a plan, of which
most find nothing to say about flow definitions. A client with this model is like any other: only what answers have
beside it is not parsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

__all__ = ["small_model"]

_Members = dict[str, Any]
"""Name → "string" or "integer", the members of a structure, or a list with the one kind of its items."""

_NAME: _Members = {"FlowDefinitionName": "string"}
OPERATIONS: dict[str, tuple[_Members, _Members]] = {
    "ListFlowDefinitions": (
        {"MaxResults": "integer", "NextToken": "string"},
        {"FlowDefinitionSummaries": [_NAME], "NextToken": "string"},
    ),
    "DescribeFlowDefinition": (
        _NAME,
        {
            **_NAME,
            "FlowDefinitionArn": "string",
            "FlowDefinitionStatus": "string",
            "FailureReason": "string",
            "HumanLoopRequestSource": {"AwsManagedHumanLoopRequestSource": "string"},
            "HumanLoopActivationConfig": {
                "HumanLoopActivationConditionsConfig": {"HumanLoopActivationConditions": "string"}
            },
            "HumanLoopConfig": {
                "WorkteamArn": "string",
                "HumanTaskUiArn": "string",
                "TaskTitle": "string",
                "TaskAvailabilityLifetimeInSeconds": "integer",
                "TaskTimeLimitInSeconds": "integer",
                "TaskKeywords": ["string"],
            },
            "OutputConfig": {"S3OutputPath": "string", "KmsKeyId": "string"},
            "RoleArn": "string",
        },
    ),
    "DescribeWorkteam": (
        {"WorkteamName": "string"},
        {
            "Workteam": {
                "MemberDefinitions": [
                    {
                        "CognitoMemberDefinition": {"UserPool": "string", "UserGroup": "string"},
                        "OidcMemberDefinition": {"Groups": ["string"]},
                    }
                ]
            }
        },
    ),
    "DescribeHumanTaskUi": ({"HumanTaskUiName": "string"}, {"HumanTaskUiStatus": "string"}),
    "ListWorkforces": (
        {},
        {
            "Workforces": [
                {
                    "CognitoConfig": {"UserPool": "string", "ClientId": "string"},
                    "OidcConfig": {"ClientId": "string"},
                }
            ]
        },
    ),
}
"""Operation → what it takes, and what a plan reads of its answer."""


@contextmanager
def small_model(session: boto3.Session) -> Iterator[None]:
    """Makes clients of SageMaker that are created in the block know no more than `OPERATIONS`.

    Args:
        session: The session that creates them. Only boto3's own: others may keep a client, and give it to others.
    """
    if type(session) is not boto3.Session:
        yield
        return
    core: Any = session._session
    loader = core.get_component("data_loader")
    core.register_component("data_loader", _Loader(loader))
    try:
        yield
    finally:
        core.register_component("data_loader", loader)


class _Loader:
    """A loader of botocore, but for the model of SageMaker."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        if (service_name, type_name) == ("sagemaker", "service-2"):
            return _model()
        return self._loader.load_service_model(service_name, type_name, api_version)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _model() -> dict[str, Any]:
    shapes: dict[str, Any] = {"string": {"type": "string"}, "integer": {"type": "integer"}}
    operations = {
        name: {
            "name": name,
            "http": {"method": "POST", "requestUri": "/"},
            "input": {"shape": _shape(f"{name}Request", taken, shapes)},
            "output": {"shape": _shape(f"{name}Response", read, shapes)},
        }
        for name, (taken, read) in OPERATIONS.items()
    }
    metadata = {
        "apiVersion": "2017-07-24",
        "auth": ["aws.auth#sigv4"],
        "endpointPrefix": "api.sagemaker",
        "jsonVersion": "1.1",
        "protocol": "json",
        "protocols": ["json"],
        "serviceFullName": "Amazon SageMaker Service",
        "serviceId": "SageMaker",
        "signatureVersion": "v4",
        "signingName": "sagemaker",
        "targetPrefix": "SageMaker",
        "uid": "sagemaker-2017-07-24",
    }
    return {"version": "2.0", "metadata": metadata, "operations": operations, "shapes": shapes}


def _shape(name: str, members: Any, shapes: dict[str, Any]) -> str:
    """Adds what `members` describes to the shapes, under a name. Returns the name of the shape."""
    if isinstance(members, str):
        return members
    if isinstance(members, list):
        shapes[name] = {"type": "list", "member": {"shape": _shape(f"{name}Item", members[0], shapes)}}
    else:
        inner = {key: {"shape": _shape(f"{name}{key}", kind, shapes)} for key, kind in members.items()}
        shapes[name] = {"type": "structure", "members": inner}
    return name
