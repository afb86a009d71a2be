"""Writes docs/reference/.

python -m docs.generate            writes the pages that differ
python -m docs.generate --check    writes nothing; exits with 1 if a page differs
"""

from __future__ import annotations

import sys

import typer

from deploy import COMMANDS
from docs.generate import REFERENCE, render_pages
from workflow.cli.program import command_line
from workflow.stack.assembly import assemble
from workflow.stack.rendered import differing, write_files

__all__ = ["main", "rendered"]


def rendered() -> dict[str, str]:
    """Returns the pages for the current code, name → Markdown."""
    return render_pages(assemble(), command_line(COMMANDS))


def main(arguments: list[str]) -> int:
    """Writes or checks the pages, and returns the exit status."""
    check = arguments == ["--check"]
    changed = differing(rendered(), REFERENCE) if check else write_files(rendered(), REFERENCE)
    typer.echo(f"docs/reference/: {', '.join(changed) if changed else 'nothing to change'}")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
