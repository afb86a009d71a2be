"""The input of a loop: what A2I's output says of it, or what Afterloop stored before the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from lambdas.loops.start_request import StoredInput
from lambdas.reviews.comparison.textract import PredictedPair, predicted_pairs
from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.json_reader import JsonReader
from lambdas.reviews.output import DOCUMENT, parse_output
from lambdas.reviews.record import FieldRecord
from workflow.operations.review_view.forms import Outlines, match_pairs, read_outlines
from workflow.operations.review_view.subject import NamedObject, named_objects, requested_object

__all__ = ["LoopInput", "of_output", "of_stored"]

_REQUEST = "aiServiceRequest"


@dataclass(frozen=True)
class LoopInput:
    """The input of a loop. Small: of the tens of megabytes of a form, only what is shown.

    Attributes:
        content: The input of a custom task; None for a task of Textract or Rekognition.
        requested: The document or image of such a task.
        pairs: The predicted pairs of a form; None if it is no form, or if they are unknown.
        outlines: Where the blocks of these pairs are.
    """

    content: Any = None
    requested: NamedObject | None = None
    pairs: Sequence[PredictedPair] | None = None
    outlines: Outlines = field(default_factory=dict)

    def objects(self, document_id: str | None) -> list[NamedObject]:
        """Returns the objects that the input names, the likeliest document first.

        Args:
            document_id: What identifies the document in the record.
        """
        return [self.requested] if self.requested else named_objects(self.content, document_id)

    def form(self, fields: Sequence[FieldRecord]) -> tuple[Mapping[int, PredictedPair], Outlines] | None:
        """Returns the pairs by the place of their field, and the outlines of blocks; None if it is no form."""
        return None if self.pairs is None else (match_pairs(fields, self.pairs), self.outlines)


def of_output(raw: bytes) -> LoopInput:
    """Returns the input in an `output.json`.

    Raises:
        InvalidDocument: It is not an output.
    """
    raw = _without_answers(raw)
    output = parse_output(raw)
    if output.task_type == "custom":
        return LoopInput(content=output.input_content)
    within = output.input_content if isinstance(output.input_content, dict) else {}
    # In outputs of 2020, it is at the top level.
    inside, outside = within.get(_REQUEST), (output.model_extra or {}).get(_REQUEST)
    requested = requested_object(inside, f"inputContent.{_REQUEST}") or requested_object(outside, _REQUEST)
    if output.task_type != "textract":
        return LoopInput(requested=requested)
    pairs = predicted_pairs(output)
    outlines = read_outlines(raw, {id_ for pair in pairs for id_ in (pair.key, *pair.values)})
    return LoopInput(requested=requested, pairs=pairs, outlines=outlines)


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
