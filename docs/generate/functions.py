"""The functions, what they may do, and what the state machine's role may do for which step."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from docs.generate.markdown import code, prose, table
from docs.generate.reading import doc_of, section, trees
from workflow.stack.assembly import Assembly
from workflow.stack.functions import Function
from workflow.stack.permissions import statements_for

__all__ = ["functions"]


def functions(assembly: Assembly) -> str:
    """The page.

    Args:
        assembly: All that is published.
    """
    handlers = dict(_handlers())
    parts = [
        "# Functions and permissions",
        "What is published of this state of the code, your own functions included. A function's name in the account is"
        " `afterloop-STAGE-NAME`. Each has a role and a log group of its own; what it may do beside writing logs and"
        " traces is declared in its file.",
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
        "## The state machine's role\n\nDerived from the steps, and nothing beyond them:\n\n"
        + table(["May", "On", "For"], _derived(assembly))
    )
    return "\n\n".join(parts)


def _section(one: Function, doc: str) -> str:
    heading = f"## {one.name}\n\n`{one.handler}`"
    given = section(doc, "Args").get("event") or section(doc, "Args").get("payload")
    told = [f"Given: {given}" if given else "", f"Returns: {prose(_returns(doc))}" if _returns(doc) else ""]
    raises = section(doc, "Raises")
    if raises:
        told.append("Raises: " + ", ".join(f"[{code(name)}](errors.md)" for name in raises) + ".")
    permissions = table(
        ["May", "On"],
        (
            (", ".join(map(code, permission.actions)), ", ".join(map(code, permission.resources)))
            for permission in one.permissions
        ),
    )
    return "\n\n".join(filter(None, [heading, *told, permissions if one.permissions else ""]))


def _returns(doc: str) -> str:
    _, found, rest = doc.partition("\nReturns:\n")
    return rest.partition("\n\n")[0] if found else ""


def _handlers() -> Iterator[tuple[str, str]]:
    """Module → docstring of its handler."""
    for file, tree in trees("lambdas"):
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == "handler":
                yield _module(file), doc_of(node)


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
