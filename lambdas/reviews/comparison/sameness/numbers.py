"""Numbers, in the usual spellings, with a tolerance.

Thousands can be separated by a comma, a full stop, a space or an apostrophe: "1,234.50", "1.234,50", "1 234,50". Where
a spelling has two meanings, as "1,234" has, the setting `decimal` decides. Signs of currencies and percent, and codes
such as EUR, can be before or after the number: "€ 12", "12 %". They need not be there, but "12 €" is not "12 $". A
number in parentheses is negative, as accountants write it.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from typing_extensions import override

from lambdas.reviews.comparison.sameness import Sameness

MAX_LENGTH = 100
"""Characters of the longest text that is read as a number."""

_MINUS = r"\-\u2212\u2013"
"""Hyphen, minus sign and en dash, for a class of characters."""
_WHOLE = re.compile(
    rf"(?P<open>\()?\s*(?P<before>[^\d.,()+{_MINUS}]*)(?P<sign>[+{_MINUS}]?)\s*(?P<inside>[^\d.,()+{_MINUS}]*)"
    rf"(?P<digits>[.,]?\d(?:[\d.,'\u2019\s]*\d)?[.,]?(?:[eE][+-]?\d{{1,3}})?)(?P<after>[^\d.,()+{_MINUS}]*)"
    rf"(?P<minus>[{_MINUS}]?)\s*(?P<close>\))?"
)
_UNIT = re.compile(r"[A-Z]{3}|[A-Z]{0,3}[^\w\s]")


class Number(NamedTuple):
    """A number, and the sign or the code of its currency or of percent; empty if there is none."""

    value: Fraction
    unit: str


class SameNumber(Sameness):
    """Numbers that differ by at most a tolerance."""

    def __init__(self, tolerance: float, decimal: str) -> None:
        # From the text: as a binary fraction, 0.1 is a little more than a tenth.
        self.tolerance = Fraction(str(tolerance))
        self._forms = [_form(decimal), _form("," if decimal == "." else ".")]

    @override
    def read(self, text: str) -> Number | None:
        if len(text) > MAX_LENGTH:
            return None
        found = _WHOLE.fullmatch(unicodedata.normalize("NFKC", text).strip())
        if not found or bool(found["open"]) != bool(found["close"]):
            return None
        value = self._value(found["digits"])
        units = [unit for key in ("before", "inside", "after") if (unit := found[key].strip())]
        # "12.-" is a price without cents.
        minus = "" if found["digits"][-1] in ".," else found["minus"]
        negative = [mark for mark in (found["open"], found["sign"].strip("+"), minus) if mark]
        if value is None or len(units) > 1 or len(negative) > 1 or not all(map(_is_unit, units)):
            return None
        return Number(-value if negative else value, units[0] if units else "")

    @override
    def read_number(self, number: float) -> Number:
        return Number(Fraction(str(number)), "")  # JSON has only one decimal separator

    @override
    def between(self, one: Number, other: Number) -> Fraction | None:
        # A sign and a code can be of the same currency.
        if one.unit and other.unit and one.unit != other.unit and one.unit.isalpha() == other.unit.isalpha():
            return None
        difference = abs(one.value - other.value)
        return difference if difference <= self.tolerance else None

    def _value(self, digits: str) -> Fraction | None:
        for form in self._forms:
            if found := form.fullmatch(digits):
                whole = re.sub(r"\D", "", found["whole"])
                return Fraction(Decimal(f"{whole or 0}.{found['part'] or 0}{found['exponent'] or ''}"))
        return None


def _form(decimal: str) -> re.Pattern[str]:
    """Returns the form of a number with this decimal separator."""
    separators = [separator for separator in (r"\.", ",", r"\s", r"['\u2019]") if separator[-1] != decimal]
    # Of the groups, only the last one always has three digits: India writes 1,00,000.
    grouped = "|".join(rf"[1-9]\d{{0,2}}(?:{each}\d{{2,3}})*{each}\d{{3}}" for each in separators)
    return re.compile(
        rf"(?P<whole>{grouped}|\d*)(?:{re.escape(decimal)}(?P<part>\d*))?(?P<exponent>[eE][+-]?\d+)?"
    )


def _is_unit(unit: str) -> bool:
    if not _UNIT.fullmatch(unit):
        return False
    return unit.isalpha() or unit[-1] in "%‰" or unicodedata.category(unit[-1]) == "Sc"
