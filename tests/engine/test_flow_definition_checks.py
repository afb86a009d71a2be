"""What a plan finds wrong with the flow definitions that a stage hears. The commands that it prints fix it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lambdas.reviews.event import SOURCE
from lambdas.reviews.output import REKOGNITION, TEXTRACT
from sandbox.engine import Sandbox
from sandbox.faults import Error
from tests import aws_cli
from workflow.publish.account import Account
from workflow.publish.flow_definitions import flow_definition_warnings
from workflow.stack.stages import Stage

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
OTHERS = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "ec2.amazonaws.com"},
        "Action": "sts:AssumeRole",
    },
}


@dataclass
class Reviews:
    """Flow definitions, and what their human loops need: all of it is fine until a test changes it."""

    sandbox: Sandbox
    folder: Path

    def __post_init__(self) -> None:
        self.client = self.sandbox.client
        account, self.region = self.sandbox.account_id, self.sandbox.region
        self.account = Account(self.sandbox.session)
        self.base = f"arn:aws:sagemaker:{self.region}:{account}"
        for bucket in ("checked-output", "checked-images"):
            self.client("s3").create_bucket(Bucket=bucket)
        self.allow_browsers()
        self.client("iam").create_role(
            RoleName="checked", Path="/a2i/", AssumeRolePolicyDocument=json.dumps(TRUST)
        )
        self.pool = self.client("cognito-idp").create_user_pool(PoolName="checked")["UserPool"]["Id"]
        self.client("cognito-idp").create_group(UserPoolId=self.pool, GroupName="checked")
        self.client("cognito-idp").admin_create_user(UserPoolId=self.pool, Username="anna")
        self.add_worker()
        self.create_team()
        template = {"Content": "<crowd-form></crowd-form>"}
        self.client("sagemaker").create_human_task_ui(HumanTaskUiName="checked", UiTemplate=template)
        self.team = f"{self.base}:workteam/private-crowd/checked"
        self.role = f"arn:aws:iam::{account}:role/a2i/checked"
        for name, source in (
            ("checked-forms", TEXTRACT),
            ("checked-images", REKOGNITION),
            ("checked-texts", None),
        ):
            self.create(name, source)

    def create(self, name: str, source: str | None = None, **config: Any) -> None:
        of_service = {"AwsManagedHumanLoopRequestSource": source}
        self.client("sagemaker").create_flow_definition(
            FlowDefinitionName=name,
            RoleArn=self.role,
            OutputConfig={"S3OutputPath": config.pop("output", "s3://checked-output/a")},
            HumanLoopConfig={
                "WorkteamArn": self.team,
                "HumanTaskUiArn": f"{self.base}:human-task-ui/checked",
                "TaskTitle": "Check",
                "TaskDescription": "Check it",
                "TaskCount": 2,
                "TaskTimeLimitInSeconds": 60,
                **config,
            },
            **({"HumanLoopRequestSource": of_service} if source else {}),
        )

    def create_again(self, name: str, **config: Any) -> None:
        self.client("sagemaker").delete_flow_definition(FlowDefinitionName=name)
        self.create(name, **config)

    def create_team(self) -> None:
        member = {"UserPool": self.pool, "UserGroup": "checked", "ClientId": "client"}
        self.client("sagemaker").create_workteam(
            WorkteamName="checked", Description="d", MemberDefinitions=[{"CognitoMemberDefinition": member}]
        )

    def add_worker(self) -> None:
        self.client("cognito-idp").admin_add_user_to_group(
            UserPoolId=self.pool, GroupName="checked", Username="anna"
        )

    def empty_team(self) -> None:
        self.client("sagemaker").delete_workteam(
            WorkteamName="checked"
        )  # Perhaps one without a group of Cognito.
        self.create_team()
        self.client("cognito-idp").admin_remove_user_from_group(
            UserPoolId=self.pool, GroupName="checked", Username="anna"
        )

    def delete_role(self) -> None:
        iam = self.client("iam")
        for policy in iam.list_role_policies(RoleName="checked")["PolicyNames"]:
            iam.delete_role_policy(RoleName="checked", PolicyName=policy)
        iam.delete_role(RoleName="checked")

    def trust_others(self) -> None:
        self.client("iam").update_assume_role_policy(RoleName="checked", PolicyDocument=json.dumps(OTHERS))

    def allow_browsers(self) -> None:
        rule = {"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}
        self.put_cors(rule)

    def put_cors(self, rule: dict[str, Any]) -> None:
        self.client("s3").put_bucket_cors(Bucket="checked-images", CORSConfiguration={"CORSRules": [rule]})

    def warnings(self, **settings: Any) -> list[str]:
        """The warnings of a stage that hears these flow definitions.

        Without those about the stages that other modules have published to the engine.
        """
        found = flow_definition_warnings(self.stage(**settings), self.account)
        return [one for one in found if " also hears " not in one or "the stage twin " in one]

    def stage(self, **settings: Any) -> Stage:
        given = {
            "name": "checked",
            "region": self.region,
            "output_buckets": ("checked-output",),
            "document_buckets": ("checked-images",),
            "flow_definitions": ("checked-forms", "checked-images", "checked-texts"),
        }
        return Stage.model_validate({**given, **settings})

    def fix(self, warning: str) -> None:
        """Does what a warning says. People fill in what cannot be known."""
        command = warning[warning.index(": aws ") + 2 :].replace("USERNAME", "anna")
        aws_cli.run(command, self.client, self.folder)


@pytest.fixture(scope="module")
def reviews(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Reviews:
    return Reviews(sandbox, tmp_path_factory.mktemp("commands"))


ALL = "flow definitions 'checked-forms', 'checked-images', 'checked-texts'"
FAULTS: dict[str, tuple[Callable[[Reviews], Any], str]] = {
    "failed": (
        lambda of: of.sandbox.flow_definitions.fail("checked-forms", "The role\ncannot be assumed."),
        "flow definition 'checked-forms': its status is Failed (The role cannot be assumed), so each start",
    ),
    "team deleted": (
        lambda of: of.client("sagemaker").delete_workteam(WorkteamName="checked"),
        f"{ALL}: the work team checked does not exist, so nobody can answer a human loop",
    ),
    "team empty": (
        Reviews.empty_team,
        f"{ALL}: nobody is in the work team checked, so each human loop waits until it expires",
    ),
    "team public": (
        lambda of: of.create_again(
            "checked-texts",
            WorkteamArn=f"arn:aws:sagemaker:{of.region}:394669845002:workteam/public-crowd/default",
        ),
        "flow definition 'checked-texts': its work team is the public one of Amazon Mechanical Turk, which closed",
    ),
    "template deleted": (
        lambda of: of.client("sagemaker").delete_human_task_ui(HumanTaskUiName="checked"),
        f"{ALL}: the worker task template checked does not exist, so workers have no page",
    ),
    "role deleted": (Reviews.delete_role, f"{ALL}: the role checked does not exist, so A2I can neither"),
    "role of others": (
        Reviews.trust_others,
        f"{ALL}: the role checked does not trust sagemaker.amazonaws.com",
    ),
    "bucket deleted": (
        lambda of: of.client("s3").delete_bucket(Bucket="checked-output"),
        f"{ALL}: the output bucket checked-output does not exist, so A2I cannot store the answers",
    ),
    "no CORS": (
        lambda of: of.client("s3").delete_bucket_cors(Bucket="checked-images"),
        "document_buckets: the bucket checked-images has no CORS rule that lets browsers GET its images",
    ),
    "CORS for uploads": (
        lambda of: of.put_cors({"AllowedMethods": ["PUT"], "AllowedOrigins": ["*"]}),
        "document_buckets: the bucket checked-images has no CORS rule that lets browsers GET its images",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_reported_with_the_command_that_fixes_it(reviews: Reviews, fault: str) -> None:
    produce, expected = FAULTS[fault]
    produce(reviews)

    [warning] = reviews.warnings()
    assert warning.startswith(f"stage checked: {expected}")
    assert "\n" not in warning

    reviews.fix(warning)
    assert reviews.warnings() == []


def test_commands_keep_what_was_there(reviews: Reviews) -> None:
    s3, iam = reviews.client("s3"), reviews.client("iam")
    before = {
        name: reviews.client("sagemaker").describe_flow_definition(FlowDefinitionName=name)
        for name in ("checked-forms", "checked-texts")
    }
    reviews.put_cors({"AllowedMethods": ["PUT"], "AllowedOrigins": ["https://a.example"], "MaxAgeSeconds": 5})
    reviews.trust_others()
    reviews.sandbox.flow_definitions.fail("checked-forms", "unknown")
    for warning in reviews.warnings():
        reviews.fix(warning)

    rules = s3.get_bucket_cors(Bucket="checked-images")["CORSRules"]
    assert [rule["AllowedMethods"] for rule in rules] == [["PUT"], ["GET"]]
    trust = iam.get_role(RoleName="checked")["Role"]["AssumeRolePolicyDocument"]
    assert [each["Principal"]["Service"].partition(".")[0] for each in trust["Statement"]] == [
        "ec2",
        "sagemaker",
    ]
    for name, was in before.items():
        now = reviews.client("sagemaker").describe_flow_definition(FlowDefinitionName=name)
        for key in ("HumanLoopConfig", "OutputConfig", "RoleArn"):
            assert now[key] == was[key]
        assert now.get("HumanLoopRequestSource") == was.get("HumanLoopRequestSource")


def test_output_bucket_of_another_region_is_replaced(reviews: Reviews) -> None:
    there = {"LocationConstraint": "eu-west-1"}
    reviews.client("s3").create_bucket(Bucket="checked-far", CreateBucketConfiguration=there)
    reviews.create("checked-far", output="s3://checked-far/of/forms")
    settings = {"flow_definitions": ("checked-far",), "output_buckets": ("checked-far",)}
    [warning] = reviews.warnings(**settings)
    assert "'checked-far': the output bucket checked-far is in eu-west-1, and A2I writes only to" in warning

    reviews.fix(warning)
    [warning] = reviews.warnings(**settings)
    assert (
        "the output bucket checked-far-us-east-1 is not in output_buckets, so Afterloop cannot read"
        in warning
    )
    described = reviews.client("sagemaker").describe_flow_definition(FlowDefinitionName="checked-far")
    assert described["OutputConfig"] == {"S3OutputPath": "s3://checked-far-us-east-1/of/forms"}


def test_settings_that_do_not_fit_a_task_type_are_reported(reviews: Reviews) -> None:
    found = reviews.warnings(
        predictions={"checked-forms": "answer", "checked-texts": "answer"},
        flow_definition_settings={
            name: {"fields": {"a": {"same": "text"}}} for name in ("checked-forms", "checked-images")
        },
        restart={"expired_to": "checked-texts"},
    )
    assert [re.sub(", so .*", "", warning) for warning in found] == [
        "stage checked: predictions: flow definition 'checked-forms' is for Textract, whose predictions Afterloop "
        "knows",
        "stage checked: flow_definition_settings.checked-images.fields: flow definition 'checked-images' is for "
        "Rekognition, whose reviews are sets of labels",
        "stage checked: restart.expired_to: 'checked-texts' is for custom tasks, and flow definitions "
        "'checked-forms', 'checked-images' for other tasks",
    ]


@pytest.mark.parametrize(
    ("heard", "both"),
    [
        (None, ALL),
        (["checked-texts", "elsewhere"], "flow definition 'checked-texts'"),
        (["elsewhere"], None),
    ],
)
def test_stage_that_hears_the_same_loops_is_reported(
    reviews: Reviews, heard: list[str] | None, both: str | None
) -> None:
    detail = {
        "detail": {"flowDefinitionArn": [f"{reviews.base}:flow-definition/{name}" for name in heard or ()]}
    }
    pattern = {"source": [SOURCE], **(detail if heard else {})}
    events = reviews.client("events")
    events.put_rule(Name="afterloop-twin", EventPattern=json.dumps(pattern))
    try:
        found = reviews.warnings()
        events.disable_rule(Name="afterloop-twin")
        assert reviews.warnings() == []
    finally:
        events.delete_rule(Name="afterloop-twin")
    expected = f"stage checked: the stage twin in us-east-1 also hears {both}, so both run the workflow"
    assert [warning.startswith(expected) for warning in found] == ([True] if both else [])


def test_missing_permissions_are_one_sentence(reviews: Reviews, sandbox: Sandbox) -> None:
    denied = Error("AccessDenied", "not authorized")
    with (
        sandbox.faults.inject(denied, service="iam", operation="GetRole", caller="clients"),
        sandbox.faults.inject(denied, service="s3", operation="GetBucketCors", caller="clients"),
    ):
        assert reviews.warnings() == [
            "stage checked: Some checks of flow definitions were skipped: the credentials may not use "
            "iam:GetRole, s3:GetBucketCORS"
        ]
    with sandbox.faults.inject(denied, service="sagemaker", operation="ListFlowDefinitions"):
        assert reviews.warnings() == [
            "The flow definitions were not checked: the credentials may not use sagemaker:ListFlowDefinitions"
        ]
