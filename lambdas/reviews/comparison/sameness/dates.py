"""Dates, in the usual spellings of English and in ISO 8601: "1 May 2026", "May 1st, 2026", "2026-05-01".

For 03/04/2026, the setting `day_first` decides. With dots, as in 3.4.2026, the day is always first. A date has a year,
a month and a day: what is missing is never taken from today. A year of two digits is from 1969 to 2068, as POSIX has
it. If there is a time of day, it counts. Without a time zone, it is in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from dateutil.parser import parser, parserinfo
from typing_extensions import override

from lambdas.reviews.comparison.sameness import Sameness

MAX_LENGTH = 60
"""Characters of the longest text that is read as a date."""

_DEFAULTS = (datetime(2000, 1, 1), datetime(2004, 12, 31))
_WORD = re.compile(r"\d+|[^\W\d_]+")
_YEAR_FIRST = re.compile(r"\d{4}\D")
_WITH_DOTS = re.compile(r"\d{1,2}\.\s?\d{1,2}\.\s?\d{2,4}\b")


class SameDate(Sameness):
    """Texts for the same date, or the same time of the same date."""

    def __init__(self, *, day_first: bool) -> None:
        self.day_first = day_first
        self._parser = parser(_Years())

    @override
    def read(self, text: str) -> datetime | None:
        text = text.strip()
        if len(text) > MAX_LENGTH:
            return None
        try:
            moment = self._moment(text)
            return moment and (moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC))
        except (ValueError, OverflowError, TypeError, AttributeError, LookupError, ArithmeticError):
            return None  # dateutil documents the first two

    @override
    def between(self, one: datetime, other: datetime) -> int | None:
        return 0 if one == other else None

    def _moment(self, text: str) -> datetime | None:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
        if len(_WORD.findall(text)) < 3:
            return None  # such as the number of a document
        # Nobody writes the day between the year and the month, or dots in the order of the United States.
        day_first = (self.day_first or _WITH_DOTS.search(text) is not None) and not _YEAR_FIRST.match(text)
        # What a text lacks comes from the default. With two that have no part in common, the results then differ.
        one, other = (
            self._parser.parse(text, default=default, dayfirst=day_first, tzinfos=_zone)
            for default in _DEFAULTS
        )
        return one if one == other else None


class _Years(parserinfo):
    """dateutil's words for dates. Its own rule for years of two digits depends on the current year."""

    @override
    def convertyear(self, year: int, century_specified: bool = False) -> int:
        if year >= 100 or century_specified:
            return year
        return year + (1900 if year >= 69 else 2000)


def _zone(name: str | None, offset: int | None) -> tzinfo | None:
    # dateutil would use the time zone of this machine.
    if offset is not None:
        return timezone(timedelta(seconds=offset))
    if name is None or name.upper() in ("UTC", "GMT", "Z"):
        return None if name is None else UTC
    raise ValueError(f"the time zone {name} depends on the country")
