"""A text in pieces, each with the spans that cover it.

Offsets count Unicode characters from 0; the end is that of the first character after the span.

Source: "startOffset" and "endOffset" of crowd-entity-annotation in the Crowd HTML Elements Reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from lambdas.reviews.record import FieldRecord
from workflow.operations.review_view.model import PieceView, SpanView, TextView, Who
from workflow.operations.review_view.rows import NumberedField
from workflow.operations.review_view.shapes import agreed_marks
from workflow.operations.review_view.subject import NamedText
from workflow.operations.review_view.wording import json_value

__all__ = ["last_offset", "marked_text", "quoted_part"]

MAX_SPANS = 1_000
"""The number of spans that are marked."""
MAX_ROWS = 12
"""The number of fields that a piece names. More spans on top of each other cannot be told apart."""
MAX_CHARACTERS = 100_000
"""The length of the text that is shown."""


class _Mark(NamedTuple):
    start: int
    end: int
    span: SpanView


def last_offset(fields: Iterable[FieldRecord]) -> int | None:
    """Returns how long a text must be for all spans of the fields; None without spans."""
    ends = [
        found[1]
        for field in fields
        if field.kind == "span"
        for text in (field.predicted, field.reviewed, *(worker.value for worker in field.per_worker))
        if text is not None and (found := _offsets(json_value(text)))
    ]
    return max(ends, default=None)


def quoted_part(text: str, start: int, end: int) -> str | None:
    """Returns the text of a span, or None if the text has no such part."""
    return text[start:end] if 0 <= start < end <= len(text) else None


def marked_text(text: NamedText, fields: Iterable[NumberedField]) -> TextView:
    """Returns a text with the spans of fields.

    Args:
        text: The text.
        fields: The fields to show.
    """
    shown = min(len(text.text), MAX_CHARACTERS)
    marks: list[_Mark] = []
    outside = left_out = 0
    for one in fields:
        for who, worker, value in _values(one.field) if one.field.kind == "span" else ():
            content = json_value(value)
            place = _offsets(content)
            if place is None or not 0 <= place[0] <= place[1] <= len(text.text):
                outside += 1
            elif len(marks) >= MAX_SPANS or place[1] > shown:
                left_out += 1
            else:
                label = content["label"] if isinstance(content.get("label"), str) else one.field.name
                span = SpanView(
                    row=one.number, who=who, worker=worker, label=label, outcome=one.field.outcome
                )
                marks.append(_Mark(*place, span))
    marks.sort(key=lambda mark: mark.start)
    first = {mark.span.row: mark for mark in reversed(marks)}
    marks = [
        mark._replace(span=mark.span.model_copy(update={"first": True}))
        if first[mark.span.row] is mark
        else mark
        for mark in marks
    ]
    return TextView(
        named_in=text.named_in,
        pieces=list(_pieces(text.text, shown, marks)),
        shortened=len(text.text) - shown,
        problems=list(_problems(outside, left_out)),
    )


def _values(field: FieldRecord) -> Iterator[tuple[Who, int | None, str]]:
    yield from agreed_marks(field)
    if field.reviewed is None and len(field.per_worker) > 1:
        # Without an agreed answer, each answer counts. With one, the table has those that differ.
        for worker in field.per_worker:
            if worker.value is not None:
                yield "worker", worker.worker_index + 1, worker.value


def _offsets(value: Any) -> tuple[int, int] | None:
    if not isinstance(value, dict):
        return None
    start, end = value.get("startOffset"), value.get("endOffset")
    if (
        isinstance(start, bool)
        or isinstance(end, bool)
        or not isinstance(start, int)
        or not isinstance(end, int)
    ):
        return None
    return start, end


def _pieces(text: str, length: int, marks: Sequence[_Mark]) -> Iterator[PieceView]:
    """Yields the text between the offsets where spans begin or end."""
    begins: dict[int, list[_Mark]] = {}
    ends: dict[int, list[_Mark]] = {}
    for mark in marks:
        begins.setdefault(mark.start, []).append(mark)
        ends.setdefault(mark.end, []).append(mark)
    edges = sorted({0, length, *begins, *ends})
    open_marks: dict[int, _Mark] = {}
    for at, until in zip(edges, [*edges[1:], length], strict=True):
        for mark in ends.get(at, ()):
            open_marks.pop(id(mark), None)
        starting = begins.get(at, ())
        open_marks |= {id(mark): mark for mark in starting if mark.end > at}
        if until == at and not starting:
            continue
        covering = list(open_marks.values())[-MAX_ROWS:]
        yield PieceView(
            text=text[at:until],
            begins=[mark.span for mark in starting],
            rows=sorted({mark.span.row for mark in covering}),
            who=sorted({mark.span.who for mark in covering}),
        )


def _problems(outside: int, left_out: int) -> Iterator[str]:
    if outside:
        yield f"{_spans(outside)} not marked: outside of the text."
    if left_out:
        yield f"{_spans(left_out)} not marked: only the beginning of a long text is shown, with {MAX_SPANS:,} spans."


def _spans(count: int) -> str:
    return f"{count:,} {'span is' if count == 1 else 'spans are'}"
