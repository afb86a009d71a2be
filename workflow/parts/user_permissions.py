"""The permissions that the user's file declares, and the lines that they are in."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from workflow.asl.origin import shown_path
from workflow.errors import WorkflowError
from workflow.parts.user_file import run

__all__ = ["declared_permissions", "place_of_permissions"]


def declared_permissions(path: Path) -> dict[str, Any]:
    """The permissions that the file declares: state name → list of `{"actions": …, "resources": …}`.

    Raises:
        WorkflowError: `permissions` is not a dictionary with state names as keys.
    """
    declared = getattr(run(path, silent=True), "permissions", {})
    if not isinstance(declared, dict) or not all(isinstance(name, str) for name in declared):
        raise WorkflowError(
            f"{_place(path)}: `permissions` must be a dictionary: the name of a step → its permissions"
        )
    return declared


def place_of_permissions(path: Path, step: str) -> str:
    """Returns the place where the file declares the permissions of a step, as errors name it."""
    return f"{_place(path, step)}: permissions of {step!r}"


def _place(path: Path, step: str | None = None) -> str:
    """The file, with the line of the step's name among the permissions, or else of the last statement about them."""
    line = named = None
    for statement in ast.parse(path.read_bytes()).body:
        nodes = list(ast.walk(statement))
        if any(isinstance(node, ast.Name) and node.id == "permissions" for node in nodes):
            line = statement.lineno
            named = next(
                (one.lineno for one in nodes if isinstance(one, ast.Constant) and one.value == step), named
            )
    found = named or line
    return f"{shown_path(path)}{f':{found}' if found else ''}"
