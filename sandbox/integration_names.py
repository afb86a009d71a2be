"""The names of service integrations of Step Functions: which exist, and which operation of which service they call.

Source: https://docs.aws.amazon.com/step-functions/latest/dg/integrate-optimized.html and its page for each service,
https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html
"""

from __future__ import annotations

import re
from functools import cache

import botocore.session

from sandbox.protocol import service_model
from workflow.asl.checks.problem import hint

__all__ = ["OPTIMIZED", "SDK", "boto_service", "integration_problem", "operation_of", "sdk_prefix"]

SDK = "aws-sdk:"

OPTIMIZED: dict[str, tuple[str, ...]] = {
    "apigateway": ("invoke",),
    "athena": ("getQueryExecution", "getQueryResults", "startQueryExecution", "stopQueryExecution"),
    "batch": ("submitJob",),
    "bedrock": ("createModelCustomizationJob", "invokeModel"),
    "codebuild": (
        "batchDeleteBuilds",
        "batchGetReports",
        "deleteBuildBatch",
        "retryBuildBatch",
        "startBuild",
        "startBuildBatch",
        "stopBuild",
        "stopBuildBatch",
    ),
    "databrew": ("startJobRun",),
    "dynamodb": ("deleteItem", "getItem", "putItem", "updateItem"),
    "ecs": ("runTask",),
    "eks": (
        "call",
        "createCluster",
        "createFargateProfile",
        "createNodegroup",
        "deleteCluster",
        "deleteFargateProfile",
        "deleteNodegroup",
        "runJob",
    ),
    "elasticmapreduce": (
        "addStep",
        "cancelStep",
        "createCluster",
        "modifyInstanceFleetByName",
        "modifyInstanceGroupByName",
        "setClusterTerminationProtection",
        "terminateCluster",
    ),
    "emr-containers": ("createVirtualCluster", "deleteVirtualCluster", "startJobRun"),
    "emr-serverless": (
        "cancelJobRun",
        "createApplication",
        "deleteApplication",
        "startApplication",
        "startJobRun",
        "stopApplication",
    ),
    "events": ("putEvents",),
    "glue": ("startJobRun",),
    "http": ("invoke",),
    "lambda": ("invoke",),
    "mediaconvert": ("createJob",),
    "sagemaker": (
        "createEndpoint",
        "createEndpointConfig",
        "createHyperParameterTuningJob",
        "createLabelingJob",
        "createModel",
        "createProcessingJob",
        "createTrainingJob",
        "createTransformJob",
        "updateEndpoint",
    ),
    "sns": ("publish",),
    "sqs": ("sendMessage",),
    "states": ("startExecution",),
}
"""The optimized integrations: service → actions."""

_BOTO_NAMES = {
    "cloudwatchlogs": "logs",
    "cognitoidentityprovider": "cognito-idp",
    "elasticmapreduce": "emr",
    "eventbridge": "events",
    "sfn": "stepfunctions",
    "states": "stepfunctions",
}
"""Service in the ARN of an integration → boto3's name, where it is not that name without hyphens."""

_OTHER_SERVICES = {"bedrock:invokeModel": "bedrock-runtime"}
"""Optimized integrations whose operation another service of boto3 has."""


def integration_problem(name: str) -> str | None:
    """Returns what is wrong with the name of an integration; None if there is such an integration.

    Args:
        name: `bedrock:invokeModel` or `aws-sdk:comprehend:detectSentiment`.
    """
    is_sdk = name.startswith(SDK)
    service, colon, action = name.removeprefix(SDK).partition(":")
    if not colon or not action:
        return (
            f"{name!r} is no integration; use a name such as 'sns:publish' or '{SDK}textract:analyzeDocument'"
        )
    services = _sdk_services() if is_sdk else list(OPTIMIZED)
    if service not in services:
        what = "service" if is_sdk else "optimized integration"
        return f"{name!r}: there is no {what} {service!r}{hint(service, services) or _with_prefix(service, action)}"
    actions = _sdk_actions(service) if is_sdk else OPTIMIZED[service]
    if action not in actions:
        return f"{name!r}: {service} has no action {action!r}{hint(action, actions) or _with_prefix(service, action)}"
    return None


def _with_prefix(service: str, action: str) -> str:
    is_action = service in _sdk_services() and action in _sdk_actions(service)
    return f"; did you mean '{SDK}{service}:{action}'?" if is_action else ""


def operation_of(resource: str) -> tuple[str, str] | None:
    """Returns boto3's name of the service, and the operation, that an integration calls.

    Args:
        resource: The ARN of an integration, such as `arn:aws:states:::dynamodb:updateItem`.

    Returns:
        None for another resource, and for an operation that boto3 does not know.
    """
    found = re.fullmatch(r"arn:[\w-]+:states:::(?:aws-sdk:)?([\w-]+):(\w+)(?:\..*)?", resource)
    if found is None:
        return None
    service = _OTHER_SERVICES.get(f"{found[1]}:{found[2]}") or boto_service(found[1])
    operation = found[2][:1].upper() + found[2][1:]
    known = service is not None and operation in service_model(service).operation_names
    return (service, operation) if service is not None and known else None


def boto_service(name: str) -> str | None:
    """Returns boto3's name of a service, by its name in the ARN of an integration; None if there is none."""
    name = name.lower()
    return _BOTO_NAMES.get(name) or _plain_names().get(name.replace("-", ""))


def sdk_prefix(name: str) -> str:
    """Returns what the errors of a service begin with in an `aws-sdk` integration: its name in the SDK for Java.

    Args:
        name: The service, as in the ARN of the integration.
    """
    from ministack.services import stepfunctions

    known = stepfunctions._AWS_SDK_ERROR_PREFIX.get(name)
    boto = boto_service(name)
    return str(known or (service_model(boto).service_id.replace(" ", "") if boto else name))


@cache
def _plain_names() -> dict[str, str]:
    return {name.replace("-", ""): name for name in botocore.session.Session().get_available_services()}


@cache
def _sdk_services() -> list[str]:
    renamed = {boto: name for name, boto in _BOTO_NAMES.items() if name not in OPTIMIZED}
    return sorted(renamed.get(boto, plain) for plain, boto in _plain_names().items())


@cache
def _sdk_actions(service: str) -> list[str]:
    boto = boto_service(service)
    names = service_model(boto).operation_names if boto else []
    return [name[:1].lower() + name[1:] for name in names]
