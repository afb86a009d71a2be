"""Warnings about flow definitions that need no engine: how they are worded, and who trusts whom."""

from __future__ import annotations

import json
import shlex
from typing import Any

import jmespath
import pytest

from tests.unit.workflow.publish.test_heard import BASE, STAGE, described
from workflow.publish.flow_definition_checks import problems_of
from workflow.publish.flow_definition_fixes import create_again, create_role, create_team
from workflow.publish.heard import Heard
from workflow.stack.stages import Stage

TEAM = f"{BASE}:workteam/private-crowd/team"
ROLE = "arn:aws:iam::222222222222:role/a/reader"


def problems(heard: Heard, **settings: Any) -> list[str]:
    return problems_of(Stage.model_validate({**STAGE.model_dump(), **settings}), heard, "us-east-1")


def test_problem_of_many_flow_definitions_is_one_warning() -> None:
    flows = [described(f"flow-{number}") for number in range(9)]
    [warning] = problems(Heard(flows=flows, teams={TEAM: None}))
    assert warning.startswith(
        "flow definitions 'flow-0', 'flow-1', 'flow-2' and 6 more: the work team team does"
    )


def test_flow_definition_that_is_being_deleted_needs_nothing() -> None:
    flow = described("a", FlowDefinitionStatus="Deleting")
    assert problems(Heard(flows=[flow], teams={TEAM: None}, roles={ROLE: None})) == [
        "flow definition 'a': it is being deleted, so each start of a human loop is refused"
    ]


def test_resource_that_could_not_be_read_is_no_problem() -> None:
    assert problems(Heard(flows=[described("a")])) == []


@pytest.mark.parametrize(
    ("statements", "trusted"),
    [
        (
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            },
            True,
        ),
        (
            [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": ["ec2.amazonaws.com", "sagemaker.amazonaws.com"]},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                    "Condition": {"StringEquals": {"aws:SourceAccount": "1"}},
                }
            ],
            True,
        ),
        ([{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}], False),
        ([{"Effect": "Deny", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "*"}], False),
        (
            [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sagemaker.amazonaws.com"},
                    "Action": "sts:TagSession",
                }
            ],
            False,
        ),
        ([{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}], False),
    ],
)
def test_trust_policy_has_to_name_sagemaker(statements: Any, trusted: bool) -> None:
    role = {"RoleName": "reader", "AssumeRolePolicyDocument": {"Statement": statements}}
    found = problems(Heard(flows=[described("a")], roles={ROLE: role}))
    assert [("does not trust sagemaker.amazonaws.com" in each) for each in found] == (
        [] if trusted else [True]
    )


@pytest.mark.parametrize(
    ("rule", "enough"),
    [
        ({"AllowedMethods": ["PUT", "GET"], "AllowedOrigins": ["*"]}, True),
        ({"AllowedMethods": ["GET"], "AllowedOrigins": ["https://*.labeling.us-east-1.sagemaker.aws"]}, True),
        ({"AllowedMethods": ["GET"], "AllowedOrigins": ["https://my.example"]}, False),
        ({"AllowedMethods": ["HEAD"], "AllowedOrigins": ["*"]}, False),
    ],
)
def test_cors_rule_has_to_be_for_the_pages_of_workers(rule: dict[str, Any], enough: bool) -> None:
    found = problems(Heard(flows=[described("a")], cors={"documents": [rule]}))
    assert [("has no CORS rule" in each) for each in found] == ([] if enough else [True])


def test_output_path_may_be_an_https_url() -> None:
    flow = described("a", OutputConfig={"S3OutputPath": "https://elsewhere/a"})
    [warning] = problems(Heard(flows=[flow]))
    assert "the output bucket elsewhere is not in output_buckets" in warning


def test_limits_are_said_with_what_was_left() -> None:
    assert problems(Heard(left=12)) == [
        "Some checks of flow definitions were skipped: a plan looks at 50 flow definitions, for 10 seconds at most. "
        "12 flow definitions were not looked at"
    ]


def test_flow_definition_is_created_again_as_it_was_but_for_what_changes() -> None:
    config = {
        **described("a")["HumanLoopConfig"],
        "TaskTitle": "t",
        "TaskDescription": "d",
        "TaskCount": 1,
        "TaskKeywords": ["k"],
        "PublicWorkforceTaskPrice": {"AmountInUsd": {"Cents": 9}},
    }
    flow = described(
        "a",
        HumanLoopConfig=config,
        OutputConfig={"S3OutputPath": "s3://outputs/it's", "KmsKeyId": "key"},
        CreationTime=0,
    )
    command = create_again(flow, "us-east-1", team=TEAM.replace("team", "te`am"), output="s3://new/it's")
    words = shlex.split(command)
    made = jmespath.search(words[words.index("--query") + 1], flow)
    assert made == {
        "FlowDefinitionName": "a",
        "RoleArn": ROLE,
        "OutputConfig": {"S3OutputPath": "s3://new/it's", "KmsKeyId": "key"},
        "HumanLoopConfig": {
            "WorkteamArn": TEAM.replace("team", "te`am"),
            "HumanTaskUiArn": f"{BASE}:human-task-ui/page",
            "TaskTitle": "t",
            "TaskDescription": "d",
            "TaskCount": 1,
            "TaskKeywords": ["k"],
        },
    }


def test_team_of_cognito_is_created_with_its_group() -> None:
    workforce = {"CognitoConfig": {"UserPool": "us-east-1_a", "ClientId": "c"}}
    first, second = create_team(TEAM, workforce, "us-east-1").split(" && ")
    assert (
        first
        == "aws cognito-idp create-group --region us-east-1 --user-pool-id us-east-1_a --group-name team"
    )
    assert json.loads(shlex.split(second)[-1]) == [
        {"CognitoMemberDefinition": {"UserPool": "us-east-1_a", "ClientId": "c", "UserGroup": "team"}}
    ]
    assert "USER-POOL" in create_team(TEAM, None, "us-east-1")


def test_role_may_read_documents_and_write_outputs() -> None:
    command = create_role("arn:aws:iam::2:role/reader", ["documents"], [described("a")])
    assert "--path" not in command
    policy = json.loads(shlex.split(command)[-1])
    assert [(each["Action"], each["Resource"]) for each in policy["Statement"]] == [
        ("s3:GetObject", ["arn:aws:s3:::documents/*", "arn:aws:s3:::outputs/*"]),
        ("s3:PutObject", ["arn:aws:s3:::outputs/*"]),
    ]
