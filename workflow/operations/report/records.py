"""Reads from a stored review record what the statistics count.

`lambdas.reviews.record` has the whole record. Reading only the counted keys, without building models, takes a
fraction of the time. That matters in a report of a hundred thousand reviews.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

# Pydantic needs this one before Python 3.12.
from typing_extensions import TypedDict

from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.record import Outcome

__all__ = ["AnswerPart", "FieldPart", "RecordPart", "read_record"]

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None


class AnswerPart(TypedDict):
    """One worker's answer."""

    seconds_spent: float | None


class FieldPart(TypedDict):
    """One field."""

    name: str
    predicted: str | None
    confidence: _Share
    outcome: Outcome
    agreement: _Share


class RecordPart(TypedDict):
    """The counted part of a record."""

    __pydantic_config__ = ConfigDict(strict=True, extra="ignore")  # type: ignore[misc]

    schema_version: Literal[1]
    flow_definition: str
    status: str
    created_at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT")]
    activation_conditions: list[str]
    answers: list[AnswerPart]
    fields: list[FieldPart]
    agreement: _Share
    overruled: bool


_RECORD = TypeAdapter(RecordPart)


def read_record(content: bytes) -> RecordPart:
    """Returns the counted part of a stored record.

    Raises:
        InvalidDocument: The content is not a review record.
    """
    try:
        return _RECORD.validate_json(content)
    except ValidationError as error:
        raise InvalidDocument.of(error, "review record") from None
