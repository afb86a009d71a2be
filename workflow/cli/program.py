"""The program: builds the command line from a table of commands, and runs it.

A command's module is imported only to run that command: `plan` must not load what draws charts.
"""

from __future__ import annotations

import ast
import atexit
import gc
import importlib
import importlib.util
import keyword
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from workflow import ROOT
from workflow.cli.terminal import INTERRUPTED, one_line_errors, print_for_shell, show_bugs_visibly, tell

__all__ = [
    "COMPLETION",
    "PROGRAM",
    "collect_late",
    "command_line",
    "context_of",
    "run",
    "version",
    "with_default_command",
]

PROGRAM = "python deploy.py"
"""How people run it."""

_OF_PROGRAM = ("--help", "--version", "--install-completion", "--show-completion")
"""The options that belong to no command."""

COMPLETION = "_AFTERLOOP_COMPLETE"
"""The environment variable with which a shell asks for completions. Its value is the name of the shell."""

_VALUES = {"str": "TEXT", "path": "FILE", "int": "NUMBER", "int range": "NUMBER", "float": "NUMBER"}
"""The types that Typer shows → what stands there instead."""


def run(commands: Mapping[str, str], arguments: Sequence[str]) -> None:
    """Runs a command, and ends the process with its exit status.

    Args:
        commands: Command → the module that defines it.
        arguments: The arguments of the process, without the program's name.
    """
    show_bugs_visibly()
    if shell := os.environ.get(COMPLETION):
        from workflow.cli.completion import completions, shown_in

        print_for_shell(shown_in(shell, completions(commands, arguments)))
        sys.exit(0)
    given = with_default_command(arguments)
    with one_line_errors():
        program = command_line(commands, given[0])
        try:
            status = program.main(given, prog_name=PROGRAM, standalone_mode=False) or 0
        except typer.TyperException as error:
            # Not every error of Typer says which command it is about.
            if getattr(error, "ctx", None) is None:
                error.ctx = context_of(program, given)  # type: ignore[attr-defined]
            raise
        if status == INTERRUPTED:
            # Typer turns Ctrl-C into this status, and prints nothing.
            raise KeyboardInterrupt
        sys.exit(status)


def collect_late() -> None:
    """Keeps the garbage collector from a process that ends soon: it would take a tenth of a `plan`, and find nothing.

    While a command imports its modules, the collector would look at everything several times, and once more at the end,
    when nothing is left to be freed for. In a process that goes on, it works after a million objects.
    """

    def work(*_: object) -> None:
        gc.callbacks.remove(work)
        gc.set_threshold(50_000)

    gc.callbacks.append(work)
    gc.set_threshold(1_000_000)
    atexit.register(gc.freeze)


def command_line(commands: Mapping[str, str], only: str | None = None) -> Any:
    """The command line as Typer runs it: a group of commands.

    Args:
        commands: Command → the module that defines it.
        only: The command to import. If it is not a command, such as `--help`, all commands are listed but cannot be
            run. None imports all.
    """
    group: Any = typer.main.get_command(_program)
    for name, module in commands.items():
        if only in (name, None):
            group.add_command(_imported(name, module), name)
        elif only not in commands:
            group.add_command(TyperCommand(name, help=_help(name, module)), name)
    _name_values(group)
    return group


def with_default_command(arguments: Sequence[str]) -> list[str]:
    """The arguments, with `publish` first if they do not start with a command."""
    if arguments and (not arguments[0].startswith("-") or arguments[0].partition("=")[0] in _OF_PROGRAM):
        return list(arguments)
    return ["publish", *arguments]


def version() -> str:
    """The version in pyproject.toml. An installed package does not have that file, but has metadata."""
    import importlib.metadata
    import tomllib

    project = ROOT / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return importlib.metadata.version("afterloop")


def _imported(name: str, module: str) -> Any:
    """A command, or a group of commands if the module has one under the name."""
    found = getattr(importlib.import_module(module), _in_python(name))
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command(name)(found)
        found = alone
    return typer.main.get_command(found)


def _in_python(name: str) -> str:
    """What a command is called in its module: `try_`, because `try` is a keyword."""
    return f"{name}_" if keyword.iskeyword(name) else name


def context_of(program: Any, arguments: Sequence[str]) -> typer.Context:
    """The context of the command that the arguments begin with."""
    context = typer.Context(program, info_name=PROGRAM)
    for word in arguments:
        command = getattr(context.command, "commands", {}).get(word)
        if command is None:
            break
        context = typer.Context(command, info_name=word, parent=context)
    return context


def _name_values(command: Any) -> None:
    """Names the values of options as people do, in a command and all commands in it: FILE, and nothing for a flag.

    Typer shows the types of Python instead: <path>, and <bool> for a flag, which takes no value.
    """
    context = typer.Context(command)
    for one in (*command.params, command.get_help_option(context)):
        if one.param_type_name == "argument":
            one.display_type_rich = lambda ctx: None  # Its name is shown.
        elif one.metavar is None:
            kind = one.display_type(context).strip("<>").removeprefix("list[").removesuffix("]")
            one.metavar = "" if one.is_flag else _VALUES.get(kind, kind)
    for one in getattr(command, "commands", {}).values():
        _name_values(one)


def _help(name: str, module: str) -> str:
    """The docstring of a command, or of the module for a group of commands. Both are read without importing them."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_bytes())
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == _in_python(name):
            return ast.get_docstring(node) or ""
    return ast.get_docstring(tree) or ""


def _print_version(requested: bool) -> None:
    if requested:
        tell(version())
        raise typer.Exit


def _install_completion(requested: bool) -> None:
    if not requested:
        return
    from workflow.cli.completion import install

    shell = Path(os.environ.get("SHELL", "")).name
    files = install(shell)
    tell(
        f"Completion for {shell} is in {files[0]}.", f"To use it, start a new terminal in which {shell} runs."
    )
    raise typer.Exit


def _show_completion(shell: str | None) -> None:
    if shell is None:
        return
    from workflow.cli.completion import script

    print_for_shell(script(shell))
    raise typer.Exit


_program = typer.Typer(
    help="Publishes the workflow, and manages what is published.",
    epilog="Without a command, `publish` runs.",
    add_completion=False,
)


@_program.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
    install_completion: Annotated[
        bool,
        typer.Option(
            "--install-completion",
            help="Have your shell complete commands and options with the Tab key, and exit.",
            is_eager=True,
            callback=_install_completion,
        ),
    ] = False,
    show_completion: Annotated[
        str | None,
        typer.Option(
            metavar="SHELL",
            help="Show the script for bash, zsh or fish that does it, and exit.",
            is_eager=True,
            callback=_show_completion,
        ),
    ] = None,
) -> None: ...
