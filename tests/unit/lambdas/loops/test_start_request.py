"""Requests to start a loop: parsing, names, error texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops import names as loop_names
from lambdas.loops import start_request
from lambdas.loops.start_request import InvalidRequest, StartError, StartRequest

FLOW = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/triage"
REQUEST = {
    "humanLoopName": "loop-1",
    "flowDefinitionArn": FLOW,
    "task": {"type": "custom", "inputContent": {"text": "x"}},
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_read_refuses_arbitrary_json_on_one_line(document: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        StartRequest.read(document)
    assert "\n" not in str(refusal.value)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_read_keeps_input_or_refuses_what_aws_would(content: dict[str, Any]) -> None:
    document = REQUEST | {"task": {"type": "custom", "inputContent": content}}
    try:
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        with pytest.raises(InvalidRequest, match="not JSON that AWS accepts"):
            StartRequest.read(document)
    else:
        assert StartRequest.read(document).task.model_dump()["input_content"] == content


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"humanLoopName": None}, "specify either humanLoopName or key"),
        ({"key": "a"}, "specify either humanLoopName or key"),
        ({"humanLoopName": None, "key": ""}, "key: String should have at least 1 character"),
        ({"flowDefinitionArn": "triage"}, "flowDefinitionArn: String should match pattern"),
        ({"task": {"type": "custom"}}, "task.inputContent: Field required"),
        (
            {"task": {"type": "custom", "inputContent": "x"}},
            "task.inputContent: Input should be a valid dict",
        ),
        ({"task": {"type": "comprehend"}}, "task: Input tag 'comprehend' found using 'type' does not match"),
        ({"task": {"type": "custom", "inputContent": {"a": float("nan")}}}, "not JSON that AWS accepts"),
        ({"contentClassifiers": ["FreeOfCharge"]}, "contentClassifiers[0]: Input should be"),
        ({"inputContent": {}}, "inputContent: Extra inputs are not permitted"),
    ],
)
def test_read_names_problem_and_place(change: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        StartRequest.read(REQUEST | change)
    assert text in str(refusal.value)


def test_message_of_many_or_long_problems_is_short() -> None:
    many = {f"key-{number}": number for number in range(10_000)}
    with pytest.raises(InvalidRequest, match=r"key-0'\]: Extra inputs are .*; and 9995 more$"):
        StartRequest.read(REQUEST | many)
    with pytest.raises(InvalidRequest) as refusal:
        StartRequest.read(REQUEST | {"task": {"type": "x" * 10_000}})
    assert len(str(refusal.value)) == 300


@given(st.text(min_size=1, max_size=200))
def test_same_key_gives_same_valid_name(key: str) -> None:
    request = StartRequest.read(REQUEST | {"humanLoopName": None, "key": key})
    assert loop_names.check(request.name) == request.name
    assert request.name == StartRequest.read(REQUEST | {"humanLoopName": None, "key": key}).name


def test_task_token_is_not_in_repr() -> None:
    request = StartRequest.read(REQUEST | {"taskToken": "secret-token"})
    assert "secret-token" not in repr(request)
    assert "secret-token" not in str(request)


def test_module_docstring_lists_every_error() -> None:
    for error in StartError.__subclasses__():
        assert f"── {error.__name__} " in (start_request.__doc__ or "")
