"""The channels of Slack and Microsoft Teams in which AWS's chat integration shows messages.

It subscribes itself to the topics, confirms that, and unsubscribes itself with the configuration. One configuration can
have a channel, and its name has to be free, in the account: the integration is in no Region. A workspace has to be
authorized by a person, which is done in the console only.

Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-chatbot-slackchannelconfiguration.html,
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-chatbot-microsoftteamschannelconfiguration.html
"""

from __future__ import annotations

from typing import Any

from troposphere import Equals, GetAtt, If, Not, NoValue, Or, Ref, Select, Sub, Template, chatbot

from workflow.stack.template.policies import THIS_ACCOUNT, allow, policy, trust
from workflow.stack.template.roles import role
from workflow.stack.template.tags import tags

__all__ = ["add_chat"]

_GIVEN = {
    "Slack": Not(Equals(Select(1, Ref("SlackChannel")), "-")),
    "Teams": Not(Equals(Select(2, Ref("TeamsChannel")), "-")),
}


def add_chat(template: Template) -> None:
    """Adds both channels, and the role that they share."""
    for kind, given in _GIVEN.items():
        template.add_condition(f"{kind}Given", given)
    template.add_condition("ChatGiven", Or(*_GIVEN.values()))
    template.add_condition("ChatNotifies", Equals(Ref("ChatNotifications"), "true"))
    template.add_resource(_role())
    template.add_resource(
        chatbot.SlackChannelConfiguration(
            "SlackChat",
            Condition="SlackGiven",
            SlackWorkspaceId=Select(0, Ref("SlackChannel")),
            SlackChannelId=Select(1, Ref("SlackChannel")),
            **_shared(Select(0, Ref("SlackChannel"))),
        )
    )
    template.add_resource(
        chatbot.MicrosoftTeamsChannelConfiguration(
            "TeamsChat",
            Condition="TeamsGiven",
            TeamsTenantId=Select(0, Ref("TeamsChannel")),
            TeamId=Select(1, Ref("TeamsChannel")),
            TeamsChannelId=Select(2, Ref("TeamsChannel")),
            **_shared(Select(1, Ref("TeamsChannel"))),
        )
    )


def _shared(workspace: Any) -> dict[str, Any]:
    return {
        # Another workspace replaces the configuration, so it needs another name. No stage has `_` in its name.
        "ConfigurationName": Sub("afterloop-${Stage}_${AWS::Region}_${In}", In=workspace),
        "IamRoleArn": GetAtt("ChatChannelRole", "Arn"),
        # Without this property, the limit is AdministratorAccess, also for roles that members of the channel choose.
        "GuardrailPolicies": [Sub("arn:${AWS::Partition}:iam::aws:policy/CloudWatchReadOnlyAccess")],
        # What cannot be shown is in the logs of the integration only.
        "LoggingLevel": "ERROR",
        "SnsTopicArns": [
            Ref("AlarmTopic"),
            Ref("EscalationTopic"),
            If("ChatNotifies", Ref("NotificationTopic"), NoValue),
        ],
        "Tags": tags(),
    }


def _role() -> Any:
    """The role of all members of a channel: no more than the graph of an alarm needs.

    (https://docs.aws.amazon.com/chatbot/latest/adminguide/chatbot-iam-policies.html, "Notification permissions")
    """
    alarms = Sub(
        "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:afterloop-${Stage}-*"
    )
    # Metrics have no resource.
    metrics = ["GetMetricData", "GetMetricStatistics", "GetMetricWidgetImage", "ListMetrics"]
    found = role(
        "ChatChannelRole",
        "Shows alarms in chats",
        # The documentation does not say whether the integration names the account that it acts for.
        trust("chatbot.amazonaws.com", {"StringEqualsIfExists": THIS_ACCOUNT["StringEquals"]}),
        {
            "graphs": policy(
                allow(["cloudwatch:DescribeAlarms"], alarms),
                allow([f"cloudwatch:{action}" for action in metrics], "*"),
            )
        },
    )
    found.Condition = "ChatGiven"
    return found
