"""LoopsClient: the errors of the function as exceptions, and the result of a start."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY

from lambdas.loops import names as loop_names
from lambdas.loops import start_request
from lambdas.loops.start_request import InvalidRequest
from lambdas.reviews.errors import TransientServiceError
from tests.unit.doubles import StubbedSession
from workflow.operations.client import FunctionFailed, LoopsClient, s3_object

FLOW = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/triage"


class TestClient:
    @pytest.fixture
    def session(self) -> StubbedSession:
        return StubbedSession("lambda")

    @pytest.fixture
    def client(self, session: StubbedSession) -> LoopsClient:
        return LoopsClient("dev", session)  # type: ignore[arg-type]

    def answer(self, session: StubbedSession, answer: Any, *, failed: bool = False) -> None:
        """Sets the answer of the function to the next call."""
        body = json.dumps(answer).encode()
        response: dict[str, Any] = {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(body), len(body))}
        if failed:
            response["FunctionError"] = "Unhandled"
        session.stubs["lambda"].add_response(
            "invoke", response, {"FunctionName": "afterloop-dev-StartLoop", "Payload": ANY}
        )

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
    def test_known_error_of_the_function_keeps_its_type(
        self, session: StubbedSession, client: LoopsClient, error: type[Exception]
    ) -> None:
        answer = {"errorType": error.__name__, "errorMessage": "the reason", "stackTrace": []}
        self.answer(session, answer, failed=True)
        with pytest.raises(error, match="the reason"):
            client.start_custom(FLOW, {}, key="a")

    def test_other_error_refers_to_the_log(self, session: StubbedSession, client: LoopsClient) -> None:
        self.answer(session, {"errorType": "KeyError", "errorMessage": "'x'"}, failed=True)
        with pytest.raises(FunctionFailed, match="KeyError: 'x'; see its log: /aws/lambda/afterloop-dev-"):
            client.start_custom(FLOW, {}, key="a")

    def test_unpublished_stage_is_one_error(self, session: StubbedSession, client: LoopsClient) -> None:
        session.stubs["lambda"].add_client_error("invoke", "ResourceNotFoundException", "Function not found")
        with pytest.raises(FunctionFailed, match="check that stage dev is published"):
            client.start_custom(FLOW, {}, key="a")

    def test_invalid_name_makes_no_call(self, client: LoopsClient) -> None:
        with pytest.raises(loop_names.InvalidLoopName):
            client.start_custom(FLOW, {}, human_loop_name="Bad Name")

    def test_start_returns_the_loop(self, session: StubbedSession, client: LoopsClient) -> None:
        answer = {
            "humanLoopName": "a",
            "humanLoopArn": "arn",
            "needed": True,
            "already": True,
            "status": "Completed",
        }
        self.answer(session, answer)
        started = client.start_custom(FLOW, {"n": None}, key="a")
        assert (started.human_loop_name, started.already, started.status) == ("a", True, "Completed")


@pytest.mark.parametrize(
    "location", ["", "s3://", "s3://bucket", "s3://bucket/", "https://bucket/key", "bucket/key"]
)
def test_invalid_s3_location_is_refused(location: str) -> None:
    with pytest.raises(InvalidRequest, match="is not s3://bucket/key"):
        s3_object(location)


def test_s3_location_becomes_bucket_and_name() -> None:
    assert s3_object("s3://bucket/a/b c.png") == {"S3Object": {"Bucket": "bucket", "Name": "a/b c.png"}}
