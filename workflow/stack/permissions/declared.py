"""What the user's file declares for steps that do not say on what they act."""

from __future__ import annotations

from pathlib import Path

from workflow.asl.walk import Machine, states
from workflow.errors import WorkflowError
from workflow.parts.user_steps import declared_permissions, shown
from workflow.stack.functions import checked_permissions
from workflow.stack.permissions.derive import Statement

__all__ = ["declared_for"]


def declared_for(definition: Machine, post_review: Path) -> dict[str, list[Statement]]:
    """Read what steps may do beyond what can be derived.

    Args:
        definition: The machine, in Amazon States Language.
        post_review: The file with the user's post-review steps, and their `permissions`.

    Returns:
        State name to statements.

    Raises:
        WorkflowError: The file declares something that is no permission, or for a step that does not exist.
    """
    declared = {}
    known = dict(states(definition))
    for name, permissions in declared_permissions(post_review).items():
        place = f"{shown(post_review)}: permissions of {name!r}"
        if name not in known:
            raise WorkflowError(f"{place}: the workflow has no such step")
        declared[name] = [
            Statement(permission.actions, permission.resources, steps=(name,))
            for permission in checked_permissions(permissions, place)
        ]
    return declared
