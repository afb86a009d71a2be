"""Reads from a stored review record what the statistics count.

`lambdas.reviews.record` has the whole record. Reading only the counted keys, without building models, takes a
fraction of the time. That matters in a report of a hundred thousand reviews.

A record can be older or newer than this code. Keys that it does not know are ignored, and a key that an older record
lacks has its default. Only a newer `schema_version` is refused: with it, the meaning of a key has changed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

# Pydantic needs this one before Python 3.12.
from typing_extensions import TypedDict

from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.record import OVERRULED, Outcome, PredictionSource, expect_known_version

__all__ = ["AnswerPart", "FieldPart", "RecordPart", "read_record"]

_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None
# Strict for each class, because a part of a record is also validated alone.
_CONFIG = ConfigDict(strict=True, extra="ignore")


class AnswerPart(TypedDict):
    """One worker's answer."""

    __pydantic_config__ = _CONFIG  # type: ignore[misc]

    seconds_spent: float | None


class FieldPart(TypedDict):
    """One field.

    Attributes:
        compared: Whether the field could be compared with a prediction. None in records from before this key: there,
            a field was compared if its outcome is not `answered`.
    """

    __pydantic_config__ = _CONFIG  # type: ignore[misc]

    name: str
    predicted: str | None
    confidence: _Share
    outcome: Outcome
    agreement: _Share
    compared: Annotated[bool | None, Field(default=None)]


class _Identity(TypedDict):
    """What says which review it is. Without it, there is no review to count."""

    __pydantic_config__ = _CONFIG  # type: ignore[misc]

    schema_version: Literal[1]
    flow_definition: str
    created_at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT")]


class RecordPart(_Identity):
    """The counted part of a record.

    Attributes:
        status: None if it could not be read.
        invented: Whether the review is sample data.
        prediction_source: None without a prediction, and in records from before this key.
        model_version: None if it is not in the settings, and in records from before this key.
    """

    __pydantic_config__ = _CONFIG  # type: ignore[misc]

    status: Literal["Completed", "Stopped"] | None
    activation_conditions: list[str]
    answers: list[AnswerPart]
    fields: list[FieldPart]
    agreement: _Share
    overruled: bool
    invented: Annotated[bool, Field(default=False)]
    prediction_source: Annotated[PredictionSource | None, Field(default=None)]
    model_version: Annotated[str | None, Field(default=None)]


_RECORD = TypeAdapter(RecordPart)
_IDENTITY = TypeAdapter(_Identity)


def read_record(content: bytes) -> tuple[RecordPart, int]:
    """Returns the counted part of a stored record, and how many values of it could not be read.

    A value that cannot be read never costs the review: a field or an activation condition is left out, any other value
    has its default.

    Raises:
        InvalidDocument: The content is not a review record, or one with a newer `schema_version`.
    """
    try:
        return _RECORD.validate_json(content), 0
    except ValidationError as error:
        return _read_what_is_valid(content, error)


# Few records need what follows, so it may take its time.


def _read_what_is_valid(content: bytes, error: ValidationError) -> tuple[RecordPart, int]:
    try:
        # More lenient than pydantic, which refuses all of a text with half of a surrogate pair in it.
        document = json.loads(content, parse_int=_integer)
    except (ValueError, RecursionError):
        raise InvalidDocument.of(error, "review record") from None
    if isinstance(document, dict):
        expect_known_version(document.get("schema_version"))
    try:
        _IDENTITY.validate_python(document)
    except ValidationError as problem:
        raise InvalidDocument.of(problem, "review record") from None
    try:
        return _RECORD.validate_python(document), 0
    except ValidationError as problems:
        found = problems.errors(include_url=False, include_context=False, include_input=False)
    # A field with two odd values is one field that cannot be read.
    places = {problem["loc"][:2] for problem in found}
    for key in {str(place[0]) for place in places}:
        document[key] = _readable(
            key, document.get(key), {place[1] for place in places if place[0] == key and place[1:]}
        )
    if not isinstance(document["overruled"], bool):
        document["overruled"] = any(field["outcome"] in OVERRULED for field in document["fields"])
    return _RECORD.validate_python(document), len(places)


def _readable(key: str, value: Any, odd: Collection[int | str]) -> Any:
    """Returns what can be read of a value, given the indices of the items that cannot."""
    if key not in ("fields", "activation_conditions", "answers"):
        return False if key == "invented" else None
    if not isinstance(value, list):
        return []
    if key == "answers":
        # How many people answered stays known.
        return [{"seconds_spent": None} if index in odd else answer for index, answer in enumerate(value)]
    return [item for index, item in enumerate(value) if index not in odd]


def _integer(digits: str) -> float:
    # Python refuses to parse integers of more than 4,300 digits.
    return int(digits) if len(digits) <= 400 else math.inf
