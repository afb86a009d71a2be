"""Whose buckets the roles of a stage reach."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workflow import ROOT
from workflow.stack.permissions import Statement
from workflow.stack.stages import Stage
from workflow.stack.template.policies import allow, derived

TEMPLATE = json.loads((ROOT / "definitions/template.json").read_text())
KNOWN = {"Fn::Split": [",", {"Fn::Sub": "${AWS::AccountId}${BucketAccounts}"}]}


def statements() -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, statement.get("Fn::If", [None, statement])[1])
        for name, resource in TEMPLATE["Resources"].items()
        for policy in resource.get("Properties", {}).get("Policies", [])
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def test_every_permission_on_buckets_names_the_accounts_that_own_them() -> None:
    on_buckets = [
        (name, one) for name, one in statements() if any(action.startswith("s3:") for action in one["Action"])
    ]
    assert len(on_buckets) > 10
    for name, one in on_buckets:
        assert one["Condition"]["StringEquals"]["aws:ResourceAccount"] == KNOWN, (name, one)


def test_other_conditions_of_a_permission_on_buckets_are_kept() -> None:
    given = {"StringLike": {"s3:prefix": "a*"}, "StringEquals": {"aws:PrincipalAccount": "1"}}
    made = allow(["s3:ListBucket"], ["arn"], given)["Condition"]
    assert made["StringLike"] == given["StringLike"]
    assert set(made["StringEquals"]) == {"aws:PrincipalAccount", "aws:ResourceAccount"}


@pytest.mark.parametrize(
    ("accounts", "value"), [((), ""), (("444455556666", "5" * 12), ",444455556666," + "5" * 12)]
)
def test_other_accounts_of_buckets_are_a_parameter(accounts: tuple[str, ...], value: str) -> None:
    stage = Stage(name="dev", region="eu-west-1", output_buckets=("reviewed",), bucket_accounts=accounts)
    assert stage.parameters()["BucketAccounts"] == value


def test_names_in_conditions_of_a_step_become_references() -> None:
    profile = "arn:${AWS::Partition}:bedrock:${Region}:${AWS::AccountId}:inference-profile/eu.m"
    statement = Statement(
        ("s3:ListBucket",),
        ("*",),
        {"StringLike": {"s3:prefix": "${Stage}/*"}, "ArnLike": {"a": [profile, "b"]}},
    )
    made = derived(statement, [])["Condition"]
    assert made["StringLike"]["s3:prefix"].to_dict() == {"Fn::Sub": "${Stage}/*"}
    assert made["ArnLike"]["a"][0].to_dict() == {"Fn::Sub": profile.replace("${Region}", "${AWS::Region}")}
    assert made["ArnLike"]["a"][1] == "b"
