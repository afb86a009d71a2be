"""AWS's chat integration: Amazon Q Developer in chat applications, formerly AWS Chatbot."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.ministack_patches import deliveries
from workflow.stack.chat_settings import CHAT_ENDPOINT

__all__ = ["correct", "messages", "withdraw_authorization"]

_MAX_KEPT = 10_000

_configurations: dict[str, dict[str, Any]] = {}
"""ARN → properties, with `Account`."""

_messages: deque[dict[str, Any]] = deque(maxlen=_MAX_KEPT)

_unauthorized: set[str] = set()

SLACK = "AWS::Chatbot::SlackChannelConfiguration"
TEAMS = "AWS::Chatbot::MicrosoftTeamsChannelConfiguration"

_KINDS = {
    SLACK: (
        "slack-channel",
        "SlackWorkspaceId",
        "SlackChannelId",
        "Slack workspace",
        "Slack channel",
        "Slack team",
    ),
    TEAMS: (
        "microsoft-teams-channel",
        "TeamId",
        "TeamsChannelId",
        "Microsoft Teams team",
        "Teams channel",
        "team",
    ),
}
"""Type → its part of an ARN, the properties of the workspace and the channel, and what messages call these."""


def correct() -> None:
    """Adds the integration to CloudFormation and SNS."""
    _add_resource_types()
    _show_messages()


def messages() -> list[dict[str, Any]]:
    """Returns the messages that channels show, oldest first: `channel`, `topic` (its ARN), `title`, `text`, `steps`
    (a list) and `thread` (or None).
    """
    return list(_messages)


def withdraw_authorization(workspace: str) -> None:
    """Makes a workspace or a team one that nobody has authorized. All others are authorized."""
    _unauthorized.add(workspace)


def _add_resource_types() -> None:
    """Adds `AWS::Chatbot::SlackChannelConfiguration` and `AWS::Chatbot::MicrosoftTeamsChannelConfiguration`.

    AWS: the service is global, so an account can use a name once, and a channel for one configuration. The workspace
    must be authorized, which a person does in the console. The service subscribes its endpoint to the topics, and
    unsubscribes it when no configuration needs it any more. `Ref` returns the ARN. Another name or workspace replaces
    the configuration.
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-chatbot-slackchannelconfiguration.html,
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-chatbot-microsoftteamschannelconfiguration.html,
    https://docs.aws.amazon.com/chatbot/latest/adminguide/using-service-linked-roles.html; the texts of the errors:
    https://github.com/cloudcomponents/cdk-constructs/issues/92 and
    https://github.com/hashicorp/terraform-provider-awscc/issues/1011)
    MiniStack: has neither type.
    """
    from ministack.services.cloudformation import drift, provisioners

    for kind, (_, workspace, *_) in _KINDS.items():
        provisioners._RESOURCE_HANDLERS[kind] = _handlers(kind)
        provisioners._REPLACING_PROPERTIES[kind] = ("ConfigurationName", workspace, "TeamsTenantId")
    readers: dict[str, Any] = dict.fromkeys(_KINDS, (drift._exists_in(lambda: _configurations), frozenset()))
    drift._DRIFT_READERS = drift._DRIFT_READERS | readers


def _handlers(kind: str) -> dict[str, Any]:
    def create(logical_id: str, properties: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        from ministack.core.responses import get_account_id

        account = get_account_id()
        arn = f"arn:aws:chatbot::{account}:chat-configuration/{_KINDS[kind][0]}/{properties['ConfigurationName']}"
        if arn in _configurations:
            raise ValueError(
                f"Resource handler returned message: \"Resource of type '{kind}' with identifier '{arn}' already "
                'exists." (HandlerErrorCode: AlreadyExists)'
            )
        _expect_usable(kind, properties, account, arn)
        _configurations[arn] = {**properties, "Account": account, "Kind": kind}
        _subscribe()
        return arn, {"Arn": arn}

    def update(arn: str, old: dict[str, Any], new: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
        account = _configurations[arn]["Account"]
        _expect_usable(kind, new, account, arn)
        _configurations[arn] = {**new, "Account": account, "Kind": kind}
        _subscribe()
        return arn, {"Arn": arn}

    def delete(arn: str, properties: dict[str, Any]) -> None:
        _configurations.pop(arn, None)
        _subscribe()

    return {"create": create, "update": update, "delete": delete}


def _expect_usable(kind: str, properties: Mapping[str, Any], account: str, arn: str) -> None:
    _, workspace, channel, a_workspace, a_channel, team = _KINDS[kind]
    given = properties[workspace], properties[channel]
    if given[0] in _unauthorized:
        raise _refused(
            f"AWS Chatbot can't create the configuration because {a_workspace} {given[0]} is not authorized with AWS "
            f"account {account}"
        )
    for other, found in _configurations.items():
        if (
            other != arn
            and found["Account"] == account
            and (found.get(workspace), found.get(channel)) == given
        ):
            raise _refused(
                f"{a_channel} with ID {given[1]} in {team} {given[0]} has already been configured for AWS account "
                f"{account}."
            )


def _refused(why: str) -> ValueError:
    return ValueError(
        f'Resource handler returned message: "Invalid request provided: {why} (Service: AWSChatbot; Status Code: 400; '
        'Error Code: InvalidRequestException)" (HandlerErrorCode: InvalidRequest)'
    )


def _subscribe() -> None:
    """Subscribes the endpoint to the topics of all configurations, and to no others."""
    from ministack.core.responses import new_uuid
    from ministack.services import sns

    wanted = {topic for found in _configurations.values() for topic in found.get("SnsTopicArns") or ()}
    for arn, topic in sns._topics.items():
        subscribed = [one for one in topic["subscriptions"] if one["endpoint"] == CHAT_ENDPOINT]
        if arn in wanted and not subscribed:
            subscription = {
                "arn": f"{arn}:{new_uuid()}",
                "topic_arn": arn,
                "protocol": "https",
                "endpoint": CHAT_ENDPOINT,
                "confirmed": True,
                "owner": arn.split(":")[4],
                "attributes": {"FilterPolicyScope": "MessageAttributes", "RawMessageDelivery": "false"},
            }
            topic["subscriptions"].append(subscription)
            sns._sub_arn_to_topic[subscription["arn"]] = arn
        for one in subscribed if arn not in wanted else ():
            topic["subscriptions"].remove(one)
            sns._sub_arn_to_topic.pop(one["arn"], None)


def _show_messages() -> None:
    """Shows the messages of topics in the channels of their configurations.

    AWS: shows custom notifications, and what AWS services send, such as alarms. Nothing else is shown, and nobody
    notices: a message that is not JSON, or no valid notification, leaves an error in the logs of the integration.
    (https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html,
    https://docs.aws.amazon.com/chatbot/latest/adminguide/related-services.html)
    MiniStack: sends no request to the endpoint, which is not on this machine.
    """
    deliveries._DELIVER["https"] = _deliver_or_show


_deliver = deliveries._DELIVER["https"]


def _deliver_or_show(notification: Any) -> None:
    if notification.endpoint != CHAT_ENDPOINT:
        _deliver(notification)
        return
    notification.count("NumberOfNotificationsDelivered")
    if (shown := _shown(notification.message)) is None:
        return
    for found in _configurations.values():
        if notification.topic in (found.get("SnsTopicArns") or ()):
            channel = found[_KINDS[found["Kind"]][2]]
            _messages.append({"channel": channel, "topic": notification.topic, **shown})


def _shown(message: str) -> dict[str, Any] | None:
    """Returns what a channel shows of a message, or None if it shows nothing."""
    try:
        document = json.loads(message)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    if {"AlarmName", "NewStateValue", "NewStateReason"} <= document.keys():
        title = f"{document['NewStateValue']}: {document['AlarmName']}"
        text = document.get("AlarmDescription") or document.get("NewStateReason", "")
        return {"title": title, "text": text, "steps": [], "thread": None}
    try:
        custom = _CustomNotification.model_validate(document)
    except ValidationError:
        return None
    return {
        "title": custom.content.title,
        "text": custom.content.description,
        "steps": custom.content.nextSteps,
        "thread": custom.metadata.threadId,
    }


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Content(_Strict):
    description: Annotated[str, Field(min_length=1, max_length=8000)]
    textType: Literal["client-markdown"] = "client-markdown"  # noqa: N815 (AWS's name)
    title: Annotated[str, Field(max_length=250)] = ""
    nextSteps: list[str] = []  # noqa: N815
    keywords: list[str] = []


class _Metadata(_Strict):
    threadId: str | None = None  # noqa: N815
    summary: str = ""
    eventType: str = ""  # noqa: N815
    relatedResources: list[str] = []  # noqa: N815
    additionalContext: dict[str, str] = {}  # noqa: N815
    enableCustomActions: bool = True  # noqa: N815


class _CustomNotification(_Strict):
    version: Literal["1.0"]
    source: Literal["custom"]
    content: _Content
    id: str = ""
    metadata: _Metadata = _Metadata()
