"""Risks: what a person has to accept by name before a publish."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from workflow import ROOT
from workflow.publish.plan import compare
from workflow.publish.risks import new_risks
from workflow.stack.assembly import assemble

ACCOUNT = "arn:${AWS::Partition}:iam::${AWS::AccountId}"
OTHER = "arn:aws:iam::999999999999:root"
TABLES = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table"
LAMBDA = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
Resources = dict[str, dict[str, Any]]


def function(*statements: dict[str, Any], trust: Any = LAMBDA, **role: Any) -> Resources:
    """A function with its role."""
    return {
        "NotifyRole": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {"Statement": trust},
                "Policies": [{"PolicyName": "p", "PolicyDocument": {"Statement": list(statements)}}],
                **role,
            },
        },
        "Notify": {"Type": "AWS::Lambda::Function", "Properties": {"Role": "${NotifyRole.Arn}"}},
    }


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def trust(principal: Any, **more: Any) -> Resources:
    return function(trust={**LAMBDA, "Principal": principal, **more})


def resource(kind: str, **properties: Any) -> Resources:
    return {"New": {"Type": kind, "Properties": properties}}


def names(new: Resources, old: Resources | None = None) -> list[str]:
    return [risk.name for risk in new_risks(old or {}, new)]


WIDE = [
    # A wildcard in the action.
    (allow("iam:*"), "Notify: iam:*"),
    (allow(["*"], f"{TABLES}/orders"), f"Notify: * on {TABLES}/orders"),
    (allow("s3:Get*", "arn:aws:s3:::mine/*"), "Notify: s3:Get* on arn:aws:s3:::mine/*"),
    (allow("lambda:Invoke?unction", "${Notify.Arn}"), "Notify: lambda:Invoke?unction on ${Notify.Arn}"),
    (
        {"Effect": "Allow", "NotAction": ["iam:*", "a:b"], "Resource": "x"},
        "Notify: all except a:b, iam:* on x",
    ),
    # All resources.
    (allow("s3:GetObject"), "Notify: s3:GetObject"),
    (allow("s3:GetObject", "arn:aws:s3:::*"), "Notify: s3:GetObject on arn:aws:s3:::*"),
    (allow("s3:GetObject", "arn:aws:s3:::*/reviews/a"), "Notify: s3:GetObject on arn:aws:s3:::*/reviews/a"),
    (allow("dynamodb:GetItem", f"{TABLES}/*"), f"Notify: dynamodb:GetItem on {TABLES}/*"),
    (allow("dynamodb:GetItem", f"{TABLES}/?*"), f"Notify: dynamodb:GetItem on {TABLES}/?*"),
    (
        allow("sqs:SendMessage", "arn:aws:sqs:us-east-1:1:*"),
        "Notify: sqs:SendMessage on arn:aws:sqs:us-east-1:1:*",
    ),
    (allow("ssm:GetParameter", "arn:aws:*:*:*:*"), "Notify: ssm:GetParameter on arn:aws:*:*:*:*"),
    (
        allow("apigateway:GET", "arn:aws:apigateway:r::/restapis/*"),
        "Notify: apigateway:GET on arn:aws:apigateway:r::/restapis/*",
    ),
    (
        {"Effect": "Allow", "Action": "sns:Publish", "NotResource": ["b", "a"]},
        "Notify: sns:Publish on all except a, b",
    ),
    (allow("sns:Publish", {"Fn::ImportValue": "x"}), 'Notify: sns:Publish on {"Fn::ImportValue": "x"}'),
    (allow("sqs:SendMessage", "arn:aws:sqs:*"), "Notify: sqs:SendMessage on arn:aws:sqs:*"),
    # An action that escalates, on one resource.
    (allow("iam:PassRole", f"{ACCOUNT}:role/training"), f"Notify: iam:PassRole on {ACCOUNT}:role/training"),
    (allow("iam:putrolepolicy", f"{ACCOUNT}:role/a"), f"Notify: iam:putrolepolicy on {ACCOUNT}:role/a"),
    (allow("sts:AssumeRole", OTHER), f"Notify: sts:AssumeRole on {OTHER}"),
    (
        allow("lambda:UpdateFunctionCode", "${Notify.Arn}"),
        "Notify: lambda:UpdateFunctionCode on ${Notify.Arn}",
    ),
    (allow("lambda:AddPermission", "${Notify.Arn}"), "Notify: lambda:AddPermission on ${Notify.Arn}"),
    (allow("s3:PutBucketPolicy", "arn:aws:s3:::mine"), "Notify: s3:PutBucketPolicy on arn:aws:s3:::mine"),
    (allow("kms:CreateGrant", "arn:aws:kms:r:1:key/2"), "Notify: kms:CreateGrant on arn:aws:kms:r:1:key/2"),
    (allow("lakeformation:GrantPermissions", "x"), "Notify: lakeformation:GrantPermissions on x"),
    (allow("logs:PutResourcePolicy"), "Notify: logs:PutResourcePolicy"),
]


@pytest.mark.parametrize(("statement", "name"), WIDE, ids=[name for _, name in WIDE])
def test_wide_permission_is_a_risk(statement: dict[str, Any], name: str) -> None:
    assert names(function(statement)) == [name]
    assert names(function(statement), function(statement)) == []


@pytest.mark.parametrize(
    "statement",
    [
        allow("s3:GetObject", "arn:aws:s3:::mine/*"),
        allow("s3:GetObject", "${ReviewBucket.Arn}/reviews/*"),
        allow("dynamodb:GetItem", f"{TABLES}/orders-*"),
        allow("logs:PutLogEvents", "arn:aws:logs:r:1:log-group:/aws/lambda/a:*"),
        allow("states:StartExecution", ["${StateMachine}", "${StateMachine}:*"]),
        allow(["textract:AnalyzeDocument", "rekognition:DetectLabels", "comprehend:DetectSentiment"]),
        allow("sts:GetCallerIdentity"),
        allow("iam:GetRole", f"{ACCOUNT}:role/a"),
        {"Effect": "Deny", "Action": "*", "Resource": "*"},
    ],
    ids=str,
)
def test_narrow_permission_is_no_risk(statement: dict[str, Any]) -> None:
    assert names(function(statement)) == []


def test_permission_within_an_accepted_one_is_not_new() -> None:
    before = function(allow("s3:*"))
    assert (
        names(function(allow(["s3:*", "s3:PutBucketPolicy"]), allow("s3:Get*", "arn:aws:s3:::a")), before)
        == []
    )
    assert names(function(allow("s3:*"), allow("sqs:*")), before) == ["Notify: sqs:*"]


def test_wide_permission_without_its_condition_is_new() -> None:
    limited = allow("s3:*", Condition={"StringEquals": {"aws:RequestedRegion": "us-east-1"}})
    assert names(function(limited)) == ["Notify: s3:*"]
    assert names(function(allow("s3:*")), function(limited)) == ["Notify: s3:*"]


def test_leaving_out_less_is_new() -> None:
    """`iam:*` as NotAction leaves out more than `iam:PassRole` does."""

    def without(*actions: str) -> Resources:
        return function({"Effect": "Allow", "NotAction": list(actions), "Resource": "*"})

    assert names(without("iam:PassRole"), without("iam:*")) == ["Notify: all except iam:PassRole"]
    assert names(without("iam:*"), without("iam:*", "s3:*")) == ["Notify: all except iam:*"]


@pytest.mark.parametrize(
    ("new", "name"),
    [
        (trust({"AWS": OTHER}), f"Notify: sts:AssumeRole by AWS {OTHER}"),
        (trust({"AWS": ["999999999999"]}), "Notify: sts:AssumeRole by AWS 999999999999"),
        (trust("*"), "Notify: sts:AssumeRole by *"),
        (
            trust({"AWS": "*"}, Condition={"StringEquals": {"sts:ExternalId": "x"}}),
            "Notify: sts:AssumeRole by *",
        ),
        (trust({"Federated": "a.example"}), "Notify: sts:AssumeRole by Federated a.example"),
        (
            trust({"AWS": "arn:aws:iam::999999999999:role/${AWS::AccountId}"}),
            "Notify: sts:AssumeRole by AWS arn:aws:iam::999999999999:role/${AWS::AccountId}",
        ),
        (function(ManagedPolicyArns=["arn:a"]), "Notify: all actions of the policy on arn:a"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_trust_for_others_is_a_risk(new: Resources, name: str) -> None:
    assert names(new) == [name]
    assert names(new, function()) == [name]


@pytest.mark.parametrize("principal", [f"{ACCOUNT}:root", "${AWS::AccountId}", "${OtherRole.Arn}"])
def test_trust_for_this_account_is_no_risk(principal: str) -> None:
    assert names(trust({"AWS": principal})) == []


def statement(principal: Any, **more: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "sns:Publish",
        "Resource": "${Topic}",
        **more,
    }


SNS = {"Service": "events.amazonaws.com"}


@pytest.mark.parametrize(
    ("new", "name"),
    [
        (
            resource("AWS::SNS::TopicPolicy", PolicyDocument={"Statement": [statement("*")]}),
            "New: sns:Publish by *",
        ),
        (
            resource("AWS::S3::BucketPolicy", PolicyDocument={"Statement": statement({"AWS": OTHER})}),
            f"New: sns:Publish by AWS {OTHER}",
        ),
        (
            resource("AWS::SQS::QueuePolicy", PolicyDocument={"Statement": [statement(SNS)]}),
            "New: sns:Publish by Service events.amazonaws.com",
        ),
        (
            resource(
                "AWS::SQS::QueuePolicy",
                PolicyDocument={
                    "Statement": [statement(SNS, Condition={"StringNotEquals": {"aws:SourceAccount": "1"}})]
                },
            ),
            "New: sns:Publish by Service events.amazonaws.com",
        ),
        (
            resource(
                "AWS::SQS::QueuePolicy",
                PolicyDocument={"Statement": [statement(SNS, Condition={"ArnLike": {"aws:SourceArn": "*"}})]},
            ),
            "New: sns:Publish by Service events.amazonaws.com",
        ),
        # Other services have other keys for a policy, and some take text.
        (
            resource("AWS::Logs::ResourcePolicy", PolicyDocument=json.dumps({"Statement": [statement("*")]})),
            "New: sns:Publish by *",
        ),
        (resource("AWS::KMS::Key", KeyPolicy={"Statement": [statement("*")]}), "New: sns:Publish by *"),
        (
            resource(
                "AWS::Lambda::Permission", Action="lambda:InvokeFunction", FunctionName="${N}", Principal="*"
            ),
            "New: lambda:InvokeFunction by *",
        ),
        (
            resource("AWS::Lambda::Permission", Action="lambda:InvokeFunction", Principal="s3.amazonaws.com"),
            "New: lambda:InvokeFunction by Service s3.amazonaws.com",
        ),
        (
            resource("AWS::Lambda::Permission", Action="lambda:InvokeFunction", Principal="999999999999"),
            "New: lambda:InvokeFunction by AWS 999999999999",
        ),
        (resource("AWS::Lambda::Url", AuthType="NONE"), "New: AuthType NONE"),
        (resource("AWS::S3::Bucket", AccessControl="PublicRead"), "New: AccessControl PublicRead"),
        (
            resource("AWS::S3::Bucket", PublicAccessBlockConfiguration={"BlockPublicPolicy": False}),
            "New: BlockPublicPolicy false",
        ),
        (resource("AWS::EC2::SecurityGroup", Ingress=[{"CidrIp": "0.0.0.0/0"}]), "New: CidrIp 0.0.0.0/0"),
        (resource("AWS::IAM::User"), "New: AWS::IAM::User"),
        (resource("AWS::CloudFormation::Stack", TemplateURL="https://x"), "New: AWS::CloudFormation::Stack"),
        (resource("Custom::Thing"), "New: Custom::Thing"),
        (
            resource("AWS::Lambda::Function", Role="arn:aws:iam::1:role/Admin"),
            "New: Role arn:aws:iam::1:role/Admin",
        ),
        (
            resource("AWS::Lambda::Function", Role={"Fn::ImportValue": "r"}),
            'New: Role {"Fn::ImportValue": "r"}',
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_open_resource_is_a_risk(new: Resources, name: str) -> None:
    assert names(new) == [name]
    assert names(new, copy.deepcopy(new)) == []


@pytest.mark.parametrize(
    "new",
    [
        resource(
            "AWS::SQS::QueuePolicy",
            PolicyDocument={
                "Statement": [
                    statement(SNS, Condition={"ArnEquals": {"aws:SourceArn": ["arn:aws:events:r:1:rule/a"]}}),
                    {**statement("*"), "Effect": "Deny"},
                ]
            },
        ),
        resource(
            "AWS::Lambda::Permission",
            Action="lambda:InvokeFunction",
            Principal="a.amazonaws.com",
            SourceArn="b",
        ),
        resource("AWS::Lambda::Url", AuthType="AWS_IAM"),
        resource("AWS::S3::Bucket", PublicAccessBlockConfiguration={"BlockPublicPolicy": True}),
        resource("AWS::DynamoDB::Table"),
    ],
    ids=lambda value: value["New"]["Type"],
)
def test_closed_resource_is_no_risk(new: Resources) -> None:
    assert names(new) == []


def test_lost_permissions_boundary_is_a_risk() -> None:
    assert names(function(), function(PermissionsBoundary="arn:b")) == [
        "NotifyRole: no PermissionsBoundary arn:b"
    ]


def test_shared_role_has_its_own_name() -> None:
    new = function(allow("iam:*"))
    assert names({**new, "Other": new["Notify"]}) == ["NotifyRole: iam:*"]


def test_one_name_has_all_its_reasons() -> None:
    (risk,) = new_risks({}, function(allow("iam:*")))
    assert risk.reason == "allows every action that matches; on all resources"


def test_template_of_afterloop_has_no_risks() -> None:
    """A first publish of it needs no acceptance."""
    template = json.loads((ROOT / "definitions/template.json").read_text())
    parameters = {"Stage": "prod", "OutputBuckets": "outputs", "DocumentBuckets": "documents"}
    plan = compare("afterloop-prod", before=None, after=(template, parameters))
    assert plan.risks == []
    role = template["Resources"]["CollectReviewRole"]["Properties"]
    role["Policies"][0]["PolicyDocument"]["Statement"].append(allow("logs:PutResourcePolicy"))
    plan = compare("afterloop-prod", before=None, after=(template, parameters))
    assert [risk.name for risk in plan.risks] == ["CollectReview: logs:PutResourcePolicy"]


def test_permissions_that_a_user_declares_are_risks_of_their_function(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "lambdas").mkdir(parents=True)
    for file in (ROOT / "lambdas").glob("*.py"):
        (root / "lambdas" / file.name).write_bytes(file.read_bytes())
    (root / "lambdas/notify.py").write_text(
        'FUNCTION = {"permissions": [{"actions": ["iam:*"], "resources": ["*"]},'
        ' {"actions": ["sqs:SendMessage"], "resources": ["arn:aws:sqs:us-east-1:111122223333:orders"]}]}\n'
        "def handler(event, context): ...\n"
    )
    steps = tmp_path / "post_review.py"
    steps.write_text(
        "from workflow.steps import *\nfailed, stopped = [], []\n"
        'completed = [LambdaStep("Notify", parameters={"FunctionName": "notify"}),\n'
        '    AwsSdkTask("Look", service="s3", action="getObject",'
        ' parameters={"Bucket.$": "$.Payload.bucket", "Key": "a"})]\n'
        'permissions = {"Look": [{"actions": ["s3:GetObject"], "resources": ["*"]}]}\n'
    )
    template = assemble(steps, root=root).template.to_dict()
    plan = compare("s", before=None, after=(template, {"Stage": "prod", "OutputBuckets": "a"}))
    assert [risk.name for risk in plan.risks] == ["Notify: iam:*", "StateMachine: s3:GetObject"]
