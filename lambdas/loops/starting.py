"""Starts human loops in a way that allows a restart, and restarts them.

`DescribeHumanLoop` does not return the input of a loop, and a loop that fails writes no output. A restart needs the
input, so it must be stored before the loop starts. The order is:

    1. the input, in S3
    2. the ledger's row, with status `Starting`
    3. the loop
    4. the row again, with status `InProgress`

Each step can be repeated. After a crash between two steps, the next call with the same name resumes the start:

    no row                  nothing was started; the stored input is overwritten with the same bytes
    row `Starting`          the loop may exist; ask A2I before starting it
    row `Refused`           there is no loop, and the caller knows; treated as no row
    row `InProgress` etc.   the loop is running or has ended; there is nothing to do

If nobody calls again, the reconciler resumes the start (`lambdas/loops/reconciling.py`).

While the row is `Starting`, only A2I knows whether there is a loop. So if a loop ends and is deleted in A2I before its
start is resumed, it is started again. And because A2I does not return a loop's input, a loop with the row's name and
flow definition that was created after the row is taken for the row's loop.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from lambdas.loops import names as loop_names
from lambdas.loops.identity import MAX_CLOCK_SKEW
from lambdas.loops.ledger import Ledger, now
from lambdas.loops.loop import Loop
from lambdas.loops.refusals import is_refusal, refusal_in_words
from lambdas.loops.start_request import (
    CustomTask,
    InputTooLarge,
    InputUnknown,
    InvalidRequest,
    NameTaken,
    RekognitionTask,
    StartedLoop,
    StartError,
    StartRefused,
    StartRequest,
    StoredInput,
    TextractTask,
    canonical_json,
)
from lambdas.loops.waiting import WaitingWorkflows
from lambdas.reviews.location import S3Location
from lambdas.reviews.times import moment_of, timestamp

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker_a2i_runtime import AugmentedAIRuntimeClient
    from mypy_boto3_sagemaker_a2i_runtime.type_defs import DescribeHumanLoopResponseTypeDef
    from mypy_boto3_textract import TextractClient

__all__ = ["Starter"]

MAX_INPUT_BYTES = 3 * 1024 * 1024
"""The limit of StartHumanLoop for InputContent."""

_START_ATTRIBUTES = (
    "flow_definition_arn",
    "task_type",
    "attempt",
    "max_attempts",
    "root_loop_name",
    "previous_loop_name",
    "input_location",
    "input_digest",
)
"""The attributes of a row that describe the loop that was to be started."""


@dataclass(frozen=True)
class Starter:
    """Starts and restarts loops.

    Raises `ClientError` for errors that can pass (throttling, a quota, an unavailable service). The row is then still
    `Starting`, and the same call, or the reconciler, resumes the start.
    """

    ledger: Ledger
    bucket: str
    s3: S3Client
    a2i: AugmentedAIRuntimeClient
    textract: TextractClient
    rekognition: RekognitionClient
    waiting: WaitingWorkflows
    flow_definitions: Sequence[str] = ()
    """ARNs of the flow definitions whose events reach the stage; empty for all flow definitions of the account."""

    def start(self, request: StartRequest) -> StartedLoop:
        """Starts a loop, or resumes an unfinished start.

        If the request has a task token, its workflow waits for the loop. If the loop has already ended, the workflow
        is notified at once.

        Raises:
            InvalidLoopName: A2I would reject the name.
            InvalidRequest: Textract or Rekognition would reject the request, or the stage does not handle the flow
                definition.
            InputTooLarge: The input is larger than 3 MiB.
            NameTaken: Another loop has the name.
            StartRefused: The service refuses to start the loop.
            TokenUndeliverable: The loop has ended, and the waiting workflow cannot be notified.
        """
        name, stored = request.name, request.stored_input
        self._check_flow_definition(request.flow_definition_arn)
        self._check_input(name, stored)
        body = canonical_json(stored.model_dump(mode="json", by_alias=True))
        digest = hashlib.sha256(body).hexdigest()
        started = self._run(
            Loop(
                human_loop_name=name,
                flow_definition_arn=request.flow_definition_arn,
                status="Starting",
                task_type=request.task.type,
                root_loop_name=name,
                # The digest is part of the key: a second start with the name and other input, which is going to be
                # refused, must not overwrite the input of the first.
                input_location=self._put(f"inputs/{name}-{digest[:16]}.json", body),
                input_digest=digest,
            ),
            stored,
        )
        # Only after the start: if it fails, the workflow gets this function's error and must not wait as well.
        if request.task_token is not None:
            self.waiting.join(name, request.task_token)
        return started

    def restart(self, failed: Loop, flow_definition_arn: str) -> StartedLoop:
        """Starts the next attempt of a failed loop with the same input. Workflows that wait for it wait for the next.

        The name of the next attempt depends on the lineage's root and the attempt only. If another loop has that
        name, the restart uses a second one. If the attempt was started before, even with another flow definition,
        that loop is the restart.

        Raises:
            InputUnknown: The input of the failed loop was not kept.
            InvalidRequest: The stage does not handle the flow definition.
            NameTaken: Other loops have both names.
            StartRefused: The service refuses to start the loop.
        """
        self._check_flow_definition(flow_definition_arn)
        stored = self._stored_input(failed)
        attempt = failed.attempt + 1
        names = [
            name(failed.root, attempt) for name in (loop_names.of_restart, loop_names.of_restart_fallback)
        ]
        # An earlier call may have used the second name. The first may be free by now, and must not get a second loop.
        names.sort(key=lambda name: name != failed.next_loop_name)
        for name in names:
            row = Loop(
                human_loop_name=name,
                flow_definition_arn=flow_definition_arn,
                status="Starting",
                task_type=stored.task.type,
                attempt=attempt,
                max_attempts=failed.max_attempts,
                root_loop_name=failed.root,
                previous_loop_name=failed.human_loop_name,
                input_location=failed.input_location,
                input_digest=failed.input_digest,
            )
            try:
                started = self._run(row, stored)
            except NameTaken:
                existing = self.ledger.find(name) if name == failed.next_loop_name else None
                if existing is None:
                    continue
                # It is the restart. Its row was lost, and made again by its event, which has the flow definition.
                known = {field: getattr(row, field) for field in _START_ATTRIBUTES[1:]}
                self.ledger.update(name, **known)
                started = self._started_before(existing)
            # After this update no workflow can begin to wait for the failed loop, so `follow` reaches all of them.
            self.ledger.update(failed.human_loop_name, next_loop_name=name)
            self.waiting.follow(failed.human_loop_name)
            return started
        raise NameTaken(
            f"Human loop {failed.human_loop_name!r} cannot be restarted: other loops have both names that its "
            f"restart can use, {' and '.join(map(repr, names))}."
        )

    def resume(self, loop: Loop) -> StartedLoop:
        """Resumes the start of a loop whose row is still `Starting`, with the stored input.

        A refusal leaves the row `Starting`: the caller of the start has received no answer yet, so the reconciler
        has to escalate the refusal.

        Raises:
            InputUnknown: The row has no input location.
            NameTaken: A loop with the name was started outside Afterloop.
            StartRefused: The service refuses to start the loop.
        """
        return self._run(loop, self._stored_input(loop), record_refusal=False)

    def _check_flow_definition(self, arn: str) -> None:
        if self.flow_definitions and arn not in self.flow_definitions:
            raise InvalidRequest(
                f"flowDefinitionArn: {arn} is not in flow_definitions of the stage's settings, so the stage would "
                "not receive the event when the loop ends"
            )

    def _check_input(self, name: str, stored: StoredInput) -> None:
        """Finds errors that need no call. boto3 would find some of them only after the row was written."""
        if isinstance(stored.task, CustomTask):
            if len(canonical_json(stored.task.input_content)) > MAX_INPUT_BYTES:
                raise InputTooLarge(
                    f"The input of human loop {name!r} is larger than 3 MiB, the limit of A2I."
                )
            return
        request, service = stored.task.request, self._ai_service(stored.task)
        if "HumanLoopConfig" in request:
            raise InvalidRequest("task.request: remove HumanLoopConfig; Afterloop adds it")
        document = request.get(service.document)
        if not isinstance(document, dict) or "S3Object" not in document:
            raise InvalidRequest(
                f"task.request.{service.document}: use an S3Object, because a restart reads the document again"
            )
        shape = service.client.meta.service_model.operation_model(service.operation).input_shape
        problems = ParamValidator().validate(request, shape)
        if problems.has_errors():
            first = problems.generate_report().splitlines()[0]
            raise InvalidRequest(f"task.request: invalid for {service.operation}: {first}")

    def _run(self, row: Loop, stored: StoredInput, *, record_refusal: bool = True) -> StartedLoop:
        row = row.model_copy(update={"created_at": row.created_at or now()})
        existing = self.ledger.open(row)
        if existing is not None:
            if not _is_same_start(existing, row):
                raise NameTaken(
                    f"Human loop name {row.human_loop_name!r} is taken: the ledger has a loop with that name and "
                    "another input or flow definition. Use another name or key. In a Map state, use a different "
                    "one for each item."
                )
            if existing.status != "Starting":
                return self._started_before(existing)
            row = existing
        try:
            # A crash, or a call that runs at the same time, may have left a loop behind the `Starting` row.
            if existing is not None and (found := self._existing(row)) is not None:
                return self._record_existing(row, found)
            try:
                return self._start_loop(row, stored)
            except ClientError as error:
                if not is_refusal(error):
                    raise
                # Two calls of the same start can both get here. The slower one gets a ConflictException.
                if (found := self._existing_after_refusal(row)) is not None:
                    return self._record_existing(row, found)
                raise StartRefused(refusal_in_words(row.human_loop_name, error)) from error
        except StartError as refusal:
            if record_refusal:
                # If the name is taken in A2I, an event with this name is about the other loop. Its row must not
                # keep what describes this one.
                removed = dict.fromkeys(_START_ATTRIBUTES) if isinstance(refusal, NameTaken) else {}
                self.ledger.update(
                    row.human_loop_name,
                    only_while=("Starting",),
                    status="Refused",
                    reason=str(refusal),
                    **removed,
                )
            raise

    def _start_loop(self, row: Loop, stored: StoredInput) -> StartedLoop:
        name, task = row.human_loop_name, stored.task
        config: Any = {"HumanLoopName": name, "FlowDefinitionArn": row.flow_definition_arn}
        if stored.content_classifiers:
            config["DataAttributes"] = {"ContentClassifiers": stored.content_classifiers}
        if isinstance(task, CustomTask):
            text = canonical_json(task.input_content).decode()
            started = self.a2i.start_human_loop(**config, HumanLoopInput={"InputContent": text})
            return self._record_running(row, started["HumanLoopArn"])
        prediction = self._ai_service(task).method(**task.request, HumanLoopConfig=config)
        prediction.pop("ResponseMetadata", None)
        arn = prediction.get("HumanLoopActivationOutput", {}).get("HumanLoopArn")
        if arn is not None:
            return self._record_running(row, arn)
        location = self._put(f"predictions/{name}.json", canonical_json(prediction))
        self.ledger.update(
            name,
            only_while=("Starting",),
            status="NotNeeded",
            reason="No review was needed: the activation conditions were not met.",
            output_location=location,
        )
        return StartedLoop(
            human_loop_name=name,
            needed=False,
            status="NotNeeded",
            prediction=prediction,
            prediction_location=location,
        )

    def _record_existing(self, row: Loop, found: DescribeHumanLoopResponseTypeDef) -> StartedLoop:
        created = timestamp(found["CreationTime"])
        return self._record_running(row, found["HumanLoopArn"], already=True, loop_created_at=created)

    def _record_running(self, row: Loop, arn: str, *, already: bool = False, **known: str) -> StartedLoop:
        name = row.human_loop_name
        # A short loop can end before this update. Then its final status must stay, and its event has set its time.
        if not self.ledger.update(
            name,
            only_while=("Starting", "Refused"),
            status="InProgress",
            human_loop_arn=arn,
            started_at=now(),
            reason=None,
            **known,
        ):
            self.ledger.update(name, human_loop_arn=arn)
        return StartedLoop(human_loop_name=name, human_loop_arn=arn, already=already)

    def _started_before(self, row: Loop) -> StartedLoop:
        needed = row.status != "NotNeeded"
        location = None if needed else row.output_location
        return StartedLoop(
            human_loop_name=row.human_loop_name,
            human_loop_arn=row.human_loop_arn,
            needed=needed,
            already=True,
            status=row.status or "InProgress",
            prediction=self._prediction(location) if location else None,
            prediction_location=location,
        )

    def _prediction(self, location: str) -> dict[str, Any] | None:
        """Returns a stored prediction; None if there is no JSON object at the location, which remains in the answer."""
        try:
            found = json.loads(self._read(location))
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def _existing(self, row: Loop) -> DescribeHumanLoopResponseTypeDef | None:
        """Returns the row's loop as A2I describes it, or None if A2I does not have it.

        Raises:
            NameTaken: A2I has a loop with that name, but it was not started for this row.
        """
        name = row.human_loop_name
        try:
            found = self.a2i.describe_human_loop(HumanLoopName=name)
        except self.a2i.exceptions.ResourceNotFoundException:
            return None
        # An unreadable time is no evidence of another loop.
        opened = moment_of(row.created_at) if row.created_at else datetime.now(UTC)
        # A2I returns no input to compare. A loop that is older than its row cannot be the row's.
        if found["FlowDefinitionArn"] != row.flow_definition_arn or (
            opened is not None and found["CreationTime"] < opened - MAX_CLOCK_SKEW
        ):
            raise NameTaken(
                f"Human loop name {name!r} is taken: A2I has a loop with that name, created at "
                f"{found['CreationTime']:%Y-%m-%d %H:%M} and not by Afterloop. Use another name or key."
            )
        return found

    def _existing_after_refusal(self, row: Loop) -> DescribeHumanLoopResponseTypeDef | None:
        """As `_existing`. An account that A2I is closed to may be refused this call, too: then there is no loop."""
        try:
            return self._existing(row)
        except ClientError as error:
            if not is_refusal(error):
                raise
            return None

    def _stored_input(self, loop: Loop) -> StoredInput:
        if loop.input_location is None or loop.input_digest is None:
            raise InputUnknown(
                f"The input of human loop {loop.human_loop_name!r} is unknown: Afterloop did not start the loop."
            )
        try:
            return StoredInput.model_validate_json(self._read(loop.input_location))
        except self.s3.exceptions.NoSuchKey as error:
            raise InputUnknown(
                f"The input of human loop {loop.human_loop_name!r} was deleted: {loop.input_location} does not exist."
            ) from error
        except ValueError as error:  # the row names no location in S3, or the object is no stored input
            raise InputUnknown(
                f"The input of human loop {loop.human_loop_name!r} cannot be read: {loop.input_location} is not an "
                "input that Afterloop stored."
            ) from error

    def _ai_service(self, task: TextractTask | RekognitionTask) -> _AIService:
        if isinstance(task, TextractTask):
            return _AIService(self.textract, self.textract.analyze_document, "AnalyzeDocument", "Document")
        method = self.rekognition.detect_moderation_labels
        return _AIService(self.rekognition, method, "DetectModerationLabels", "Image")

    def _put(self, key: str, body: bytes) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType="application/json")
        return str(S3Location(self.bucket, key))

    def _read(self, location: str) -> bytes:
        bucket, key = S3Location.parse(location)
        return self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()


class _AIService(NamedTuple):
    """The operation of an AI service that starts human loops itself."""

    client: Any
    method: Any
    operation: str
    document: str
    """The request field that names the document or image."""


def _is_same_start(existing: Loop, row: Loop) -> bool:
    if row.previous_loop_name is not None:
        # A loop has one restart. Do not compare flow definitions: the rules may have changed since that restart.
        return existing.previous_loop_name == row.previous_loop_name
    return (existing.input_digest, existing.flow_definition_arn) == (
        row.input_digest,
        row.flow_definition_arn,
    )
