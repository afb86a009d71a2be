"""The input of a loop: what A2I's output says of it, or what Afterloop stored before the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from lambdas.loops.start_request import StoredInput
from lambdas.reviews.comparison.textract import PredictedPair, predicted_pairs
from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.json_reader import JsonReader
from lambdas.reviews.output import DOCUMENT, Output, parse_output
from lambdas.reviews.record import FieldRecord
from workflow.operations.review_view.forms import Outlines, match_pairs, read_outlines
from workflow.operations.review_view.subject import NamedObject, named_objects, requested_object

__all__ = ["LoopInput", "of_output", "of_stored"]

_REQUEST = "aiServiceRequest"


class LoopInput:
    """The input of a loop.

    Attributes:
        content: The input of a custom task; None for a task of Textract or Rekognition.
    """

    def __init__(
        self, *, content: Any = None, requested: NamedObject | None = None, output: Output | None = None
    ) -> None:
        self.content = content
        self._requested = requested
        self._output = output

    def objects(self, document_id: str | None) -> list[NamedObject]:
        """Returns the objects that the input names, the likeliest document first.

        Args:
            document_id: What identifies the document in the record.
        """
        if self._requested is not None:
            return [self._requested]
        return named_objects(self.content, document_id)

    def form(self, fields: Sequence[FieldRecord]) -> tuple[Mapping[int, PredictedPair], Outlines] | None:
        """Returns the pairs by the place of their field, and the outlines of blocks; None if it is no form."""
        return (match_pairs(fields, self._form[0]), self._form[1]) if self._form else None

    @cached_property
    def _form(self) -> tuple[Sequence[PredictedPair], Outlines] | None:
        output, self._output = self._output, None  # tens of megabytes, of which only this is needed
        if output is None or output.task_type != "textract":
            return None
        pairs = predicted_pairs(output)
        return pairs, read_outlines(output.raw, {id_ for pair in pairs for id_ in (pair.key, *pair.values)})


def of_output(raw: bytes) -> LoopInput:
    """Returns the input in an `output.json`.

    Raises:
        InvalidDocument: It is not an output.
    """
    output = parse_output(_without_answers(raw))
    if output.task_type == "custom":
        return LoopInput(content=output.input_content)
    within = output.input_content if isinstance(output.input_content, dict) else {}
    # In outputs of 2020, it is at the top level.
    inside, outside = within.get(_REQUEST), (output.model_extra or {}).get(_REQUEST)
    requested = requested_object(inside, f"inputContent.{_REQUEST}") or requested_object(outside, _REQUEST)
    return LoopInput(requested=requested, output=output)


def _without_answers(raw: bytes) -> bytes:
    """Returns an output without its answers, which a record has: they can be most of it, and unreadable."""
    reader = JsonReader(raw, DOCUMENT)
    if reader.peek() != "{":
        return raw
    for key in reader.members():
        start = reader.at
        reader.text()
        if key == "humanAnswers":
            return raw[:start] + b"[]" + raw[reader.at :]
    return raw


def of_stored(raw: bytes) -> LoopInput:
    """Returns the input that Afterloop stored.

    Raises:
        InvalidDocument: It is not a stored input.
    """
    try:
        task = StoredInput.model_validate(from_json(raw)).task
    except (ValidationError, ValueError, RecursionError) as error:
        raise InvalidDocument("input", "$", "not the input of a loop") from error
    if task.type == "custom":
        return LoopInput(content=task.input_content)
    return LoopInput(requested=requested_object(task.request, "request"))
