"""The topics for messages to people, with the email addresses of the settings."""

from __future__ import annotations

from typing import Any

from troposphere import Equals, If, Not, NoValue, Ref, Select, Split, Sub, Template, sns

from workflow.stack import EMAILS_PER_TOPIC, FLOW_SEPARATOR, NO_FLOW_DEFINITION, TOPICS
from workflow.stack.template.policies import THIS_ACCOUNT, policy, tls_only
from workflow.stack.template.tags import tags

__all__ = ["add_topics"]


def add_topics(template: Template) -> None:
    """Adds the topics, with a subscription for each address of the settings.

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
        for slot in range(EMAILS_PER_TOPIC):
            _add_email(template, topic, slot)


def _add_email(template: Template, topic: str, slot: int) -> None:
    address, name = Select(slot, Ref(f"{topic}Emails")), f"{topic}Email{slot + 1}"
    template.add_condition(f"{name}Given", Not(Equals(address, "-")))
    template.add_resource(
        sns.SubscriptionResource(
            name,
            Condition=f"{name}Given",
            TopicArn=Ref(f"{topic}Topic"),
            Protocol="email",
            Endpoint=address,
            **({} if topic == NO_FLOW_DEFINITION else _filter(template, topic, slot)),
        )
    )


def _filter(template: Template, topic: str, slot: int) -> dict[str, Any]:
    """The filter policy of an address that gets messages about some flow definitions only."""
    flow_definitions = Select(slot, Ref(f"{topic}EmailFlowDefinitions"))
    filtered = f"{topic}Email{slot + 1}Filtered"
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
