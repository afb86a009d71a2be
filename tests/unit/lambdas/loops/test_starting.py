"""What a start is asked for: read, checked and named before any call; and what its client makes of the answers."""

from __future__ import annotations

import io
import json
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops import names as loop_names
from lambdas.loops import starting
from lambdas.loops.starting import InvalidRequest, StartError, StartRequest
from lambdas.reviews.errors import TransientServiceError
from workflow.operations.client import FunctionFailed, LoopsClient, s3_object

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
def test_whatever_is_asked_it_is_a_request_or_one_error(document: Any) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        StartRequest.read(document)
    assert "\n" not in str(refusal.value)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_an_input_is_taken_as_it_is_or_refused(content: dict[str, Any]) -> None:
    document = REQUEST | {"task": {"type": "custom", "inputContent": content}}
    try:
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        with pytest.raises(InvalidRequest, match="no JSON that AWS takes"):
            StartRequest.read(document)
    else:
        assert StartRequest.read(document).task.model_dump()["input_content"] == content


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"humanLoopName": None}, "give either humanLoopName or key"),
        ({"key": "a"}, "give either humanLoopName or key"),
        ({"humanLoopName": None, "key": ""}, "key: String should have at least 1 character"),
        ({"flowDefinitionArn": "triage"}, "flowDefinitionArn: String should match pattern"),
        ({"task": {"type": "custom"}}, "task.inputContent: Field required"),
        (
            {"task": {"type": "custom", "inputContent": "x"}},
            "task.inputContent: Input should be a valid dict",
        ),
        ({"task": {"type": "comprehend"}}, "task: Input tag 'comprehend' found using 'type' does not match"),
        ({"task": {"type": "custom", "inputContent": {"a": float("nan")}}}, "no JSON that AWS takes"),
        ({"contentClassifiers": ["FreeOfCharge"]}, "contentClassifiers[0]: Input should be"),
        ({"inputContent": {}}, "inputContent: Extra inputs are not permitted"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(change: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        StartRequest.read(REQUEST | change)
    assert told in str(refusal.value)


@given(st.text(min_size=1, max_size=200))
def test_a_key_names_the_loop_and_the_same_key_the_same(key: str) -> None:
    request = StartRequest.read(REQUEST | {"humanLoopName": None, "key": key})
    assert loop_names.check(request.name) == request.name
    assert request.name == StartRequest.read(REQUEST | {"humanLoopName": None, "key": key}).name


def test_a_token_is_in_no_representation() -> None:
    request = StartRequest.read(REQUEST | {"taskToken": "secret-token"})
    assert "secret-token" not in repr(request)
    assert "secret-token" not in str(request)


def test_every_error_of_a_start_has_a_place_in_the_tree() -> None:
    errors = [
        getattr(starting, name) for name in starting.__all__ if name.startswith(("In", "Name", "StartRef"))
    ]
    assert all(issubclass(error, StartError) for error in errors)
    for error in errors:
        assert f"── {error.__name__} " in (starting.__doc__ or "")


class TestClient:
    @pytest.fixture
    def client(self) -> LoopsClient:
        return LoopsClient(
            "dev", boto3.Session(aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1")
        )

    def answered(self, client: LoopsClient, answer: Any, *, failed: bool = False) -> Stubber:
        """The function answers that, once, whatever it is asked."""
        body = json.dumps(answer).encode()
        response: dict[str, Any] = {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(body), len(body))}
        if failed:
            response["FunctionError"] = "Unhandled"
        stubber = Stubber(client._functions)
        stubber.add_response("invoke", response, {"FunctionName": "afterloop-dev-StartLoop", "Payload": ANY})
        return stubber

    @pytest.mark.parametrize(
        "error",
        [
            starting.InputTooLarge,
            starting.InputUnknown,
            starting.InvalidRequest,
            starting.NameTaken,
            starting.StartRefused,
            loop_names.InvalidLoopName,
            TransientServiceError,
        ],
    )
    def test_an_error_of_the_function_is_the_same_error_here(
        self, client: LoopsClient, error: type[Exception]
    ) -> None:
        answer = {"errorType": error.__name__, "errorMessage": "says why", "stackTrace": []}
        with self.answered(client, answer, failed=True), pytest.raises(error, match="says why"):
            client.start_custom(FLOW, {}, key="a")

    def test_any_other_says_where_to_look(self, client: LoopsClient) -> None:
        answer = {"errorType": "KeyError", "errorMessage": "'x'"}
        with (
            self.answered(client, answer, failed=True),
            pytest.raises(
                FunctionFailed, match="KeyError: 'x'; its log says more: /aws/lambda/afterloop-dev-"
            ),
        ):
            client.start_custom(FLOW, {}, key="a")

    def test_a_stage_that_is_not_there_is_one_line(self, client: LoopsClient) -> None:
        stubber = Stubber(client._functions)
        stubber.add_client_error("invoke", "ResourceNotFoundException", "Function not found")
        with stubber, pytest.raises(FunctionFailed, match="is the stage dev published"):
            client.start_custom(FLOW, {}, key="a")

    def test_a_bad_name_makes_no_call(self, client: LoopsClient) -> None:
        with Stubber(client._functions), pytest.raises(loop_names.InvalidLoopName):
            client.start_custom(FLOW, {}, human_loop_name="Bad Name")

    def test_what_was_started_comes_back(self, client: LoopsClient) -> None:
        answer = {
            "humanLoopName": "a",
            "humanLoopArn": "arn",
            "needed": True,
            "already": True,
            "status": "Completed",
        }
        with self.answered(client, answer):
            started = client.start_custom(FLOW, {"n": None}, key="a")
        assert (started.human_loop_name, started.already, started.status) == ("a", True, "Completed")


@pytest.mark.parametrize(
    "location", ["", "s3://", "s3://bucket", "s3://bucket/", "https://bucket/key", "bucket/key"]
)
def test_a_place_that_is_none_is_refused(location: str) -> None:
    with pytest.raises(InvalidRequest, match="is no s3://bucket/key"):
        s3_object(location)


def test_a_place_is_given_as_the_services_take_it() -> None:
    assert s3_object("s3://bucket/a/b c.png") == {"S3Object": {"Bucket": "bucket", "Name": "a/b c.png"}}
