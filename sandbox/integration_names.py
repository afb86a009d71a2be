"""The names of service integrations of Step Functions: which exist, and which operation of which service they call."""

from __future__ import annotations

from sandbox.protocol import service_model
from workflow.asl.checks.tasks import problems_of_resource
from workflow.asl.integration import integration_of
from workflow.asl.optimized import api_of
from workflow.asl.services import botocore_name, model_of

__all__ = ["SDK", "integration_problem", "operation_of", "sdk_error_name", "sdk_prefix"]

SDK = "aws-sdk:"


def integration_problem(name: str) -> str | None:
    """Returns what is wrong with the name of an integration; None if there is such an integration.

    Args:
        name: What follows `arn:aws:states:::` in a Resource, without the form: `bedrock:invokeModel`.
    """
    plain, dot, form = name.partition(".")
    if dot:
        return f"{name!r} counts for all forms without the end {dot + form!r}: use {plain!r}"
    resource = f"arn:aws:states:::{name}"
    if integration_of({"Resource": resource}) is None:
        return (
            f"{name!r} is no integration; use a name such as 'sns:publish' or '{SDK}textract:analyzeDocument'"
        )
    found = next(problems_of_resource({"Type": "Task", "Resource": resource}), None)
    return f"{name!r}: {found[0]}".replace("arn:aws:states:::", "") if found else None


def operation_of(resource: str) -> tuple[str, str] | None:
    """Returns boto3's name of the service, and the operation, that an integration calls.

    Args:
        resource: The ARN of an integration, such as `arn:aws:states:::dynamodb:updateItem`.

    Returns:
        None for another resource, and for an operation that boto3 does not know.
    """
    called = integration_of({"Resource": resource})
    if called is None:
        return None
    names = (called.service, called.action) if called.is_sdk else api_of(called.service, called.action)
    service, operation = botocore_name(names[0].lower()), names[1][:1].upper() + names[1][1:]
    if service is None or operation not in model_of(service).get("operations", {}):
        return None
    return service, operation


def sdk_prefix(name: str) -> str:
    """Returns what the errors of a service begin with in an `aws-sdk` integration: its name in the SDK for Java.

    Args:
        name: The service, as in the ARN of the integration.
    """
    from ministack.services import stepfunctions

    known = stepfunctions._AWS_SDK_ERROR_PREFIX.get(name)
    folder = botocore_name(name)
    return str(known or (service_model(folder).service_id.replace(" ", "") if folder else name))


def sdk_error_name(name: str, code: str) -> str:
    """Returns the name of an error of a service in an `aws-sdk` integration, such as `S3.NoSuchKeyException`.

    The SDK for Java has an exception for each error in the service's model, and one for all others.

    Args:
        name: The service, as in the ARN of the integration.
        code: The code of the error in the API.
    """
    prefix, folder = sdk_prefix(name), botocore_name(name)
    modelled = {shape.name for shape in service_model(folder).error_shapes} if folder else set()
    return f"{prefix}.{(code if code in modelled else prefix).removesuffix('Exception')}Exception"
