"""Moments as people write them: in options of commands, and in the addresses of pages."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from workflow.errors import AfterloopError

__all__ = ["FORMS", "InvalidMoment", "parse_moment", "past_moment"]

FORMS = (
    "30m, 2h, 3d or 1w for a time before now, or a day or time (UTC) such as 2026-01-31 or 2026-01-31T22:00"
)
"""The forms of a moment, for messages."""

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class InvalidMoment(AfterloopError):
    """A text is not a moment, or the moment makes no sense where it stands. The message says what to write instead."""


def parse_moment(text: str, now: datetime | None = None) -> datetime:
    """Returns a moment in UTC.

    Args:
        text: An age, counted back from now: `30m`, `2h`, `3d`, `1w`; or a day, which means its beginning, or a time in
            ISO 8601. Without an offset, days and times are in UTC.
        now: The current time, for an age.

    Raises:
        InvalidMoment: It is none of these.
    """
    from lambdas.reviews.times import in_utc  # It imports pydantic, which help texts do not need.

    text = text.strip()
    try:
        if age := re.fullmatch(r"([0-9]{1,5})\s*([mhdw])", text):
            moment = in_utc(now or datetime.now(UTC)) - timedelta(**{_UNITS[age[2]]: int(age[1])})
        else:
            moment = in_utc(datetime.fromisoformat(text))
    except ValueError:
        raise InvalidMoment(f"invalid time {text!r}: use {FORMS}") from None
    # Nothing is as old or as new. Days around the first and the last year cannot be counted with.
    if not 1970 <= moment.year <= 9000:
        raise InvalidMoment(f"invalid time {text!r}: the year is {moment.year}")
    return moment


def past_moment(text: str, now: datetime | None = None) -> datetime:
    """Returns a moment as `parse_moment` does, for the beginning of a period that has begun.

    Raises:
        InvalidMoment: It is no moment, or it is in the future.
    """
    now = now or datetime.now(UTC)
    moment = parse_moment(text, now)
    if moment > now:
        raise InvalidMoment(f"{text.strip()} is in the future; it is {now:%Y-%m-%dT%H:%M} UTC now")
    return moment
