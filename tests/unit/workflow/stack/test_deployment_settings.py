"""Tags, boundaries of roles, CloudFormation's role, networks: what settings are refused, and what they become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from workflow import ROOT
from workflow.errors import SettingsError
from workflow.publish.resolution import resolved_resources
from workflow.stack.stages import Stage, load_stage
from workflow.stack.template import MAX_FUNCTION_PARAMETERS

BOUNDARY = "arn:aws:iam::111122223333:policy/team/boundary"
ROLE = "arn:aws:iam::111122223333:role/cloudformation"
VPC = {"subnets": ["subnet-0123abcd", "subnet-0123abcd456789012"], "security_groups": ["sg-0123abcd"]}
LEAST: dict[str, Any] = {"region": "us-east-1", "output_buckets": ["reviewed"]}


def stage(**settings: Any) -> Stage:
    return Stage.model_validate_json(json.dumps({"name": "dev", **LEAST, **settings}), strict=True)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('tags = { "aws:team" = "ml" }', "tags: 'aws:team': keys that begin with aws: are reserved"),
        (
            'tags = { "Afterloop:stage" = "x" }',
            "tags: 'Afterloop:stage': keys that begin with afterloop: are",
        ),
        ('tags = { Team = "a", team = "b" }', "tags: 'Team' and 'team' differ only in capitals; IAM takes"),
        ('tags = { team = "" }', "tags.team: '' is invalid. Tags of the stack"),
        ('tags = { team = "a;b" }', "tags.team: 'a;b' is invalid. Tags of the stack"),
        (
            "tags = { " + ", ".join(f"k{n} = 'v'" for n in range(50)) + " }",
            "tags: Dictionary should have at most 49 items",
        ),
        (
            'permissions_boundary = "boundary"',
            "permissions_boundary: 'boundary' is invalid. The ARN of a policy",
        ),
        (
            'permissions_boundary = "arn:aws-cn:iam::111122223333:policy/p"',
            "permissions_boundary: arn:aws-cn:iam::111122223333:policy/p is in the partition aws-cn, and us-east-1 "
            "is in aws",
        ),
        (
            f'account = "999999999999"\nservice_role = "{ROLE}"',
            f"service_role: {ROLE} is in another account than the stage, 999999999999",
        ),
        (f'service_role = "{BOUNDARY}"', f"service_role: '{BOUNDARY}' is invalid. The ARN of a role that"),
        ('vpc = { subnets = ["subnet-0123abcd"] }', "vpc.security_groups: is missing. The IDs of security"),
        (
            'vpc = { subnets = ["vpc-1"], security_groups = ["sg-0123abcd"] }',
            "vpc.subnets.0: 'vpc-1' is invalid. The IDs of private subnets",
        ),
    ],
)
def test_invalid_setting_is_refused_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    (file := tmp_path / "stages.toml").write_text(
        f'[stages.dev]\nregion = "us-east-1"\noutput_buckets = ["reviewed"]\n{line}\n'
    )
    with pytest.raises(SettingsError) as refusal:
        load_stage(file, "dev")
    at = 3 + len(line.splitlines())
    assert str(refusal.value).startswith(f"stages.toml:{at}: stage dev: {problem}")


def test_boundary_of_aws_and_unicode_tags_are_accepted() -> None:
    accepted = stage(
        account="111122223333",
        permissions_boundary="arn:aws:iam::aws:policy/PowerUserAccess",
        tags={"Kostenstelle": "Prüfung 7", "é" * 128: "x" * 256},
    )
    assert accepted.parameters()["PermissionsBoundary"] == "arn:aws:iam::aws:policy/PowerUserAccess"


def resources(**settings: Any) -> dict[str, dict[str, Any]]:
    template = json.loads((ROOT / "definitions/template.json").read_text())
    return resolved_resources(template, stage(**settings).parameters())


def of_type(found: dict[str, dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in found.values() if one["Type"] == kind]


def test_boundary_limits_all_roles() -> None:
    for given in (BOUNDARY, None):
        roles = of_type(resources(permissions_boundary=given), "AWS::IAM::Role")
        assert len(roles) > 8
        assert {role.get("PermissionsBoundary") for role in roles} == {given}


def test_all_functions_are_in_the_network_of_the_settings() -> None:
    connected, apart = resources(vpc=VPC), resources()

    functions = of_type(connected, "AWS::Lambda::Function")
    network = {"SubnetIds": VPC["subnets"], "SecurityGroupIds": VPC["security_groups"]}
    assert all(function["VpcConfig"] == network for function in functions)
    for function in functions:
        role = function["Role"].removeprefix("${").removesuffix(".Arn}")
        assert connected[role]["Properties"]["ManagedPolicyArns"] == ["${VpcPolicy}"]
    assert not any("VpcConfig" in function for function in of_type(apart, "AWS::Lambda::Function"))
    assert not any(role.get("ManagedPolicyArns") for role in of_type(apart, "AWS::IAM::Role"))
    assert set(connected) - set(apart) == {"VpcPolicy"}


def test_tables_of_a_protected_stage_are_protected() -> None:
    for protected in (True, False):
        tables = of_type(resources(protected=protected), "AWS::DynamoDB::Table")
        assert [table["DeletionProtectionEnabled"] for table in tables] == [protected] * 2


def test_parameters_of_settings_leave_room_for_those_of_functions() -> None:
    template = json.loads((ROOT / "definitions/template.json").read_text())
    of_settings = [name for name in template["Parameters"] if not name.endswith(("Key", "Revision"))]
    assert len(of_settings) + MAX_FUNCTION_PARAMETERS <= 200
