"""Every command, in accounts that refuse every call: no traceback, and no wording of boto3.

These are accounts without permissions, with an expired session or a network that is gone, and stages of which somebody
deleted everything, or whose stack is in any state.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import exceptions as aws

from tests.command_line import run
from workflow.publish.package import Package

STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/afterloop-dev/1"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:afterloop-dev"
OUTPUTS = {
    "EscalationTopic": "arn:aws:sns:us-east-1:123456789012:escalations",
    "LedgerTable": "ledger",
    "NotificationTopic": "arn:aws:sns:us-east-1:123456789012:notifications",
    "ReviewBucket": "reviews",
    "StateMachine": MACHINE,
    "TokenTable": "tokens",
    "UndeliveredEvents": "https://sqs.us-east-1.amazonaws.com/123456789012/undelivered",
}

COMMANDS = [
    "status",
    "status --no-drift",
    "outputs",
    "plan",
    "plan --repair",
    "publish --yes",
    "publish --swap --yes",
    "rollback --yes",
    "destroy --yes --stop-running",
    "destroy --yes --stop-running --delete-data",
    "loops list",
    "loops show x",
    "loops graph x",
    "loops logs x",
    "loops start --flow-definition flow --name x --input INPUT",
    "loops restart x",
    "loops stop x",
    "loops close x --reason no",
    "loops redrive x",
    "loops redrive --all --yes",
    "loops reconcile",
    "reviews recompute --yes",
    "report",
    "manifest --flow-definition flow",
    "smoke",
    "smoke --flow-definition flow",
    "try Failed",
]


MACHINE_ONLY = {
    "Resources": {
        "StateMachine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "DefinitionString": '{"StartAt": "Failed", "States": {"Failed": {"Type": "Fail"}}}'
            },
        }
    }
}
PACKAGE = Package(json.dumps(MACHINE_ONLY), {}, {})


def refused(code: str) -> Callable[[str], Exception]:
    return lambda operation: aws.ClientError({"Error": {"Code": code, "Message": "No."}}, operation)


REFUSALS: dict[str, Callable[[str], Exception]] = {
    "denied": refused("AccessDeniedException"),
    "deleted": refused("ResourceNotFoundException"),
    "expired": refused("ExpiredTokenException"),
    "offline": lambda operation: aws.EndpointConnectionError(endpoint_url="https://x"),
    "strange": refused("NobodyKnowsThisCode"),
}


def stack(status: str) -> dict[str, Any]:
    outputs = [] if status in ("REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE") else OUTPUTS.items()
    return {
        "StackName": "afterloop-dev",
        "StackId": STACK,
        "StackStatus": status,
        "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
        "Parameters": [{"ParameterKey": "Stage", "ParameterValue": "dev"}],
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs],
    }


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """A session that makes each client once: making one takes longer than most commands here."""
    session = boto3.Session("key", "secret", region_name="us-east-1")
    make = functools.cache(session.client)
    session.client = lambda service, **_: make(service)  # type: ignore[method-assign, assignment]
    return session


@pytest.fixture
def command(
    session: boto3.Session,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in an account that answers some operations, and refuses the others."""
    settings, document = tmp_path / "stages.toml", tmp_path / "input.json"
    settings.write_text(
        '[stages.dev]\nregion = "us-east-1"\naccount = "123456789012"\noutput_buckets = ["out"]\n'
    )
    document.write_text("{}")
    monkeypatch.setattr("boto3.Session", lambda **_: session)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)
    monkeypatch.setattr("workflow.cli.publish._package", lambda account, stage: PACKAGE)

    def in_account(line: str, refusal: Callable[[str], Exception], **answers: Any) -> tuple[int, str, str]:
        def answer(client: Any, operation: str, request: Any) -> Any:
            if operation in answers:
                return answers[operation]
            raise refusal(operation)

        monkeypatch.setattr("botocore.client.BaseClient._make_api_call", answer)
        words = [str(document) if word == "INPUT" else word for word in line.split()]
        return run(*words, "--stage", "dev", "--settings", str(settings), capsys=capsys)

    return in_account


def expect_sentences(status: int, err: str) -> None:
    assert "An error occurred (" not in err
    assert "Traceback" not in err
    if status == 1:  # `plan` ends with 2 if there are changes.
        assert err.startswith(("error: ", "warning: ", "Warning: ")), err


CALLER = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/me"}


@pytest.mark.parametrize("line", COMMANDS)
def test_command_when_everything_is_refused_or_deleted(
    command: Callable[..., tuple[int, str, str]], line: str
) -> None:
    known = {"GetCallerIdentity": CALLER, "DescribeStacks": {"Stacks": [stack("UPDATE_COMPLETE")]}}
    for refusal in ("strange", "deleted"):
        status, _, err = command(line, REFUSALS[refusal], **known)
        expect_sentences(status, err)
    # Nothing is known here, not even who asks.
    status, _, err = command(line, REFUSALS["strange"])
    assert status == 1
    expect_sentences(status, err)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_commands_without_permission_session_or_network(
    command: Callable[..., tuple[int, str, str]], refusal: str
) -> None:
    for line in ("status", "publish --yes", "rollback --yes", "destroy --yes", "loops list"):
        status, _, err = command(line, REFUSALS[refusal], GetCallerIdentity=CALLER)
        assert status == 1
        expect_sentences(status, err)


STATES = [
    "CREATE_FAILED",
    "CREATE_IN_PROGRESS",
    "DELETE_FAILED",
    "DELETE_IN_PROGRESS",
    "IMPORT_IN_PROGRESS",
    "IMPORT_ROLLBACK_FAILED",
    "REVIEW_IN_PROGRESS",
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "UPDATE_IN_PROGRESS",
    "UPDATE_ROLLBACK_FAILED",
]


OF_THE_STACK = (
    "status",
    "outputs",
    "plan",
    "publish --yes",
    "publish --swap --yes",
    "rollback --yes",
    "destroy --yes --stop-running",
    "loops list",
)


@pytest.mark.parametrize("state", STATES)
def test_commands_for_a_stack_in_any_state(command: Callable[..., tuple[int, str, str]], state: str) -> None:
    """Everything but the stack is deleted."""
    for line in OF_THE_STACK:
        answers: dict[str, Any] = {
            "GetCallerIdentity": CALLER,
            "DescribeStacks": {"Stacks": [stack(state)]},
            "DescribeStackEvents": {"StackEvents": []},
            "ListStackResources": {"StackResourceSummaries": []},
            "ListObjectsV2": {"KeyCount": 0},
            "ListObjectVersions": {},
        }
        status, _, err = command(line, REFUSALS["deleted"], **answers)
        expect_sentences(status, err)
