"""The permissions that the user's file declares."""

from __future__ import annotations

from pathlib import Path

from workflow.asl.origin import shown_path
from workflow.asl.walk import Machine, states
from workflow.errors import WorkflowError
from workflow.parts.user_steps import declared_permissions
from workflow.stack.functions import checked_permissions
from workflow.stack.grants import Permission

__all__ = ["declared_for"]


def declared_for(definition: Machine, post_review: Path) -> dict[str, tuple[Permission, ...]]:
    """Reads the permissions that cannot be derived.

    Args:
        definition: The state machine in Amazon States Language.
        post_review: The file with the user's post-review steps and their `permissions`.

    Returns:
        State name to permissions.

    Raises:
        WorkflowError: A declaration is not a valid permission, or names an unknown step.
    """
    declared = {}
    known = dict(states(definition))
    for name, permissions in declared_permissions(post_review).items():
        place = f"{shown_path(post_review)}: permissions of {name!r}"
        if name not in known:
            raise WorkflowError(f"{place}: the workflow has no such step")
        declared[name] = checked_permissions(permissions, place)
    return declared
