"""The crowd elements of a worker's page, one module a kind of element.

form.py            crowd-textract-analyze-document: the pairs of a form
moderation.py      crowd-rekognition-detect-moderation-labels
classification.py  crowd-classifier, crowd-image-classifier: one label
choice.py          crowd-radio-button, crowd-radio-group
boxes.py           crowd-bounding-box
spans.py           crowd-entity-annotation
text.py            crowd-input, crowd-text-area
anything.py        any answer, as JSON

`Element.fill` takes what the worker is shown and what the worker entered, and returns what the page shows and the
answer. When the page is opened, the fields are filled from the input of the loop; when it is submitted, from the form.
So nothing is lost if something has to be corrected.

In an answer, keys are in alphabetical order, as A2I writes them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from console.posted import Posted
from console.views import View

__all__ = ["Element", "ElementView", "Filled", "Labels", "Shown", "at", "labels_in", "text_at"]

Labels = tuple[str, ...] | str
"""Labels, or the place in the input where a list of them is."""


class Shown(NamedTuple):
    """What a worker is shown.

    Attributes:
        content: The input of the loop.
        size: Width and height of the image, in pixels; None without an image.
        text: The text that the task is about; None without one.
    """

    content: Mapping[str, Any]
    size: tuple[int, int] | None = None
    text: str | None = None


class ElementView(View):
    """What the page shows of an element.

    Attributes:
        kind: Which template part shows it.
        name: The name of the element, which is its key in the answer.
        header: The question.
        field: What the names of the fields in the form begin with.
        problem: What is wrong with the element as a whole.
    """

    kind: str
    name: str
    header: str
    field: str
    problem: str | None = None


class Filled(NamedTuple):
    """An element that is filled in.

    Attributes:
        view: What the page shows.
        answer: The element's part of the answerContent; empty if the element leaves no answer.
        is_valid: Whether it can be submitted. If not, the view says why not.
    """

    view: ElementView
    answer: dict[str, Any]
    is_valid: bool


class Element(BaseModel):
    """A crowd element in the description of a task.

    Attributes:
        name: The name of the element, which is its key in the answer.
        header: The question to the worker.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True
    )

    name: str = Field(min_length=1)
    header: str = ""

    @abstractmethod
    def fill(self, shown: Shown, field: str, posted: Posted | None) -> Filled:
        """Fills the element in.

        Args:
            shown: What the worker is shown.
            field: What the names of the fields in the form begin with.
            posted: The submitted form; None when the page is opened.
        """


def at(content: Any, place: str | None) -> Any:
    """Returns what is at a place in the input, such as `prediction.label`; None if there is nothing."""
    for key in (place or "").split("."):
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def text_at(content: Any, place: str | None) -> str | None:
    """Returns the text at a place in the input; None if there is none."""
    found = at(content, place)
    return found if isinstance(found, str) else None


def labels_in(labels: Labels, content: Any) -> tuple[str, ...]:
    """Returns the labels that workers can choose; none if the input has no list of texts at their place."""
    found = at(content, labels) if isinstance(labels, str) else labels
    if not isinstance(found, list | tuple) or not all(isinstance(label, str) for label in found):
        return ()
    return tuple(dict.fromkeys(found))


def no_labels(labels: Labels) -> str:
    """Returns the problem of an input without labels."""
    return f"The input has no list of labels at {labels!r}, so there is nothing to choose. Answer as JSON."
