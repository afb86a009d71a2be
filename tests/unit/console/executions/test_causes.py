"""The cause of an error."""

from __future__ import annotations

import json

from console.executions.causes import MAX_MESSAGE, cause_of
from console.executions.views import CauseView


def test_cause_of_function_is_its_message_with_the_trace_apart() -> None:
    text = json.dumps(
        {
            "errorMessage": "no object",
            "errorType": "OutputMissing",
            "stackTrace": ['  File "a.py", line 1\n', "    b()\n"],
        }
    )
    assert cause_of(text) == CauseView(
        message="no object", trace='  File "a.py", line 1\n    b()\nOutputMissing'
    )


def test_other_texts_are_the_message() -> None:
    for text in ("why", "{", "{}", '{"Error": "x"}', "[1]", '{"a":' * 100_000):
        found = cause_of(text)
        assert found is not None
        assert (found.message, found.trace) == (text, "") if len(text) < MAX_MESSAGE else found.trace == text
    assert cause_of(None) is None
    assert cause_of("") is None


def test_long_message_is_cut_and_whole_below() -> None:
    for text in ("x" * 700, json.dumps({"errorMessage": "x" * 700, "errorType": "E"})):
        found = cause_of(text)
        assert found is not None
        assert found.message == "x" * (MAX_MESSAGE - 1) + "…"
        assert "x" * 700 in found.trace


def test_odd_fields_of_a_cause_cost_themselves() -> None:
    found = cause_of(json.dumps({"errorMessage": 7, "errorType": None, "stackTrace": {"a": 1}}))
    assert found == CauseView(message="7")
