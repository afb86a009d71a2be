"""Starting a human loop so that it can be started again.

`DescribeHumanLoop` does not return a loop's input, and a loop that fails writes no output: whoever
wants to restart it must have kept the input. So the order is: input (S3), ledger row (`Starting`), the loop, the row
again (`InProgress`). Each step can be repeated, and a crash between any two leaves a row from which
the next call with the same name goes on:

    no row                  nothing was promised to anyone; the stored input is overwritten by the same bytes
    row `Starting`          the loop may or may not exist: A2I is asked before it is started
    row `InProgress` …      the loop is running or has ended: the call has nothing to do
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator
from pydantic.alias_generators import to_camel

from lambdas import loop_names
from lambdas.ledger import Ledger, Loop

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker_a2i_runtime import AugmentedAIRuntimeClient
    from mypy_boto3_textract import TextractClient

__all__ = [
    "CustomTask",
    "InputTooLarge",
    "InputUnknown",
    "NameTaken",
    "RekognitionTask",
    "StartRequest",
    "StartedLoop",
    "Starter",
    "TextractTask",
]

MOST_INPUT_BYTES = 3 * 1024 * 1024
"""StartHumanLoop takes an InputContent of at most 3 MiB."""


class InputTooLarge(ValueError):
    """The input of a custom task is larger than A2I takes."""


class NameTaken(ValueError):
    """Another loop has that name: with other input, with another flow definition, or started elsewhere."""


class InputUnknown(ValueError):
    """A restart was asked for, and nobody kept the input of the failed loop."""


class _Message(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True)


class CustomTask(_Message):
    """A loop of a custom task: StartHumanLoop with this input (JSON, at most 3 MiB as text)."""

    type: Literal["custom"] = "custom"
    input_content: dict[str, JsonValue]


class TextractTask(_Message):
    """AnalyzeDocument's request without its HumanLoopConfig. Documents are S3 objects (`Document.S3Object`)."""

    type: Literal["textract"]
    request: dict[str, JsonValue]


class RekognitionTask(_Message):
    """DetectModerationLabels' request without its HumanLoopConfig. Images are S3 objects (`Image.S3Object`)."""

    type: Literal["rekognition"]
    request: dict[str, JsonValue]


class StartRequest(_Message):
    """What to start. One of `human_loop_name` and `key` names it (`lambdas/loop_names.py`)."""

    human_loop_name: str | None = None
    key: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    flow_definition_arn: Annotated[
        str, StringConstraints(pattern=r"^arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:flow-definition/.+$")
    ]
    task: Annotated[CustomTask | TextractTask | RekognitionTask, Field(discriminator="type")]
    content_classifiers: list[Literal["FreeOfPersonallyIdentifiableInformation", "FreeOfAdultContent"]] = []
    task_token: str | None = None

    @model_validator(mode="after")
    def _named(self) -> StartRequest:
        if (self.human_loop_name is None) == (self.key is None):
            raise ValueError("give either humanLoopName or key")
        return self

    @property
    def name(self) -> str:
        """The loop's name. Raises InvalidLoopName."""
        if self.human_loop_name is not None:
            return loop_names.check(self.human_loop_name)
        assert self.key is not None
        return loop_names.from_key(self.key)


class StartedLoop(_Message):
    """The answer to a start.

    `needed` is False when Textract or Rekognition decided that no person has to look: then there is
    no loop, and `prediction` is what the model said. `already` tells that an earlier call had started it.
    """

    human_loop_name: str
    human_loop_arn: str | None = None
    needed: bool = True
    already: bool = False
    prediction: dict[str, Any] | None = None


@dataclass(frozen=True)
class Starter:
    """Starts and restarts loops. Raises `ClientError` for what AWS refuses; the row is then still `Starting`."""

    ledger: Ledger
    bucket: str
    s3: S3Client
    a2i: AugmentedAIRuntimeClient
    textract: TextractClient
    rekognition: RekognitionClient

    def start(self, request: StartRequest) -> StartedLoop:
        """Start a loop, or go on with a start that did not come to its end.

        Raises:
            InvalidLoopName: A2I would refuse the name.
            NameTaken: The ledger knows another loop of that name.
            InputTooLarge: A2I takes 3 MiB.
        """
        name = request.name
        body = _input_document(request)
        if (
            request.task.type == "custom"
            and len(_text(request.task.input_content).encode()) > MOST_INPUT_BYTES
        ):
            raise InputTooLarge(f"The input of human loop {name!r} is over 3 MiB, the most that A2I takes.")
        digest = hashlib.sha256(body).hexdigest()
        return self._run(
            Loop(
                human_loop_name=name,
                flow_definition_arn=request.flow_definition_arn,
                status="Starting",
                task_type=request.task.type,
                attempt=1,
                root_loop_name=name,
                input_location=self._store(name, digest, body),
                input_digest=digest,
                task_token=request.task_token,
            ),
            request,
        )

    def restart(self, failed: Loop, flow_definition_arn: str) -> StartedLoop:
        """Start the next attempt of a failed loop, with the same input and a name that follows from root and attempt.

        The task token of a waiting workflow goes with the lineage.

        Raises:
            InputUnknown: The ledger does not know the input of the failed loop.
            NameTaken: A loop of the new name exists that is not this restart.
        """
        if failed.input_location is None or failed.input_digest is None:
            raise InputUnknown(
                f"The input of human loop {failed.human_loop_name!r} is not known: "
                "it was not started through Afterloop."
            )
        attempt = failed.attempt + 1
        name = loop_names.of_restart(failed.root, attempt)
        stored = StartRequest.model_validate_json(self._read(failed.input_location))
        request = stored.model_copy(
            update={"human_loop_name": name, "key": None, "flow_definition_arn": flow_definition_arn}
        )
        started = self._run(
            Loop(
                human_loop_name=name,
                flow_definition_arn=flow_definition_arn,
                status="Starting",
                task_type=request.task.type,
                attempt=attempt,
                max_attempts=failed.max_attempts,
                root_loop_name=failed.root,
                previous_loop_name=failed.human_loop_name,
                input_location=failed.input_location,
                input_digest=failed.input_digest,
                task_token=failed.task_token,
            ),
            request,
        )
        self.ledger.update(failed.human_loop_name, next_loop_name=name)
        return started

    def resume(self, loop: Loop) -> StartedLoop:
        """Go on with a row that was left `Starting`, from the input that was stored with it.

        Raises:
            InputUnknown: The row names no input.
        """
        if loop.input_location is None or loop.flow_definition_arn is None:
            raise InputUnknown(f"The ledger row of human loop {loop.human_loop_name!r} names no input.")
        stored = StartRequest.model_validate_json(self._read(loop.input_location))
        request = stored.model_copy(
            update={
                "human_loop_name": loop.human_loop_name,
                "key": None,
                "flow_definition_arn": loop.flow_definition_arn,
            }
        )
        return self._run(loop, request)

    def _run(self, row: Loop, request: StartRequest) -> StartedLoop:
        name = row.human_loop_name
        there = self.ledger.open(row)
        if there is not None:
            if (there.input_digest, there.flow_definition_arn) != (row.input_digest, row.flow_definition_arn):
                raise NameTaken(
                    f"Human loop name {name!r} is taken: the ledger has a loop of that name with "
                    "another input or flow definition. Use another name or key."
                )
            if there.status != "Starting":
                return StartedLoop(
                    human_loop_name=name,
                    human_loop_arn=there.human_loop_arn,
                    needed=there.status != "NotNeeded",
                    already=True,
                    prediction=self._kept_prediction(there),
                )
            if row.task_token is not None and row.task_token != there.task_token:
                # A parent that was started again waits with a new token; the old one is dead.
                self.ledger.update(name, task_token=row.task_token)
            if (arn := self._existing_arn(name)) is not None:
                return self._running(name, arn, already=True)
        return self._begin(name, request)

    def _begin(self, name: str, request: StartRequest) -> StartedLoop:
        task = request.task
        attributes: dict[str, Any] = (
            {"DataAttributes": {"ContentClassifiers": request.content_classifiers}}
            if request.content_classifiers
            else {}
        )
        if isinstance(task, CustomTask):
            return self._running(name, self._start_custom(name, request, task, attributes))
        config: Any = {
            "HumanLoopName": name,
            "FlowDefinitionArn": request.flow_definition_arn,
            **attributes,
        }
        call: Any = (
            self.textract.analyze_document
            if isinstance(task, TextractTask)
            else self.rekognition.detect_moderation_labels
        )
        prediction = call(**task.request, HumanLoopConfig=config)
        prediction.pop("ResponseMetadata", None)
        arn = prediction.get("HumanLoopActivationOutput", {}).get("HumanLoopArn")
        if arn is not None:
            return self._running(name, arn)
        location = self._put(f"predictions/{name}.json", _text(prediction).encode())
        self.ledger.update(
            name,
            only_while="Starting",
            status="NotNeeded",
            reason="The activation conditions were not met: no person had to look.",
            output_location=location,
        )
        return StartedLoop(human_loop_name=name, needed=False, prediction=prediction)

    def _start_custom(
        self, name: str, request: StartRequest, task: CustomTask, attributes: dict[str, Any]
    ) -> str:
        try:
            return self.a2i.start_human_loop(
                HumanLoopName=name,
                FlowDefinitionArn=request.flow_definition_arn,
                HumanLoopInput={"InputContent": _text(task.input_content)},
                **attributes,
            )["HumanLoopArn"]
        except ClientError as error:
            # Two calls of the same start can race to this point; the row, which both hold, says that they are one.
            if error.response["Error"]["Code"] == "ConflictException" and (arn := self._existing_arn(name)):
                return arn
            raise

    def _running(self, name: str, arn: str, *, already: bool = False) -> StartedLoop:
        # The loop's end may have been recorded before this line is reached: then its status stays.
        if not self.ledger.update(name, only_while="Starting", status="InProgress", human_loop_arn=arn):
            self.ledger.update(name, human_loop_arn=arn)
        return StartedLoop(human_loop_name=name, human_loop_arn=arn, already=already)

    def _existing_arn(self, name: str) -> str | None:
        try:
            return self.a2i.describe_human_loop(HumanLoopName=name)["HumanLoopArn"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise

    def _kept_prediction(self, row: Loop) -> dict[str, Any] | None:
        if row.status != "NotNeeded" or row.output_location is None:
            return None
        prediction: dict[str, Any] = json.loads(self._read(row.output_location))
        return prediction

    def _store(self, name: str, digest: str, body: bytes) -> str:
        return self._put(f"inputs/{name}-{digest[:16]}.json", body)

    def _put(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")
        return f"s3://{self.bucket}/{key}"

    def _read(self, location: str) -> bytes:
        bucket, key = location.removeprefix("s3://").split("/", 1)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def _input_document(request: StartRequest) -> bytes:
    """What is kept for a restart: the request without the token, which is a secret of the waiting execution."""
    return _text(request.model_dump(mode="json", by_alias=True, exclude={"task_token"})).encode()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
