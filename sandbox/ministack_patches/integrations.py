"""Integrations of state machines with other services."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

from sandbox.integration_names import sdk_error_name
from sandbox.ministack_patches import permissions, training

__all__ = ["SDK_SERVICES", "SdkCall", "connect", "correct", "error_name"]


SdkCall = Callable[[str, str, dict[str, Any]], Any]
"""Makes an SDK call of a state machine, given boto3's names of service and operation, and the parameters."""


def correct() -> None:
    """Corrects the integrations that MiniStack has."""
    _keep_message_attributes()
    _name_errors_of_services()


SDK_SERVICES = {
    "sagemakera2iruntime": "sagemaker-a2i-runtime",
    "sagemaker": "sagemaker",
    "textract": "textract",
    "rekognition": "rekognition",
}
"""Name in an aws-sdk integration → boto3's name."""


def connect(call: SdkCall) -> None:
    """Connects the `aws-sdk` integrations of state machines to the sandbox's own services.

    Errors have the prefix of the service, such as `SageMakerA2IRuntime.ConflictException`.
    (https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html)

    Args:
        call: Makes a call in the account and Region of the execution, in the thread of the execution. Raises
            `sandbox.protocol.ServiceError`.
    """
    from ministack.services import stepfunctions

    from sandbox.protocol import ServiceError, service_model

    invoke = stepfunctions._invoke_aws_sdk_integration

    def invoke_or_call(resource: str, parameters: Any) -> Any:
        service, _, action = resource.partition("aws-sdk:")[2].partition(":")
        if service not in SDK_SERVICES:
            return invoke(resource, parameters)
        name = SDK_SERVICES[service]
        operation = action.split(".")[0]
        operation = operation[:1].upper() + operation[1:]
        try:
            answer = call(name, operation, parameters or {})
        except permissions.NotAllowed as refused:
            raise permissions.sdk_error(resource, refused) from refused
        except ServiceError as error:
            raise stepfunctions._ExecutionError(sdk_error_name(service, error.code), error.message) from error
        shape = service_model(name).operation_model(operation).output_shape
        return stepfunctions._sdk_json_value(answer, shape) if shape is not None else answer

    stepfunctions._invoke_aws_sdk_integration = invoke_or_call
    training.connect(call)


def _keep_message_attributes() -> None:
    """Passes the MessageAttributes of the `sns:publish` integration on, as AWS does. MiniStack drops them."""
    from ministack.services import stepfunctions

    publish = stepfunctions._invoke_sns_publish

    def publish_with_attributes(resource: str, arguments: dict[str, Any]) -> Any:
        # MiniStack's SNS reads the query protocol, in which a map is a series of numbered entries.
        flat = {name: value for name, value in arguments.items() if name != "MessageAttributes"}
        for number, (name, value) in enumerate(arguments.get("MessageAttributes", {}).items(), 1):
            flat[f"MessageAttributes.entry.{number}.Name"] = name
            for part, content in value.items():
                flat[f"MessageAttributes.entry.{number}.Value.{part}"] = content
        return publish(resource, flat)

    stepfunctions._SERVICE_DISPATCH = {
        **stepfunctions._SERVICE_DISPATCH,
        "arn:aws:states:::sns:publish": publish_with_attributes,
    }


_GENERAL_ERRORS = {
    "DynamoDB": ("dynamodb", "DynamoDB.AmazonDynamoDBException"),
    "SageMaker": ("sagemaker", "SageMaker.AmazonSageMakerException"),
    "SNS": ("sns", "SNS.AmazonSNSException"),
    "SQS": ("sqs", "SQS.AmazonSQSException"),
    "StepFunctions": ("stepfunctions", "StepFunctions.AWSStepFunctionsException"),
}
"""Prefix of errors → boto3's name of the service, and the error that stands for all that its model does not have."""


def _name_errors_of_services() -> None:
    """Names the errors of the direct integrations as the SDK for Java does.

    AWS: an error that the service's model has arrives by the name of its exception, such as
    `SNS.InvalidParameterException`; any other, such as the ValidationException of DynamoDB, as the general one of the
    service: `DynamoDB.AmazonDynamoDBException`, `SNS.AmazonSNSException`.
    (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html; the names of the exceptions are
    those of https://docs.aws.amazon.com/AWSJavaSDK/latest/javadoc/)
    MiniStack: `DynamoDB.ValidationException`, and for SNS always `SNS.PublishFailed`, with XML as the cause.
    """
    from ministack.services import stepfunctions

    def named(invoke: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
        def invoke_and_name(resource: str, parameters: Any) -> Any:
            try:
                return invoke(resource, parameters)
            except stepfunctions._ExecutionError as error:
                prefix, _, code = error.error.partition(".")
                cause = error.cause
                if error.error == "SNS.PublishFailed":
                    code, cause = _in_xml(cause, "Code"), _in_xml(cause, "Message")
                raise stepfunctions._ExecutionError(error_name(prefix, code), cause) from error

        return invoke_and_name

    stepfunctions._SERVICE_DISPATCH = {
        resource: named(invoke) if resource.split(":")[5] in ("dynamodb", "sns", "sqs") else invoke
        for resource, invoke in stepfunctions._SERVICE_DISPATCH.items()
    }


def error_name(prefix: str, code: str) -> str:
    """Returns the name of an error of a service in a state machine, such as `SNS.NotFoundException`.

    Args:
        prefix: What the names of the service's errors begin with: `SNS`.
        code: The code of the error in the API.
    """
    if prefix not in _GENERAL_ERRORS:
        return f"{prefix}.{code}"
    from sandbox.protocol import service_model

    service, general = _GENERAL_ERRORS[prefix]
    for shape in service_model(service).error_shapes:
        if code in (shape.name, getattr(shape, "error_code", None)):
            return f"{prefix}.{str(shape.name).removesuffix('Exception')}Exception"
    return general


def _in_xml(text: str, name: str) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>", text, re.DOTALL)
    return html.unescape(found[1]) if found else text
