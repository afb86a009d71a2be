"""The text of a caught error, for any form of its cause."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonata import Jsonata

from workflow.parts.failures import error_text


def text(failure: dict[str, Any]) -> Any:
    return Jsonata.jsonata(error_text("$failed")).evaluate(None, {"failed": failure})


FUNCTION_ERROR = json.dumps(
    {"errorMessage": 's3://b/k: "there"\n{', "errorType": "OutputMissing", "stackTrace": ["  File\n"]}
)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (FUNCTION_ERROR, 'E: s3://b/k: "there"\n{'),
        (FUNCTION_ERROR[:-5], 'E: s3://b/k: "there"\n{'),
        (FUNCTION_ERROR[:29], "E: s3://b/k: "),
        ('{"errorMessage": 5}', None),
        ('{"errorMessage": {"errorMessage": "x"}}', None),
        ('{"errorMessage"', None),
        ('{"errorType": "Error", "errorMessage":"not Python"}', "E: not Python"),
        ('{"errorMessage": "C:\\\\new"}', "E: C:\\new"),
        ("{" * 30 + "[", None),
        ('{"errorMessage": "half', "E: half"),
        ("not JSON, but with 'errorMessage': {\"errorMessage\"", None),
        ("Rate exceeded", None),
        ("", None),
    ],
)
def test_text_of_an_error(cause: str, expected: str | None) -> None:
    assert text({"Error": "E", "Cause": cause}) == (expected or f"E: {cause}")


@pytest.mark.parametrize("cause", [None, 5, 1.5, True, ["a"], {"errorMessage": 5}])
def test_cause_that_is_no_text_is_written_as_json(cause: Any) -> None:
    assert text({"Error": "E", "Cause": cause}).startswith("E: ")


def test_text_of_an_error_without_cause() -> None:
    assert text({"Error": "States.Timeout"}) == "States.Timeout: "


def test_long_text_is_truncated() -> None:
    assert len(text({"Error": "E", "Cause": json.dumps({"errorMessage": "x" * 30_000})})) == 2000
