"""Ages and moments as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import typer

__all__ = ["age", "moment_of"]

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def age(text: str, option: str, otherwise: str = "") -> timedelta:
    """Returns an age such as 30m, 2h, 3d or 1w.

    Args:
        text: What was typed.
        option: The option, for the error.
        otherwise: What else can be typed, for the error.

    Raises:
        BadParameter: It is no age.
    """
    match = re.fullmatch(r"([0-9]{1,5})\s*([mhdw])", text.strip())
    if match is None:
        raise typer.BadParameter(f"invalid age {text!r}: use 30m, 2h, 3d or 1w{otherwise}", param_hint=option)
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def moment_of(text: str, option: str = "--since") -> datetime:
    """Returns a moment: a day or a time in ISO 8601 (UTC without an offset), or an age, counted from now.

    Args:
        text: What was typed.
        option: The option, for the error.

    Raises:
        BadParameter: It is neither.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:  # It is an age, or a mistake.
        return datetime.now(UTC) - age(text, option, ", or a day such as 2026-01-31")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
