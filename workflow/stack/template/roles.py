"""Roles, and what the roles of functions in a network may do besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from troposphere import If, NoValue, Ref, Template, iam

from workflow.stack.template.policies import allow, policy
from workflow.stack.template.tags import tags

__all__ = ["add_vpc_policy", "role"]

_VPC_POLICY = "VpcPolicy"


def role(
    title: str,
    description: str,
    trusts: Mapping[str, Any],
    policies: Mapping[str, Mapping[str, Any]],
    *,
    of_function: bool = False,
) -> iam.Role:
    """Returns a role, which the boundary of the settings limits.

    Args:
        title: Logical ID.
        description: What its permissions are for.
        trusts: The statement that says who can assume it.
        policies: Inline policies, by name.
        of_function: Whether it has the permissions to connect a function to the network of the settings, too.
    """
    return iam.Role(
        title,
        Description=description,
        AssumeRolePolicyDocument=policy(trusts),
        PermissionsBoundary=If("Bounded", Ref("PermissionsBoundary"), NoValue),
        Policies=[
            iam.Policy(PolicyName=name, PolicyDocument=document) for name, document in policies.items()
        ],
        Tags=tags(),
        **({"ManagedPolicyArns": [If("Vpc", Ref(_VPC_POLICY), NoValue)]} if of_function else {}),
    )


def add_vpc_policy(template: Template) -> None:
    """Adds what Lambda needs to connect functions to a network.

    These are the actions of the managed policy AWSLambdaVPCAccessExecutionRole, without those for logs, which each
    function has for its own log group. One policy for all roles, because a template is limited to 1 MB.
    (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions)
    """
    template.add_resource(
        iam.ManagedPolicy(
            _VPC_POLICY,
            Condition="Vpc",
            Description="Connects functions to the network of the settings",
            PolicyDocument=policy(
                # Lambda creates the interfaces, so nobody knows their ARNs before.
                allow(
                    [
                        "ec2:AssignPrivateIpAddresses",
                        "ec2:CreateNetworkInterface",
                        "ec2:DeleteNetworkInterface",
                        "ec2:DescribeNetworkInterfaces",
                        "ec2:DescribeSubnets",
                        "ec2:UnassignPrivateIpAddresses",
                    ],
                    "*",
                )
            ),
        )
    )
