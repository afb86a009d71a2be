"""AWS's chat integration: what CloudFormation refuses, and what channels show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from lambdas.loops.notification import custom_notification
from sandbox.ministack_patches import chat, deliveries, schemas

ACCOUNT = "000000000000"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:messages"
OTHER = f"arn:aws:sns:us-east-1:{ACCOUNT}:others"
SHARED = {
    "ConfigurationName": "afterloop-dev",
    "IamRoleArn": f"arn:aws:iam::{ACCOUNT}:role/chat",
    "SnsTopicArns": [TOPIC],
}
SLACK = {**SHARED, "SlackWorkspaceId": "T0123ABCD", "SlackChannelId": "C0123ABCD"}
GUID = "0123abcd-0123-0123-0123-0123456789ab"
TEAMS = {**SHARED, "TeamId": GUID, "TeamsTenantId": GUID, "TeamsChannelId": "19%3aabc%40thread.tacv2"}


@pytest.fixture
def topics(ministack: None) -> Iterator[None]:
    from ministack.services import sns

    deliveries.correct()
    chat.correct()
    for topic in (TOPIC, OTHER):
        sns._create_topic({"Name": [topic.rpartition(":")[2]]})
    yield
    chat._configurations.clear()
    chat._messages.clear()
    chat._unauthorized.clear()


def create(kind: str, **properties: Any) -> str:
    from ministack.services.cloudformation import provisioners

    return str(provisioners._RESOURCE_HANDLERS[kind]["create"]("Chat", properties, "stack")[0])


def publish(message: str, topic: str = TOPIC) -> list[dict[str, Any]]:
    """Publishes a message. Returns what channels show then."""
    from ministack.services import sns

    sns.publish_internal(topic, message)
    return chat.messages()


def subscribed(topic: str) -> int:
    from ministack.services import sns

    return len(sns._topics[topic]["subscriptions"])


NOTIFICATION = custom_notification(
    title="Title",
    text="Text",
    steps=["`command`"],
    thread="loop-1",
    kind="loop-failed",
    context={"stage": "dev"},
)


@pytest.mark.parametrize(("kind", "properties"), [(chat.SLACK, SLACK), (chat.TEAMS, TEAMS)])
def test_channel_shows_a_custom_notification(topics: None, kind: str, properties: dict[str, Any]) -> None:
    assert create(kind, **properties).startswith(f"arn:aws:chatbot::{ACCOUNT}:chat-configuration/")
    assert publish(json.dumps(NOTIFICATION)) == [
        {
            "channel": properties.get("SlackChannelId") or properties["TeamsChannelId"],
            "topic": TOPIC,
            "title": "Title",
            "text": "Text",
            "steps": ["`command`"],
            "thread": "loop-1",
        }
    ]


def test_channel_shows_an_alarm(topics: None) -> None:
    create(chat.SLACK, **SLACK)
    alarm = {
        "AlarmName": "a",
        "NewStateReason": "…",
        "NewStateValue": "ALARM",
        "AlarmDescription": "What to do",
    }
    (shown,) = publish(json.dumps(alarm))
    assert (shown["title"], shown["text"]) == ("ALARM: a", "What to do")


@pytest.mark.parametrize(
    "message",
    [
        "a text",
        '"a text"',
        json.dumps({"kind": "loop-failed"}),
        json.dumps({**NOTIFICATION, "version": "0"}),
        json.dumps({**NOTIFICATION, "kind": "loop-failed"}),
        json.dumps({**NOTIFICATION, "content": {"title": "Title"}}),
        json.dumps({**NOTIFICATION, "content": {"description": "x" * 8001}}),
        json.dumps({**NOTIFICATION, "metadata": {"additionalContext": {"waiting": True}}}),
    ],
)
def test_channel_shows_nothing_of_any_other_message(topics: None, message: str) -> None:
    create(chat.SLACK, **SLACK)
    assert publish(message) == []


def test_channel_shows_messages_of_its_topics_until_it_is_deleted(topics: None) -> None:
    from ministack.services.cloudformation import provisioners

    slack = create(chat.SLACK, **SLACK)
    teams = create(chat.TEAMS, **{**TEAMS, "SnsTopicArns": [TOPIC, OTHER]})
    assert (subscribed(TOPIC), subscribed(OTHER)) == (1, 1)
    assert len(publish(json.dumps(NOTIFICATION), OTHER)) == 1
    provisioners._RESOURCE_HANDLERS[chat.TEAMS]["delete"](teams, {})
    assert (subscribed(TOPIC), subscribed(OTHER)) == (1, 0)
    changed = {**SLACK, "SnsTopicArns": [OTHER]}
    provisioners._RESOURCE_HANDLERS[chat.SLACK]["update"](slack, SLACK, changed, "stack")
    assert (subscribed(TOPIC), subscribed(OTHER)) == (0, 1)


def test_deleted_configuration_is_drift(topics: None) -> None:
    from ministack.services.cloudformation import drift

    arn = create(chat.SLACK, **SLACK)
    read, _ = drift._DRIFT_READERS[chat.SLACK]
    assert read(arn, SLACK) == {}
    chat._configurations.clear()
    assert read(arn, SLACK) is None


def test_a_channel_and_a_name_are_free_once_in_an_account(topics: None) -> None:
    create(chat.SLACK, **SLACK)
    with pytest.raises(ValueError, match="already exists"):
        create(chat.SLACK, **{**SLACK, "SlackChannelId": "C9"})
    with pytest.raises(
        ValueError,
        match="Slack channel with ID C0123ABCD in Slack team T0123ABCD has already been configured for AWS account",
    ):
        create(chat.SLACK, **{**SLACK, "ConfigurationName": "other"})


def test_nobody_has_authorized_the_workspace(topics: None) -> None:
    chat.withdraw_authorization("T0123ABCD")
    with pytest.raises(ValueError, match="Slack workspace T0123ABCD is not authorized with AWS account"):
        create(chat.SLACK, **SLACK)


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        (chat.SLACK, {**SLACK, "SlackWorkspaceId": "t0123abcd"}),
        (chat.SLACK, {**SLACK, "SlackChannelId": "#alerts"}),
        (chat.SLACK, {name: value for name, value in SLACK.items() if name != "IamRoleArn"}),
        (chat.SLACK, {**SLACK, "LoggingLevel": "DEBUG"}),
        (chat.TEAMS, {**TEAMS, "TeamsChannelId": "19:abc@thread.tacv2"}),
        (chat.TEAMS, {**TEAMS, "TeamsTenantId": "tenant"}),
        (chat.TEAMS, {**TEAMS, "Channel": "C1"}),
    ],
)
def test_invalid_properties_are_found(kind: str, properties: dict[str, Any]) -> None:
    assert not list(schemas.problems(chat.SLACK, SLACK))
    assert not list(schemas.problems(chat.TEAMS, TEAMS))
    assert list(schemas.problems(kind, properties))
