"""Functions in a network, and boundaries of roles. Each test fails without the correction."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.ministack_patches import networks
from tests.unit.sandbox.ministack_patches.test_cloudformation import FUNCTION, TRUST, Stacks, resource


@pytest.fixture
def stacks(ministack: None) -> Stacks:
    networks.correct()
    return Stacks()


def network() -> dict[str, list[str]]:
    from ministack.services import ec2

    ec2._ensure_defaults_initialized()
    return {
        "SubnetIds": [next(iter(ec2._subnets))],
        "SecurityGroupIds": [next(iter(ec2._security_groups))],
    }


def connected(actions: list[str], **config: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    role = {"AssumeRolePolicyDocument": TRUST, "Policies": [policy]}
    properties = {**FUNCTION, "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "VpcConfig": {**network(), **config}}
    return {"Role": resource("AWS::IAM::Role", role), "One": resource("AWS::Lambda::Function", properties)}


@pytest.mark.parametrize(
    ("actions", "config", "reason"),
    [
        (["ec2:*"], {}, ""),
        (["ec2:Describe*"], {}, "does not have permissions to call CreateNetworkInterface on EC2"),
        (["ec2:*"], {"SubnetIds": ["subnet-0"]}, "The subnet ID 'subnet-0' does not exist"),
        (["ec2:*"], {"SecurityGroupIds": ["sg-0"]}, "The security group 'sg-0' does not exist"),
    ],
)
def test_function_is_connected_only_to_a_network_that_its_role_may_use(stacks, actions, config, reason):
    status = stacks.create(connected(actions, **config))
    assert status == ("ROLLBACK_COMPLETE" if reason else "CREATE_COMPLETE")
    assert reason in stacks.reason()


def test_function_leaves_its_network(stacks):
    from ministack.services import lambda_svc

    stacks.create(resources := connected(["ec2:*"]))
    config = lambda_svc._functions[stacks.id_of("One")]["config"]
    assert config["VpcConfig"]["SubnetIds"] == network()["SubnetIds"]
    del resources["One"]["Properties"]["VpcConfig"]
    stacks.update(resources)
    assert lambda_svc._functions[stacks.id_of("One")]["config"]["VpcConfig"]["SubnetIds"] == []


def test_role_has_its_boundary_until_it_is_removed(stacks):
    from ministack.services import iam

    boundary = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    bound = {"AssumeRolePolicyDocument": TRUST, "PermissionsBoundary": boundary}
    stacks.create({"Role": resource("AWS::IAM::Role", bound)})
    assert iam._roles[stacks.id_of("Role")]["PermissionsBoundary"] == boundary
    stacks.update({"Role": resource("AWS::IAM::Role", {"AssumeRolePolicyDocument": TRUST})})
    assert iam._roles[stacks.id_of("Role")]["PermissionsBoundary"] is None


def test_boundary_that_does_not_exist_is_refused(stacks):
    bound = {"AssumeRolePolicyDocument": TRUST, "PermissionsBoundary": "arn:aws:iam::000000000000:policy/no"}
    assert stacks.create({"Role": resource("AWS::IAM::Role", bound)}) == "ROLLBACK_COMPLETE"
    assert "policy/no" in json.dumps(stacks.reason())
