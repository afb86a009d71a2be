"""The permissions that the user's file and functions declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from workflow.asl.checks import Severity
from workflow.asl.checks.problem import hint
from workflow.asl.walk import Machine, states
from workflow.errors import WorkflowError
from workflow.parts.user_permissions import declared_permissions, place_of_permissions
from workflow.stack.functions import Function, checked_permissions
from workflow.stack.grants import Permission
from workflow.stack.permissions.known_actions import problems_of_actions

__all__ = ["declared_for", "problems_of_declared"]


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
        place = place_of_permissions(post_review, name)
        if name not in known:
            raise WorkflowError(f"{place}: the workflow has no such step{hint(name, known)}")
        declared[name] = checked_permissions(permissions, place)
    return declared


def problems_of_declared(
    declared: Mapping[str, Sequence[Permission]], post_review: Path, functions: Iterable[Function]
) -> Iterator[tuple[str, Severity]]:
    """Yields declared actions that do not exist, or may not exist, and how severe it is.

    Args:
        declared: State name to permissions.
        post_review: The file that declares them.
        functions: The functions whose permissions to check.
    """
    places = {place_of_permissions(post_review, step): of_step for step, of_step in declared.items()}
    for place, permissions in [
        *places.items(),
        *((f"{one.place}: permissions", one.permissions) for one in functions),
    ]:
        for problem, severity in problems_of_actions(
            dict.fromkeys(action for one in permissions for action in one.actions)
        ):
            yield f"{place}: {problem}", severity
