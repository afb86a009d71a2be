"""What a caught error is in words, whatever its cause looks like."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonata import Jsonata

from workflow.parts.failures import in_words


def words(failure: dict[str, Any]) -> Any:
    expression = Jsonata.jsonata(in_words("$failed"))
    expression.register_lambda("parse", json.loads)  # Step Functions' own, over JSONata
    return expression.evaluate(None, {"failed": failure})


OF_A_FUNCTION = json.dumps(
    {"errorMessage": 's3://b/k: "there"\n{', "errorType": "OutputMissing", "stackTrace": ["  File\n"]}
)


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (OF_A_FUNCTION, 'E: s3://b/k: "there"\n{'),
        (OF_A_FUNCTION[:-5], f"E: {OF_A_FUNCTION[:-5]}"),
        ("no JSON, but 'errorMessage' is in it: {\"errorMessage\"", None),
        ("Rate exceeded", None),
        ("", None),
    ],
    ids=["a function's", "cut off", "like a function's", "a service's", "empty"],
)
def test_an_error_in_words(cause: str, said: str | None) -> None:
    assert words({"Error": "E", "Cause": cause}) == (said or f"E: {cause}")


def test_an_error_without_cause() -> None:
    assert words({"Error": "States.Timeout"}) == "States.Timeout: "


def test_a_message_of_many_pages_is_cut() -> None:
    assert len(words({"Error": "E", "Cause": json.dumps({"errorMessage": "x" * 30_000})})) == 2000
