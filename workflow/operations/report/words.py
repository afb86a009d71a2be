"""Formats numbers, shares, times and names for people."""

from __future__ import annotations

import math
import unicodedata
from datetime import date

from lambdas.loops.visible import visible
from workflow.operations.report.figures import Estimate, Share
from workflow.operations.reviews_source import Period

__all__ = [
    "amount",
    "count",
    "day",
    "duration",
    "estimate",
    "interval",
    "legible",
    "one_in",
    "percent",
    "period",
    "points",
    "rate",
    "shortened",
    "threshold",
]

NOTHING = "n/a"


def count(number: int, noun: str = "", plural: str = "") -> str:
    """Returns a number with its noun: 12345, "review" → `12,345 reviews`."""
    text = f"{number:,}"
    if noun:
        text += f" {noun if number == 1 else plural or noun + 's'}"
    return text


def percent(share: float, digits: int = 1) -> str:
    """Returns a share as a percentage: 0.1723 → `17.2%`.

    Only 0 and 1 become 0% and 100%. Shares near them become `<0.1%` and `>99.9%`.
    """
    if math.isnan(share):
        return NOTHING
    step = 10**-digits
    text = f"{100 * share:.{digits}f}"
    if float(text) == 0 and share > 0:
        return f"<{step:.{digits}f}%"
    if float(text) == 100 and share < 1:
        return f">{100 - step:.{digits}f}%"
    return f"{text}%"


def rate(share: Share) -> str:
    """Returns a share as a percentage, with a mark if the sample is small: `17.2% (few)`."""
    return percent(share.value) + (" (few)" if share.small and share.n else "")


def interval(share: Share | Estimate) -> str:
    """Returns the 95% interval of a share: `15.0% to 19.6%`."""
    low, high = share.interval
    return NOTHING if math.isnan(share.value) else f"{100 * low:.1f}% to {100 * high:.1f}%"


def estimate(figure: Estimate) -> str:
    """Returns an estimate with its 95% interval: `17.2% (15.0% to 19.6%)`."""
    return f"{percent(figure.value)} ({interval(figure)})" if figure.known else NOTHING


def points(difference: float) -> str:
    """Returns a difference of two shares in percentage points, with its sign: `+3.2`."""
    if math.isnan(difference):
        return NOTHING
    text = f"{100 * difference:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def amount(money: float) -> str:
    """Returns an amount of money, without a currency: `0.0042`, `1.50`, `12,400`."""
    if math.isnan(money):
        return NOTHING
    size = abs(money)
    if size >= 1000:
        return f"{money:,.0f}"
    if 0 < size < 1e-6:
        return "<0.000001"
    # Two digits that are not zero.
    digits = 2 if size >= 0.1 or size == 0 else 1 - math.floor(math.log10(size))
    return f"{money:.{digits}f}"


def threshold(value: float) -> str:
    """Returns a confidence threshold: `85%`, or what a threshold of 0 or above 1 does."""
    if value <= 0:
        return "review nothing"
    return "review everything" if value > 1 else percent(value, 0)


def one_in(share: float) -> str:
    """Returns a share in words: `about one in six`, `about seven in ten`; empty for 0 and 1."""
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
    """Returns a duration: 75.2 → `1 min 15 s`; 5.24 → `5.2 s`; 7500 → `2 h 5 min`."""
    if math.isnan(seconds):
        return NOTHING
    # Rounded first, so that 59.6 s is "1 min" and not "60 s".
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
    """Returns a day: `3 Jan`, or `3 January 2026`."""
    return f"{when.day} {when:%B %Y}" if year else f"{when.day} {when:%b}"


def period(span: Period) -> str:
    """Returns a period with its last day: `1 to 31 January 2026`."""
    first, last = span.first, span.last
    if first == last:
        return day(first, year=True)
    if first.year != last.year:
        return f"{day(first, year=True)} to {day(last, year=True)}"
    if first.month != last.month:
        return f"{first.day} {first:%B} to {day(last, year=True)}"
    return f"{first.day} to {day(last, year=True)}"


def legible(text: str) -> str:
    """Returns the text with escapes for what cannot be seen, and replacement characters for what has no meaning yet.

    Field names come from documents, so they can contain anything.
    """
    return "".join(
        _REPLACEMENT if unicodedata.category(char) in _MEANINGLESS else char for char in visible(text)
    )


_MEANINGLESS = frozenset({"Cn", "Co"})
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def shortened(text: str, limit: int) -> str:
    """Returns the text, cut to `limit` characters with an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"
