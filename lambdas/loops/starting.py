"""Starting a human loop so that it can be started again.

`DescribeHumanLoop` does not return a loop's input, and a loop that fails writes no output: whoever
wants to restart it must have kept the input. So the order is: input (S3), ledger row (`Starting`), the loop, the row
again (`InProgress`). Each step can be repeated, and a crash between any two leaves a row from which
the next call with the same name goes on:

    no row                  nothing was promised to anyone; the stored input is overwritten by the same bytes
    row `Starting`          the loop may or may not exist: A2I is asked before it is started
    row `Refused`           there is no loop, and the caller was told why: as no row
    row `InProgress` …      the loop is running or has ended: the call has nothing to do

Where nobody calls again, the reconciler does (`lambdas/loops/reconciling.py`).

    StartError
    ├── InvalidRequest   the request cannot be; says what is wrong, and where
    ├── InputTooLarge    a custom task's input is over 3 MiB
    ├── NameTaken        another loop has the name
    ├── StartRefused     A2I, Textract or Rekognition refuse: the same call would be refused again
    └── InputUnknown     a restart, and nobody kept the input
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from lambdas.loops import names as loop_names
from lambdas.loops.ledger import Ledger, Loop, now
from lambdas.loops.waiting import WaitingWorkflows
from lambdas.reviews.errors import json_path

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker_a2i_runtime import AugmentedAIRuntimeClient
    from mypy_boto3_textract import TextractClient

__all__ = [
    "CustomTask",
    "InputTooLarge",
    "InputUnknown",
    "InvalidRequest",
    "NameTaken",
    "RekognitionTask",
    "StartError",
    "StartRefused",
    "StartRequest",
    "StartedLoop",
    "Starter",
    "TextractTask",
]

MOST_INPUT_BYTES = 3 * 1024 * 1024
"""StartHumanLoop takes an InputContent of at most 3 MiB."""

CLOCKS_DIFFER = timedelta(seconds=5)
"""How far the clock of the service may be behind ours."""

REFUSALS = frozenset(
    {
        "AccessDeniedException",
        "BadDocumentException",
        "ConflictException",
        "DocumentTooLargeException",
        "ImageTooLargeException",
        "InvalidImageFormatException",
        "InvalidParameterException",
        "InvalidS3ObjectException",
        "ResourceNotFoundException",
        "UnsupportedDocumentException",
        "ValidationException",
    }
)
"""Errors that say that the loop was not started, and that the same call would be refused again."""


_ABOUT_THE_LOOP = (
    "flow_definition_arn",
    "task_type",
    "attempt",
    "max_attempts",
    "root_loop_name",
    "previous_loop_name",
    "input_location",
    "input_digest",
)


class StartError(ValueError):
    """The loop was not started, and the caller can do something about it."""


class InvalidRequest(StartError):
    """The request is not one to start a loop. The text says what is wrong, and where."""


class InputTooLarge(StartError):
    """The input of a custom task is larger than A2I takes."""


class NameTaken(StartError):
    """Another loop has that name: with other input, with another flow definition, or started elsewhere."""


class StartRefused(StartError):
    """The service refuses to start the loop. The text has its words."""


class InputUnknown(StartError):
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


class _Kept(_Message):
    """What is stored for a restart: all of a request but what the ledger row has, and the token, a secret."""

    task: Annotated[CustomTask | TextractTask | RekognitionTask, Field(discriminator="type")]
    content_classifiers: list[Literal["FreeOfPersonallyIdentifiableInformation", "FreeOfAdultContent"]] = []


class StartRequest(_Kept):
    """What to start. One of `human_loop_name` and `key` names it (`lambdas/loops/names.py`).

    `task_token` is of a workflow that waits for the end of the loop, or of its restarts (`lambdas/loops/waiting.py`).
    """

    human_loop_name: str | None = None
    key: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    flow_definition_arn: Annotated[
        str, StringConstraints(pattern=r"^arn:aws[a-z-]*:sagemaker:[a-z0-9-]+:\d{12}:flow-definition/.+$")
    ]
    task_token: Annotated[str | None, Field(repr=False, min_length=1, max_length=2048)] = None

    @classmethod
    def read(cls, document: Any) -> StartRequest:
        """The request that a JSON document is.

        Raises:
            InvalidRequest: It is none.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise InvalidRequest("; ".join(_told(problem) for problem in error.errors())) from None

    @model_validator(mode="after")
    def _named(self) -> StartRequest:
        if (self.human_loop_name is None) == (self.key is None):
            raise ValueError("give either humanLoopName or key")
        return self

    @model_validator(mode="after")
    def _is_json(self) -> StartRequest:
        try:
            _bytes(self.task.model_dump())
        except ValueError as error:
            # NaN, or half of a surrogate pair: Python's JSON would let them pass, and AWS would not.
            raise ValueError(f"the task is no JSON that AWS takes: {error}") from None
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

    `needed` is False when Textract or Rekognition decided that no person has to look: then there is no loop, and
    `prediction` is what the model said, unless it is too large for a function's answer; in any case it is at
    `prediction_location`. `already` tells that an earlier call had started it, and `status` what has become of it
    since: a loop that has ended ends no second time.
    """

    human_loop_name: str
    human_loop_arn: str | None = None
    needed: bool = True
    already: bool = False
    status: str = "InProgress"
    prediction: dict[str, Any] | None = None
    prediction_location: str | None = None


@dataclass(frozen=True)
class Starter:
    """Starts and restarts loops.

    Raises `ClientError` for what may pass (throttling, a quota, a broken service): the row is then still
    `Starting`, and the same call, or the reconciler, goes on.
    """

    ledger: Ledger
    bucket: str
    s3: S3Client
    a2i: AugmentedAIRuntimeClient
    textract: TextractClient
    rekognition: RekognitionClient
    waiting: WaitingWorkflows
    flow_definitions: Sequence[str] = ()
    """ARNs of those whose loops the stage hears of; none stands for all of the account."""

    def start(self, request: StartRequest) -> StartedLoop:
        """Start a loop, or go on with a start that did not come to its end.

        A workflow that waits is told at once if there is nothing to wait for.

        Raises:
            InvalidLoopName: A2I would refuse the name.
            InvalidRequest: Textract or Rekognition have no such request, or the flow definition is none of the stage's.
            InputTooLarge: A2I takes 3 MiB.
            NameTaken: Another loop has the name.
            StartRefused: The service refuses.
            TokenUndeliverable: A workflow waits, the loop has ended, and the workflow cannot be told.
        """
        name = request.name
        kept = _Kept(task=request.task, content_classifiers=request.content_classifiers)
        self._must_hear_of(request.flow_definition_arn)
        self._check(name, kept)
        body = _bytes(kept.model_dump(mode="json", by_alias=True))
        digest = hashlib.sha256(body).hexdigest()
        location = self._put(f"inputs/{name}-{digest[:16]}.json", body)
        started = self._run(
            Loop(
                human_loop_name=name,
                flow_definition_arn=request.flow_definition_arn,
                status="Starting",
                task_type=request.task.type,
                attempt=1,
                root_loop_name=name,
                input_location=location,
                input_digest=digest,
            ),
            kept,
        )
        # After the start: a workflow whose start fails is told by the failure, and waits for nothing.
        if request.task_token is not None:
            self.waiting.join(name, request.task_token)
        return started

    def restart(self, failed: Loop, flow_definition_arn: str) -> StartedLoop:
        """Start the next attempt of a failed loop, with the same input and a name that follows from root and attempt.

        If it was started before, that is the restart, also where it went to another flow definition. Where somebody
        has given the name to another loop, the restart has a second one. Who waits for the failed loop waits for the
        next one.

        Raises:
            InputUnknown: The ledger does not know the input of the failed loop.
            InvalidRequest: The flow definition is none of the stage's.
            NameTaken: Other loops have both names.
            StartRefused: The service refuses.
        """
        self._must_hear_of(flow_definition_arn)
        kept = self._kept(failed)
        attempt = failed.attempt + 1
        names = [
            name(failed.root, attempt) for name in (loop_names.of_restart, loop_names.of_restart_instead)
        ]
        if failed.next_loop_name in names:
            names.sort(key=failed.next_loop_name.__ne__)
        for name in names:
            try:
                started = self._run(
                    Loop(
                        human_loop_name=name,
                        flow_definition_arn=flow_definition_arn,
                        status="Starting",
                        task_type=kept.task.type,
                        attempt=attempt,
                        max_attempts=failed.max_attempts,
                        root_loop_name=failed.root,
                        previous_loop_name=failed.human_loop_name,
                        input_location=failed.input_location,
                        input_digest=failed.input_digest,
                    ),
                    kept,
                )
            except NameTaken:
                continue
            # From here on nobody can begin to wait for the failed loop: who waits for it now is all who do.
            self.ledger.update(failed.human_loop_name, next_loop_name=name)
            self.waiting.follow(failed.human_loop_name)
            return started
        raise NameTaken(
            f"Human loop {failed.human_loop_name!r} cannot be started again: {' and '.join(map(repr, names))}, the "
            "names that its restart may have, are taken by loops that are not its restart."
        )

    def resume(self, loop: Loop) -> StartedLoop:
        """Go on with a row that was left `Starting`, from the input that was stored with it.

        What is refused leaves the row `Starting`: whoever called for the start was never told.

        Raises:
            InputUnknown: The row names no input.
            NameTaken: A loop of the name was started elsewhere.
            StartRefused: The service refuses.
        """
        return self._run(loop, self._kept(loop), caller_is_told=False)

    def _must_hear_of(self, flow_definition_arn: str) -> None:
        if self.flow_definitions and flow_definition_arn not in self.flow_definitions:
            raise InvalidRequest(
                f"flowDefinitionArn: {flow_definition_arn} is not in flow_definitions of the stage's settings: "
                "the stage would not hear of the loop's end"
            )

    def _check(self, name: str, kept: _Kept) -> None:
        """Everything that can be known to be wrong before a call is made."""
        if isinstance(kept.task, CustomTask):
            if len(_bytes(kept.task.input_content)) > MOST_INPUT_BYTES:
                raise InputTooLarge(
                    f"The input of human loop {name!r} is over 3 MiB, the most that A2I takes."
                )
            return
        request, call = kept.task.request, self._call(kept.task)
        if "HumanLoopConfig" in request:
            raise InvalidRequest("task.request: the start writes HumanLoopConfig itself: leave it out")
        document = request.get(call.document)
        if not isinstance(document, dict) or "S3Object" not in document:
            raise InvalidRequest(
                f"task.request.{call.document}: give an S3Object: a restart reads the document again"
            )
        shape = call.client.meta.service_model.operation_model(call.operation).input_shape
        problems = ParamValidator().validate(request, shape)
        if problems.has_errors():
            first = problems.generate_report().splitlines()[0]
            raise InvalidRequest(f"task.request: {call.operation} does not take it: {first}")

    def _run(self, row: Loop, kept: _Kept, *, caller_is_told: bool = True) -> StartedLoop:
        row = row.model_copy(update={"created_at": row.created_at or now()})
        there = self.ledger.open(row)
        if there is not None:
            if not _is_same_start(there, row):
                raise NameTaken(
                    f"Human loop name {row.human_loop_name!r} is taken: the ledger has a loop of that name "
                    "with another input or flow definition. Use another name or key, one that differs for each "
                    "matter: inside a Map, for each item."
                )
            if there.status != "Starting":
                return self._told_again(there)
            row = there
        try:
            if there is not None and (arn := self._arn(row)) is not None:
                return self._running(row, arn, already=True)
            try:
                return self._begin(row, kept)
            except ClientError as error:
                if error.response["Error"]["Code"] not in REFUSALS:
                    raise
                # Two calls of one start can race to here, and one is told that the loop of the other exists.
                if (arn := self._arn(row)) is not None:
                    return self._running(row, arn, already=True)
                raise _refusal(row, error) from error
        except StartError as refusal:
            if caller_is_told:
                # What ends under a name that is taken is a loop of elsewhere: nothing of this row is about it.
                about_it = dict.fromkeys(_ABOUT_THE_LOOP) if isinstance(refusal, NameTaken) else {}
                self.ledger.update(
                    row.human_loop_name,
                    only_while=("Starting",),
                    status="Refused",
                    reason=str(refusal),
                    **about_it,
                )
            raise

    def _begin(self, row: Loop, kept: _Kept) -> StartedLoop:
        name, task = row.human_loop_name, kept.task
        config: Any = {"HumanLoopName": name, "FlowDefinitionArn": row.flow_definition_arn}
        if kept.content_classifiers:
            config["DataAttributes"] = {"ContentClassifiers": kept.content_classifiers}
        if isinstance(task, CustomTask):
            started = self.a2i.start_human_loop(
                **config, HumanLoopInput={"InputContent": _text(task.input_content)}
            )
            return self._running(row, started["HumanLoopArn"])
        prediction = self._call(task).method(**task.request, HumanLoopConfig=config)
        prediction.pop("ResponseMetadata", None)
        arn = prediction.get("HumanLoopActivationOutput", {}).get("HumanLoopArn")
        if arn is not None:
            return self._running(row, arn)
        location = self._put(f"predictions/{name}.json", _bytes(prediction))
        self.ledger.update(
            name,
            only_while=("Starting",),
            status="NotNeeded",
            reason="The activation conditions were not met: no person had to look.",
            output_location=location,
        )
        return StartedLoop(
            human_loop_name=name,
            needed=False,
            status="NotNeeded",
            prediction=prediction,
            prediction_location=location,
        )

    def _running(self, row: Loop, arn: str, *, already: bool = False) -> StartedLoop:
        name = row.human_loop_name
        # The loop's end may have been recorded before this line is reached: then its status stays.
        if not self.ledger.update(
            name, only_while=("Starting", "Refused"), status="InProgress", human_loop_arn=arn, reason=None
        ):
            self.ledger.update(name, human_loop_arn=arn)
        return StartedLoop(human_loop_name=name, human_loop_arn=arn, already=already)

    def _told_again(self, there: Loop) -> StartedLoop:
        not_needed = there.status == "NotNeeded"
        location = there.output_location if not_needed else None
        return StartedLoop(
            human_loop_name=there.human_loop_name,
            human_loop_arn=there.human_loop_arn,
            needed=not not_needed,
            already=True,
            status=there.status or "InProgress",
            prediction=json.loads(self._read(location)) if location else None,
            prediction_location=location,
        )

    def _arn(self, row: Loop) -> str | None:
        """ARN of the row's loop if A2I has it.

        Raises:
            NameTaken: A2I has a loop of that name that was not started for this row.
        """
        name = row.human_loop_name
        try:
            found = self.a2i.describe_human_loop(HumanLoopName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise
        opened = datetime.fromisoformat(row.created_at) if row.created_at else datetime.now(UTC)
        if (
            found["FlowDefinitionArn"] != row.flow_definition_arn
            or found["CreationTime"] < opened - CLOCKS_DIFFER
        ):
            raise NameTaken(
                f"Human loop name {name!r} is taken: A2I has had a loop of that name since "
                f"{found['CreationTime']:%Y-%m-%d %H:%M}, which was not started through Afterloop. "
                "Use another name or key."
            )
        return found["HumanLoopArn"]

    def _kept(self, loop: Loop) -> _Kept:
        if loop.input_location is None or loop.input_digest is None:
            raise InputUnknown(
                f"The input of human loop {loop.human_loop_name!r} is not known: "
                "it was not started through Afterloop."
            )
        try:
            return _Kept.model_validate_json(self._read(loop.input_location))
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            raise InputUnknown(
                f"The input of human loop {loop.human_loop_name!r} is gone: there is no {loop.input_location}."
            ) from error

    def _call(self, task: TextractTask | RekognitionTask) -> _Call:
        if isinstance(task, TextractTask):
            return _Call(self.textract, self.textract.analyze_document, "AnalyzeDocument", "Document")
        method = self.rekognition.detect_moderation_labels
        return _Call(self.rekognition, method, "DetectModerationLabels", "Image")

    def _put(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")
        return f"s3://{self.bucket}/{key}"

    def _read(self, location: str) -> bytes:
        bucket, key = location.removeprefix("s3://").split("/", 1)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


class _Call(NamedTuple):
    """The operation of an AI service that starts human loops on its own."""

    client: Any
    method: Any
    operation: str
    document: str
    """The field of its request that names what is looked at."""


def _is_same_start(there: Loop, row: Loop) -> bool:
    if row.previous_loop_name is not None:
        # Of a loop there is one restart. The rules may have sent it elsewhere than they would today.
        return there.previous_loop_name == row.previous_loop_name
    return (there.input_digest, there.flow_definition_arn) == (row.input_digest, row.flow_definition_arn)


def _refusal(row: Loop, error: ClientError) -> StartRefused:
    code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
    return StartRefused(
        f"{error.operation_name} refuses to start human loop {row.human_loop_name!r}: {message} ({code})"
    )


def _told(problem: Any) -> str:
    """One validation problem as `where: what`, on one line whatever was given."""
    where = json_path([part for part in problem["loc"] if part not in ("custom", "textract", "rekognition")])
    what = " ".join(problem["msg"].removeprefix("Value error, ").split())
    return f"{where.removeprefix('.')}: {what}" if where else what


def _bytes(value: Any) -> bytes:
    return _text(value).encode()


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
