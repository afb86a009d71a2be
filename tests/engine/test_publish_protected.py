"""Stages with what teams ask for: protection by AWS, tags, a boundary, CloudFormation's role, a network."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.engine import Sandbox
from tests.engine.publisher import Publisher
from workflow.stack.deployment_settings import Vpc


@pytest.fixture
def network(sandbox: Sandbox) -> Vpc:
    """A network of the engine."""
    ec2 = sandbox.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [subnet["VpcId"]]}])
    return Vpc(subnets=(subnet["SubnetId"],), security_groups=(groups["SecurityGroups"][0]["GroupId"],))


@pytest.fixture
def service_role(sandbox: Sandbox, unique: str) -> str:
    """A role that CloudFormation can assume."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "cloudformation.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    created = sandbox.client("iam").create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(trust))
    return str(created["Role"]["Arn"])


def physical(publisher: Publisher, resource: str) -> str:
    found = publisher.account.stacks.resources(publisher.stage.stack_name)
    return next(one["name"] for one in found if one["id"] == resource)


def test_settings_of_a_team_reach_stack_roles_and_functions(
    publisher: Publisher, sandbox: Sandbox, network: Vpc, service_role: str
) -> None:
    boundary = "arn:aws:iam::aws:policy/PowerUserAccess"
    settings: dict[str, Any] = {
        "tags": {"team": "ml"},
        "permissions_boundary": boundary,
        "service_role": service_role,
        "vpc": network,
    }
    publisher.publish(publisher.package(**settings))

    assert publisher.stack.service_role == service_role
    role = physical(publisher, "StartLoopRole")
    found = sandbox.client("iam").get_role(RoleName=role)["Role"]
    assert found["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    function = sandbox.client("lambda").get_function(FunctionName=physical(publisher, "StartLoop"))
    assert function["Configuration"]["VpcConfig"]["SubnetIds"] == list(network.subnets)
    assert function["Tags"].items() >= {"team": "ml", "afterloop:stage": publisher.stage.name}.items()

    # The next package has other tags, and names no role any more.
    plan = publisher.plan(publisher.package(**settings | {"tags": {"cost": "7"}, "service_role": None}))

    assert [(one.name, one.before, one.after) for one in plan.settings] == [
        ("tags.cost", None, "7"),
        ("tags.team", "ml", None),
    ]
    assert (plan.resources, plan.functions, plan.permissions) == ([], [], [])
    assert any(f"goes on with the role {service_role}" in warning for warning in plan.warnings)
