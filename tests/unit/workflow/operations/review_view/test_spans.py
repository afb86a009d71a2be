from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.workflow.operations.review_view.samples import field
from workflow.operations.review_view import spans as module
from workflow.operations.review_view.model import TextView
from workflow.operations.review_view.rows import numbered
from workflow.operations.review_view.spans import last_offset, marked_text, quoted_part
from workflow.operations.review_view.subject import NamedText


def span(start: Any, end: Any, label: Any = "name") -> dict[str, Any]:
    return {"label": label, "startOffset": start, "endOffset": end}


def marked(text: str, *fields: Any) -> TextView:
    return marked_text(NamedText(text, "inputContent.text"), numbered(list(fields)))


def pieces(view: TextView) -> list[tuple[str, list[int], list[str]]]:
    return [(piece.text, piece.rows, list(piece.who)) for piece in view.pieces]


def test_text_is_cut_where_spans_begin_and_end() -> None:
    one = field(span(0, 9), kind="span", predicted=span(0, 3), reviewed=span(0, 9), outcome="changed")
    view = marked("Ana Silva lives here", one)
    assert pieces(view) == [
        ("Ana", [1], ["people", "prediction"]), (" Silva", [1], ["people"]), (" lives here", [], []),
    ]  # fmt: skip
    assert [(begin.row, begin.who, begin.label) for begin in view.pieces[0].begins] == [
        (1, "prediction", "name"), (1, "people", "name"),
    ]  # fmt: skip
    assert (view.problems, view.shortened) == ([], 0)


def test_spans_of_several_fields_can_overlap() -> None:
    fields = [field(span(*one), kind="span", reviewed=span(*one)) for one in ((0, 6), (3, 9))]
    assert [(text, rows) for text, rows, _ in pieces(marked("abcdefghij", *fields))] == [
        ("abc", [1]), ("def", [1, 2]), ("ghi", [2]), ("j", []),
    ]  # fmt: skip


def test_without_an_agreed_span_each_worker_has_one() -> None:
    one = field(span(0, 2), span(1, 3), kind="span", outcome="unresolved")
    view = marked("abcd", one)
    assert [(begin.who, begin.worker) for piece in view.pieces for begin in piece.begins] == [
        ("worker", 1), ("worker", 2),
    ]  # fmt: skip


def test_offsets_count_characters_as_the_page_of_a_task_does() -> None:
    assert (quoted_part("😀 Ana", 2, 5), quoted_part("😀 Ana", 2, 6)) == ("Ana", None)
    assert pieces(marked("😀 Ana", field(span(2, 5), kind="span", reviewed=span(2, 5)))) == [
        ("😀 ", [], []), ("Ana", [1], ["people"]),
    ]  # fmt: skip


def test_odd_spans_are_reported_and_not_marked() -> None:
    odd = [span(-1, 2), span(3, 2), span(0, 99), span("a", 2), span(True, 2), "nothing", span(0, 10**30)]
    view = marked("abcd", *(field(one, kind="span", reviewed=one) for one in odd))
    assert pieces(view) == [("abcd", [], [])]
    assert view.problems == ["7 spans are not marked: outside of the text."]


def test_label_that_is_no_text_is_the_name_of_the_field() -> None:
    view = marked("abcd", field(span(0, 1, [1]), kind="span", reviewed=span(0, 1, [1]), name="e/x"))
    assert view.pieces[0].begins[0].label == "e/x"


def test_long_text_is_cut_and_says_so(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "MAX_CHARACTERS", 4)
    view = marked("abcdefgh", field(span(6, 8), kind="span", reviewed=span(6, 8)))
    assert (pieces(view), view.shortened) == ([("abcd", [], [])], 4)
    assert view.problems[0].startswith("1 span is not marked: only the beginning")


def test_text_must_be_as_long_as_the_last_offset() -> None:
    fields = [
        field(span(0, 3), span(0, 7), kind="span", predicted=span(0, 5)),
        field("a", kind="text", reviewed="b"),
        field("odd", kind="span"),
    ]
    assert last_offset(fields) == 7
    assert last_offset(fields[1:]) is None


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(-2, 40), st.integers(-2, 40)), max_size=12))
def test_pieces_are_the_whole_text(text: str, places: list[tuple[int, int]]) -> None:
    view = marked(text, *(field(span(*one), kind="span", reviewed=span(*one)) for one in places))
    assert "".join(piece.text for piece in view.pieces) == text
    fitting = [one for one in places if 0 <= one[0] <= one[1] <= len(text)]
    assert sum(len(piece.begins) for piece in view.pieces) == len(fitting)
    assert sum(len(piece.text) for piece in view.pieces if piece.rows) == len(
        {at for start, end in fitting for at in range(start, end)}
    )
