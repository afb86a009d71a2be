"""The input and the mock that a person gives for a trial: JSON in a file."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from workflow.errors import AfterloopError

__all__ = ["STANDARD_INPUT", "Mock", "mock_of", "read_input", "read_mock"]

STANDARD_INPUT = "-"
"""The name of a file that stands for standard input."""

MAX_BYTES = 262_144
"""Of an input and of a mocked result, in UTF-8 (API reference, TestState)."""

_FORM = 'write {"result": …}, or {"error": "Name", "cause": "text"}'


@dataclass(frozen=True)
class Mock:
    """What a call gets in place of an answer of its service: a result, or an error.

    Attributes:
        result: What the service would return, before ResultSelector. It counts if there is no error.
        error: The name of the error, such as `Lambda.TooManyRequestsException`.
        cause: Its cause.
    """

    result: Any = None
    error: str | None = None
    cause: str = ""


def read_input(file: str) -> Any:
    """Reads the input of a step.

    Args:
        file: A file, or `-` for standard input.

    Raises:
        AfterloopError: It cannot be read, is not JSON, or is larger than Step Functions accepts.
    """
    return _read(file, "--input")


def read_mock(file: str) -> Mock:
    """Reads a mock: `{"result": …}`, or `{"error": "Name", "cause": "text"}`.

    Raises:
        AfterloopError: It cannot be read, is not JSON, or has another form.
    """
    return mock_of(_read(file, "--mock"), f"--mock {file}")


def mock_of(value: Any, where: str) -> Mock:
    """Returns a mock from its JSON.

    Args:
        value: The JSON.
        where: What to name in an error.

    Raises:
        AfterloopError: It has another form.
    """
    if not isinstance(value, dict) or not value or not set(value) <= {"result", "error", "cause"}:
        raise AfterloopError(f"{where} is not a mock: {_FORM}")
    if ("result" in value) == ("error" in value) or ("cause" in value and "error" not in value):
        raise AfterloopError(f"{where} has either a result or an error: {_FORM}")
    error, cause = value.get("error"), value.get("cause", "")
    if "error" in value and not (isinstance(error, str) and error and isinstance(cause, str)):
        raise AfterloopError(f"{where}: error and cause are texts: {_FORM}")
    return Mock(value.get("result"), error, cause)


def _read(file: str, option: str) -> Any:
    if not file:
        raise AfterloopError(f"{option}: name a file, or {STANDARD_INPUT} for standard input")
    try:
        content = sys.stdin.read().encode() if file == STANDARD_INPUT else Path(file).read_bytes()
    except OSError as error:
        raise AfterloopError(f"{option}: cannot read {file}: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise AfterloopError(
            f"{option}: {file} has {len(content):,} bytes; Step Functions takes at most {MAX_BYTES:,}"
        )
    shown = "standard input" if file == STANDARD_INPUT else file
    try:
        return json.loads(content, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        problem = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except RecursionError:
        problem = "it is nested too deeply"
    except (UnicodeDecodeError, ValueError) as error:
        problem = str(error)
    raise AfterloopError(f"{option}: {shown} is not JSON: {problem}")


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")
