"""What can be read of a stored record.

`lambdas.reviews.record.read_review` refuses a record with one odd value. A person who looks for one field wants to see
the others even so: what is odd is left out, and reported.
"""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.record import ReviewRecord, expect_known_version, read_review
from lambdas.reviews.tolerant import tolerate

__all__ = ["ReadRecord", "read_record"]

MAX_DIGITS = 400
"""Python refuses to parse integers of more than 4,300 digits. One with more than these becomes infinite."""


class ReadRecord(NamedTuple):
    """A record, and the keys of it in which something was left out.

    Attributes:
        record: The record.
        lost: The keys, such as "fields".
    """

    record: ReviewRecord
    lost: frozenset[str] = frozenset()


def read_record(content: bytes) -> ReadRecord:
    """Returns what can be read of a stored record.

    Raises:
        InvalidDocument: The content is not a review record, or one with a newer `schema_version`.
    """
    try:
        return ReadRecord(read_review(content))
    except InvalidDocument as error:
        problem = error
    try:
        document = json.loads(content, parse_int=_integer)
    except (ValueError, RecursionError):
        raise problem from None
    if not isinstance(document, dict):
        raise problem
    expect_known_version(document.get("schema_version"))
    found, lost = tolerate(_validated, document)
    if found is None:
        raise problem
    return ReadRecord(found, lost)


def _validated(value: Any) -> ReviewRecord:
    # The context is that of `read_review`: perhaps a later version wrote a kind that this one does not know.
    return ReviewRecord.model_validate(value, extra="ignore", context={"reading": True})


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= MAX_DIGITS else math.inf
