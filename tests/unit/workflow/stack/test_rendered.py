"""The rendered files: committed, and valid according to independent tools."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from statelint.linter import Linter

from workflow.stack.assembly import Assembly, assemble
from workflow.stack.rendered import DEFINITIONS, differing, render_files, write_files


@pytest.fixture(scope="module")
def assembly() -> Assembly:
    return assemble()


@pytest.fixture(scope="module")
def resources(assembly: Assembly) -> dict[str, Any]:
    return dict(assembly.template.to_dict()["Resources"])


def test_committed_definitions_are_up_to_date(assembly: Assembly) -> None:
    changed = differing(render_files(assembly))
    assert not changed, f"python deploy.py render would change {changed}"


def test_rendering_twice_gives_the_same_bytes(assembly: Assembly) -> None:
    assert render_files(assemble()) == render_files(assembly)


def test_statelint_finds_nothing_in_the_definition(assembly: Assembly) -> None:
    assert Linter.validate(assembly.definition) == []


def test_cfn_lint_finds_nothing_in_the_template(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("cfn-lint")
    # cfn-lint knows the definition's ARNs in the partition aws only.
    template = tmp_path / "template.json"
    template.write_text((DEFINITIONS / "template.json").read_text().replace("${Partition}", "aws"))
    found = subprocess.run([command, template], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout + found.stderr) == (0, "")


def test_write_files_writes_only_what_differs(tmp_path: Path) -> None:
    files = {"one.json": "{}\n", "two.json": "[]\n"}
    folder = tmp_path / "definitions"
    assert write_files(files, folder) == ["one.json", "two.json"]
    (folder / "two.json").write_text("[1]\n")
    assert differing(files, folder) == ["two.json"]
    assert write_files(files, folder) == ["two.json"]
    assert differing(files, folder) == []


def test_every_task_retries_catches_and_has_a_timeout(assembly: Assembly) -> None:
    tasks = {name: state for name, state in assembly.definition["States"].items() if state["Type"] == "Task"}
    assert len(tasks) > 10
    for name, task in tasks.items():
        assert task["Retry"], name
        assert all(
            retry["JitterStrategy"] == "FULL" and retry["MaxDelaySeconds"] for retry in task["Retry"]
        ), name
        assert any(catch["ErrorEquals"] == ["States.ALL"] for catch in task["Catch"]), name
        assert task["TimeoutSeconds"] <= 600, name


def test_every_function_has_own_role_timeout_and_log_retention(resources: dict[str, Any]) -> None:
    functions = _of_type(resources, "AWS::Lambda::Function")
    assert len(functions) >= 5
    roles = [properties["Role"]["Fn::GetAtt"][0] for properties in functions.values()]
    assert len(set(roles)) == len(roles)
    for name, properties in functions.items():
        assert properties["Timeout"] > 3, name
        assert properties["MemorySize"] >= 128, name
    for name, properties in _of_type(resources, "AWS::Logs::LogGroup").items():
        assert properties["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name


# Actions for which IAM has no resource.
WITHOUT_RESOURCE = re.compile(
    r"logs:(\w*LogDelivery\w*|ListLogDeliveries|DescribeLogGroups|\w+ResourcePolic\w+)"
    r"|cloudwatch:(GetMetric\w+|ListMetrics)|xray:\w+|sagemaker:List\w+|textract:AnalyzeDocument|rekognition:DetectModerationLabels"
)


def test_roles_have_no_wildcard_actions_or_needless_wildcard_resources(resources: dict[str, Any]) -> None:
    for role, statement in _statements(resources):
        for action in statement["Action"]:
            assert "*" not in action, (role, action)
            if statement["Resource"] == "*" or "*" in statement["Resource"]:
                assert WITHOUT_RESOURCE.fullmatch(action), (role, action)


def test_services_assume_roles_only_for_this_account(resources: dict[str, Any]) -> None:
    for name in ("StateMachineRole", "RuleRole"):
        (statement,) = resources[name]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        assert any("aws:SourceArn" in condition for condition in statement["Condition"].values())


def test_data_is_encrypted_and_kept_when_the_stack_is_deleted(resources: dict[str, Any]) -> None:
    table, bucket, policy = (
        resources[name] for name in ("LedgerTable", "ReviewBucket", "ReviewBucketPolicy")
    )
    for resource in (table, bucket, policy):
        assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True}
    assert bucket["Properties"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert set(bucket["Properties"]["PublicAccessBlockConfiguration"].values()) == {True}
    (denied,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert denied["Effect"] == "Deny"
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_undelivered_events_are_kept(resources: dict[str, Any]) -> None:
    rule = resources["Rule"]["Properties"]
    assert rule["EventPattern"]["source"] == ["aws.sagemaker"]
    assert rule["EventPattern"]["detail-type"] == ["SageMaker A2I HumanLoop Status Change"]
    (target,) = rule["Targets"]
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["UndeliveredEvents", "Arn"]}}
    assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 86_400
    assert resources["UndeliveredEvents"]["Properties"]["MessageRetentionPeriod"] == 14 * 24 * 3600


def test_logs_of_the_state_machine_leave_out_the_data(resources: dict[str, Any]) -> None:
    logging = resources["StateMachine"]["Properties"]["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ALL", False)


def _of_type(resources: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: one["Properties"] for name, one in resources.items() if one["Type"] == kind}


def _statements(resources: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, properties in _of_type(resources, "AWS::IAM::Role").items():
        for policy in properties["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                inner = statement["Fn::If"][1] if "Fn::If" in statement else statement
                yield name, inner
