"""The role that CloudFormation assumes to change a stack."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.ministack_patches import roles

__all__ = ["correct"]


def correct() -> None:
    """Keeps the role of a stack, and refuses one that CloudFormation cannot assume.

    AWS: CloudFormation uses the role of the last operation on the stack if the request names none; there is no way to
    take the role from a stack. A role that does not exist, or does not trust it, is refused, also if an earlier
    operation named it: "Role … is invalid or cannot be assumed".
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-iam-servicerole.html,
    https://repost.aws/knowledge-center/cloudformation-role-arn-error)
    MiniStack: ignores the role. Here, too, the role's permissions do not limit what the stack does.
    """
    from ministack.services import cloudformation
    from ministack.services.cloudformation.helpers import _error, _esc, _p

    handlers = cloudformation._ACTION_HANDLERS

    def assuming(action: str) -> Callable[[dict[str, Any]], Any]:
        handler = handlers[action]

        def act(params: dict[str, Any]) -> Any:
            stack = _stack(params)
            role = _p(params, "RoleARN") or _change_set(params).get("RoleARN") or stack.get("RoleARN")
            if role and not roles.can_assume(
                role, "cloudformation.amazonaws.com", str(stack.get("StackId", ""))
            ):
                return _error("ValidationError", f"Role {role} is invalid or cannot be assumed")
            answer = handler(params)
            if role and answer[0] < 400:
                kept = _change_set(params) if action == "CreateChangeSet" else _stack(params)
                kept["RoleARN"] = role
            return answer

        return act

    def describe(params: dict[str, Any]) -> Any:
        status, headers, body = handlers["DescribeStacks"](params)
        text = body if isinstance(body, bytes) else str(body).encode()
        for stack in cloudformation._stacks.values():
            if role := stack.get("RoleARN"):
                found = f"<StackId>{_esc(stack['StackId'])}</StackId>"
                text = text.replace(found.encode(), f"{found}<RoleARN>{_esc(role)}</RoleARN>".encode())
        return status, headers, text

    cloudformation._ACTION_HANDLERS = {
        **handlers,
        **{action: assuming(action) for action in _ASSUMING},
        "DescribeStacks": describe,
    }


_ASSUMING = (
    "ContinueUpdateRollback",
    "CreateChangeSet",
    "CreateStack",
    "DeleteStack",
    "ExecuteChangeSet",
    "RollbackStack",
    "UpdateStack",
)


def _stack(params: dict[str, Any]) -> dict[str, Any]:
    from ministack.services.cloudformation import handlers

    named = params.get("StackName", [""])[0] or _change_set(params).get("StackId", "")
    return (handlers._resolve_stack(named) if named else None) or {}


def _change_set(params: dict[str, Any]) -> dict[str, Any]:
    from ministack.services.cloudformation import changesets

    name, stack = (params.get(key, [""])[0] for key in ("ChangeSetName", "StackName"))
    found: dict[str, Any] | None = changesets._find_change_set(name, stack)[1] if name else None
    return found or {}
