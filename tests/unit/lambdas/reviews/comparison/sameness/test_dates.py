from __future__ import annotations

import time
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sameness import is_same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-05-01", "1 May 2026"),
        ("2026-05-01", "May 1st, 2026"),
        ("2026-05-01", "5/1/2026"),
        ("2026-05-01", "5/1/26"),
        ("2026-05-01", "2026/5/1"),
        ("2026-05-01", "20260501"),
        ("2026-05-01", "Fri 01 May 2026"),
        ("2026-05-01", "2026-05-01T00:00:00Z"),
        ("2026-05-01 10:00", "May 1 2026 10 am"),
        ("2026-05-01T10:00+02:00", "2026-05-01 08:00 UTC"),
        ("13/04/2026", "2026-04-13"),
        ("unknown", "unknown"),
        ("1/2/68", "2068-01-02"),
        ("1/2/69", "1969-01-02"),
    ],
)
def test_spellings_of_the_same_date_are_the_same(one: object, other: object) -> None:
    assert is_same(one, other, same="date")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-05-01", "2026-05-02"),
        ("2026-05-01", "1/5/2026"),
        ("2026-05-01", "2026-05-01 10:00"),
        ("May 2026", "1 May 2026"),
        ("May 2026", "2026-05"),
        ("1 May", "May 1"),
        ("Friday", "friday"),
        ("10:00", "10 am"),
        ("010203", "2001-02-03"),
        ("2026-05-01", "unknown"),
        ("31/02/2026", "02/31/2026"),
        ("1 May 2026 10:00 EST", "1 May 2026 10:00 est"),
        ("9999-12-31T23:59-05:00", "9999-12-31T23:59:00-05:00"),
        ("2026-05-01", True),
    ],
)
def test_what_is_no_complete_date_is_compared_exactly(one: object, other: object) -> None:
    assert not is_same(one, other, same="date")


@pytest.mark.parametrize(
    ("text", "day_first", "iso"),
    [
        ("03/04/2026", False, "2026-03-04"),
        ("03/04/2026", True, "2026-04-03"),
        ("3.4.2026", True, "2026-04-03"),
        ("3.4.2026", False, "2026-04-03"),
        ("03. 04. 26", False, "2026-04-03"),
        ("2026.04.03", True, "2026-04-03"),
        ("2026-03-04", True, "2026-03-04"),
        ("2026/03/04", True, "2026-03-04"),
    ],
)
def test_order_of_day_and_month_is_a_setting(text: str, day_first: bool, iso: str) -> None:
    assert is_same(text, iso, same="date", day_first=day_first)


def test_dates_do_not_depend_on_today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "localtime", lambda *_: time.struct_time((2130, 1, 1, 0, 0, 0, 0, 1, 0)))
    assert is_same("1/2/99", "1999-01-02", same="date")
    assert not is_same("May 1", "2130-05-01", same="date")


FORMATS = {
    None: [
        "%d %B %Y",
        "%B %d, %Y",
        "%d.%m.%Y",
        "%Y/%m/%d",
        "%a, %d %b %Y",
        "%d-%b-%Y",
        "%Y%m%d",
        "%d%b%Y",
    ],
    True: ["%d/%m/%Y", "%d-%m-%Y", "%d %m %Y"],
    False: ["%m/%d/%Y", "%m-%d-%Y", "%A %m/%d/%Y"],
}


@given(st.dates(date(1900, 1, 1), date(2199, 12, 31)))
def test_date_is_read_in_every_format(day: date) -> None:
    for day_first, formats in FORMATS.items():
        for form in formats:
            for setting in (True, False) if day_first is None else (day_first,):
                other = day.strftime(form)
                assert is_same(day.isoformat(), other, same="date", day_first=setting), other
                assert not is_same(
                    (day + timedelta(days=1)).isoformat(), other, same="date", day_first=setting
                )
