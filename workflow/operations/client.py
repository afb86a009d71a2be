"""Human loops started from your own code: the stage's StartLoop function, with types and errors.

    from workflow.operations.client import LoopsClient

    loops = LoopsClient("prod")
    started = loops.start_custom("triage", {"text": "…", "prediction": {…}}, key="order 17")

The caller needs the permission `lambda:InvokeFunction` on `afterloop-<stage>-StartLoop` and nothing else: what
starting takes is the function's. Code that has only boto3 calls that function itself: `lambdas/start_loop.py` says how.

The same call made twice, also after a crash or a timeout, starts one loop.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
    StartRefused,
    StartRequest,
)
from lambdas.reviews.errors import TransientServiceError
from workflow.errors import AfterloopError

__all__ = ["FunctionFailed", "LoopsClient", "s3_object"]

SECONDS_TO_WAIT = 90
"""For a function's answer: longer than the functions may run."""

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


class FunctionFailed(AfterloopError):
    """A function of the stage failed in a way that it does not know."""


class LoopsClient:
    """Starts human loops through a published stage. Thread-safe, as boto3's clients are.

    Args:
        stage: The stage's name.
        session: Whose credentials and Region are used; boto3's default session if not given.
    """

    def __init__(self, stage: str, session: boto3.Session | None = None) -> None:
        self._stage = stage
        self._session = session or boto3.Session()
        self._functions: Any = self._session.client(
            "lambda", config=Config(read_timeout=SECONDS_TO_WAIT, retries={"mode": "standard"})
        )
        self._account: str | None = None

    def start(self, request: StartRequest) -> StartedLoop:
        """Start a loop.

        Raises:
            InvalidLoopName: A2I would refuse the name; the text shows one that would do.
            InvalidRequest: Textract or Rekognition have no such request; says where.
            InputTooLarge: The input of a custom task is over 3 MiB.
            NameTaken: Another loop has the name: with other input, or started elsewhere.
            StartRefused: A2I, Textract or Rekognition refuse; in their words.
            TransientServiceError: They are busy: make the same call later. The reconciler goes on, too.
            FunctionFailed: Anything else; the function's log says more.
        """
        _ = request.name  # A bad name needs no call.
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
        """Start a loop of a custom task.

        Args:
            flow_definition: Its name in this account and Region, or its ARN.
            input_content: What people are shown, and what the model predicted.
            human_loop_name: The loop's name; or else
            key: any text of your own that tells this loop from others: the name follows from it.
            content_classifiers: If the input is free of them: FreeOfPersonallyIdentifiableInformation,
                FreeOfAdultContent.

        Raises: As `start`.
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
        """Analyze a document with Textract, and have it reviewed if the flow definition's conditions say so.

        Args:
            flow_definition: Its name in this account and Region, or its ARN.
            document: `s3://bucket/key` of the document, in one of the stage's `document_buckets`.
            features: What Textract looks for; A2I reviews FORMS.
            human_loop_name: See `start_custom`.
            key: See `start_custom`.
            content_classifiers: See `start_custom`.

        Raises: As `start`.
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
        """Look for moderation labels in an image, and have it reviewed if the flow definition's conditions say so.

        Args:
            flow_definition: Its name in this account and Region, or its ARN.
            image: `s3://bucket/key` of the image, in one of the stage's `document_buckets`.
            human_loop_name: See `start_custom`.
            key: See `start_custom`.
            content_classifiers: See `start_custom`.

        Raises: As `start`.
        """
        task = {"type": "rekognition", "request": {"Image": s3_object(image)}}
        return self._start(flow_definition, task, human_loop_name, key, content_classifiers)

    def restart(self, human_loop_name: str, flow_definition_arn: str) -> StartedLoop:
        """Start the next attempt of a loop, with the same input.

        Raises:
            InputUnknown: Nobody kept the input.
            NameTaken: A loop of the next attempt's name exists that is not this restart.
            StartRefused, TransientServiceError, FunctionFailed: As `start`.
        """
        document = {"humanLoopName": human_loop_name, "flowDefinitionArn": flow_definition_arn}
        return StartedLoop.model_validate(self.call("RestartLoop", document))

    def call(self, function: str, payload: Mapping[str, Any]) -> Any:
        """Call a function of the stage.

        Args:
            function: Its name in the template, such as `StartLoop`.
            payload: What it is given; JSON.

        Raises: As `start`.
        """
        name = f"afterloop-{self._stage}-{function}"
        try:
            answer = self._functions.invoke(
                FunctionName=name, Payload=json.dumps(payload, ensure_ascii=False).encode()
            )
        except self._functions.exceptions.ResourceNotFoundException:
            raise FunctionFailed(
                f"there is no function {name} in {self._session.region_name}: is the stage {self._stage} published?"
            ) from None
        document = json.load(answer["Payload"])
        if "FunctionError" not in answer:
            return document
        kind, message = str(document.get("errorType")), str(document.get("errorMessage"))
        if kind in _ERRORS:
            raise _ERRORS[kind](message)
        raise FunctionFailed(f"function {name}: {kind}: {message}; its log says more: /aws/lambda/{name}")

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
        if self._account is None:
            self._account = self._session.client("sts").get_caller_identity()["Account"]
        region = self._session.region_name
        partition = self._session.get_partition_for_region(region)
        return f"arn:{partition}:sagemaker:{region}:{self._account}:flow-definition/{flow_definition}"


def s3_object(location: str) -> dict[str, Any]:
    """Where a document is, as Textract and Rekognition take it. Raises InvalidRequest if it is no `s3://bucket/key`."""
    bucket, _, key = location.removeprefix("s3://").partition("/")
    if not location.startswith("s3://") or not key:
        raise InvalidRequest(f"{location!r} is no s3://bucket/key")
    return {"S3Object": {"Bucket": bucket, "Name": key}}
