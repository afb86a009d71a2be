"""Who gets which messages of a stage, and what a plan and the status say about messages that nobody gets."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.loops.message_kinds import MessageKind
from workflow.publish.missing import CheckedStack
from workflow.publish.recipients import ALARM, KINDS, Recipient, Recipients
from workflow.publish.stacks import Stack
from workflow.publish.subscribers import read_recipients, recipients_in, unconfirmed
from workflow.publish.subscriptions import Subscriptions
from workflow.publish.unheard import unheard
from workflow.stack.chat_settings import CHAT_ENDPOINT, Chat, Slack
from workflow.stack.parameters import parameters_of
from workflow.stack.stages import Stage
from workflow.stack.subscriptions import keeping_subscriptions

TOPICS = ("EscalationTopic", "AlarmTopic", "NotificationTopic")
ADD = "add escalation_emails, escalation_endpoints or chat to the settings of stage dev, and publish it"
LINK = "open the link in the email from AWS Notifications within 48 hours, after which SNS deletes the subscription"
REPAIR = "`python deploy.py publish --repair --stage dev` subscribes it again"
ALL = "a@example.com"
FILTERED = "f@example.com"


def stage(*addresses: str, flow_definitions: tuple[str, ...] = (), **flows: str) -> Stage:
    """A stage that calls these addresses for all flow definitions, and others for one each."""
    return Stage(
        name="dev",
        region="us-east-1",
        account="123456789012",
        output_buckets=("reviewed",),
        escalation_emails=addresses,
        flow_definitions=flow_definitions,
        flow_definition_settings={  # type: ignore[arg-type]
            flow: {"restart": {"escalate_to": [address]}} for flow, address in flows.items()
        },
    )


def earlier(settings: Stage) -> dict[str, str]:
    """The parameters of a version without a topic for alarms."""
    return {name: value for name, value in parameters_of(settings).items() if not name.startswith("Alarm")}


class SNS:
    """SNS, with the subscriptions of each topic of the stack: `ADDRESS`, or its protocol, too; each with its ARN."""

    exceptions = SimpleNamespace(NotFoundException=KeyError)

    def __init__(self, subscribed: dict[str, dict[str, str]], policies: dict[str, Any]) -> None:
        self.subscribed, self.policies = subscribed, policies
        self.calls: list[str] = []

    def get_paginator(self, _: str) -> SNS:
        return self

    def paginate(self, **given: str) -> list[Any]:
        self.calls.append(given["TopicArn"])
        return [page_of(self.subscribed.get(given["TopicArn"].removeprefix("arn:"), {}))]

    def get_subscription_attributes(self, **given: str) -> Any:
        self.calls.append(given["SubscriptionArn"])
        policy = self.policies.get(given["SubscriptionArn"])
        return {"Attributes": {"FilterPolicy": json.dumps(policy)} if policy else {}}


def page_of(subscribed: dict[str, str]) -> dict[str, Any]:
    return {
        "Subscriptions": [
            {"Protocol": protocol or "email", "Endpoint": address, "SubscriptionArn": arn}
            for (protocol, _, address), arn in ((one.rpartition(" "), arn) for one, arn in subscribed.items())
        ]
    }


def found(
    settings: Stage,
    subscribed: dict[str, dict[str, str]],
    policies: dict[str, Any] | None = None,
    *,
    after: Stage | dict[str, str] | None = None,
    topics: tuple[str, ...] = TOPICS,
    repair: bool = False,
) -> Recipients:
    """The recipients of a stack, as published from the settings. The stack's subscriptions are arn:own-…"""
    parameters = parameters_of(settings) if "AlarmTopic" in topics else earlier(settings)
    sns: Any = SNS(subscribed, policies or {})
    own = {arn for some in subscribed.values() for arn in some.values() if arn.startswith("arn:own")}
    checked = CheckedStack(
        [
            *({"id": topic, "type": "AWS::SNS::Topic", "name": f"arn:{topic}"} for topic in topics),
            *({"id": arn, "type": "AWS::SNS::Subscription", "name": arn} for arn in own),
        ]
    )
    account: Any = SimpleNamespace(subscriptions=Subscriptions(sns))
    wanted = parameters_of(after) if isinstance(after, Stage) else after
    wanted = keeping_subscriptions(wanted, parameters) if wanted else None
    stack = Stack("s", "s", "UPDATE_COMPLETE", parameters=parameters)
    return read_recipients(account, stack, checked, wanted, repair=repair)


def who(recipients: Recipients, kind: str) -> list[tuple[str, str]]:
    return [(one.address, one.status) for one in recipients.of(kind).recipients]


def test_stage_without_addresses_is_said_once_in_one_sentence() -> None:
    sentence = f"nobody gets a message when a person has to act, or an alarm: {ADD}"
    assert unheard(recipients_in(parameters_of(stage())), stage()) == [sentence]
    assert unheard(found(stage(), {}), stage()) == [sentence]
    # A publish that adds an address says so itself.
    assert unheard(found(stage(), {}, after=stage(ALL)), stage(ALL)) == []


def test_endpoints_of_the_settings_are_recipients_without_a_filter() -> None:
    endpoints = ("https://x.example", "arn:aws:sqs:us-east-1:123456789012:calls")
    recipients = recipients_in(parameters_of(stage().model_copy(update={"escalation_endpoints": endpoints})))
    expected = [Recipient("https", endpoints[0], "new"), Recipient("sqs", endpoints[1], "new")]
    assert recipients.of(MessageKind.LOOP_FAILED).recipients == expected
    assert recipients.of(ALARM).recipients == expected


def test_new_addresses_are_recipients() -> None:
    recipients = recipients_in(parameters_of(stage(ALL, forms=FILTERED)))
    assert recipients.of(MessageKind.LOOP_FAILED).recipients == [
        Recipient("email", ALL, "new"),
        Recipient("email", FILTERED, "new", ("forms",)),
    ]
    assert who(recipients, ALARM) == [(ALL, "new"), (FILTERED, "new")]
    assert unheard(recipients, stage(ALL, forms=FILTERED)) == []


@pytest.mark.parametrize(
    ("flows", "sentence"),
    [
        ((), "nobody gets a message about a flow definition other than forms"),
        (("forms",), None),
        (
            ("forms", "arn:aws:sagemaker:us-east-1:123456789012:flow-definition/photos"),
            "nobody gets a message about photos",
        ),
    ],
)
def test_flow_definitions_that_all_addresses_filter_out_are_named(flows: Any, sentence: str | None) -> None:
    filtered = stage(flow_definitions=flows, forms=FILTERED)
    expected = [f"{sentence}: {ADD}"] if sentence else []
    assert unheard(recipients_in(parameters_of(filtered)), filtered) == expected
    subscribed = {"EscalationTopic": {FILTERED: "arn:own-1"}, "AlarmTopic": {FILTERED: "arn:own-2"}}
    assert unheard(found(filtered, subscribed), filtered) == expected


def test_subscription_made_by_hand_counts_with_its_filter() -> None:
    subscribed = {"EscalationTopic": {"sqs arn:queue": "arn:1", "lambda arn:f": "arn:2", "x@y.zz": "arn:3"}}
    policies = {
        "arn:1": {"kind": ["loop-failed"]},
        "arn:2": {"kind": [{"prefix": "loop"}], "failureCode": ["X"], "flowDefinition": ["forms"]},
    }
    recipients = found(stage(), subscribed, policies)
    by_rule = json.dumps({"kind": [{"prefix": "loop"}], "failureCode": ["X"]})
    others = [
        Recipient("lambda", "arn:f", "confirmed", ("forms",), by_rule),
        Recipient("email", "x@y.zz", "confirmed"),
    ]
    assert recipients.of(MessageKind.LOOP_FAILED).recipients == [
        Recipient("sqs", "arn:queue", "confirmed"),
        *others,
    ]
    assert recipients.of(MessageKind.STEP_FAILED).recipients == others
    assert unheard(recipients, stage()) == [
        f"nobody gets alarms, because AlarmTopic has no subscription without a filter: {ADD}"
    ]


def test_kinds_that_nobody_gets_are_named() -> None:
    subscribed = {"EscalationTopic": {ALL: "arn:1"}, "AlarmTopic": {ALL: "arn:2"}}
    assert unheard(found(stage(), subscribed, {"arn:1": {"kind": ["step-failed"]}}), stage()) == [
        f"nobody gets messages of these kinds: loop-failed, execution-ended: {ADD}"
    ]


def test_address_that_has_not_confirmed_gets_nothing() -> None:
    called = stage(ALL, "b@example.com")
    subscribed = {
        "EscalationTopic": {ALL.upper(): "PendingConfirmation", "b@example.com": "arn:own-1"},
        "AlarmTopic": {ALL: "PendingConfirmation", "b@example.com": "arn:own-2"},
    }
    recipients = found(called, subscribed)
    assert who(recipients, MessageKind.STEP_FAILED) == [(ALL, "unconfirmed"), ("b@example.com", "confirmed")]
    assert unheard(recipients, called) == [
        f"{ALL} gets no escalations and alarms, because it has not confirmed: {LINK}"
    ]


def test_address_that_sns_has_deleted_is_no_longer_subscribed() -> None:
    subscribed = {"EscalationTopic": {ALL: "Deleted"}, "AlarmTopic": {ALL: "arn:own-2"}}
    recipients = found(stage(ALL), subscribed)
    assert who(recipients, MessageKind.STEP_FAILED) == [(ALL, "missing")]
    assert unheard(recipients, stage(ALL)) == [
        f"{ALL} gets no escalations, because it unsubscribed, or did not confirm within 48 hours; nobody else gets "
        f"escalations: {REPAIR}"
    ]
    assert unheard(found(stage(ALL), subscribed, repair=True), stage(ALL)) == []
    # One that somebody subscribed again counts, with the filter that it has.
    again = {"EscalationTopic": {ALL: "arn:1"}, "AlarmTopic": {ALL: "arn:own-2"}}
    recipients = found(stage(ALL), again, {"arn:1": {"flowDefinition": ["forms"]}})
    assert recipients.of(MessageKind.LOOP_FAILED).recipients == [
        Recipient("email", ALL, "confirmed", ("forms",))
    ]


def test_address_that_a_publish_removes_is_no_recipient_any_more() -> None:
    subscribed = {"EscalationTopic": {ALL: "arn:own-1", FILTERED: "PendingConfirmation"}, "AlarmTopic": {}}
    recipients = found(stage(ALL, forms=FILTERED), subscribed, after=stage("b@example.com"))
    assert who(recipients, MessageKind.LOOP_FAILED) == [("b@example.com", "new")]


def test_endpoint_has_to_confirm_by_itself() -> None:
    subscribed = {
        "EscalationTopic": {"https https://x.example": "PendingConfirmation"},
        "AlarmTopic": {ALL: "arn:1"},
    }
    assert unheard(found(stage(), subscribed), stage()) == [
        "https://x.example gets no escalations, because it has not confirmed; nobody else gets escalations: it has to "
        "visit the SubscribeURL that SNS sent to it within 48 hours, after which SNS deletes the subscription"
    ]


def test_alarms_of_an_earlier_version_go_to_the_escalation_topic() -> None:
    topics = ("EscalationTopic", "NotificationTopic")
    filtered = stage(forms=FILTERED)
    recipients = found(filtered, {"EscalationTopic": {FILTERED: "arn:own-1", ALL: "arn:1"}}, topics=topics)
    assert recipients.of(ALARM).topic == "EscalationTopic"
    assert who(recipients, ALARM) == [(ALL, "confirmed")]
    (alarms, _) = unheard(
        found(filtered, {"EscalationTopic": {FILTERED: "arn:own-1"}}, topics=topics), filtered
    )
    assert alarms == (
        "nobody gets alarms, because EscalationTopic has no subscription without a filter: publish stage dev, which "
        "makes a topic for alarms"
    )
    # The publish that makes the topic says whom it subscribes.
    plan = found(filtered, {"EscalationTopic": {FILTERED: "arn:own-1"}}, topics=topics, after=filtered)
    assert who(plan, ALARM) == [(FILTERED, "new")]


def test_rollback_to_an_earlier_version_sends_alarms_to_the_escalation_topic_again() -> None:
    subscribed = {"EscalationTopic": {ALL: "arn:own-1"}, "AlarmTopic": {ALL: "arn:own-2"}}
    assert unheard(found(stage(ALL), subscribed, after=earlier(stage(ALL))), stage(ALL)) == []


def test_who_may_not_read_sns_is_told_so_in_a_sentence() -> None:
    def refuse(**_: str) -> Any:
        raise ClientError(
            {"Error": {"Code": "AuthorizationError", "Message": "no"}}, "ListSubscriptionsByTopic"
        )

    account: Any = SimpleNamespace(subscriptions=Subscriptions(SimpleNamespace(  # type: ignore[arg-type]
        get_paginator=lambda _: SimpleNamespace(paginate=refuse), exceptions=SNS.exceptions
    )))  # fmt: skip
    checked = CheckedStack([{"id": "EscalationTopic", "type": "AWS::SNS::Topic", "name": "arn:t"}])
    recipients = read_recipients(account, Stack("s", "s", "CREATE_COMPLETE"), checked)
    (sentence,) = unheard(recipients, stage())
    assert sentence.startswith("cannot read who gets messages: ListSubscriptionsByTopic is not permitted: ")
    assert [one for kind in KINDS for one in recipients.of(kind).recipients] == []
    assert unconfirmed(account, {"EscalationTopic": "arn:t"}) == []


def test_first_page_that_is_known_is_not_read_again() -> None:
    sns: Any = SNS({"EscalationTopic": {ALL: "arn:1", FILTERED: "arn:2"}}, {})
    subscriptions = Subscriptions(sns)
    page = page_of({ALL: "arn:1"})
    assert [one.address for one in subscriptions.listed("arn:EscalationTopic", page)] == [ALL]
    assert sns.calls == []
    listed = subscriptions.listed("arn:EscalationTopic", {**page, "NextToken": "more"})
    assert [one.address for one in listed] == [ALL, FILTERED]


def test_addresses_that_have_to_confirm_are_listed_once() -> None:
    pending = {"https https://x.example": "PendingConfirmation", ALL: "arn:1"}
    sns: Any = SNS({"EscalationTopic": pending, "NotificationTopic": pending}, {})
    account: Any = SimpleNamespace(subscriptions=Subscriptions(sns))
    assert unconfirmed(account, {topic: f"arn:{topic}" for topic in TOPICS}) == ["https://x.example"]
    assert unconfirmed(account, {"StateMachine": "arn:m"}) == []


def test_chat_of_the_settings_gets_escalations_and_alarms() -> None:
    chat = Chat(slack=Slack(workspace="T0123ABCD", channel="C0123ABCD"))
    settings = stage().model_copy(update={"chat": chat})
    recipients = recipients_in(parameters_of(settings))
    assert recipients.of(ALARM).recipients == [Recipient("slack", "C0123ABCD", "new")]
    assert who(recipients, MessageKind.LOOP_STOPPED) == []
    assert unheard(recipients, settings) == []

    integration = {f"https {CHAT_ENDPOINT}": "arn:chat"}
    subscribed = {"EscalationTopic": integration, "AlarmTopic": {}}
    recipients = found(settings, subscribed)
    assert who(recipients, MessageKind.LOOP_FAILED) == [("C0123ABCD", "confirmed")]
    (sentence,) = unheard(recipients, settings)
    assert sentence.startswith(
        "slack C0123ABCD gets no alarms, because it is no longer subscribed; nobody else gets "
    )
    # One that somebody set up by hand is in no settings, and one that a publish removes goes.
    assert who(found(stage(), subscribed), MessageKind.LOOP_FAILED) == [(CHAT_ENDPOINT, "confirmed")]
    assert who(found(settings, subscribed, after=stage()), MessageKind.LOOP_FAILED) == []
