"""Change sets of a stack that another operation changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["correct"]

Handler = Callable[[dict[str, Any]], Any]


def correct() -> None:
    """Refuses to make and to execute change sets while another operation changes the stack.

    AWS: ExecuteChangeSet fails with InvalidChangeSetStatus, as "the change set status might be CREATE_IN_PROGRESS, or
    the stack status might be UPDATE_IN_PROGRESS". CreateChangeSet fails with "Stack:… is in UPDATE_IN_PROGRESS state
    and can not be updated."
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ExecuteChangeSet.html,
    https://github.com/ansible-collections/amazon.aws/pull/1910)
    MiniStack: executes them, so that two operations change the stack at once.
    """
    from ministack.services import cloudformation

    handlers = cloudformation._ACTION_HANDLERS
    cloudformation._ACTION_HANDLERS = {
        **handlers,
        "CreateChangeSet": _creating(handlers["CreateChangeSet"]),
        "ExecuteChangeSet": _executing(handlers["ExecuteChangeSet"]),
    }


def _creating(create: Handler) -> Handler:
    def create_for_idle_stack(request: dict[str, Any]) -> Any:
        from ministack.services.cloudformation import handlers, helpers

        stack = handlers._resolve_stack(helpers._p(request, "StackName"))
        if status := _busy(stack):
            message = f"Stack:{stack['StackId']} is in {status} state and can not be updated."
            return helpers._error("ValidationError", message)
        return create(request)

    return create_for_idle_stack


def _executing(execute: Handler) -> Handler:
    def execute_on_idle_stack(request: dict[str, Any]) -> Any:
        from ministack.services.cloudformation import _stacks, changesets, helpers

        name, stack_name = (helpers._p(request, key) for key in ("ChangeSetName", "StackName"))
        _, found = changesets._find_change_set(name, stack_name)
        if found and (status := _busy(_stacks.get(found["StackName"]))):
            message = f"ChangeSet [{name}] cannot be executed, since its stack is in {status}"
            return helpers._error("InvalidChangeSetStatus", message)
        return execute(request)

    return execute_on_idle_stack


def _busy(stack: Any) -> str | None:
    """The status of a stack that another operation changes; None for any other stack."""
    status = stack["StackStatus"] if stack else ""
    return status if status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS" else None
