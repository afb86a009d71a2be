"""What a call needs of IAM, where no service of the engine checks it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.integration_names import operation_of
from sandbox.protocol import service_model

__all__ = ["needed"]

Need = tuple[str, str | None, Mapping[str, Any]]
"""An action, the ARN of its resource or None if the call does not name it, and the values of condition keys."""


def needed(resource: str, parameters: Any) -> Iterator[Need]:
    """Yields the actions that a call needs.

    Args:
        resource: The Resource of the task.
        parameters: The arguments, with all paths and expressions evaluated.
    """
    from workflow.stack.permissions import PermissionUnknown, statements_for  # takes 0.1 s

    state = {"Type": "Task", "Resource": resource, "Parameters": parameters or {}}
    try:
        statements = statements_for({"StartAt": "Task", "States": {"Task": state}})
    except PermissionUnknown:
        yield from _by_name(resource)
        return
    for statement in statements:
        values = {key: value for block in statement.conditions.values() for key, value in block.items()}
        for action in statement.actions:
            for arn in statement.resources:
                yield (
                    action,
                    _in_account(arn),
                    {key: _in_account(_one(value)) for key, value in values.items()},
                )


def _by_name(resource: str) -> Iterator[Need]:
    """Yields the action with the name of the operation: that is how most services name their actions."""
    called = operation_of(resource)
    if called is not None:
        service, operation = called
        yield f"{service_model(service).signing_name}:{operation}", None, {}


def _in_account(arn: str) -> str:
    from ministack.core.responses import get_account_id, get_region

    values = {"AWS::Partition": "aws", "AWS::Region": get_region(), "AWS::AccountId": get_account_id()}
    return re.sub(r"\$\{(AWS::\w+)\}", lambda found: str(values.get(found[1], found[0])), arn)


def _one(value: Any) -> str:
    """Returns a value that a condition with wildcards allows."""
    return str(value[0] if isinstance(value, list) else value).replace("*", "")
