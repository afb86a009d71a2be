"""What the console's pages for workers say when the engine or the stage cannot do what they ask."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.control import Control
from sandbox.errors import SandboxError
from sandbox.identity import Keys
from sandbox.reviewers import LocalReviewers
from workflow.errors import AfterloopError


class Session:
    """A session whose stage has no bucket for documents, and whose functions answer as told."""

    region_name = "us-east-1"

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.clients: list[str] = []

    def client(self, service: str) -> Any:
        self.clients.append(service)
        stack = {
            "StackId": "arn:aws:cloudformation:us-east-1:111122223333:stack/afterloop-dev/1",
            "StackStatus": "CREATE_COMPLETE",
            "Outputs": [{"OutputKey": "StartLoop", "OutputValue": "start"}],
            "Parameters": [{"ParameterKey": "DocumentBuckets", "ParameterValue": "-"}],
        }
        payload = io.BytesIO(json.dumps(self.answer).encode())
        failed = {"FunctionError": "Unhandled"} if "errorType" in self.answer else {}
        return SimpleNamespace(
            describe_stacks=lambda **_: {"Stacks": [stack]},
            invoke=lambda **_: {"Payload": payload, **failed},
        )


def reviewers(answer: dict[str, Any]) -> LocalReviewers:
    return LocalReviewers(Control("127.0.0.1", 1, Keys.random()), Session(answer), "dev")  # type: ignore[arg-type]


def test_stopped_engine_is_said() -> None:
    nobody = reviewers({})
    for call in (
        lambda: nobody.waiting(1),
        lambda: nobody.task("a"),
        lambda: nobody.answer("a", "w", {}, 1.0),
        lambda: nobody.fail("a", "Expired", None),
        lambda: nobody.expire("a"),
    ):
        with pytest.raises(
            SandboxError, match="the local engine has stopped: start it again with `make local`"
        ):
            call()


def test_sample_with_an_image_needs_a_bucket_and_a_text_does_not() -> None:
    assert reviewers({}).start("support-messages").startswith("support-message-")
    assert reviewers({}).start("order-parts", "order-1") == "order-1"
    with pytest.raises(SandboxError, match="no document_buckets for the image"):
        reviewers({}).start("animal-boxes")


def test_refused_start_says_why() -> None:
    refusal = {"errorType": "NotAllowed", "errorMessage": "the stage does not take this flow definition"}
    with pytest.raises(AfterloopError, match=r"cannot start .*: NotAllowed: the stage does not take"):
        reviewers(refusal).start("support-messages")
    with pytest.raises(
        SandboxError, match="no sample for flow definition 'other'; use one of job-applications"
    ):
        reviewers({}).start("other")
