"""Every command with its options, from Typer's documentation generator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.cli import get_docs_for_click

from docs.generate.markdown import table
from docs.generate.reading import first_paragraph

__all__ = ["all_commands", "commands"]

EXIT_STATUSES = (
    ("0", "Success. For `plan`: nothing would change."),
    (
        "1",
        "An error, reported in one line on standard error; or you answered no; or `smoke`, `try`, `local`,"
        " `render --check` or `loops reconcile` found a problem.",
    ),
    ("2", "Only `plan`: something would change."),
    ("130", "You pressed Ctrl-C."),
)


def commands(group: Any) -> str:
    """Returns the page.

    Args:
        group: The group of all commands, as Typer creates it.
    """
    found = dict(all_commands(group))
    return "\n\n".join(
        [
            "# Commands",
            "Run `python deploy.py COMMAND` in the project's folder, with `.venv` activated. Without a command,"
            " `publish` runs. `--help` shows the same information, and `--version` shows the version."
            " `--install-completion` has your shell (bash, zsh or fish) complete commands, options, stages and statuses"
            " with the Tab key; `--show-completion SHELL` shows the script for it.",
            "\n".join(
                f"- [`{name}`](#{name.replace(' ', '-')}): {first_paragraph(one.help)}"
                for name, one in found.items()
            ),
            "## Exit statuses\n\n" + table(["Status", "Meaning"], EXIT_STATUSES),
            *(
                get_docs_for_click(
                    obj=one, ctx=typer.Context(one), indent=1, name=f"python deploy.py {name}", title=name
                ).strip()
                for name, one in found.items()
            ),
        ]
    )


def all_commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the commands of a group and of the groups in it, with their full names, such as `loops show`."""
    for name, one in group.commands.items():
        if hasattr(one, "commands"):
            yield from all_commands(one, f"{before}{name} ")
        else:
            yield f"{before}{name}", one
