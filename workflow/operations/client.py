"""Starts human loops from your own code: a typed client of the stage's StartLoop function.

    from workflow.operations.client import LoopsClient

    loops = LoopsClient("prod")
    started = loops.start_custom("triage", {"text": "…", "prediction": {…}}, key="order 17")

The caller needs only the permission `lambda:InvokeFunction` on `afterloop-<stage>-StartLoop`; the function has the
permissions to start loops. Code without this package can invoke the function with boto3: see `lambdas/start_loop.py`.

Calls are idempotent: the same call made twice, even after a crash or a timeout, starts one loop.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config

from lambdas.loops.names import InvalidLoopName
from lambdas.loops.start_request import (
    InputTooLarge,
    InputUnknown,
    InvalidRequest,
    NameTaken,
    StartedLoop,
    StartError,
    StartRefused,
    StartRequest,
)
from lambdas.reviews.errors import TransientServiceError
from workflow.errors import AfterloopError

__all__ = ["MAX_CONNECTIONS", "FunctionFailed", "LoopsClient", "refusals_as_errors", "s3_object"]

READ_TIMEOUT_SECONDS = 90
"""Longer than the functions' own timeout, so that boto3 never retries a call that is still running."""

MAX_CONNECTIONS = 50
"""How many threads can use a client at the same time. With more, urllib3 warns, and opens a connection for each."""

_ERRORS: dict[str, type[Exception]] = {
    error.__name__: error
    for error in (
        InputTooLarge,
        InputUnknown,
        InvalidLoopName,
        InvalidRequest,
        NameTaken,
        StartRefused,
        TransientServiceError,
    )
}


@contextmanager
def refusals_as_errors(again: str = "try again later") -> Iterator[None]:
    """Turns what the stage's functions refuse into one-line errors: a person can fix the input, or try again.

    Args:
        again: What to do after an error that passes by itself.

    Raises:
        AfterloopError: The function refused the call, or a service failed for a moment.
    """
    try:
        yield
    except (InvalidLoopName, StartError) as error:
        raise AfterloopError(str(error)) from None
    except TransientServiceError as error:
        raise AfterloopError(f"{error}; {again}") from None


class FunctionFailed(AfterloopError):
    """A function of the stage does not exist, or failed with an unexpected error."""


class LoopsClient:
    """Starts human loops through a published stage. Thread-safe, as boto3's clients are.

    Args:
        stage: The stage's name.
        session: The session, with credentials and Region; boto3's default session by default.
    """

    def __init__(self, stage: str, session: boto3.Session | None = None) -> None:
        self._stage = stage
        self._session = session or boto3.Session()
        self._functions: Any = self._session.client(
            "lambda",
            config=Config(
                read_timeout=READ_TIMEOUT_SECONDS,
                retries={"mode": "standard"},
                max_pool_connections=MAX_CONNECTIONS,
            ),
        )
        self._account: str | None = None

    def start(self, request: StartRequest) -> StartedLoop:
        """Starts a loop.

        Raises:
            InvalidLoopName: A2I does not accept the name. The message suggests a valid one.
            InvalidRequest: Textract or Rekognition does not accept the request. The message says where it is wrong.
            InputTooLarge: The input of a custom task is larger than 3 MiB.
            NameTaken: Another loop has the name: it has a different input, or was started elsewhere.
            StartRefused: A2I, Textract or Rekognition refused the start. The message is theirs.
            TransientServiceError: A service is busy. Make the same call again later; the reconciler also retries.
            FunctionFailed: Any other error. The function's log has the details.
        """
        _ = request.name  # Checks the name, so that an invalid one costs no call.
        document = request.model_dump(mode="json", by_alias=True)
        return StartedLoop.model_validate(self.call("StartLoop", document))

    def start_custom(
        self,
        flow_definition: str,
        input_content: Mapping[str, Any],
        *,
        human_loop_name: str | None = None,
        key: str | None = None,
        content_classifiers: Sequence[str] = (),
    ) -> StartedLoop:
        """Starts a loop of a custom task.

        Args:
            flow_definition: The flow definition's name in this account and Region, or its ARN.
            input_content: What workers see, and what the model predicted.
            human_loop_name: The loop's name. Specify either a name or a key.
            key: Any text that identifies the loop, such as an order number. The loop's name is derived from it.
            content_classifiers: What the input is free of: FreeOfPersonallyIdentifiableInformation,
                FreeOfAdultContent.

        Raises: The same errors as `start`.
        """
        task = {"type": "custom", "input_content": dict(input_content)}
        return self._start(flow_definition, task, human_loop_name, key, content_classifiers)

    def start_textract(
        self,
        flow_definition: str,
        document: str,
        features: Sequence[str] = ("FORMS",),
        *,
        human_loop_name: str | None = None,
        key: str | None = None,
        content_classifiers: Sequence[str] = (),
    ) -> StartedLoop:
        """Analyzes a document with Textract. Starts a loop if the flow definition's conditions are met.

        Args:
            flow_definition: See `start_custom`.
            document: The `s3://bucket/key` location of the document, in one of the stage's `document_buckets`.
            features: The features that Textract analyzes. A2I reviews FORMS only.
            human_loop_name: See `start_custom`.
            key: See `start_custom`.
            content_classifiers: See `start_custom`.

        Raises: The same errors as `start`.
        """
        request = {"Document": s3_object(document), "FeatureTypes": list(features)}
        task = {"type": "textract", "request": request}
        return self._start(flow_definition, task, human_loop_name, key, content_classifiers)

    def start_rekognition(
        self,
        flow_definition: str,
        image: str,
        *,
        human_loop_name: str | None = None,
        key: str | None = None,
        content_classifiers: Sequence[str] = (),
    ) -> StartedLoop:
        """Detects moderation labels in an image. Starts a loop if the flow definition's conditions are met.

        Args:
            flow_definition: See `start_custom`.
            image: The `s3://bucket/key` location of the image, in one of the stage's `document_buckets`.
            human_loop_name: See `start_custom`.
            key: See `start_custom`.
            content_classifiers: See `start_custom`.

        Raises: The same errors as `start`.
        """
        task = {"type": "rekognition", "request": {"Image": s3_object(image)}}
        return self._start(flow_definition, task, human_loop_name, key, content_classifiers)

    def restart(self, human_loop_name: str, flow_definition_arn: str) -> StartedLoop:
        """Starts the next attempt of a loop, with the same input.

        The ledger does not get to know who did it: that takes access to the ledger, as `loops restart` has.

        Raises:
            InputUnknown: The input was not stored.
            NameTaken: Another loop has the name of the next attempt.
            StartRefused, TransientServiceError, FunctionFailed: See `start`.
        """
        document = {"humanLoopName": human_loop_name, "flowDefinitionArn": flow_definition_arn}
        return StartedLoop.model_validate(self.call("RestartLoop", document))

    def call(self, function: str, payload: Mapping[str, Any]) -> Any:
        """Invokes a function of the stage.

        Args:
            function: The function's name in the template, such as `StartLoop`.
            payload: The function's input, as a JSON document.

        Raises: The same errors as `start`.
        """
        name = f"afterloop-{self._stage}-{function}"
        try:
            answer = self._functions.invoke(
                FunctionName=name, Payload=json.dumps(payload, ensure_ascii=False).encode()
            )
        except self._functions.exceptions.ResourceNotFoundException:
            raise FunctionFailed(
                f"function {name} does not exist in {self._session.region_name}; check that stage {self._stage} is "
                "published"
            ) from None
        document = json.load(answer["Payload"])
        if "FunctionError" not in answer:
            return document
        kind, message = str(document.get("errorType")), str(document.get("errorMessage"))
        # Lambda passes on the exception's class name and message.
        if kind in _ERRORS:
            raise _ERRORS[kind](message)
        raise FunctionFailed(f"function {name}: {kind}: {message}; see its log: /aws/lambda/{name}")

    def _start(
        self,
        flow_definition: str,
        task: Mapping[str, Any],
        human_loop_name: str | None,
        key: str | None,
        content_classifiers: Sequence[str],
    ) -> StartedLoop:
        return self.start(
            StartRequest.read(
                {
                    "humanLoopName": human_loop_name,
                    "key": key,
                    "flowDefinitionArn": self._arn(flow_definition),
                    "task": task,
                    "contentClassifiers": list(content_classifiers),
                }
            )
        )

    def _arn(self, flow_definition: str) -> str:
        if flow_definition.startswith("arn:"):
            return flow_definition
        # One call of STS for each client, and none if the caller passes ARNs.
        if self._account is None:
            self._account = self._session.client("sts").get_caller_identity()["Account"]
        region = self._session.region_name
        partition = self._session.get_partition_for_region(region)
        return f"arn:{partition}:sagemaker:{region}:{self._account}:flow-definition/{flow_definition}"


def s3_object(location: str) -> dict[str, Any]:
    """Returns a location as Textract and Rekognition take it.

    Raises:
        InvalidRequest: The location is not `s3://bucket/key`.
    """
    bucket, _, key = location.removeprefix("s3://").partition("/")
    if not location.startswith("s3://") or not key:
        raise InvalidRequest(f"{location!r} is not s3://bucket/key")
    return {"S3Object": {"Bucket": bucket, "Name": key}}
