"""Starts on the engine's S3, DynamoDB, A2I, Textract and Rekognition: crashes, racing threads, refusals.

tests/unit/lambdas/loops/test_starting.py has the cases that need no service of the engine.
"""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.loops import names as loop_names
from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from lambdas.loops.start_request import (
    NameTaken,
    StartRequest,
)
from lambdas.loops.starting import Starter
from lambdas.loops.tokens import Tokens
from lambdas.loops.waiting import WaitingWorkflows
from sandbox import samples
from sandbox.engine import Sandbox
from tests.unit.doubles import create_ledger_table, create_token_table

CALLS_OF_A_START = 4


class Killed(BaseException):
    """The process ends: nothing catches this."""


@dataclass(frozen=True)
class Place:
    """The ledger, the bucket and the flow definitions of these tests."""

    sandbox: Sandbox
    table: str
    bucket: str
    flows: dict[str, str]

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.sandbox.client("dynamodb"), self.table)

    def starter(self, on_call: Callable[[str, str], None] = lambda when, operation: None) -> Starter:
        """A starter whose clients call `on_call("before" or "after", operation)` around each call."""
        clients = {
            name: self.sandbox.session.client(name)  # not the shared clients, because of the hooks
            for name in (
                "dynamodb",
                "s3",
                "sagemaker-a2i-runtime",
                "textract",
                "rekognition",
                "stepfunctions",
            )
        }
        for client in clients.values():
            for when in ("before", "after"):

                def report(model: Any, when: str = when, **_: Any) -> None:
                    on_call(when, model.name)

                client.meta.events.register(f"{when}-call.*.*", report)
        ledger = Ledger(clients["dynamodb"], self.table)
        tokens = Tokens(clients["dynamodb"], f"{self.table}-tokens", self.table)
        return Starter(
            ledger=ledger,
            bucket=self.bucket,
            s3=clients["s3"],
            a2i=clients["sagemaker-a2i-runtime"],
            textract=clients["textract"],
            rekognition=clients["rekognition"],
            waiting=WaitingWorkflows(
                ledger, tokens, clients["s3"], clients["stepfunctions"], clients["sagemaker-a2i-runtime"]
            ),
        )

    def loops(self, prefix: str) -> list[str]:
        return [loop.name for loop in self.sandbox.loops.list() if loop.name.startswith(prefix)]

    def request(self, kind: str, name: str, **more: Any) -> StartRequest:
        return StartRequest.read(
            {
                "humanLoopName": name,
                "flowDefinitionArn": self.flows[kind],
                "task": {
                    "custom": {"type": "custom", "inputContent": {"text": "ünïcode ✓", "n": 1}},
                    "textract": {
                        "type": "textract",
                        "request": {
                            "Document": {"S3Object": {"Bucket": self.bucket, "Name": "job-application.png"}},
                            "FeatureTypes": ["FORMS"],
                        },
                    },
                    "rekognition": {
                        "type": "rekognition",
                        "request": {"Image": {"S3Object": {"Bucket": self.bucket, "Name": "beach.png"}}},
                    },
                }[kind],
                **more,
            }
        )


@pytest.fixture(scope="module")
def place(sandbox: Sandbox) -> Iterator[Place]:
    name = f"starting-{uuid.uuid4().hex[:8]}"
    s3, dynamodb = sandbox.client("s3"), sandbox.client("dynamodb")
    s3.create_bucket(Bucket=name)
    for sample in (samples.JOB_APPLICATION, samples.INVOICE, samples.MODERATION):
        sample.upload(s3, name)
    create_ledger_table(dynamodb, name)
    create_token_table(dynamodb, f"{name}-tokens")
    flows = {
        kind: sandbox.flow_definitions.create(f"{name}-{kind}", name, task_type=kind, conditions=conditions)
        for kind, conditions in (
            ("custom", None),
            ("textract", samples.JOB_APPLICATION.conditions),
            ("rekognition", samples.MODERATION.conditions),
        )
    }
    yield Place(sandbox, name, name, flows)
    dynamodb.delete_table(TableName=name)


numbers = itertools.count()


@pytest.fixture
def name() -> str:
    return f"loop-{next(numbers)}-{uuid.uuid4().hex[:6]}"


def killed_at(number: int, when: str) -> Callable[[str, str], None]:
    """Kills the process before or after its call number `number`, counted from 0."""
    calls = itertools.count()

    def on_call(moment: str, operation: str) -> None:
        if moment == when and next(calls) == number:
            raise Killed(f"{when} {operation}")

    return on_call


KINDS = ("custom", "textract", "rekognition")


@pytest.mark.parametrize("kind", KINDS)
def test_start_writes_input_and_row_before_the_loop(place: Place, name: str, kind: str) -> None:
    order: list[str] = []
    started = place.starter(lambda when, op: order.append(op) if when == "before" else None).start(
        place.request(kind, name)
    )

    call = {"custom": "StartHumanLoop", "textract": "AnalyzeDocument"}.get(kind, "DetectModerationLabels")
    assert order == ["PutObject", "PutItem", call, "UpdateItem"]
    assert (started.needed, started.already, started.status) == (True, False, "InProgress")
    row = place.ledger.find(name)
    assert row is not None
    assert (row.status, row.task_type, row.attempt, row.root_loop_name) == ("InProgress", kind, 1, name)
    assert row.human_loop_arn == started.human_loop_arn == place.sandbox.loops.get(name).arn
    in_progress = place.ledger.select(status="InProgress", unreadable=pytest.fail)
    assert [loop.human_loop_name for loop in in_progress].count(name) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_call_starts_one_loop(place: Place, name: str, kind: str) -> None:
    first = place.starter().start(place.request(kind, name))
    second = place.starter().start(place.request(kind, name))

    assert (first.already, second.already) == (False, True)
    assert first.human_loop_arn == second.human_loop_arn
    assert place.loops(name) == [name]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(CALLS_OF_A_START))
@pytest.mark.parametrize("who", ["the next call", "the reconciler"])
def test_start_resumes_after_crash_at_any_call(
    place: Place, name: str, when: str, number: int, who: str
) -> None:
    request = place.request("textract", name)
    with pytest.raises(Killed):
        place.starter(killed_at(number, when)).start(request)

    calls: list[str] = []
    starter = place.starter(lambda when, operation: calls.append(operation))
    row = place.ledger.find(name)
    if who == "the next call" or row is None:
        # Without a row, only the caller can know about the start.
        started = starter.start(request)
    elif row.status == "Starting":
        started = starter.resume(row)
    else:
        assert (number, when) == (CALLS_OF_A_START - 1, "after")
        return
    if number == 3 or (number, when) == (2, "after"):
        # The existing loop was found, and the document was not analyzed and paid for again.
        assert "AnalyzeDocument" not in calls

    assert started.human_loop_arn == place.sandbox.loops.get(name).arn
    row = place.ledger.find(name)
    assert row is not None
    assert row.status == "InProgress"
    assert row.human_loop_arn == started.human_loop_arn


def failed_loop(place: Place, name: str, kind: str = "custom") -> Loop:
    place.starter().start(place.request(kind, name))
    place.sandbox.loops.fail(name, "InternalError")
    loop = place.ledger.find(name)
    assert loop is not None
    return loop


@pytest.mark.parametrize("kind", KINDS)
def test_racing_calls_start_one_loop(place: Place, name: str, kind: str) -> None:
    racers = 4
    gate = threading.Barrier(racers, timeout=20)

    def meet(when: str, operation: str) -> None:
        if when == "before" and operation == "PutItem":
            gate.wait()

    with ThreadPoolExecutor(racers) as pool:
        calls = [pool.submit(place.starter(meet).start, place.request(kind, name)) for _ in range(racers)]
        started = [call.result() for call in calls]

    assert {one.human_loop_arn for one in started} == {place.sandbox.loops.get(name).arn}
    row = place.ledger.find(name)
    assert row is not None
    assert row.status == "InProgress"


def names_of_racing_restarts(place: Place, failed: Loop) -> set[str]:
    """Runs three restarts that all wait for each other before they write their row."""
    gate = threading.Barrier(3, timeout=20)

    def meet(when: str, operation: str) -> None:
        if when == "before" and operation == "PutItem":
            gate.wait()

    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(place.starter(meet).restart, failed, place.flows["custom"]) for _ in range(3)]
        return {call.result().human_loop_name for call in calls}


def test_racing_restarts_are_one_restart(place: Place, name: str) -> None:
    assert names_of_racing_restarts(place, failed_loop(place, name)) == {f"{name}-attempt-2"}
    assert place.loops(name) == [name, f"{name}-attempt-2"]


@pytest.mark.parametrize("content", ["another", "ünïcode ✓"])
def test_name_of_loop_started_outside_afterloop_is_taken(
    place: Place, name: str, content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdas.loops.starting.MAX_CLOCK_SKEW", timedelta(0))
    elsewhere = {"text": content, "n": 2}
    place.sandbox.client("sagemaker-a2i-runtime").start_human_loop(
        HumanLoopName=name,
        FlowDefinitionArn=place.flows["custom"],
        HumanLoopInput={"InputContent": json.dumps(elsewhere)},
    )

    for _ in range(2):
        with pytest.raises(NameTaken, match="and not by Afterloop"):
            place.starter().start(place.request("custom", name))
        row = place.ledger.find(name)
        assert row is not None
        assert row.status == "Refused"
    assert place.sandbox.loops.get(name).input_content == elsewhere


@pytest.mark.usefixtures("without_waits")
@pytest.mark.parametrize("kind", KINDS)
def test_transient_error_leaves_row_to_resume(place: Place, name: str, kind: str) -> None:
    operation = {"custom": "StartHumanLoop", "textract": "AnalyzeDocument"}.get(
        kind, "DetectModerationLabels"
    )
    code = "ServiceQuotaExceededException" if kind == "custom" else "ProvisionedThroughputExceededException"
    # The SDK retries throttled calls.
    place.sandbox.loops.refuse(operation, code, times=1 if kind == "custom" else 5)

    with pytest.raises(ClientError, match=code):
        place.starter().start(place.request(kind, name))
    row = place.ledger.find(name)
    assert row is not None
    assert row.status == "Starting"

    assert place.starter().resume(row).human_loop_arn == place.sandbox.loops.get(name).arn


@pytest.mark.parametrize("kind", ["textract", "rekognition"])
def test_caller_gets_prediction_if_no_review_is_needed(place: Place, name: str, kind: str) -> None:
    field = {"textract": "Document", "rekognition": "Image"}[kind]
    request = place.request(kind, name)
    key = f"{name}.png"
    source = {"textract": samples.INVOICE, "rekognition": samples.MODERATION}[kind]
    source.upload(place.sandbox.client("s3"), place.bucket)
    place.sandbox.client("s3").copy_object(
        Bucket=place.bucket, Key=key, CopySource=f"{place.bucket}/{source.name}.png"
    )
    prediction: dict[str, Any] = (
        dict(samples.INVOICE.prediction) if kind == "textract" else {"ModerationLabels": []}
    )
    place.sandbox.client("s3").put_object(
        Bucket=place.bucket, Key=f"{key}.prediction.json", Body=json.dumps(prediction)
    )
    request.task.request[field]["S3Object"]["Name"] = key  # type: ignore[union-attr,index,call-overload]

    started = place.starter().start(request)
    again = place.starter().start(request)

    assert (started.needed, started.human_loop_arn, started.status) == (False, None, "NotNeeded")
    assert started.prediction is not None
    assert started.prediction["HumanLoopActivationOutput"].get("HumanLoopArn") is None
    assert again.prediction == started.prediction
    assert again.already
    row = place.ledger.find(name)
    assert row is not None
    assert (row.status, row.output_location) == ("NotNeeded", started.prediction_location)
    assert row.reason is not None
    assert "No review was needed" in row.reason
    assert place.loops(name) == []


def test_racing_restarts_with_taken_name_are_one_restart(place: Place, name: str) -> None:
    place.starter().start(place.request("custom", f"{name}-attempt-2"))
    assert names_of_racing_restarts(place, failed_loop(place, name)) == {
        loop_names.of_restart_fallback(name, 2)
    }
    assert len(place.loops(name)) == 3
