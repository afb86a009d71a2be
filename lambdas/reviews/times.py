"""Times in UTC, with whatever offset a document writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator


def in_utc(moment: datetime) -> datetime:
    """Returns the time in UTC. A time without an offset is taken as UTC.

    Raises:
        ValueError: The time is so close to year 1 or 9999 that it does not exist in UTC.
    """
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error


def moment_of(text: str | None) -> datetime | None:
    """Returns the time that a text says, in UTC, or None if it says none. For times that anybody may have written."""
    try:
        return in_utc(datetime.fromisoformat(text)) if text else None
    except ValueError:
        return None


def timestamp(moment: datetime) -> str:
    """Returns the time as A2I's events write it, in UTC with milliseconds: 2026-01-31T08:15:00.000Z.

    Microseconds are cut off, not rounded. The same time always gives the same text, and texts sort like times.
    """
    return in_utc(moment).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


UtcTime = Annotated[datetime, AfterValidator(in_utc)]
