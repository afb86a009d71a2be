"""Who a publish subscribes and unsubscribes, beside what the topics say."""

from __future__ import annotations

from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from workflow.cli.show import show_plan
from workflow.errors import PublishError
from workflow.publish.package import Package
from workflow.publish.plan import compare
from workflow.publish.stacks import Stack
from workflow.publish.subscriptions import (
    SubscriptionChange,
    Subscriptions,
    subscription_changes,
    with_subscriptions,
)
from workflow.stack.subscriptions import keeping_subscriptions

TOPIC = "arn:aws:sns:us-east-1:123456789012:escalations"


def emails(*given: str) -> dict[str, str]:
    """The parameters of a topic, from `ADDRESS` or `ADDRESS:FLOW|FLOW`; `-` for none."""
    parts = [one.partition(":") for one in [*given, *["-"] * (5 - len(given))]]
    return {
        "EscalationEmails": ",".join(address for address, _, _ in parts),
        "EscalationEmailFlowDefinitions": ",".join(flows or "*" for _, _, flows in parts),
    }


def test_changes_name_addresses_and_flow_definitions() -> None:
    before, after = (
        emails("a", "b:forms", "c:x|y", "d"),
        emails("e:forms", "B:forms|photos", "c:y|x", "-", "d:x"),
    )
    found = [(one.change, one.address, one.before, one.after) for one in subscription_changes(before, after)]
    assert found == [
        ("removed", "a", ("*",), None),
        ("changed", "B", ("forms",), ("forms", "photos")),
        ("changed", "d", ("*",), ("x",)),
        ("added", "e", None, ("forms",)),
    ]


def test_stage_of_an_earlier_version_gets_its_addresses_subscribed_to_alarms() -> None:
    """With the email to confirm, so that nobody wonders where it came from."""
    template = {"Resources": {"AlarmEmail1": {"Type": "AWS::SNS::Subscription", "Properties": {}}}}
    added = {"LogicalResourceId": "AlarmEmail1", "ResourceType": "AWS::SNS::Subscription", "Action": "Add"}
    after = {**emails("a:forms"), "AlarmEmails": "a,-,-,-,-"}
    plan = compare("s", before=({}, emails("a:forms")), after=(template, after), changes=[added])
    assert plan.subscriptions == [SubscriptionChange("Alarm", "a", "added", after=("*",))]
    assert (plan.settings, plan.resources) == ([], [])
    out = StringIO()
    show_plan(Console(file=out, width=100), plan, where="here")
    assert "  + alarms to a; gets an email to confirm" in out.getvalue().splitlines()


def test_plan_has_addresses_in_place_of_slots_and_parameters() -> None:
    slot = {"Type": "AWS::SNS::Subscription", "Properties": {"Endpoint": {"Ref": "EscalationEmails"}}}
    template = {"Resources": {"EscalationEmail1": slot, "EscalationEmail2": slot}}
    changes = [
        {"LogicalResourceId": name, "ResourceType": slot["Type"], "Action": "Modify", "Replacement": "True"}
        for name in ("EscalationEmail1", "EscalationEmail2")
    ]
    plan = compare(
        "s", before=(template, emails("a", "b")), after=(template, emails("c", "b")), changes=changes
    )
    # b keeps its slot, but its subscription is created again.
    found = [(one.change, one.address) for one in plan.subscriptions]
    assert found == [("removed", "a"), ("added", "c"), ("added", "b")]
    assert (plan.settings, plan.resources) == ([], [])
    assert not plan.is_empty
    out = StringIO()
    show_plan(Console(file=out, width=100), plan, where="here")
    assert out.getvalue().splitlines()[2:-1] == [
        "Subscriptions",
        "  - escalations to a end",
        "  + escalations to c about all flow definitions; gets an email to confirm",
        "  + escalations to b about all flow definitions; gets an email to confirm",
    ]


class Topic:
    """SNS, with the email addresses of a topic, each with its ARN and its filter policy."""

    def __init__(self, **subscribed: tuple[str, str]) -> None:
        self.subscribed = subscribed

    def get_paginator(self, _: str) -> Topic:
        return self

    def paginate(self, **_: str) -> list[Any]:
        listed = [
            {"Protocol": "email", "Endpoint": address.upper(), "SubscriptionArn": arn}
            for address, (arn, _) in self.subscribed.items()
        ]
        return [
            {"Subscriptions": [*listed, {"Protocol": "sqs", "Endpoint": "q", "SubscriptionArn": "arn:q"}]}
        ]

    def get_subscription_attributes(self, **given: str) -> Any:
        (policy,) = (policy for arn, policy in self.subscribed.values() if arn == given["SubscriptionArn"])
        return {"Attributes": {"FilterPolicy": policy} if policy else {}}


def checked(
    before: dict[str, str], after: dict[str, str], **subscribed: tuple[str, str]
) -> tuple[str, list[str]]:
    """The addresses that are published, and the notes. The stack's slots are arn:1, arn:2 …"""
    account: Any = SimpleNamespace(
        subscriptions=Subscriptions(Topic(**subscribed)),  # type: ignore[arg-type]
        stacks=SimpleNamespace(
            resources=lambda _: [{"id": f"EscalationEmail{n}", "name": f"arn:{n}"} for n in range(1, 6)]
        ),
    )
    stack = Stack("s", "s", "UPDATE_COMPLETE", parameters=before, outputs={"EscalationTopic": TOPIC})
    package = Package("{}", keeping_subscriptions(after, before), {})
    package, notes = with_subscriptions(account, stack, package)
    return package.parameters["EscalationEmails"], notes


def test_new_and_unchanged_addresses_need_no_note() -> None:
    assert checked(emails("a"), emails("a", "b"), a=("arn:1", "")) == ("a,b,-,-,-", [])
    # Whoever unsubscribed stays so, as long as nothing has to change.
    assert checked(emails("a"), emails("a", "b")) == ("a,b,-,-,-", [])
    assert checked(emails("a"), emails("a:forms"), a=("PendingConfirmation", "")) == ("a,-,-,-,-", [])


@pytest.mark.parametrize("arn", [None, "Deleted"])
def test_address_that_unsubscribed_is_subscribed_again_when_its_flow_definitions_change(
    arn: str | None,
) -> None:
    listed = {"a": (arn, "")} if arn else {}
    addresses, (note,) = checked(emails("a"), emails("a:forms"), **listed)
    assert addresses == "-,a,-,-,-"
    assert note.startswith("a is no longer subscribed. It is subscribed again")


def test_address_that_unsubscribed_cannot_change_when_no_slot_is_free() -> None:
    with pytest.raises(
        PublishError, match=r"^a is no longer subscribed to EscalationTopic, .* then add it again"
    ):
        checked(emails(*"abcde"), emails("a:forms", *"bcde"))


def test_subscription_made_by_hand_is_taken_over_if_its_filter_is_the_same() -> None:
    addresses, (note,) = checked(emails(), emails("a:forms"), a=("arn:own", '{"flowDefinition": ["forms"]}'))
    assert addresses == "a,-,-,-,-"
    assert note.startswith("a already has a subscription to EscalationTopic, which somebody else created.")


@pytest.mark.parametrize("policy", ["", '{"flowDefinition": ["photos"]}'])
def test_subscription_made_by_hand_with_another_filter_is_refused_before_the_update(policy: str) -> None:
    with pytest.raises(PublishError, match="end it with `aws sns unsubscribe --subscription-arn arn:own`"):
        checked(emails(), emails("a:forms"), a=("arn:own", policy))


def test_removed_address_that_has_not_confirmed_is_noted() -> None:
    _, (note,) = checked(emails("a", "b"), emails("b"), a=("PendingConfirmation", ""), b=("arn:2", ""))
    assert note.startswith("a has not confirmed a subscription to EscalationTopic, so SNS removes it")
