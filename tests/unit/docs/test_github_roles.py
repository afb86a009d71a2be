"""The roles for GitHub reach their own stage, and no stage whose name begins alike."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from ministack.core import iam_evaluator

from tests.cloudformation_yaml import Template
from workflow import ROOT
from workflow.publish.artifacts import plans_of
from workflow.publish.holder import lock_key
from workflow.publish.resolution import resolved_resources

ROLES = ROOT / "docs/examples/github_roles.yml"
ACCOUNT, REGION = "111122223333", "us-gov-west-1"
HERE = {
    "AWS::Partition": "aws-us-gov",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
}
MAX_INLINE, MAX_MANAGED = 10_240, 6_144
"""Characters of all inline policies of a role, and of a managed policy, without white space (IAM quotas)."""

ARNS = {
    "AWS::Athena::WorkGroup": "athena:{place}:workgroup/{name}",
    "AWS::Chatbot::MicrosoftTeamsChannelConfiguration": (
        f"chatbot::{ACCOUNT}:chat-configuration/microsoft-teams-channel/{{name}}"
    ),
    "AWS::Chatbot::SlackChannelConfiguration": (
        f"chatbot::{ACCOUNT}:chat-configuration/slack-channel/{{name}}"
    ),
    "AWS::CloudWatch::Alarm": "cloudwatch:{place}:alarm:{name}",
    "AWS::CloudWatch::Dashboard": f"cloudwatch::{ACCOUNT}:dashboard/{{name}}",
    "AWS::DynamoDB::Table": "dynamodb:{place}:table/{name}",
    "AWS::Events::Archive": "events:{place}:archive/{name}",
    "AWS::Events::Rule": "events:{place}:rule/{name}",
    "AWS::Glue::Database": "glue:{place}:database/{name}",
    "AWS::Glue::Table": "glue:{place}:table/{name}/reviews",
    "AWS::IAM::ManagedPolicy": f"iam::{ACCOUNT}:policy/{{name}}",
    "AWS::IAM::Role": f"iam::{ACCOUNT}:role/{{name}}",
    "AWS::Lambda::Function": "lambda:{place}:function:{name}",
    "AWS::Lambda::Version": "lambda:{place}:function:{name}:1",
    "AWS::Logs::LogGroup": "logs:{place}:log-group:{name}:*",
    "AWS::S3::Bucket": "s3:::{name}",
    "AWS::SNS::Topic": "sns:{place}:{name}",
    "AWS::SQS::Queue": "sqs:{place}:{name}",
    "AWS::StepFunctions::StateMachine": "states:{place}:stateMachine:{name}",
}
PARTS = {
    "AWS::Athena::NamedQuery",
    "AWS::Lambda::Permission",
    "AWS::Logs::MetricFilter",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::StepFunctions::StateMachineAlias",
    "AWS::StepFunctions::StateMachineVersion",
}
"""Types without an ARN of their own, for which IAM checks that of the resource which they belong to; and versions and
aliases of the state machine, whose ARNs follow from its own: see `alias` in `arns`."""
ALIKE = [("prod", "prod-eu"), ("a", "a--1"), ("ci", "ci-prod"), ("artifacts", "artifacts-2-executions-x")]
LOOKED_AT = {
    "cognito-idp:ListUsersInGroup",
    "events:ListRules",
    "iam:GetRole",
    "s3:GetBucketCORS",
    "s3:GetBucketLocation",
    "sagemaker:DescribeFlowDefinition",
    "sagemaker:DescribeHumanTaskUi",
    "sagemaker:DescribeWorkteam",
}
"""What a plan reads to see whether human loops can be answered: that belongs to no stage, and has any name."""
ACCOUNT_WIDE = {"cloudwatch:DescribeAlarms", "states:SendTaskFailure", "states:SendTaskSuccess", *LOOKED_AT}
"""A shift looks at alarms with any name, and any workflow of the account can wait for a loop."""


def filled(value: Any) -> Any:
    text = json.dumps(value)
    for name, known in HERE.items():
        text = text.replace(f"${{{name}}}", known)
    return json.loads(text)


def ci_roles(stage: str, **given: str) -> dict[str, Any]:
    template = yaml.load(ROLES.read_text(), Template)
    known = {"Repository": "owner/name", "Stage": stage, "OutputBucket": "reviewed"}
    found = resolved_resources(template, known | HERE | given)
    roles = {name: one["Properties"] for name, one in found.items() if one["Type"] == "AWS::IAM::Role"}
    for role in roles.values():
        for arn in role.pop("ManagedPolicyArns", []):
            role["Policies"].append(found[arn.strip("${}")]["Properties"])
    return filled(roles)


def stage_resources(stage: str) -> dict[str, Any]:
    template = json.loads((ROOT / "definitions/template.json").read_text())
    given = {"Stage": stage, "OutputBuckets": "outputs", "DocumentBuckets": "documents", "Subnets": "subnet"}
    given |= {"SlackChannel": "T1,C1", "TeamsChannel": "tenant,team,channel"}
    return filled(resolved_resources(template, given))


def arns(stage: str) -> dict[str, str]:
    """The ARN of each resource of a stage that has one."""
    found = {}
    for logical_id, resource in stage_resources(stage).items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind in PARTS:
            continue
        names = (
            "FunctionName",
            "LogGroupName",
            "StateMachineName",
            "AlarmName",
            "ArchiveName",
            "ConfigurationName",
            "DashboardName",
            "Name",
        )
        name = next((properties[key] for key in names if key in properties), None)
        if kind.startswith("AWS::Glue::"):
            name = f"afterloop_{stage.replace('-', '_')}"
        elif kind == "AWS::Lambda::Version":
            name = f"afterloop-{stage}-{logical_id.removesuffix('Version')}"
        elif name is None:
            name = f"afterloop-{stage}-{logical_id}-1A2B3C4D5E6F"
        name = name.lower() if kind == "AWS::S3::Bucket" else name
        found[logical_id] = "arn:aws-us-gov:" + ARNS[kind].format(place=f"{REGION}:{ACCOUNT}", name=name)
    found["objects"] = found["ReviewBucket"] + "/reviews/a.json"
    found["execution"] = f"arn:aws-us-gov:states:{REGION}:{ACCOUNT}:execution:afterloop-{stage}:one"
    found["alias"] = found["StateMachine"] + ":live"
    found["stack"] = f"arn:aws-us-gov:cloudformation:{REGION}:{ACCOUNT}:stack/afterloop-{stage}/1"
    found["records"] = (
        f"arn:aws-us-gov:s3:::afterloop-artifacts-{ACCOUNT}-{REGION}/stages/{stage}/publishes/1.json"
    )
    found["plans"] = f"arn:aws-us-gov:s3:::afterloop-artifacts-{ACCOUNT}-{REGION}/plans/{stage}/1.json"
    return found


def statements(role: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            listed = {key: value if isinstance(value, list) else [value] for key, value in statement.items()}
            if listed["Resource"] != ["*"]:
                yield listed


def reached(role: dict[str, Any], resources: dict[str, str]) -> set[str]:
    """The resources that a pattern of the role matches, whatever the action."""
    return {
        name
        for name, arn in resources.items()
        for statement in statements(role)
        for pattern in statement["Resource"]
        if iam_evaluator.fnmatch_iam_cs(arn, pattern) and not ACCOUNT_WIDE.issuperset(statement["Action"])
    }


def permits(role: dict[str, Any], action: str, arn: str) -> bool:
    policies = [iam_evaluator.parse_policy_document(policy["PolicyDocument"]) for policy in role["Policies"]]
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws-us-gov:sts::{ACCOUNT}:assumed-role/ci/one",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=arn,
        region=REGION,
    )
    return bool(iam_evaluator.evaluate(context, policies).decision == "Allow")


@pytest.mark.parametrize("stage", ["prod", "prod-eu", "a--1", "a-stage-of-20-letter"])
def test_publish_role_reaches_every_resource_of_its_stage(stage: str) -> None:
    role, resources = ci_roles(stage)["PublishRole"], arns(stage)
    refused = set()
    for name, arn in resources.items():
        service = arn.split(":")[2]
        action = {"policy": "iam:CreatePolicy", "role": "iam:PutRolePolicy"}.get(
            arn.split(":")[5].split("/")[0], f"{service}:UpdateAnything"
        )
        if not permits(role, action, arn):
            refused.add(name)
    assert refused == set()


def test_plan_role_writes_only_where_no_publish_reads() -> None:
    role = ci_roles("prod")["PlanRole"]
    bucket = f"arn:aws-us-gov:s3:::afterloop-artifacts-{ACCOUNT}-{REGION}"
    read = (
        *("bundles/1.zip", "functions/1.zip", "templates/1.json", "stages/prod/publishes/1.json"),
        lock_key("prod"),
    )
    writes = (
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:PutObjectAcl",
        "s3:PutObjectTagging",
    )
    assert not [
        (action, key) for action in writes for key in read if permits(role, action, f"{bucket}/{key}")
    ]
    assert not [
        action
        for action in ("s3:PutBucketPolicy", "s3:PutLifecycleConfiguration", "s3:PutBucketVersioning")
        if permits(role, action, bucket)
    ]
    for action in ("s3:PutObject", "s3:GetObjectVersion", "s3:DeleteObjectVersion"):
        assert permits(role, action, f"{bucket}/{plans_of('prod')}1.json")
        assert not permits(role, action, f"{bucket}/{plans_of('prod-eu')}1.json")
    stack = arns("prod")["stack"]
    for action in ("ExecuteChangeSet", "UpdateStack", "CreateStack", "SetStackPolicy", "DeleteStack"):
        assert not permits(role, f"cloudformation:{action}", stack)


def test_publish_role_locks_its_stage_and_plan_role_sees_the_lock() -> None:
    """A conditional write needs permission to read the object, too (user guide of S3, "Conditional writes")."""
    roles = ci_roles("prod")
    lock = f"arn:aws-us-gov:s3:::afterloop-artifacts-{ACCOUNT}-{REGION}/{lock_key('prod')}"
    assert permits(roles["PublishRole"], "s3:GetObject", lock)
    for action in ("s3:PutObject", "s3:DeleteObjectVersion"):
        assert permits(roles["PublishRole"], action, lock)
        assert not permits(roles["PublishRole"], action, lock.replace("prod", "prod-eu"))
    assert permits(roles["PlanRole"], "s3:GetObject", lock)


@pytest.mark.parametrize(("one", "other"), [*ALIKE, *((b, a) for a, b in ALIKE)])
def test_roles_for_github_reach_no_other_stage(one: str, other: str) -> None:
    for name, role in ci_roles(one).items():
        # Before a publish removes anything from the artifact bucket, it reads what other stages need.
        read = {"records"} if name == "PublishRole" else set()
        assert reached(role, arns(other)) == read, name
        for action in ("s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"):
            assert not permits(role, action, arns(other)["records"])


def test_roles_for_github_cannot_write_themselves() -> None:
    roles = {
        name: f"arn:aws-us-gov:iam::{ACCOUNT}:role/afterloop-ci-prod-{name}" for name in ("plan", "publish")
    }
    for stage in ("ci", "ci-prod", "prod"):
        for role in ci_roles(stage).values():
            assert reached(role, roles) == set()


@pytest.mark.parametrize(("one", "other"), [*ALIKE, *((b, a) for a, b in ALIKE)])
def test_roles_of_a_stage_reach_no_other_stage(one: str, other: str) -> None:
    own, others = arns(one), arns(other)
    roles = {
        name: resource
        for name, resource in stage_resources(one).items()
        if "Policies" in resource["Properties"]
    }
    text = json.dumps(roles)
    for logical_id, arn in own.items():
        text = text.replace(f"${{{logical_id}.Arn}}", arn).replace(f"${{{logical_id}}}", arn)
    roles = json.loads(text)
    assert "${" not in json.dumps([list(statements(role["Properties"])) for role in roles.values()])
    assert roles
    for name, role in roles.items():
        assert reached(role["Properties"], others) == set(), name


def test_publish_role_attaches_only_the_policy_of_the_stage() -> None:
    """Otherwise, it could give the roles of the stage any permission of a managed policy."""
    attaching = [
        statement
        for statement in statements(ci_roles("prod")["PublishRole"])
        if "iam:AttachRolePolicy" in statement["Action"]
    ]
    own = f"arn:aws-us-gov:iam::{ACCOUNT}:policy/afterloop-prod-VpcPolicy-*"
    assert [statement["Condition"] for statement in attaching] == [[{"ArnLike": {"iam:PolicyARN": own}}]]


def test_both_roles_pass_only_the_service_role_of_the_settings() -> None:
    passed = f"arn:aws-us-gov:iam::{ACCOUNT}:role/deploy"
    for name, role in ci_roles("prod", ServiceRole=passed).items():
        passing = [one for one in statements(role) if one["Resource"] == [passed]]
        assert [one["Action"] for one in passing] == [["iam:PassRole"]], name
    for role in ci_roles("prod").values():
        assert not permits(role, "iam:PassRole", passed)


def test_publish_role_archives_events_of_the_bus_and_sends_none() -> None:
    role = ci_roles("prod")["PublishRole"]
    bus = f"arn:aws-us-gov:events:{REGION}:{ACCOUNT}:event-bus/default"
    assert permits(role, "events:CreateArchive", bus)
    assert not permits(role, "events:PutEvents", bus)
    assert not permits(role, "events:PutPermission", bus)


def test_policies_of_the_roles_fit_into_the_quotas() -> None:
    for role in ci_roles("a-stage-of-20-letter", ServiceRole="r" * 64).values():
        inline = 0
        for policy in role["Policies"]:
            size = len(json.dumps(policy["PolicyDocument"], separators=(",", ":")))
            inline += size if "PolicyName" in policy else 0
            assert "PolicyName" in policy or size <= MAX_MANAGED
        assert inline <= MAX_INLINE


def test_roles_for_github_subscribe_addresses_and_test_the_stage() -> None:
    roles, topic = ci_roles("prod"), f"arn:aws-us-gov:sns:{REGION}:{ACCOUNT}:afterloop-prod-EscalationTopic-1"
    for name, role in roles.items():
        assert permits(role, "sns:ListSubscriptionsByTopic", topic)
        # IAM knows no resource of these: a pattern for topics would not match.
        for action in ("GetSubscriptionAttributes", "SetSubscriptionAttributes", "Unsubscribe"):
            expected = name == "PublishRole" or action.startswith("Get")
            assert permits(role, f"sns:{action}", "*") == expected
    queue = f"arn:aws-us-gov:sqs:{REGION}:{ACCOUNT}:afterloop-smoke-"
    assert permits(roles["PublishRole"], "sqs:DeleteQueue", f"{queue}1a2b3c4d")
    assert not permits(roles["PublishRole"], "sqs:DeleteQueue", f"{queue}UndeliveredEvents-1A2B3C4D5E6F")
    sample = "arn:aws-us-gov:s3:::reviewed/afterloop-smoke/smoke-1a2b3c4d-completed/output.json"
    assert permits(roles["PublishRole"], "s3:DeleteObjectVersion", sample)
    assert not permits(roles["PublishRole"], "s3:PutObject", "arn:aws-us-gov:s3:::reviewed/output.json")
