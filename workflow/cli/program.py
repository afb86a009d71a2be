"""The program: makes a command line of a table of commands, and runs it.

A command's module is imported only when the command is asked for: `plan` should not load what draws charts.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand

from workflow import ROOT
from workflow.cli.terminal import INTERRUPTED, one_line_errors

__all__ = ["Command", "command_line", "run", "version", "with_default_command"]


class Command(NamedTuple):
    """A command, or a group of commands, before its module is imported.

    Attributes:
        module: Where it is, under its own name: a function, or a Typer of several.
        help: What the list of commands says about it.
    """

    module: str
    help: str


def run(commands: Mapping[str, Command], arguments: Sequence[str]) -> None:
    """Runs the command that the arguments name, and ends the process with its exit status.

    Args:
        commands: All that there are, by name.
        arguments: As a shell gives them, without the program's own name.
    """
    given = with_default_command(arguments)
    with one_line_errors():
        program = command_line(commands, given[0])
        status = program.main(given, prog_name="python deploy.py", standalone_mode=False) or 0
        if status == INTERRUPTED:
            raise KeyboardInterrupt  # Typer has made a status of it.
        sys.exit(status)


def command_line(commands: Mapping[str, Command], only: str | None = None) -> Any:
    """The command line as Typer runs it: a group.

    Args:
        commands: All that there are, by name.
        only: The one whose module is imported; the others are listed, and cannot be run. None for all.
    """
    group: Any = typer.main.get_command(_program)
    for name, (module, told) in commands.items():
        group.add_command(
            _imported(name, module) if only in (name, None) else TyperCommand(name, help=told), name
        )
    return group


def with_default_command(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `publish` before them if they name no command."""
    if arguments and (not arguments[0].startswith("-") or arguments[0] in ("--help", "--version")):
        return list(arguments)
    return ["publish", *arguments]


def version() -> str:
    """The version in pyproject.toml; of an installed package, which has no such file, the one in its metadata."""
    import importlib.metadata
    import tomllib

    project = ROOT / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return importlib.metadata.version("afterloop")


def _imported(name: str, module: str) -> Any:
    found = getattr(importlib.import_module(module), name)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        found = alone
    return typer.main.get_command(found)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(version())
        raise typer.Exit


_program = typer.Typer(
    help="Publishes the workflow, and shows and tends what is published.",
    epilog="Without a command, `publish` runs.",
    add_completion=False,
)


@_program.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None: ...
