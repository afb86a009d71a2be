"""The text of a caught error, for any form of its cause."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonata import Jsonata

from workflow.parts.failures import error_text


def text(failure: dict[str, Any]) -> Any:
    expression = Jsonata.jsonata(error_text("$failed"))
    expression.register_lambda("parse", json.loads)  # a function that Step Functions adds to JSONata
    return expression.evaluate(None, {"failed": failure})


FUNCTION_ERROR = json.dumps(
    {"errorMessage": 's3://b/k: "there"\n{', "errorType": "OutputMissing", "stackTrace": ["  File\n"]}
)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (FUNCTION_ERROR, 'E: s3://b/k: "there"\n{'),
        (FUNCTION_ERROR[:-5], f"E: {FUNCTION_ERROR[:-5]}"),
        ("not JSON, but with 'errorMessage': {\"errorMessage\"", None),
        ("Rate exceeded", None),
        ("", None),
    ],
    ids=["function", "truncated", "similar to a function", "service", "empty"],
)
def test_text_of_an_error(cause: str, expected: str | None) -> None:
    assert text({"Error": "E", "Cause": cause}) == (expected or f"E: {cause}")


def test_text_of_an_error_without_cause() -> None:
    assert text({"Error": "States.Timeout"}) == "States.Timeout: "


def test_long_text_is_truncated() -> None:
    assert len(text({"Error": "E", "Cause": json.dumps({"errorMessage": "x" * 30_000})})) == 2000
