"""crowd-input, crowd-text-area: a text. An answer does not contain a blank one."""

from __future__ import annotations

from typing import Literal

from typing_extensions import override

from console.posted import Posted
from console.worker_tasks.elements import Element, ElementView, Filled, Shown, text_at
from lambdas.loops.visible import visible, visible_lines

__all__ = ["Text", "TextView"]


class TextView(ElementView):
    """A text.

    Attributes:
        text: What is in the field.
        multiline: Whether it has several lines.
        required: Whether it must not be blank.
    """

    text: str
    multiline: bool
    required: bool


class Text(Element):
    """A text to enter.

    Attributes:
        value: Where in the input the text is with which the field begins.
        required: Whether the field must not be blank.
    """

    element: Literal["crowd-input", "crowd-text-area"]
    value: str | None = None
    required: bool = False

    @override
    def fill(self, shown: Shown, field: str, posted: Posted | None) -> Filled:
        first = text_at(shown.content, self.value) or ""
        text = first if posted is None else unchanged(posted.text(f"{field}text"), first)
        is_blank = not text.strip()
        problem = "Enter a text." if posted is not None and self.required and is_blank else None
        view = TextView(
            kind="text",
            name=self.name,
            header=self.header,
            field=field,
            problem=problem,
            text=text,
            multiline=self.element == "crowd-text-area",
            required=self.required,
        )
        return Filled(view, {} if is_blank else {self.name: text}, not (self.required and is_blank))


def unchanged(entered: str, shown: str) -> str:
    """Returns the text that a worker entered; the one that was shown if the worker did not change it.

    A page shows control characters as escapes, and a browser may change line ends.
    """
    lines = shown.replace("\r\n", "\n").replace("\r", "\n")
    same = (shown, lines, visible(shown), visible_lines(shown), visible_lines(lines))
    return shown if entered in same else entered
