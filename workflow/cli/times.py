"""Options that take a time. All commands have the same two, `--since` and `--until`, which take the same forms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import typer

from workflow.operations.moments import InvalidMoment, parse_moment, past_moment

__all__ = ["former", "one_of", "since", "until"]


def since(help: str, more: str = "") -> Any:
    """Returns the option `--since` of a parameter of the type `datetime | None`: a time in the past, included.

    Args:
        help: What it selects; the forms of a time are added.
        more: Another sentence after them.
    """
    return typer.Option("--since", parser=_past, metavar="WHEN", help=f"{_with_forms(help)} {more}".rstrip())


def until(help: str) -> Any:
    """Returns the option `--until` of a parameter of the type `datetime | None`: a time, not included.

    Args:
        help: What it selects; the forms of a time are added.
    """
    return typer.Option("--until", parser=_any, metavar="WHEN", help=_with_forms(help))


def former(name: str, now_called: str) -> Any:
    """Returns an option that still has its former name. It works, and neither help nor reference show it.

    Args:
        name: The former name, such as `--from`.
        now_called: `--since` or `--until`.
    """
    parser = _past if now_called == "--since" else _any
    return typer.Option(name, parser=parser, metavar="WHEN", hidden=True, help=f"Now called {now_called}.")


def one_of(
    name: str, value: datetime | None, former_name: str, former_value: datetime | None
) -> datetime | None:
    """Returns the value of an option, or that of its former name.

    Raises:
        BadParameter: Both were given.
    """
    if value is not None and former_value is not None:
        raise typer.BadParameter(f"is the former name of {name}: give one of them", param_hint=former_name)
    return former_value if value is None else value


def _with_forms(text: str) -> str:
    return f"{text}: 2h or 3d ago, 2026-01-31, or 2026-01-31T22:00 (UTC)."


def _any(text: str) -> datetime:
    return _parsed(parse_moment, text)


def _past(text: str) -> datetime:
    return _parsed(past_moment, text)


def _parsed(parse: Callable[[str], datetime], text: str) -> datetime:
    try:
        return parse(text)
    except InvalidMoment as error:
        # Typer adds the name of the option.
        raise typer.BadParameter(str(error)) from None
