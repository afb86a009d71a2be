"""The topics for messages to people, with the email addresses of the settings."""

from __future__ import annotations

from troposphere import Equals, If, Not, NoValue, Ref, Select, Split, Sub, Template, sns

from workflow.stack import EMAILS_PER_TOPIC, FLOW_SEPARATOR, TOPICS
from workflow.stack.template.policies import THIS_ACCOUNT, policy, tls_only
from workflow.stack.template.tags import tags

__all__ = ["add_topics"]


def add_topics(template: Template) -> None:
    """Adds both topics, with a subscription for each address of the settings.

    An address must keep its position: `keeping_subscriptions` in workflow/stack/subscriptions.py says why.
    """
    for topic in TOPICS:
        template.add_resource(
            sns.Topic(f"{topic}Topic", DisplayName=Sub(f"Afterloop ${{Stage}} {topic.lower()}s"), Tags=tags())
        )
        publishers = (
            [
                {
                    "Sid": "Alarms",
                    "Effect": "Allow",
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": Ref(f"{topic}Topic"),
                    "Condition": THIS_ACCOUNT,
                }
            ]
            if topic == "Escalation"
            else []
        )
        template.add_resource(
            sns.TopicPolicy(
                f"{topic}TopicPolicy",
                Topics=[Ref(f"{topic}Topic")],
                PolicyDocument=policy(tls_only("sns:Publish", Ref(f"{topic}Topic")), *publishers),
            )
        )
        for slot in range(EMAILS_PER_TOPIC):
            address = Select(slot, Ref(f"{topic}Emails"))
            flow_definitions = Select(slot, Ref(f"{topic}EmailFlowDefinitions"))
            given, filtered = f"{topic}Email{slot + 1}Given", f"{topic}Email{slot + 1}Filtered"
            template.add_condition(given, Not(Equals(address, "-")))
            template.add_condition(filtered, Not(Equals(flow_definitions, "*")))
            template.add_resource(
                sns.SubscriptionResource(
                    f"{topic}Email{slot + 1}",
                    Condition=given,
                    TopicArn=Ref(f"{topic}Topic"),
                    Protocol="email",
                    Endpoint=address,
                    # Alarms have no message attributes, so only an address without a filter gets them.
                    FilterPolicy=If(
                        filtered, {"flowDefinition": Split(FLOW_SEPARATOR, flow_definitions)}, NoValue
                    ),
                )
            )
