"""Every command with its options, from the command line itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from docs.generate.markdown import code, prose, table
from workflow import ROOT

__all__ = ["commands"]

EXIT_STATUSES = (
    ("0", "Done. For `plan`: there is nothing to change."),
    (
        "1",
        "An error, told in one line on standard error: what was wrong, where, what to do. Or: you said no; "
        "`smoke` and `local` found something that is not as it should be; `render --check` found a difference; "
        "`loops reconcile` could not look at everything.",
    ),
    ("2", "Of `plan`: there is something to change."),
    ("130", "Ctrl-C."),
)


def commands(command: Any) -> str:
    """The page.

    Args:
        command: The group of all commands, as Typer makes it.
    """
    leaves = list(_leaves(command, ()))
    contents = "\n".join(
        f"- [`{' '.join(name)}`](#{'-'.join(name)}): {_first(leaf)}" for name, leaf in leaves
    )
    return "\n\n".join(
        [
            "# Commands",
            "`python deploy.py COMMAND`, in the project's folder, with `.venv` activated. Without a command,"
            " `publish` runs. `--help` shows the same as this page, `--version` the version.",
            contents,
            "## Exit statuses\n\n" + table(["Status", "Meaning"], EXIT_STATUSES),
            *(_section(name, leaf) for name, leaf in leaves),
        ]
    )


def _leaves(command: Any, name: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner: Mapping[str, Any] | None = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, one in inner.items():
        yield from _leaves(one, (*name, word))


def _section(name: tuple[str, ...], leaf: Any) -> str:
    arguments = [one for one in leaf.params if not one.opts[0].startswith("-")]
    usage = " ".join(["python deploy.py", *name, *(_metavar(one) for one in arguments)])
    rows = [(_spelt(one), _default(one), prose(one.help or "")) for one in leaf.params if one.name != "help"]
    paragraphs = "\n\n".join(map(prose, inspect.cleandoc(leaf.help or "").split("\n\n")))
    heading = f"## {' '.join(name)}\n\n`{usage} [OPTIONS]`\n\n{paragraphs}"
    return f"{heading}\n\n{table(['Option', 'Default', 'Meaning'], rows)}" if rows else heading


def _first(leaf: Any) -> str:
    return prose(inspect.cleandoc(leaf.help or "").partition("\n\n")[0])


def _spelt(parameter: Any) -> str:
    if not parameter.opts[0].startswith("-"):
        return code(_metavar(parameter))
    names = ", ".join(code(name) for name in (*parameter.opts, *parameter.secondary_opts))
    value = "" if _is_flag(parameter) else f" {_metavar(parameter)}"
    variable = f" (or the variable `{parameter.envvar}`)" if parameter.envvar else ""
    return f"{names}{value}{variable}"


def _metavar(parameter: Any) -> str:
    if parameter.metavar:
        return str(parameter.metavar)
    kind = parameter.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(one.value) for one in kind)
    named = {int: "NUMBER", Path: "FILE"}
    return named.get(kind, "TEXT")


def _default(parameter: Any) -> str:
    value = parameter.default
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, Path):
        value = value.relative_to(ROOT) if value.is_relative_to(ROOT) else value
    if parameter.required:
        return "must be given"
    if _is_flag(parameter):
        return code(parameter.opts[0]) if value is True else ""
    return code(str(value)) if value is not None else ""


def _is_flag(parameter: Any) -> bool:
    return bool(getattr(parameter, "is_flag", False))
