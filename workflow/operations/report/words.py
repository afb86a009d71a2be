"""Numbers, shares, times and names as people read them."""

from __future__ import annotations

import math
import unicodedata
from datetime import date

from workflow.operations.report.statistics import Share
from workflow.operations.reviews_source import Period

__all__ = [
    "count",
    "day",
    "duration",
    "interval",
    "legible",
    "one_in",
    "percent",
    "period",
    "shortened",
]

NOTHING = "n/a"


def count(number: int, noun: str = "", plural: str = "") -> str:
    """12345, "review" → `12,345 reviews`."""
    text = f"{number:,}"
    if noun:
        text += f" {noun if number == 1 else plural or noun + 's'}"
    return text


def percent(share: float, digits: int = 1) -> str:
    """0.1723 → `17.2%`. Never rounds to 0% or 100% what is not: `<0.1%`, `>99.9%`."""
    if math.isnan(share):
        return NOTHING
    step = 10**-digits
    text = f"{100 * share:.{digits}f}"
    if float(text) == 0 and share > 0:
        return f"<{step:.{digits}f}%"
    if float(text) == 100 and share < 1:
        return f">{100 - step:.{digits}f}%"
    return f"{text}%"


def interval(share: Share) -> str:
    """The share's 95 % interval: `15.0% to 19.6%`."""
    low, high = share.interval
    return f"{100 * low:.1f}% to {100 * high:.1f}%" if share.n else NOTHING


def one_in(share: float) -> str:
    """A share as people say it: `about one in six`, `about seven in ten`; empty for none or all."""
    if math.isnan(share) or not 0 < share < 1:
        return ""
    if share < 0.005:
        return "fewer than one in two hundred"
    if share <= 0.45:
        return f"about one in {_SMALL.get(round(1 / share), str(round(1 / share)))}"
    if share < 0.55:
        return "about half"
    tenths = round(10 * share)
    return f"about {_SMALL[tenths]} in ten" if tenths < 10 else "nearly all"


_SMALL = dict(
    enumerate(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), start=1)
)


def duration(seconds: float) -> str:
    """75.2 → `1 min 15 s`; 5.24 → `5.2 s`; 7500 → `2 h 5 min`."""
    if math.isnan(seconds):
        return NOTHING
    whole, minutes = round(seconds), round(seconds / 60)
    if seconds < 9.95:
        text = f"{seconds:.1f} s"
    elif whole < 60:
        text = f"{whole} s"
    elif whole < 3600:
        text = f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    elif minutes < 6000:
        text = f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    else:
        text = f"{count(round(seconds / 3600))} h"
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def day(when: date, *, year: bool = False) -> str:
    """`3 Jan`, or `3 January 2026`."""
    return f"{when.day} {when:%B %Y}" if year else f"{when.day} {when:%b}"


def period(span: Period) -> str:
    """`1 to 31 January 2026`, its last day included."""
    first, last = span.first, span.last
    if first == last:
        return day(first, year=True)
    if first.year != last.year:
        return f"{day(first, year=True)} to {day(last, year=True)}"
    if first.month != last.month:
        return f"{first.day} {first:%B} to {day(last, year=True)}"
    return f"{first.day} to {day(last, year=True)}"


def legible(text: str) -> str:
    """The text with what cannot be shown made visible: control characters, lone surrogates, marks that turn
    the direction of writing. Names of fields come from documents: anything may be in them."""
    return "".join(
        _REPLACEMENT if unicodedata.category(char) in _UNSHOWN or char in _TURNING else char for char in text
    )


_UNSHOWN = frozenset({"Cc", "Cs", "Cn", "Co"})
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def shortened(text: str, limit: int) -> str:
    """The text, cut to `limit` characters with an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"
