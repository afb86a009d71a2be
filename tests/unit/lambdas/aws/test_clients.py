from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from lambdas.aws import clients
from lambdas.reviews.errors import TransientServiceError


def handler(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "GetItem"),
        ConnectTimeoutError(endpoint_url="https://dynamodb"),
    ],
)
def test_transient_errors_are_raised_by_the_name_the_workflow_retries(error: Exception) -> None:
    with pytest.raises(TransientServiceError) as raised:
        clients.transient_errors(handler)(error)
    assert str(raised.value) == str(error)
    assert raised.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetItem"), ValueError("no")]
)
def test_other_errors_are_unchanged(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        clients.transient_errors(handler)(error)
    assert raised.value is error


def test_clients_are_created_once_per_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert clients.client("sqs") is clients.client("sqs")
