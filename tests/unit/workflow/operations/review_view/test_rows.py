from __future__ import annotations

from tests.unit.workflow.operations.review_view.samples import field
from workflow.operations.review_view.rows import numbered, review_row


def test_overruled_fields_come_first_and_kept_ones_last() -> None:
    fields = [
        field("a", name="kept"),
        field("a", name="answered", outcome="answered"),
        field("a", name="unresolved", outcome="unresolved"),
        field("a", name="removed", outcome="removed"),
        field("a", name="added", outcome="added"),
        field("a", name="changed", outcome="changed"),
        field("a", name="kept too"),
    ]
    found = numbered(fields)
    assert [one.field.name for one in found] == [
        "changed", "added", "removed", "unresolved", "answered", "kept", "kept too",
    ]  # fmt: skip
    assert [(one.number, fields[one.place]) for one in found] == [
        (number, one.field) for number, one in enumerate(found, start=1)
    ]


def test_row_says_who_agrees_with_the_agreed_value() -> None:
    one = field("b", "b", "c", predicted="a", reviewed="b", outcome="changed")
    row = review_row(numbered([one])[0], marked=False, quote=lambda start, end: None)
    assert [(answer.worker, answer.value.text, answer.agrees) for answer in row.answers] == [
        (1, "b", True), (2, "b", True), (3, "c", False),
    ]  # fmt: skip
    assert [(vote.value.text, vote.count) for vote in row.votes] == [("b", 2), ("c", 1)]


def test_nobody_agrees_in_a_tie() -> None:
    row = review_row(
        numbered([field("b", "c", outcome="unresolved")])[0], marked=False, quote=lambda start, end: None
    )
    assert row.reviewed is None
    assert [answer.agrees for answer in row.answers] == [None, None]


def test_field_that_most_left_empty_has_an_empty_agreed_value() -> None:
    one = field(None, None, "c", predicted="a", outcome="removed")
    row = review_row(numbered([one])[0], marked=False, quote=lambda start, end: None)
    assert row.reviewed is not None
    assert row.reviewed.empty
