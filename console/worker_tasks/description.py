"""What the tasks of a flow definition ask of a worker."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from console.posted import Posted
from console.worker_tasks.elements import Element, Filled, Shown
from console.worker_tasks.elements.anything import Anything, json_view
from console.worker_tasks.elements.boxes import BoundingBox
from console.worker_tasks.elements.choice import Choice
from console.worker_tasks.elements.classification import Classifier
from console.worker_tasks.elements.form import Form
from console.worker_tasks.elements.moderation import Moderation
from console.worker_tasks.elements.spans import EntityAnnotation
from console.worker_tasks.elements.text import Text
from lambdas.loops.visible import visible_json
from lambdas.reviews.output import REKOGNITION, TEXTRACT
from workflow.errors import AfterloopError

__all__ = ["InvalidDescription", "TaskDescription", "as_json", "elements_of", "fill", "parse_description"]

_Custom = Annotated[
    BoundingBox | Choice | Classifier | EntityAnnotation | Text, Field(discriminator="element")
]


class InvalidDescription(AfterloopError):
    """The description of a task is invalid. The message says what and where."""


class TaskDescription(BaseModel):
    """What the tasks of a flow definition ask of a worker, as a worker task template does on AWS.

    Places are keys of the input, with dots between them: `prediction.boxes`.

    Attributes:
        elements: The crowd elements, in the order of the page.
        instructions: What the worker should do.
        picture: The place of the S3 URI of the image.
        text: The place of the text.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True
    )

    elements: tuple[_Custom, ...] = Field(min_length=1)
    instructions: str = ""
    picture: str | None = None
    text: str | None = None

    @model_validator(mode="after")
    def _check(self) -> TaskDescription:
        names = [element.name for element in self.elements]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"two elements have the name {twice[0]!r}: their answers would be one")
        for element in self.elements:
            if isinstance(element, BoundingBox) and self.picture is None:
                raise ValueError(f"{element.name!r} is about an image: say in `picture` where its S3 URI is")
            if isinstance(element, EntityAnnotation) and self.text is None:
                raise ValueError(f"{element.name!r} is about a text: say in `text` where it is")
        return self


def parse_description(value: Any) -> TaskDescription:
    """Parses a description from JSON.

    Raises:
        InvalidDescription: It has another form.
    """
    try:
        return TaskDescription.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise InvalidDescription(
            f"invalid description of a task{': ' + place if place else ''}: {message}"
        ) from None


def elements_of(source: str | None, described: TaskDescription | None) -> tuple[Element, ...]:
    """Returns the elements of a task.

    Args:
        source: The AI service of a built-in task, which says what the task is.
        described: The description of the flow definition, if it has one.
    """
    if source == TEXTRACT:
        return (Form(),)
    if source == REKOGNITION:
        return (Moderation(),)
    return described.elements if described else (Anything(),)


def fill(
    elements: tuple[Element, ...], shown: Shown, posted: Posted | None
) -> tuple[list[Filled], dict[str, Any]]:
    """Fills in all elements of a task. Returns them, and the answerContent."""
    filled = [element.fill(shown, f"e{index}-", posted) for index, element in enumerate(elements)]
    answer: dict[str, Any] = {}
    for one in filled:
        answer |= one.answer
    return filled, dict(sorted(answer.items()))


def as_json(
    elements: tuple[Element, ...], shown: Shown, posted: Posted | None
) -> tuple[list[Filled], dict[str, Any]]:
    """Fills in a task as JSON. The field begins with the answer that the page would give if nothing was changed."""
    filled, answer = fill((Anything(),), shown, posted)
    if posted is None and not isinstance(elements[0], Anything):
        _, answer = fill(elements, shown, None)
        # The page would show what cannot be seen as escapes of its own, which are not JSON.
        text = visible_json(json.dumps(answer, indent=2, ensure_ascii=False))
        filled = [Filled(json_view(Anything(), "e0-", text), {}, False)]
    return filled, answer
