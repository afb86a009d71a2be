"""Writes docs/reference/: the pages that follow from the code.

python -m docs.generate            writes the pages that differ
python -m docs.generate --check    writes nothing; exits with 1 if one differs
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer

import deploy
from docs.generate import REFERENCE, render_pages
from workflow.stack.assembly import assemble
from workflow.stack.rendered import differing, write_files

__all__ = ["command_line", "main", "rendered"]


def rendered() -> dict[str, str]:
    """The pages as the code is now: name → Markdown."""
    return render_pages(assemble(), command_line())


def main(arguments: list[str]) -> int:
    """Writes or checks, and returns the exit status."""
    check = arguments == ["--check"]
    changed = differing(rendered(), REFERENCE) if check else write_files(rendered(), REFERENCE)
    typer.echo(f"docs/reference/: {', '.join(changed) if changed else 'nothing to change'}")
    return int(check and bool(changed))


def command_line() -> Any:
    """All commands, also those of modules that are imported only when they are asked for."""
    command: Any = typer.main.get_command(deploy.app)
    for name, (module, attribute, _) in deploy.ELSEWHERE.items():
        command.add_command(typer.main.get_command(getattr(importlib.import_module(module), attribute)), name)
    return command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
