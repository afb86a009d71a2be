"""What can go wrong with a review. The class name is the error's name in Step Functions.

    ReviewError
    ├── InvalidDocument         an event or an output is not what A2I writes: says what, and where
    ├── InvalidSettings         the review settings of a stage do not hold
    ├── OutputMissing           there is no object at the output location
    ├── OutputNotAllowed        the output lies outside the stage's output buckets
    ├── OutputTooLarge          the output is larger than the stage allows
    ├── NotExportable           there is nothing in a review to train a model on
    └── TransientServiceError   a service was throttled or failed: the only one worth a retry

Every one of them is told in one line: what was wrong, where, what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError


class ReviewError(Exception):
    """The root of all errors that a review can end in."""


class InvalidDocument(ReviewError):
    """An event or an output is malformed.

    Attributes:
        document: Which document: "event" or "output.json".
        path: Where, as a JSON path from its root: ``$.humanAnswers[0].submissionTime``.
        problem: What is wrong there.
    """

    def __init__(self, document: str, path: str, problem: str) -> None:
        super().__init__(f"{document}, {path}: {problem}")
        self.document = document
        self.path = path
        self.problem = problem

    @classmethod
    def of(
        cls, error: ValidationError, document: str, path: str = "$", *, quote: bool = False
    ) -> InvalidDocument:
        """Returns the first problem of a pydantic error.

        Args:
            error: What pydantic found.
            document: The document's name.
            path: Where the validated part begins in it.
            quote: Whether to quote the value that was found. What people wrote must not be quoted: errors end
                up in the history of executions, and personal data must not.
        """
        first = error.errors(include_url=False, include_context=False)[0]
        kind, found = first["type"], first["input"]
        problem = _WORDS.get(kind) or first["msg"].removeprefix("Value error, ")
        if kind not in _SELF_EXPLAINING:
            quoted = quote and isinstance(found, str | int | float)
            problem += f", found {shortened(found) if quoted else _TYPES.get(type(found), 'something else')}"
        return cls(document, path + json_path(first["loc"]), problem)


_TIME = "expected a time such as 2026-01-31T08:15:00Z"
_WORDS = {
    "missing": "missing",
    "model_type": "expected an object",
    "model_attributes_type": "expected an object",
    "dataclass_type": "expected an object",
    "dict_type": "expected an object",
    "list_type": "expected a list",
    "tuple_type": "expected a list",
    "string_type": "expected a text",
    "string_unicode": "not a valid text: half of a surrogate pair",
    "float_type": "expected a number",
    "float_parsing": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
}
_TYPES = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
}
_SELF_EXPLAINING = {"missing", "value_error", "json_invalid"}


class InvalidSettings(ReviewError):
    """The review settings of a stage do not hold."""


class OutputMissing(ReviewError):
    """There is no object at the output location."""


class OutputNotAllowed(ReviewError):
    """The output lies outside the stage's output buckets."""


class OutputTooLarge(ReviewError):
    """The output is larger than the stage allows."""


class NotExportable(ReviewError):
    """There is nothing in a review to train a model on: says why."""


class TransientServiceError(ReviewError):
    """A service was throttled or failed on its side: the same call may well succeed later."""


_LONGEST = 60


def json_path(parts: Sequence[str | int]) -> str:
    """Returns the parts as the continuation of a JSON path: ``("a", 0, "b c")`` → ``.a[0]['b c']``."""
    return "".join(
        f"[{part}]"
        if isinstance(part, int)
        else f".{part}"
        if part.isidentifier() and len(part) <= _LONGEST
        else f"[{shortened(part)}]"
        for part in parts
    )


def shortened(value: object, limit: int = _LONGEST) -> str:
    """Returns the value as Python shows it, cut so that a message stays a line."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"
