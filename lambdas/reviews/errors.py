"""The errors of a review. The class name is the name of the error in Step Functions.

    ReviewError
    ├── InvalidDocument         an event or an output is malformed; the message says what is wrong, and where
    ├── InvalidSettings         the review settings of a stage are invalid
    ├── NoAnswers               nobody answered
    ├── OutputMissing           the output does not exist
    ├── OutputNotAllowed        the output is not in an output bucket of the stage
    ├── OutputTooLarge          the output is larger than the stage's limit
    ├── NotExportable           a model cannot be trained on what a review is about
    └── TransientServiceError   a service throttled a call or failed; the only error to retry

Each message is one line: what is wrong, where, and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError


class ReviewError(Exception):
    """The base class of all errors of a review."""


class InvalidDocument(ReviewError):
    """An event or an output is malformed.

    Attributes:
        document: Which document: "event" or "output.json".
        path: The place in it, as a JSON path: ``$.humanAnswers[0].submissionTime``.
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
            error: The error of pydantic.
            document: The document's name.
            path: The path of the validated part.
            quote: Whether to quote the value found. Do not quote what workers wrote: errors are stored in the
                history of executions, which must not contain personal data.
        """
        first = error.errors(include_url=False, include_context=False)[0]
        kind, found = first["type"], first["input"]
        problem = _WORDS.get(kind) or first["msg"].removeprefix("Value error, ")
        if kind not in _WITHOUT_VALUE:
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
    "string_type": "expected a string",
    "string_unicode": "not a valid string: half of a surrogate pair",
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
_WITHOUT_VALUE = {"missing", "value_error", "json_invalid"}


class InvalidSettings(ReviewError):
    """The review settings of a stage are invalid."""


class NoAnswers(ReviewError):
    """Nobody answered: the output has no answers. For a stopped loop, that is expected, and the workflow goes on."""


class OutputMissing(ReviewError):
    """The output does not exist."""


class OutputNotAllowed(ReviewError):
    """The output is not in an output bucket of the stage."""


class OutputTooLarge(ReviewError):
    """The output is larger than the stage's limit."""


class NotExportable(ReviewError):
    """A model cannot be trained on what a review is about: it is unknown, or a web address. The message says why."""


class TransientServiceError(ReviewError):
    """A service throttled a call or failed. A retry can succeed."""


_MAX_LENGTH = 60


def json_path(parts: Sequence[str | int]) -> str:
    """Returns the parts as the rest of a JSON path: ``("a", 0, "b c")`` → ``.a[0]['b c']``."""
    return "".join(
        f"[{part}]"
        if isinstance(part, int)
        else f".{part}"
        if part.isidentifier() and len(part) <= _MAX_LENGTH
        else f"[{shortened(part)}]"
        for part in parts
    )


def shortened(value: object, limit: int = _MAX_LENGTH) -> str:
    """Returns the `repr` of a value, cut to `limit` characters, so that a message stays on one line."""
    # `repr` of an integer with more than 4,300 digits raises ValueError.
    if isinstance(value, int) and value.bit_length() > 200:
        return "a huge number"
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "…"
