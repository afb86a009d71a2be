"""Functions in a network, and boundaries of roles."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from sandbox.ministack_patches import roles

__all__ = ["correct"]


def correct() -> None:
    """Corrects the functions and roles of stacks."""
    _connect_functions()
    _bind_roles()


_NETWORK = ("CreateNetworkInterface", "DescribeNetworkInterfaces", "DeleteNetworkInterface")
"""Actions that Lambda asks for when it connects a function."""


def _connect_functions() -> None:
    """Connects functions, and refuses one in a network that does not exist, or whose role may not connect it.

    AWS: "The provided execution role does not have permissions to call CreateNetworkInterface on EC2", and
    "InvalidSubnetID.NotFound"; the stack is rolled back.
    (https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions)
    MiniStack: ignores the network of a function of a stack.
    """
    from ministack.services import lambda_svc
    from ministack.services.cloudformation import provisioners

    create, update = provisioners._lambda_create, provisioners._lambda_update

    def check(properties: Mapping[str, Any]) -> None:
        if problem := next(_problems(properties), None):
            raise ValueError(f"Resource handler returned message: {problem} (Service: Lambda)")

    def connected(made: Any, properties: Mapping[str, Any]) -> Any:
        config = lambda_svc._functions[made[0]]["config"]
        config["VpcConfig"] = lambda_svc._vpc_config_with_id(properties.get("VpcConfig"))
        return made

    @functools.wraps(create)
    def create_connected(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        check(properties)
        return connected(create(logical_id, properties, stack), properties)

    @functools.wraps(update)
    def update_connected(physical_id: str, old: dict[str, Any], new: dict[str, Any], *more: Any) -> Any:
        check(new)
        return connected(update(physical_id, old, new, *more), new)

    provisioners._lambda_create, provisioners._lambda_update = create_connected, update_connected
    handler = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    handler["create"] = _instead(handler["create"], create, create_connected)
    handler["update"] = _instead(handler["update"], update, update_connected)


def _instead(current: Callable[..., Any], known: Callable[..., Any], new: Callable[..., Any]) -> Any:
    if current is not known:
        raise RuntimeError(f"MiniStack calls {current}, not {known}")
    return new


def _problems(properties: Mapping[str, Any]) -> Iterator[str]:
    from ministack.services import ec2

    network = properties.get("VpcConfig") or {}
    subnets, groups = network.get("SubnetIds") or (), network.get("SecurityGroupIds") or ()
    if not subnets:
        return
    ec2._ensure_defaults_initialized()
    for found, store, code, kind in (
        (subnets, ec2._subnets, "InvalidSubnetID", "subnet ID"),
        (groups, ec2._security_groups, "InvalidSecurityGroupID", "security group"),
    ):
        for name in found:
            if store.get(name) is None:
                yield f"{code}.NotFound: The {kind} '{name}' does not exist"
    for action in _NETWORK:
        if not roles.role_allows(str(properties.get("Role")), f"ec2:{action}", "*"):
            yield f"The provided execution role does not have permissions to call {action} on EC2"


def _bind_roles() -> None:
    """Sets the permissions boundary of a role.

    AWS: a role never has more permissions than its boundary; a policy that does not exist is refused.
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html)
    MiniStack: ignores the property in stacks.
    """
    from ministack.services import iam
    from ministack.services.cloudformation import provisioners

    create, update = provisioners._iam_role_create, provisioners._iam_role_update

    def bound(name: str, properties: Mapping[str, Any]) -> None:
        boundary = properties.get("PermissionsBoundary")
        if boundary and (refused := iam._boundary_policy_error(boundary)):
            raise ValueError(f"Resource handler returned message: {refused[2].decode()}")
        if (role := iam._roles.get(name)) is not None:
            role["PermissionsBoundary"] = boundary or None

    @functools.wraps(create)
    def create_bound(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        bound("", properties)
        made = create(logical_id, properties, stack)
        bound(made[0], properties)
        return made

    @functools.wraps(update)
    def update_bound(physical_id: str, old: dict[str, Any], new: dict[str, Any], *more: Any) -> Any:
        bound("", new)
        made = update(physical_id, old, new, *more)
        bound(made[0], new)
        return made

    provisioners._iam_role_create, provisioners._iam_role_update = create_bound, update_bound
    provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"] |= {"create": create_bound, "update": update_bound}
