"""Times, as the documents have them: in UTC, whatever offset they were written with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator


def in_utc(moment: datetime) -> datetime:
    """Returns the time in UTC; one without an offset is in UTC already.

    Raises:
        ValueError: it is so near the end of the calendar that there is no such time in UTC.
    """
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("out of range") from error


UtcTime = Annotated[datetime, AfterValidator(in_utc)]
