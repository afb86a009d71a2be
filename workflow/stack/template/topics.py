"""The topics for messages to people, with the addresses and endpoints of the settings."""

from __future__ import annotations

from typing import Any

from troposphere import Equals, If, Not, NoValue, Ref, Select, Split, Sub, Template, sns

from workflow.stack import ENDPOINT_SEPARATOR, FLOW_SEPARATOR, NO_FLOW_DEFINITION, TOPICS
from workflow.stack.subscriptions import SLOTS, Slots
from workflow.stack.template.policies import THIS_ACCOUNT, policy, tls_only
from workflow.stack.template.tags import tags

__all__ = ["add_topics"]


def add_topics(template: Template) -> None:
    """Adds the topics, with a subscription for each address and endpoint of the settings.

    An address must keep its position: `keeping_subscriptions` in workflow/stack/subscriptions.py says why.
    """
    for topic in TOPICS:
        template.add_resource(
            sns.Topic(f"{topic}Topic", DisplayName=Sub(f"Afterloop ${{Stage}} {topic.lower()}s"), Tags=tags())
        )
        template.add_resource(
            sns.TopicPolicy(
                f"{topic}TopicPolicy",
                Topics=[Ref(f"{topic}Topic")],
                PolicyDocument=policy(
                    tls_only("sns:Publish", Ref(f"{topic}Topic")),
                    *([_alarms_of_this_account()] if topic == NO_FLOW_DEFINITION else []),
                ),
            )
        )
    for slots in SLOTS:
        for position in range(slots.size):
            _add_subscription(template, slots, position)


def _add_subscription(template: Template, slots: Slots, position: int) -> None:
    name, written = slots.id(position), Select(position, Ref(slots.parameter))
    given = f"{slots.parameter.removesuffix('s')}{position + 1}Given"  # alarms share that of escalations
    template.conditions.setdefault(given, Not(Equals(written, slots.none)))
    protocol, endpoint = "email", written
    if slots.kind == "Endpoint":
        protocol, endpoint = (Select(part, Split(ENDPOINT_SEPARATOR, written)) for part in (0, 1))
    template.add_resource(
        sns.SubscriptionResource(
            name,
            Condition=given,
            TopicArn=Ref(f"{slots.topic}Topic"),
            Protocol=protocol,
            Endpoint=endpoint,
            **_filter(template, slots, position),
        )
    )


def _filter(template: Template, slots: Slots, position: int) -> dict[str, Any]:
    """The filter policy of an address that gets messages about some flow definitions only."""
    if not slots.flows_parameter:
        return {}
    flow_definitions = Select(position, Ref(slots.flows_parameter))
    filtered = f"{slots.id(position)}Filtered"
    template.add_condition(filtered, Not(Equals(flow_definitions, "*")))
    policy = {"flowDefinition": Split(FLOW_SEPARATOR, flow_definitions)}
    return {"FilterPolicy": If(filtered, policy, NoValue)}


def _alarms_of_this_account() -> dict[str, Any]:
    return {
        "Sid": "Alarms",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": Ref(f"{NO_FLOW_DEFINITION}Topic"),
        "Condition": THIS_ACCOUNT,
    }
