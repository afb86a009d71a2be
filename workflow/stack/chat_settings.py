"""Settings of chats: the channels that AWS's chat integration shows messages in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["CHAT_ENDPOINT", "Chat", "Slack", "Teams", "channels", "chat_parameters"]

CHAT_ENDPOINT = "https://global.sns-api.chatbot.amazonaws.com"
"""The endpoint that the integration subscribes to topics: one for all channels, in all Regions and accounts."""

_NONE = "-"
"""A part of a parameter without a value."""

_GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Slack(_Settings):
    """A channel of Slack. An AWS account can use a channel for one stage only."""

    workspace: Annotated[str, Field(pattern=r"^[TE][0-9A-Z]{5,63}$")]
    """The ID of the workspace, such as `T0123ABCD`. Somebody has to authorize it once in each AWS account."""
    channel: Annotated[str, Field(pattern=r"^[CG][0-9A-Z]{5,63}$")]
    """The ID of the channel, such as `C0123ABCD`: the end of its link. Invite the app: `/invite @Amazon Q`."""


class Teams(_Settings):
    """A channel of Microsoft Teams. An AWS account can use a channel for one stage only."""

    tenant: Annotated[str, Field(pattern=_GUID)]
    """The ID of the tenant: `tenantId` in the link of the channel."""
    team: Annotated[str, Field(pattern=_GUID)]
    """The ID of the team: `groupId` in the link of the channel. Somebody has to authorize it once in each account."""
    # AWS also allows commas, which would separate the values of the parameter.
    channel: Annotated[
        str,
        Field(pattern=r"^[a-zA-Z0-9_=+/.-]*%3[aA][a-zA-Z0-9_=+/.-]*%40[a-zA-Z0-9_=+/.-]*$", max_length=256),
    ]
    """The ID of the channel as its link has it, such as `19%3a0123abcd%40thread.tacv2`."""


class Chat(_Settings):
    """Channels of Slack and Microsoft Teams that show all alarms and all messages for which a person has to act."""

    slack: Slack | None = None
    teams: Teams | None = None
    notifications: bool = False
    """Whether the channels also show messages about stopped loops."""

    @model_validator(mode="after")
    def _has_a_channel(self) -> Chat:
        if self.slack is None and self.teams is None:
            raise ValueError("no channel: add slack or teams, or remove the table")
        return self


def chat_parameters(chat: Chat | None) -> dict[str, str]:
    """Returns the values of the parameters about chats, by name."""
    slack, teams = (chat.slack, chat.teams) if chat else (None, None)
    return {
        "SlackChannel": ",".join((slack.workspace, slack.channel) if slack else [_NONE] * 2),
        "TeamsChannel": ",".join((teams.tenant, teams.team, teams.channel) if teams else [_NONE] * 3),
        "ChatNotifications": str(bool(chat and chat.notifications)).lower(),
    }


def channels(parameters: Mapping[str, str]) -> dict[str, str]:
    """Returns the IDs of the channels in the parameters of a stack, by `slack` and `teams`."""
    found = {
        kind: parameters.get(name, _NONE).rpartition(",")[2]
        for kind, name in (("slack", "SlackChannel"), ("teams", "TeamsChannel"))
    }
    return {kind: channel for kind, channel in found.items() if channel != _NONE}
