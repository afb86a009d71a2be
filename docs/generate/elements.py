"""The page about crowd elements: for each one, what is compared and how."""

from __future__ import annotations

import inspect
import re
import sys
from types import ModuleType
from typing import NamedTuple, get_args

from docs.generate.markdown import code, table
from docs.generate.reading import first_paragraph, section
from lambdas.reviews.comparison import judgements, rekognition, textract
from lambdas.reviews.comparison.elements import drawn, element_of_kind
from lambdas.reviews.record import Kind

__all__ = ["NO_ANSWER", "Compared", "compared", "elements"]

NO_ANSWER = {
    "crowd-alert": "A message.",
    "crowd-badge": "A number or icon at the corner of another element.",
    "crowd-button": "A button. It can submit the form.",
    "crowd-card": "A box with content.",
    "crowd-fab": "A round button.",
    "crowd-form": "The form. Its answer is the answers of the elements in it.",
    "crowd-icon-button": "A button with an icon.",
    "crowd-instructions": "Instructions.",
    "crowd-modal": "A window.",
    "crowd-tab": "The content of a tab.",
    "crowd-tabs": "A container of tabs.",
    "crowd-toast": "A short message.",
}
"""Crowd elements that give no answer, and what they are."""


class Compared(NamedTuple):
    """A row of the table.

    Attributes:
        names: The crowd elements; none for an object of several values.
        what: The elements, as the page names them.
        kind: The kind of the fields.
        about: What an answer is.
        fields: Which fields the element makes.
        same: When a value is the same as the prediction.
        prediction: Which forms a prediction can have.
    """

    names: tuple[str, ...]
    what: str
    kind: str
    about: str
    fields: str
    same: str
    prediction: str


def compared() -> list[Compared]:
    """Returns a row for each module that compares elements."""
    kinds = {kind: sys.modules[element_of_kind(kind).__module__] for kind in get_args(Kind)}
    return [
        *(_row(module, code(kind)) for kind, module in kinds.items()),
        _row(judgements, "of each value"),
        _row(textract, "`text`, `selection`"),
        _row(rekognition, "`labels`"),
    ]


def elements() -> str:
    """Returns the page."""
    return "\n\n".join(
        [
            "# Crowd elements",
            "What Afterloop compares for each element of Amazon's *Crowd HTML Elements Reference*. Workers keep what is"
            " the same as the prediction. What one side lacks is added or removed. Several workers vote: the value with"
            " the most votes counts, and a tie is not resolved. A field without a prediction is not compared.",
            "The type of an element follows from the form of its value, because an answer has only its name. For"
            " [settings](settings.md), and for where predictions are, see"
            " [Say what is compared](../how-to/compare.md).",
            table(
                ["Element", "Answer", "Kind", "Fields", "The same if", "A prediction is"],
                ([row.what, row.about, row.kind, row.fields, row.same, row.prediction] for row in compared()),
            ),
            "A part of an answer that has not the form of its element, such as a box without a width, is left out, and"
            " what the answer then lacks is not compared.",
            "## Elements without an answer",
            table(["Element", "What it is"], ((code(name), text) for name, text in NO_ANSWER.items())),
        ]
    )


def _row(module: ModuleType, kind: str) -> Compared:
    doc = inspect.getdoc(module) or ""
    what, _, about = first_paragraph(doc).partition(": ")
    names = tuple(re.findall(r"\bcrowd-[a-z-]+", what))
    shared = section(inspect.getdoc(drawn) or "", "Reference") if _is_drawn(module) else {}
    found = shared | section(doc, "Reference")
    return Compared(
        names=names,
        what=re.sub(r"\bcrowd-[a-z-]+", r"`\g<0>`", what),
        kind=kind,
        about=about[:1].upper() + about[1:],
        fields=found["fields"],
        same=found["same"],
        prediction=found["prediction"],
    )


def _is_drawn(module: ModuleType) -> bool:
    return any(
        isinstance(one, type) and issubclass(one, drawn.Drawn) and one is not drawn.Drawn
        for one in vars(module).values()
    )
