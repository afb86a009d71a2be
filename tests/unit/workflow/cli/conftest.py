"""Fixtures of the tests of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from unittest import mock

import pytest
from moto import mock_aws

from tests.unit.doubles import REGION, SageMaker, StubbedSession, create_ledger_table
from workflow.operations.stage_resources import StageResources
from workflow.publish.package import Package
from workflow.publish.stacks import Stack
from workflow.stack.stages import Stage

ACCOUNT = "123456789012"
"""The account of moto's credentials."""


@pytest.fixture(autouse=True)
def no_aws_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hides the AWS settings of the person who runs the tests."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    empty = tmp_path_factory.mktemp("aws") / "settings"
    empty.touch()
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(empty))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    """An account with the published stage dev, for the commands that publish and destroy."""
    stage = Stage(name="dev", region="us-east-1", output_buckets=("reviewed",))
    account = mock.Mock(id="111122223333", region="us-east-1", is_aws=True)
    account.stacks.find.return_value = Stack(
        "afterloop-dev", "arn:stack", "UPDATE_COMPLETE", outputs={"StateMachine": "arn:machine"}
    )
    account.tagged.find.return_value = {}
    monkeypatch.setattr("workflow.cli.options.StageOptions.reach", lambda _, **__: (account, stage))
    monkeypatch.setattr("workflow.stack.assembly.assemble", lambda: None)
    monkeypatch.setattr("workflow.publish.package.make_package", lambda *_, **__: Package("{}", {}, {}))
    monkeypatch.setattr("workflow.publish.availability.unavailable", lambda *_: [])
    return account


@pytest.fixture
def resources(monkeypatch: pytest.MonkeyPatch) -> StageResources:
    """The resources of the published stage dev."""
    outputs = {
        "LedgerTable": "ledger",
        "TokenTable": "tokens",
        "ReviewBucket": "reviews",
        "StateMachine": f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:afterloop-dev",
    }
    resources = StageResources("dev", "aws", REGION, ACCOUNT, outputs)
    monkeypatch.setattr("workflow.cli.options.StageOptions.session", lambda _: StubbedSession())
    monkeypatch.setattr("workflow.cli.options.StageOptions.resources", lambda *_: resources)
    return resources


@pytest.fixture
def session(resources: StageResources, monkeypatch: pytest.MonkeyPatch) -> Iterator[StubbedSession]:
    """A session with the stage dev: its ledger and buckets are moto's, other services are stubbed."""
    with mock_aws():
        session = StubbedSession("sagemaker-a2i-runtime", "stepfunctions", "lambda")
        create_ledger_table(session.client("dynamodb"))
        for bucket in ("reviews", "reviewed"):
            session.client("s3").create_bucket(Bucket=bucket)
        flows = (resources.flow_definition_arn(name) for name in ("triage", "experts", "without-loops"))
        session.use("sagemaker", SageMaker(*flows))
        monkeypatch.setattr("workflow.cli.options.StageOptions.session", lambda _: session)
        yield session
        session.close()
        session.assert_all_called()
