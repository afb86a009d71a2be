"""The page of functions: what they do, and the permissions of their roles and of the state machine's role."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from docs.generate.markdown import code, prose, table
from docs.generate.reading import section, trees
from workflow.stack.assembly import Assembly
from workflow.stack.functions import Function
from workflow.stack.permissions import statements_for

__all__ = ["functions"]


def functions(assembly: Assembly) -> str:
    """Returns the page.

    Args:
        assembly: Everything that is published.
    """
    handlers = dict(_handlers())
    parts = [
        "# Functions and permissions",
        "The functions that are published from the current code, including your own. A function's name in the account"
        " is `afterloop-STAGE-NAME`. Each function has its own role and log group. Its file declares its permissions;"
        " all functions can also write logs and traces.",
        table(
            ["Function", "What it does", "Memory, MB", "Timeout, s"],
            (
                (f"[{one.name}](#{one.name.lower()})", one.description, str(one.memory), str(one.timeout))
                for one in assembly.functions
            ),
        ),
    ]
    for one in assembly.functions:
        parts.append(_section(one, handlers.get(one.handler.rpartition(".")[0], "")))
    parts.append(
        "## The state machine's role\n\nThese permissions are derived from the steps:\n\n"
        + table(["Actions", "Resources", "Steps"], _derived(assembly))
    )
    return "\n\n".join(parts)


def _section(one: Function, doc: str) -> str:
    heading = f"## {one.name}\n\n`{one.handler}`"
    given = section(doc, "Args").get("event") or section(doc, "Args").get("payload")
    parts = [f"Input: {given}" if given else "", f"Returns: {prose(_returns(doc))}" if _returns(doc) else ""]
    raises = section(doc, "Raises")
    if raises:
        parts.append("Raises: " + ", ".join(f"[{code(name)}](errors.md)" for name in raises) + ".")
    permissions = table(
        ["Actions", "Resources"],
        (
            (", ".join(map(code, permission.actions)), ", ".join(map(code, permission.resources)))
            for permission in one.permissions
        ),
    )
    return "\n\n".join(filter(None, [heading, *parts, permissions if one.permissions else ""]))


def _returns(doc: str) -> str:
    _, found, rest = doc.partition("\nReturns:\n")
    return rest.partition("\n\n")[0] if found else ""


def _handlers() -> Iterator[tuple[str, str]]:
    """Yields each module with the docstring of its handler."""
    for file, tree in trees("lambdas"):
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == "handler":
                yield _module(file), ast.get_docstring(node) or ""


def _module(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[len(parts) - 1 - parts[::-1].index("lambdas") :]).removesuffix(".__init__")


def _derived(assembly: Assembly) -> Iterator[tuple[str, str, str]]:
    for statement in statements_for(assembly.definition):
        yield (
            ", ".join(map(code, statement.actions)),
            ", ".join(map(code, statement.resources)),
            ", ".join(f"**{step}**" for step in statement.steps),
        )
