"""The retries know every transient error of the services that the workflow's own states call."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from workflow.asl.walk import states
from workflow.machine import build_definition

DIRECT = {
    (resource.rpartition(":::")[2], name): state
    for name, state in states(build_definition())
    if (resource := state.get("Resource", "")).startswith("arn:aws:states:::")
}
PREFIXES = {"dynamodb": "DynamoDB", "sns": "SNS", "lambda": "Lambda"}
LASTING = {
    # The claim's own Catch takes it: another execution holds the claim.
    "ConditionalCheckFailedException",
    # The request, the account's rights, the key, or the table is wrong until a person corrects it.
    "AuthorizationErrorException",
    "EndpointDisabledException",
    "InvalidParameterException",
    "InvalidParameterValueException",
    "InvalidSecurityException",
    "ItemCollectionSizeLimitExceededException",
    "KMSAccessDeniedException",
    "KMSDisabledException",
    "KMSInvalidStateException",
    "KMSNotFoundException",
    "KMSOptInRequired",
    "NotFoundException",
    "PlatformApplicationDisabledException",
    "ResourceNotFoundException",
    "ValidationException",
}
"""Errors that no retry can fix. What a newer botocore adds has to be sorted: here, or into the retries."""


@pytest.mark.parametrize(
    "integration", [of for of in DIRECT if not of[0].startswith("lambda")], ids=": ".join
)
def test_each_error_of_a_service_is_retried_or_lasting(integration: tuple[str, str]) -> None:
    service, operation = integration[0].split(":")
    model = botocore.session.get_session().get_service_model(service)
    errors = model.operation_model(operation[0].upper() + operation[1:]).error_shapes
    retried = _retried(DIRECT[integration])
    missing = {error.name for error in errors} - LASTING - {name.rpartition(".")[2] for name in retried}
    assert not missing
    # An error that the model does not name, such as "Service Unavailable", and one without any answer.
    prefix = PREFIXES[service]
    assert {f"{prefix}.Amazon{prefix}Exception", f"{prefix}.SdkClientException"} <= retried


@pytest.mark.parametrize("integration", [of for of in DIRECT if of[0].startswith("lambda")], ids=": ".join)
def test_each_step_with_a_function_retries_what_functions_raise(integration: tuple[str, str]) -> None:
    transient = {"ServiceException", "AWSLambdaException", "SdkClientException", "TooManyRequestsException"}
    assert {f"Lambda.{name}" for name in transient} | {"TransientServiceError"} <= _retried(
        DIRECT[integration]
    )


def _retried(state: dict[str, Any]) -> set[str]:
    return {error for retry in state["Retry"] for error in retry["ErrorEquals"]}
