"""Channels of Slack and Teams: what settings are refused, and what they become in the stack."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.ministack_patches import schemas
from tests.unit.workflow.stack.test_deployment_settings import of_type, resources
from workflow.errors import SettingsError
from workflow.stack.stages import load_stage

SLACK = {"workspace": "T0123ABCD", "channel": "C0123ABCD"}
GUID = "0123abcd-0123-0123-0123-0123456789ab"
TEAMS = {"tenant": GUID, "team": GUID.replace("0", "9"), "channel": "19%3a0123abcd%40thread.tacv2"}
CHANNELS = ("AWS::Chatbot::SlackChannelConfiguration", "AWS::Chatbot::MicrosoftTeamsChannelConfiguration")
TOPICS = ["${AlarmTopic}", "${EscalationTopic}"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("chat = {}", "chat: no channel: add slack or teams, or remove the table"),
        ("chat = { notifications = true }", "chat: no channel: add slack or teams"),
        (
            'chat = { slack = { workspace = "T0123ABCD" } }',
            "chat.slack.channel: is missing. The ID of the channel",
        ),
        (
            'chat = { slack = { workspace = "acme", channel = "C0123ABCD" } }',
            "chat.slack.workspace: 'acme' is invalid. The ID of the workspace",
        ),
        (
            'chat = { slack = { workspace = "T0123ABCD", channel = "#alerts" } }',
            "chat.slack.channel: '#alerts' is invalid. The ID of the channel",
        ),
        (
            f'chat = {{ teams = {{ tenant = "{GUID}", team = "{GUID}", channel = "19:abc@thread.tacv2" }} }}',
            "chat.teams.channel: '19:abc@thread.tacv2' is invalid. The ID of the channel as its link has it",
        ),
    ],
)
def test_invalid_channel_is_refused_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    (file := tmp_path / "stages.toml").write_text(
        f'[stages.dev]\nregion = "us-east-1"\noutput_buckets = ["reviewed"]\n{line}\n'
    )
    with pytest.raises(SettingsError) as refusal:
        load_stage(file, "dev")
    assert str(refusal.value).startswith(f"stages.toml:4: stage dev: {problem}")


def test_stage_without_chat_has_no_resource_of_it() -> None:
    added = set(resources(chat={"slack": SLACK, "teams": TEAMS})) - set(resources())
    assert added == {"SlackChat", "TeamsChat", "ChatChannelRole"}


def test_channels_show_alarms_and_escalations() -> None:
    found = resources(chat={"slack": SLACK, "teams": TEAMS})
    (slack,), (teams,) = (of_type(found, kind) for kind in CHANNELS)
    assert (slack["SlackWorkspaceId"], slack["SlackChannelId"]) == (SLACK["workspace"], SLACK["channel"])
    given = (teams["TeamsTenantId"], teams["TeamId"], teams["TeamsChannelId"])
    assert given == (TEAMS["tenant"], TEAMS["team"], TEAMS["channel"])
    for channel in (slack, teams):
        assert channel["SnsTopicArns"] == TOPICS
        assert channel["IamRoleArn"] == "${ChatChannelRole.Arn}"
        assert channel["GuardrailPolicies"] == [
            "arn:${AWS::Partition}:iam::aws:policy/CloudWatchReadOnlyAccess"
        ]


def test_channels_show_stopped_loops_if_the_setting_says_so() -> None:
    (slack,) = of_type(resources(chat={"slack": SLACK, "notifications": True}), CHANNELS[0])
    assert slack["SnsTopicArns"] == [*TOPICS, "${NotificationTopic}"]


def test_configuration_in_another_workspace_has_another_name() -> None:
    """It is replaced, and CloudFormation creates the new one first."""

    def names(slack: Any, teams: Any) -> list[str]:
        found = resources(chat={"slack": slack, "teams": teams})
        return [of_type(found, kind)[0]["ConfigurationName"] for kind in CHANNELS]

    other = names({**SLACK, "workspace": "T99999999"}, {**TEAMS, "team": GUID.replace("0", "8")})
    for before, after in zip(names(SLACK, TEAMS), other, strict=True):
        assert before != after


def test_members_of_a_channel_may_see_graphs_and_nothing_else() -> None:
    role = resources(chat={"slack": SLACK})["ChatChannelRole"]["Properties"]
    (only,) = role["Policies"]
    actions = [action for one in only["PolicyDocument"]["Statement"] for action in one["Action"]]
    assert actions
    assert all(
        action.startswith(("cloudwatch:Describe", "cloudwatch:Get", "cloudwatch:List")) for action in actions
    )
    assert not role.get("ManagedPolicyArns")


def test_properties_are_those_that_cloudformation_knows() -> None:
    found = json.loads(
        json.dumps(resources(chat={"slack": SLACK, "teams": TEAMS}))
        .replace("${AWS::Partition}", "aws")
        .replace("${AWS::Region}", "us-east-1")
    )
    for kind in CHANNELS:
        (properties,) = of_type(found, kind)
        arn = "arn:aws:sns:us-east-1:111122223333:topic"
        filled = {**properties, "IamRoleArn": "arn:aws:iam::111122223333:role/r", "SnsTopicArns": [arn]}
        assert not list(schemas.problems(kind, filled))
