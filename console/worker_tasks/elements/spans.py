"""crowd-entity-annotation: spans of a text.

Offsets count Unicode characters from 0; the end is that of the first character after the span. The page has a row of
fields for each span, so that an answer needs neither a mouse nor a script. With one, a worker marks words.

As in the crowd element, no two spans can share a part of the text.
"""

from __future__ import annotations

import itertools
import re
from typing import Any, Literal

from typing_extensions import override

from console.posted import Posted
from console.views import View
from console.worker_tasks.elements import (
    Element,
    ElementView,
    Filled,
    Labels,
    Shown,
    at,
    labels_in,
    no_labels,
)
from lambdas.reviews.comparison.elements.spans import Entities

__all__ = ["EntityAnnotation", "SpansView"]

_SHARED = "It shares a part of the text with another span: remove one, or change where it starts or ends."


class TokenView(View):
    """A word, a sign or white space of the text.

    Attributes:
        text: The text.
        start: Where it starts.
        end: Where it ends.
        word: Whether it is more than white space.
        label: The position of the label of the span that it is in; None outside of spans.
    """

    text: str
    start: int
    end: int
    word: bool
    label: int | None


class SpanView(View):
    """A span.

    Attributes:
        index: The number in the names of its fields.
        label: The position of its label; None if it has none, and then it is no span.
        start: As the field has it.
        end: As the field has it.
        text: The part of the text; None if start and end are not in it.
        problem: What is wrong with it.
    """

    index: int
    label: int | None
    start: str
    end: str
    text: str | None
    problem: str | None = None


class SpansView(ElementView):
    """Spans of a text.

    Attributes:
        labels: The labels that can be chosen, and any other label of a span that the prediction has.
        spans: The spans, in the order of the rows.
        tokens: The text.
        length: The number of characters of the text.
    """

    labels: tuple[str, ...]
    spans: tuple[SpanView, ...]
    tokens: tuple[TokenView, ...]
    length: int


class EntityAnnotation(Element):
    """Spans to mark.

    Attributes:
        labels: The labels.
        initial_value: Where in the input the predicted spans are.
    """

    element: Literal["crowd-entity-annotation"]
    labels: Labels
    initial_value: str | None = None

    @override
    def fill(self, shown: Shown, field: str, posted: Posted | None) -> Filled:
        initial = _initial(at(shown.content, self.initial_value))
        labels = labels_in(self.labels, shown.content)
        labels = tuple(dict.fromkeys([*labels, *(label for label, *_ in initial)]))
        text = shown.text or ""
        prefix = f"{field}span-"
        entered = (
            [
                (index, labels.index(label), str(start), str(end))
                for index, (label, start, end) in enumerate(initial)
            ]
            if posted is None
            else [_entered(prefix, index, labels, posted) for index in posted.rows(prefix)]
        )
        spans = _with_problems([_span(*row, text) for row in entered])
        problem = None
        if not labels:
            problem = no_labels(self.labels)
        elif not text:
            problem = "The input has no text to mark. Answer as JSON."
        valid = [span for span in spans if span.label is not None and span.problem is None]
        marked = sorted((int(span.start), int(span.end), span.label or 0) for span in valid)
        view = SpansView(
            kind="spans",
            name=self.name,
            header=self.header,
            field=field,
            problem=problem,
            labels=labels,
            spans=tuple(spans),
            tokens=tuple(_tokens(text, marked)),
            length=len(text),
        )
        entities = [
            {"endOffset": end, "label": labels[label], "startOffset": start} for start, end, label in marked
        ]
        is_valid = problem is None and not any(span.problem for span in spans)
        return Filled(view, {self.name: {"entities": entities}}, is_valid)


def _initial(found: Any) -> list[tuple[str, int, int]]:
    """Returns label, start and end of the predicted spans. Those of an odd form are left out."""
    prediction = Entities.prediction(found) if isinstance(found, list | dict) else None
    if prediction is None:
        return []
    return [(span.label, span.start_offset, span.end_offset) for span in prediction.entities]


def _entered(
    prefix: str, index: int, labels: tuple[str, ...], posted: Posted
) -> tuple[int, int | None, str, str]:
    label = posted.number(f"{prefix}{index}-label")
    start, end = (posted.text(f"{prefix}{index}-{side}").strip() for side in ("start", "end"))
    return index, label if label is not None and label < len(labels) else None, start, end


def _span(index: int, label: int | None, start: str, end: str, text: str) -> SpanView:
    first, after = (int(side) if re.fullmatch(r"[0-9]{1,9}", side) else None for side in (start, end))
    part = (
        text[first:after] if first is not None and after is not None and first < after <= len(text) else None
    )
    problem = None
    if label is not None and (first is None or after is None):
        problem = "Enter whole numbers for start and end."
    elif label is not None and part is None:
        problem = f"The text has no such part: start is before end, and the text ends at {len(text)}."
    return SpanView(index=index, label=label, start=start, end=end, text=part, problem=problem)


def _with_problems(spans: list[SpanView]) -> list[SpanView]:
    """Returns the spans; those that share a part of the text with an earlier one in the text have a problem."""
    sound = sorted(
        (span for span in spans if span.label is not None and span.problem is None),
        key=lambda span: (int(span.start), int(span.end)),
    )
    shared: set[int] = set()
    reached = 0
    for span in sound:
        if int(span.start) < reached:
            shared.add(span.index)
        reached = max(reached, int(span.end))
    return [span.model_copy(update={"problem": _SHARED}) if span.index in shared else span for span in spans]


def _tokens(text: str, marked: list[tuple[int, int, int]]) -> list[TokenView]:
    """Returns the text in parts. No part is only partly in a span."""
    ends = {0, len(text), *(side for start, end, _ in marked for side in (start, end))}
    ends.update(match.end() for match in re.finditer(r"\s+|\w+|[^\w\s]", text))
    cuts = sorted(ends)
    spans = iter(marked)
    current = next(spans, None)
    tokens = []
    for start, end in itertools.pairwise(cuts):
        while current is not None and current[1] <= start:
            current = next(spans, None)
        inside = current is not None and current[0] <= start
        part = text[start:end]
        tokens.append(
            TokenView(
                text=part,
                start=start,
                end=end,
                word=not part.isspace(),
                label=current[2] if inside and current is not None else None,
            )
        )
    return tokens
