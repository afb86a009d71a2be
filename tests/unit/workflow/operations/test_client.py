"""LoopsClient: the errors of the function as exceptions, and what the caller receives."""

from __future__ import annotations

import io
import json
from typing import Any

import boto3
import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY, Stubber

from lambdas.loops import names as loop_names
from lambdas.loops import start_request
from lambdas.loops.start_request import InvalidRequest
from lambdas.reviews.errors import TransientServiceError
from workflow.operations.client import FunctionFailed, LoopsClient, s3_object

FLOW = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/triage"


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
            start_request.InputTooLarge,
            start_request.InputUnknown,
            start_request.InvalidRequest,
            start_request.NameTaken,
            start_request.StartRefused,
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
            pytest.raises(FunctionFailed, match="KeyError: 'x'; see its log: /aws/lambda/afterloop-dev-"),
        ):
            client.start_custom(FLOW, {}, key="a")

    def test_a_stage_that_is_not_there_is_one_line(self, client: LoopsClient) -> None:
        stubber = Stubber(client._functions)
        stubber.add_client_error("invoke", "ResourceNotFoundException", "Function not found")
        with stubber, pytest.raises(FunctionFailed, match="check that stage dev is published"):
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
    with pytest.raises(InvalidRequest, match="is not s3://bucket/key"):
        s3_object(location)


def test_a_place_is_given_as_the_services_take_it() -> None:
    assert s3_object("s3://bucket/a/b c.png") == {"S3Object": {"Bucket": "bucket", "Name": "a/b c.png"}}
