"""What TestState is asked, and what is made of its answer."""

from __future__ import annotations

import json
from typing import Any
from unittest import mock

import boto3
import pytest
from botocore.exceptions import ClientError

from workflow.errors import AfterloopError
from workflow.operations.trials import Caught, Mock, Retried, Trial, try_state
from workflow.operations.trials.running import client_of

TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sqs:sendMessage",
    "Assign": {"id.$": "$.MessageId"},
    "Retry": [{"ErrorEquals": ["Busy"], "MaxAttempts": 2}],
    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Escalate"}],
    "Next": "Other",
}
PASS = {"Type": "Pass", "End": True}


class Client:
    """Answers TestState, and keeps the requests."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.requests = list(answers), list[dict[str, Any]]()

    def test_state(self, **request: Any) -> Any:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def tried(client: Client, state: Any = TASK, given: Mock | None = None) -> Trial:
    return try_state(client, "Tell", state, {"a": 1}, variables={"key": "k"}, role="arn:role", mock=given)


def test_output_next_state_and_assigned_variables_are_returned() -> None:
    found = {
        "afterParameters": '{"QueueUrl": "q"}',
        "result": '{"MessageId": "m"}',
        "variables": '{"key": "k", "id": "m"}',
    }
    client = Client({"status": "SUCCEEDED", "output": "7", "nextState": "Other", "inspectionData": found})
    trial = tried(client)
    assert (trial.output, trial.next_state, trial.sent, trial.result) == (
        7,
        "Other",
        {"QueueUrl": "q"},
        {"MessageId": "m"},
    )
    assert trial.variables == {"id": "m"}
    (request,) = client.requests
    assert (request["roleArn"], request["inspectionLevel"]) == ("arn:role", "DEBUG")
    assert json.loads(request["variables"]) == {"key": "k"}
    # The state has its name, in a machine with an end for each way.
    assert request["stateName"] == "Tell"
    assert json.loads(request["definition"]) == {
        "StartAt": "Tell",
        "States": {"Tell": TASK, "Escalate": {"Type": "Succeed"}, "Other": {"Type": "Succeed"}},
    }


def test_retry_is_followed_by_what_happens_when_it_is_used_up() -> None:
    details = {"errorDetails": {"retryIndex": 0, "retryBackoffIntervalSeconds": 1}}
    first = {"status": "RETRIABLE", "error": "Busy", "cause": "slow", "inspectionData": details}
    caught = {"inspectionData": {"errorDetails": {"catchIndex": 0}}, "nextState": "Escalate", "output": "{}"}
    client = Client(first, {"status": "CAUGHT_ERROR", **caught})
    trial = tried(client)
    assert (trial.status, trial.error, trial.next_state) == ("RETRIABLE", "Busy", None)
    assert trial.retried == Retried(0, ["Busy"], 1, 2)
    assert trial.caught == Caught(0, ["States.ALL"], "Escalate", {})
    # The second request calls nothing.
    assert client.requests[1]["mock"] == {"errorOutput": {"error": "Busy", "cause": "slow"}}
    assert client.requests[1]["stateConfiguration"] == {"retrierRetryCount": 2}
    assert "roleArn" not in client.requests[1]


def test_role_is_passed_only_for_a_call() -> None:
    client = Client({"status": "SUCCEEDED"}, {"status": "SUCCEEDED"})
    tried(client, PASS)
    tried(client, TASK, Mock({"MessageId": "m"}))
    assert [request.get("roleArn") for request in client.requests] == [None, None]


@pytest.mark.parametrize(
    ("state", "given", "expected"),
    [
        (TASK, Mock({"MessageId": "m"}), {"result": '{"MessageId": "m"}'}),
        (TASK, Mock(None, "E", "c"), {"errorOutput": {"error": "E", "cause": "c"}}),
        # TestState would refuse a Body or a Payload that is no string.
        (
            {**TASK, "Resource": "arn:aws:states:::bedrock:invokeModel"},
            Mock({"Body": {}}),
            {"result": '{"Body": {}}', "fieldValidationMode": "NONE"},
        ),
        (
            {**TASK, "Resource": "arn:aws:states:::lambda:invoke"},
            Mock({"Payload": {}}),
            {"result": '{"Payload": {}}', "fieldValidationMode": "NONE"},
        ),
    ],
)
def test_mock_is_passed_on(state: Any, given: Mock, expected: Any) -> None:
    client = Client({"status": "SUCCEEDED"})
    tried(client, state, given)
    assert client.requests[0]["mock"] == expected
    assert json.loads(client.requests[0]["context"])["State"]["Name"] == "Tell"


def test_token_is_in_the_context_only_of_a_task_that_waits_for_it() -> None:
    client = Client({"status": "SUCCEEDED"}, {"status": "SUCCEEDED"})
    tried(client, TASK, Mock())
    tried(client, {**TASK, "Resource": f"{TASK['Resource']}.waitForTaskToken"}, Mock())
    assert ["Task" in json.loads(request["context"]) for request in client.requests] == [False, True]


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "Not\nso."}}, "TestState")


def test_refusal_is_one_line_and_names_the_step() -> None:
    with pytest.raises(AfterloopError, match=r"^TestState refuses step 'Tell': Not so\.$"):
        tried(Client(refused("InvalidDefinition")))
    with pytest.raises(ClientError):  # The command line explains it.
        tried(Client(refused("AccessDeniedException")))


@pytest.mark.parametrize(
    ("error", "cause", "denied"),
    [
        ("States.Permissions", "The role …", True),
        ("SQS.SqsException", "User: a is not authorized to perform: sqs:SendMessage on resource: b", True),
        ("Lambda.AccessDeniedException", "no", True),
        (
            "ClientError",
            '{"errorMessage": "AccessDenied: is not authorized to perform: s3:GetObject"}',
            False,
        ),
        ("SQS.QueueDoesNotExistException", "no", False),
    ],
)
def test_missing_permission_is_recognized(error: str, cause: str, denied: bool) -> None:
    assert Trial("FAILED", None, error=error, cause=cause).is_denied is denied


@pytest.mark.parametrize("is_aws", [True, False])
def test_client_uses_the_host_for_trials_on_aws_only_and_never_repeats_a_call(is_aws: bool) -> None:
    session = boto3.Session("a", "b", region_name="us-east-1")
    config = client_of(mock.Mock(session=session, is_aws=is_aws)).meta.config
    assert config.inject_host_prefix is is_aws
    assert config.retries["total_max_attempts"] == 1
    assert config.read_timeout > 300


def test_large_input_is_not_in_the_context_too() -> None:
    client = Client({"status": "SUCCEEDED"})
    try_state(client, "Tell", TASK, "x" * 262_000, variables={}, role=None, mock=Mock())
    assert len(client.requests[0]["context"]) < 1_000
