"""Tests of how a published stage's resources are found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.doubles import StubbedSession
from workflow.errors import AccountError, AfterloopError
from workflow.operations.stage_resources import NotPublishedError, StageResources

STACK = {
    "StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/afterloop-dev/1",
    "StackName": "afterloop-dev",
    "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
    "StackStatus": "CREATE_COMPLETE",
    "Outputs": [
        {"OutputKey": "ReviewBucket", "OutputValue": "the-bucket"},
        {"OutputKey": "LedgerTable", "OutputValue": "the-table"},
    ],
}


def test_resources_are_the_stacks_outputs() -> None:
    session = StubbedSession("cloudformation")
    session.stubs["cloudformation"].add_response(
        "describe_stacks", {"Stacks": [STACK]}, {"StackName": "afterloop-dev"}
    )
    resources = StageResources.find("dev", session)  # type: ignore[arg-type]
    assert (resources.review_bucket, resources.ledger_table) == ("the-bucket", "the-table")
    arn = "arn:aws:sagemaker:us-east-1:123456789012:flow-definition/invoices"
    assert resources.flow_definition_arn("invoices") == resources.flow_definition_arn(arn) == arn
    with pytest.raises(NotPublishedError, match="stage dev has no output StateMachine; publish it again"):
        assert resources.state_machine_arn
    with pytest.raises(
        AfterloopError, match=r"^invalid flow definition 'x{59}…: a name has up to 63 characters$"
    ):
        resources.flow_definition_arn("x" * 1025)


@pytest.mark.parametrize(
    ("code", "message", "error", "expected"),
    [
        (
            "ValidationError",
            "Stack with id afterloop-dev does not exist",
            NotPublishedError,
            "stage dev is not published in us-east-1",
        ),
        ("AccessDenied", "no", AccountError, "DescribeStacks is not permitted"),
        ("ExpiredToken", "no", AccountError, "session has expired"),
    ],
)
def test_stage_that_cannot_be_found_is_one_error(
    code: str, message: str, error: type[AfterloopError], expected: str
) -> None:
    session = StubbedSession("cloudformation")
    session.stubs["cloudformation"].add_client_error("describe_stacks", code, message)
    with pytest.raises(error, match=expected):
        StageResources.find("dev", session)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        (None, "; run `python deploy.py publish --stage dev`, or specify another with --stage or --region"),
        ("[stages.other]\n", "stage 'dev' does not exist"),
        ("not TOML", "; run `python deploy.py publish --stage dev`"),
    ],
)
def test_unpublished_stage_has_advice_from_the_settings(
    settings: str | None, advice: str, tmp_path: Path
) -> None:
    file = None
    if settings is not None:
        file = tmp_path / "stages.toml"
        file.write_text(settings)
    session = StubbedSession("cloudformation")
    session.stubs["cloudformation"].add_client_error(
        "describe_stacks", "ValidationError", "Stack with id afterloop-dev does not exist"
    )
    with pytest.raises(NotPublishedError) as raised:
        StageResources.find("dev", session, file)  # type: ignore[arg-type]
    assert advice in str(raised.value)
