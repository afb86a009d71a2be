"""Each kind of message reaches each kind of subscriber, and says what to do: on one published stage, none left out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lambdas.loops.message_kinds import MessageKind
from tests.engine.conftest import SUBSCRIBERS
from tests.engine.published import PublishedStage
from tests.https_endpoint import HttpsEndpoint, https_endpoint
from workflow import ROOT
from workflow.stack import TOPICS

ALARM = "alarm"
ALARMED = "afterloop-local-EventsUndelivered"

Produce = Callable[[PublishedStage, str], None]
Read = Callable[["Received"], list[str]]


def _deliver(status: str, **detail: Any) -> Produce:
    def deliver(stage: PublishedStage, name: str) -> None:
        event = stage.event(name, status, **detail)
        stage.sandbox.events.deliver({key: value for key, value in event.items() if value != "left out"})

    return deliver


def _fail_uncaught(stage: PublishedStage, name: str) -> None:
    """The claim returns a row that is too large for the state, which no step can catch."""
    stage.sandbox.client("dynamodb").update_item(
        TableName=stage.outputs["LedgerTable"],
        Key={"humanLoopName": {"S": name}},
        UpdateExpression="SET myNotes = :large",
        ExpressionAttributeValues={":large": {"S": "x" * 300_000}},
    )
    _deliver("Stopped")(stage, name)


def _raise_alarm(stage: PublishedStage, name: str) -> None:
    _set_alarm(stage, "OK")
    _set_alarm(stage, "ALARM")


def _set_alarm(stage: PublishedStage, state: str) -> None:
    stage.sandbox.client("cloudwatch").set_alarm_state(
        AlarmName=ALARMED, StateValue=state, StateReason="a test"
    )


PRODUCED: dict[str, tuple[Produce, str]] = {
    MessageKind.LOOP_FAILED: (
        _deliver("Failed", failureCode="ValidationError"),
        "python deploy.py loops close {name} --stage local",
    ),
    MessageKind.STEP_FAILED: (_deliver("Deleting"), "python deploy.py loops redrive {name} --stage local"),
    MessageKind.EVENT_UNCLAIMED: (
        _deliver("Stopped", creationTime="left out"),
        "python deploy.py loops redrive --execution arn:",
    ),
    MessageKind.EXECUTION_ENDED: (_fail_uncaught, "python deploy.py loops redrive"),
    MessageKind.LOOP_STOPPED: (_deliver("Stopped"), "{name}"),
    ALARM: (_raise_alarm, ALARMED),
}
"""Kind → what produces it, and what a person reads in it: the command, if there is one."""


class Received:
    """What each kind of subscriber got so far."""

    def __init__(self, stage: PublishedStage, endpoint: HttpsEndpoint) -> None:
        self.stage = stage
        self.endpoint = endpoint
        self.names = {kind: stage.name(kind) for kind in PRODUCED}

    def emails(self) -> list[str]:
        addresses = {*SUBSCRIBERS["escalation_emails"], *SUBSCRIBERS["notification_emails"]}
        return [
            f"{one['subject']}\n{one['text']}"
            for one in self.stage.sandbox.emails()
            if one["address"] in addresses
        ]

    def requests(self) -> list[str]:
        return [one["Message"] for one in self.endpoint.got()]

    def queued(self) -> list[str]:
        return [json.dumps(one) for one in self.stage.all_messages()]

    def channel(self, name: str) -> list[str]:
        return [
            "\n".join((one["title"], one["text"], *one["steps"]))
            for one in self.stage.sandbox.chat_messages()
            if one["channel"] == name
        ]


READ: dict[tuple[str, str], Read] = {
    ("Email", "email"): Received.emails,
    ("Endpoint", "https"): Received.requests,
    ("Endpoint", "sqs"): Received.queued,
    ("SlackChat", "slack"): lambda got: got.channel(SUBSCRIBERS["chat"].slack.channel),
    ("TeamsChat", "teams"): lambda got: got.channel(SUBSCRIBERS["chat"].teams.channel),
}
"""What subscribes it in the template, and the kind of subscriber → what reads its messages."""


@pytest.fixture(scope="module")
def received(published: PublishedStage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Received]:
    sns = published.sandbox.client("sns")
    with https_endpoint(tmp_path_factory.mktemp("endpoint")) as endpoint:
        subscriptions = [
            sns.subscribe(
                TopicArn=published.outputs[f"{topic}Topic"],
                Protocol="https",
                Endpoint=endpoint.url,
                ReturnSubscriptionArn=True,
            )["SubscriptionArn"]
            for topic in TOPICS
        ]

        def all_confirmed() -> bool:
            found = (sns.get_subscription_attributes(SubscriptionArn=one) for one in subscriptions)
            return all(one["Attributes"]["PendingConfirmation"] == "false" for one in found)

        published.eventually(all_confirmed)
        got = Received(published, endpoint)
        for kind, (produce, _) in PRODUCED.items():
            produce(published, got.names[kind])
        yield got
        _set_alarm(published, "OK")
        for one in subscriptions:
            sns.unsubscribe(SubscriptionArn=one)


@pytest.mark.parametrize("subscriber", READ, ids=[name for _, name in READ])
@pytest.mark.parametrize("kind", PRODUCED)
def test_each_kind_of_message_reaches_each_kind_of_subscriber(
    received: Received, kind: str, subscriber: tuple[str, str]
) -> None:
    name = received.names[kind]
    expected = PRODUCED[kind][1].format(name=name)
    about = ALARMED if kind == ALARM else name

    def arrived() -> list[str]:
        return [one for one in READ[subscriber](received) if about in one and expected in one]

    received.stage.eventually(arrived, timeout=60, message=f"{kind} about {about} for {subscriber[1]}")


def test_no_kind_of_message_and_no_kind_of_subscriber_is_left_out() -> None:
    assert set(PRODUCED) == {*MessageKind, ALARM}
    resources = json.loads((ROOT / "definitions/template.json").read_text())["Resources"]
    subscribed = (name for name, one in resources.items() if re.search("Subscription|Chatbot", one["Type"]))
    prefixes = "|".join(TOPICS)
    kinds = {re.sub(rf"^({prefixes})|\d$", "", name) for name in subscribed}
    assert kinds == {name for name, _ in READ}
