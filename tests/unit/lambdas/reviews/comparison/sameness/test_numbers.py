from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sameness import is_same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12.40", "12.4"),
        ("12.40", "12,4"),
        ("12.40", 12.4),
        ("1,234.50", "1234.5"),
        ("1.234,50", "1 234.5"),
        ("1\u00a0234,50", "1'234.5"),
        ("1,234", "1234"),
        ("1.234.567", "1234567"),
        ("1,00,000", 100000),
        ("€ 12", "12"),
        ("€ 12", "12 €"),
        ("12 €", "EUR 12.00"),
        ("US$5", "5"),
        ("-$5", "$-5"),
        ("(5.00)", "-5"),
        ("\u22125", "-5"),
        ("5-", -5),
        ("12.-", "12"),
        ("50 %", "50"),
        ("1e3", "1000"),
        ("+7", "7"),
        ("\uff17", 7),
        ("n/a", "n/a"),
    ],
)
def test_spellings_of_the_same_number_are_the_same(one: object, other: object) -> None:
    assert is_same(one, other, same="number")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("12.40", "12.41"),
        ("12.40", "n/a"),
        ("12.40", None),
        ("n/a", "N/A"),
        ("5", "-5"),
        ("12 €", "12 $"),
        ("EUR 12", "USD 12"),
        ("12", "12 kg"),
        ("030 123 456", "30123456"),
        ("1.2.3", "123"),
        ("1,2,3", "123"),
        ("(5", "-5"),
        ("1", True),
        ("1", ["1"]),
        ("9" * 200, "9" * 199),
    ],
)
def test_other_values_of_a_number_field_differ(one: object, other: object) -> None:
    assert not is_same(one, other, same="number")


@pytest.mark.parametrize(
    ("decimal", "one", "other"),
    [
        (".", "1,234", "1234"),
        (",", "1.234", "1234"),
        (",", "1,234", 1.234),
        (",", "1.234,5", 1234.5),
        (",", "12.40", "12,4"),
    ],
)
def test_decimal_separator_decides_if_there_are_two_meanings(
    decimal: str, one: object, other: object
) -> None:
    assert is_same(one, other, same="number", decimal=decimal)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("12.4", "12.5", True), (0.1, 0.2, True), ("12.4", "12.51", False), ("12 €", "12.05 $", False)],
)
def test_numbers_within_the_tolerance_are_the_same(one: object, other: object, same: bool) -> None:
    assert is_same(one, other, same="number", tolerance=0.1) is same


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**12), max_value=10**12))
def test_every_format_of_a_number_is_read(number: object) -> None:
    assert is_same(f"{number:,.2f}", f"{number}", same="number")
    swapped = f"{number:,.2f}".translate({ord(","): ".", ord("."): ","})
    assert is_same(swapped, f"€ {number}", same="number", decimal=",")
