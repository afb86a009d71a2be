"""The account and its clients."""

from __future__ import annotations

import boto3
import pytest
from botocore.stub import Stubber

from tests.unit.doubles import StubbedSession
from workflow.errors import AccountError
from workflow.publish.account import Account


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("aws") / "empty"
    empty.touch()
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(empty))
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_settings")
def test_account_without_region_is_refused() -> None:
    with pytest.raises(AccountError, match="no Region: pass --region"):
        Account.at()


@pytest.mark.usefixtures("no_settings")
def test_unknown_profile_is_refused() -> None:
    with pytest.raises(AccountError, match=r"\(nobody\) could not be found"):
        Account.at(profile="nobody", region="us-east-1")


def test_account_knows_its_caller(account: Account) -> None:
    assert (account.id, account.region) == ("123456789012", "us-east-1")
    assert account.caller.startswith("arn:aws:")
    assert account.is_aws


def test_local_engine_is_not_aws() -> None:
    class Local(boto3.Session):
        def client(self, *args: object, **kwargs: object) -> object:
            return super().client(*args, endpoint_url="http://127.0.0.1:4566", **kwargs)  # type: ignore[call-overload]

    account = Account(Local("testing", "testing", region_name="us-east-1"))
    assert not account.is_aws
    account.identity = {"Account": "111122223333", "Arn": "me"}
    assert account.artifacts.url("t.json", "1") == (
        "http://127.0.0.1:4566/afterloop-artifacts-111122223333-us-east-1/t.json?versionId=1"
    )


FLOW = "arn:aws:sagemaker:us-east-1:123456789012:flow-definition/forms"


def sagemaker() -> tuple[Account, Stubber]:
    session = StubbedSession("sagemaker")
    return Account(session), session.stubs["sagemaker"]  # type: ignore[arg-type]


def test_flow_definitions_are_listed_with_their_output() -> None:
    account, stub = sagemaker()
    summary = {
        "FlowDefinitionName": "forms",
        "FlowDefinitionArn": FLOW,
        "FlowDefinitionStatus": "Active",
        "CreationTime": 0,
    }
    stub.add_response("list_flow_definitions", {"FlowDefinitionSummaries": [summary]})
    described = {
        **summary,
        "OutputConfig": {"S3OutputPath": "s3://reviewed/forms"},
        "RoleArn": "arn:aws:iam::123456789012:role/reviews",
    }
    stub.add_response("describe_flow_definition", described, {"FlowDefinitionName": "forms"})

    assert account.flow_definitions() == [{"name": "forms", "arn": FLOW, "output": "s3://reviewed/forms"}]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDeniedException", "ListFlowDefinitions is not permitted: no"),
        (
            "InternalFailure",
            r"AWS is busy or fails at the moment \(ListFlowDefinitions: InternalFailure: no\)",
        ),
    ],
)
def test_listing_flow_definitions_can_fail(code: str, message: str) -> None:
    account, stub = sagemaker()
    stub.add_client_error("list_flow_definitions", code, "no")
    with pytest.raises(AccountError, match=message):
        account.flow_definitions()
