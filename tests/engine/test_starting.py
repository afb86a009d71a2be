"""Starting loops: what is promised holds however the call ends, on the engine's own S3, DynamoDB and A2I."""

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
from lambdas.loops.ledger import Ledger, Loop
from lambdas.loops.names import InvalidLoopName
from lambdas.loops.start_request import (
    InputTooLarge,
    InputUnknown,
    InvalidRequest,
    NameTaken,
    StartRefused,
    StartRequest,
)
from lambdas.loops.starting import Starter
from lambdas.loops.waiting import Tokens, WaitingWorkflows
from sandbox import samples
from sandbox.engine import Sandbox
from workflow.stack.assembly import assemble

CALLS_OF_A_START = 4
CALLS_OF_A_RESTART = 5


class Killed(BaseException):
    """The process ends here: nothing catches it."""


@dataclass(frozen=True)
class Place:
    """A ledger, a bucket and flow definitions of one test's own."""

    sandbox: Sandbox
    table: str
    bucket: str
    flows: dict[str, str]

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.sandbox.client("dynamodb"), self.table)

    def starter(self, on_call: Callable[[str, str], None] = lambda when, operation: None) -> Starter:
        """A starter with clients of its own; `on_call` is told "before" and "after" each of their calls."""
        clients = {
            name: self.sandbox.session.client(name)  # not the shared ones: they are hooked into
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

                def tell(model: Any, when: str = when, **_: Any) -> None:
                    on_call(when, model.name)

                client.meta.events.register(f"{when}-call.*.*", tell)
        ledger = Ledger(clients["dynamodb"], self.table)
        tokens = Tokens(clients["dynamodb"], self.table)
        return Starter(
            ledger=ledger,
            bucket=self.bucket,
            s3=clients["s3"],
            a2i=clients["sagemaker-a2i-runtime"],
            textract=clients["textract"],
            rekognition=clients["rekognition"],
            waiting=WaitingWorkflows(ledger, tokens, clients["s3"], clients["stepfunctions"]),
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
    table = assemble().template.to_dict()["Resources"]["LedgerTable"]["Properties"]
    keys = ("BillingMode", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")
    dynamodb.create_table(TableName=name, **{key: table[key] for key in keys})
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
    assert [loop.human_loop_name for loop in place.ledger.select(status="InProgress")].count(name) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_call_starts_one_loop(place: Place, name: str, kind: str) -> None:
    first = place.starter().start(place.request(kind, name))
    second = place.starter().start(place.request(kind, name))

    assert (first.already, second.already) == (False, True)
    assert first.human_loop_arn == second.human_loop_arn
    assert place.loops(name) == [name]


def test_key_equal_to_name_is_the_same_call(place: Place, name: str) -> None:
    place.starter().start(place.request("custom", name))
    again = place.request("custom", name).model_copy(update={"human_loop_name": None, "key": name})

    assert place.starter().start(again).already


@pytest.mark.parametrize("kind", ["custom", "textract"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(CALLS_OF_A_START))
@pytest.mark.parametrize("who", ["the next call", "the reconciler"])
def test_start_resumes_after_crash_at_any_call(
    place: Place, name: str, kind: str, when: str, number: int, who: str
) -> None:
    request = place.request(kind, name)
    with pytest.raises(Killed):
        place.starter(killed_at(number, when)).start(request)

    calls: list[str] = []
    starter = place.starter(lambda when, operation: calls.append(operation))
    row = place.ledger.find(name)
    if who == "the next call" or row is None:
        # Without a row nothing was promised to anyone, and only the caller can know of it.
        started = starter.start(request)
    elif row.status == "Starting":
        started = starter.resume(row)
    else:
        assert (number, when) == (CALLS_OF_A_START - 1, "after")
        return
    if number == 3 or (number, when) == (2, "after"):
        # The loop was there: it is found, and no document is analyzed and paid for twice.
        assert not {"StartHumanLoop", "AnalyzeDocument"} & set(calls)

    assert started.human_loop_arn == place.sandbox.loops.get(name).arn
    row = place.ledger.find(name)
    assert row is not None
    assert row.status == "InProgress"
    assert row.human_loop_arn == started.human_loop_arn


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", range(CALLS_OF_A_RESTART))
def test_restart_resumes_after_crash_at_any_call(place: Place, name: str, when: str, number: int) -> None:
    failed = failed_loop(place, name)
    with pytest.raises(Killed):
        place.starter(killed_at(number, when)).restart(failed, place.flows["custom"])

    row = place.ledger.find(f"{name}-attempt-2")
    if row is not None and row.status == "Starting":
        place.starter().resume(row)  # The reconciler may come first.
    started = place.starter().restart(failed, place.flows["custom"])

    assert place.loops(name) == [name, f"{name}-attempt-2"]
    first, second = place.ledger.find(name), place.ledger.find(started.human_loop_name)
    assert first is not None
    assert second is not None
    assert (first.next_loop_name, second.previous_loop_name) == (second.human_loop_name, name)
    assert (second.attempt, second.root_loop_name, second.status) == (2, name, "InProgress")
    assert place.sandbox.loops.get(second.human_loop_name).input_content == {"text": "ünïcode ✓", "n": 1}


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


def test_slower_of_two_calls_finds_the_loop_of_the_other(place: Place, name: str) -> None:
    request = place.request("custom", name)
    ledger = place.ledger

    def other_first(when: str, operation: str) -> None:
        if when == "before" and operation == "StartHumanLoop":
            place.starter().start(request)
            place.sandbox.loops.refuse("StartHumanLoop", "ConflictException")

    started = place.starter(other_first).start(request)

    assert started.already
    row = ledger.find(name)
    assert row is not None
    assert (row.status, row.reason) == ("InProgress", None)


def names_of_racing_restarts(place: Place, failed: Loop) -> set[str]:
    """The loops that three restarts make which meet before they write their row."""
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


def test_end_recorded_before_the_start_is_kept(place: Place, name: str) -> None:
    def ends(when: str, operation: str) -> None:
        if (when, operation) == ("after", "StartHumanLoop"):
            place.ledger.update(name, status="Completed")  # As the workflow's claim does.

    place.starter(ends).start(place.request("custom", name))

    row = place.ledger.find(name)
    assert row is not None
    assert row.status == "Completed"
    assert row.human_loop_arn is not None


@pytest.mark.parametrize("difference", ["input", "flow definition"])
def test_name_with_other_input_or_flow_definition_is_taken(place: Place, name: str, difference: str) -> None:
    place.starter().start(place.request("custom", name))
    before = place.ledger.find(name)
    other = (
        {"task": {"type": "custom", "inputContent": {"text": "another"}}}
        if difference == "input"
        else {"flowDefinitionArn": place.flows["textract"]}
    )

    with pytest.raises(NameTaken, match="another input or flow definition"):
        place.starter().start(place.request("custom", name, **other))
    assert place.ledger.find(name) == before


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


def test_refused_start_frees_the_name(place: Place, name: str) -> None:
    wrong = place.flows["custom"] + "-wrong"

    with pytest.raises(StartRefused, match="no flow definition") as refusal:
        place.starter().start(place.request("custom", name, flowDefinitionArn=wrong))
    row = place.ledger.find(name)
    assert row is not None
    assert (row.status, row.reason) == ("Refused", str(refusal.value))

    assert not place.starter().start(place.request("custom", name)).already
    row = place.ledger.find(name)
    assert row is not None
    assert (row.status, row.reason) == ("InProgress", None)


@pytest.mark.parametrize("kind", KINDS)
def test_transient_error_leaves_row_to_resume(place: Place, name: str, kind: str) -> None:
    operation = {"custom": "StartHumanLoop", "textract": "AnalyzeDocument"}.get(
        kind, "DetectModerationLabels"
    )
    code = "ServiceQuotaExceededException" if kind == "custom" else "ProvisionedThroughputExceededException"
    # The SDK itself tries again what is throttled.
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


@pytest.mark.parametrize(
    ("change", "error", "told"),
    [
        ({"humanLoopName": "Order 17"}, InvalidLoopName, "A valid name: 'order-17-"),
        ({"humanLoopName": "a" * 64}, InvalidLoopName, "64 characters; the maximum is 63"),
        ({"task": {"type": "custom", "inputContent": {"t": "x" * (3 << 20)}}}, InputTooLarge, "3 MiB"),
        (
            {"task": {"type": "textract", "request": {"Document": {"Bytes": "QUJD"}}}},
            InvalidRequest,
            "task.request.Document: use an S3Object",
        ),
        (
            {"task": {"type": "rekognition", "request": {"Image": {"S3Object": {}}, "HumanLoopConfig": {}}}},
            InvalidRequest,
            "remove HumanLoopConfig",
        ),
        (
            {"task": {"type": "textract", "request": {"Document": {"S3Object": {"Bucket": "b"}}}}},
            InvalidRequest,
            "invalid for AnalyzeDocument: .*FeatureTypes",
        ),
    ],
)
def test_invalid_start_makes_no_call(
    place: Place, name: str, change: dict[str, Any], error: type[Exception], told: str
) -> None:
    calls: list[str] = []

    with pytest.raises(error, match=told):
        place.starter(lambda when, operation: calls.append(operation)).start(
            place.request("custom", name, **change)
        )
    assert calls == []


def test_loop_not_started_by_afterloop_cannot_be_restarted(place: Place) -> None:
    unknown = Loop(human_loop_name="of-elsewhere", flow_definition_arn=place.flows["custom"])

    for call in (
        lambda: place.starter().restart(unknown, place.flows["custom"]),
        lambda: place.starter().resume(unknown),
    ):
        with pytest.raises(InputUnknown, match="Afterloop did not start the loop"):
            call()


def test_restart_can_use_another_flow_definition(place: Place, name: str) -> None:
    failed = failed_loop(place, name)
    other = place.sandbox.flow_definitions.create(f"{name}-second-team", place.bucket)

    started = place.starter().restart(failed, other)

    assert place.sandbox.loops.get(started.human_loop_name).flow_definition_arn == other
    # The rules were changed, and the status change is run again.
    again = place.starter().restart(failed, place.flows["custom"])
    assert (again.human_loop_name, again.already) == (started.human_loop_name, True)
    assert place.sandbox.loops.get(started.human_loop_name).flow_definition_arn == other


def test_refused_restart_can_be_repeated(place: Place, name: str) -> None:
    failed = failed_loop(place, name)

    with pytest.raises(StartRefused):
        place.starter().restart(failed, place.flows["custom"] + "-gone")
    started = place.starter().restart(failed, place.flows["custom"])

    assert place.sandbox.loops.get(started.human_loop_name).status == "InProgress"


def test_restart_ignores_other_loop_with_its_name(place: Place, name: str) -> None:
    stranger = f"{name}-attempt-2"
    place.starter().start(place.request("custom", stranger))
    before = place.ledger.find(stranger)
    failed = failed_loop(place, name)

    started = place.starter().restart(failed, place.flows["custom"])

    assert place.ledger.find(stranger) == before
    assert started.human_loop_name != stranger
    assert not started.already
    first, second = place.ledger.find(name), place.ledger.find(started.human_loop_name)
    assert first is not None
    assert second is not None
    assert (first.next_loop_name, second.previous_loop_name) == (second.human_loop_name, name)
    assert (second.attempt, second.root_loop_name, second.status) == (2, name, "InProgress")
    for row in (failed, first):  # Whatever is known of the restart, a second call finds it.
        again = place.starter().restart(row, place.flows["custom"])
        assert (again.human_loop_name, again.already) == (started.human_loop_name, True)
    assert sorted(place.loops(name)) == sorted([name, stranger, started.human_loop_name])


def test_restart_does_not_take_name_of_refused_start(place: Place, name: str) -> None:
    """So that a name that was another's at one try is another's at the next."""
    stranger = f"{name}-attempt-2"
    with pytest.raises(StartRefused):
        place.starter().start(
            place.request("custom", stranger, flowDefinitionArn=place.flows["custom"] + "-wrong")
        )
    failed = failed_loop(place, name)
    started = place.starter().restart(failed, place.flows["custom"])
    assert started.human_loop_name == loop_names.of_restart_fallback(name, 2)
    row = place.ledger.find(stranger)
    assert row is not None
    assert row.status == "Refused"


def test_racing_restarts_with_taken_name_are_one_restart(place: Place, name: str) -> None:
    place.starter().start(place.request("custom", f"{name}-attempt-2"))
    assert names_of_racing_restarts(place, failed_loop(place, name)) == {
        loop_names.of_restart_fallback(name, 2)
    }
    assert len(place.loops(name)) == 3


def test_restart_is_refused_if_both_names_are_taken(place: Place, name: str) -> None:
    taken = [f"{name}-attempt-2", loop_names.of_restart_fallback(name, 2)]
    for one in taken:
        place.starter().start(place.request("custom", one))
    failed = failed_loop(place, name)
    with pytest.raises(NameTaken, match=f"'{name}' cannot be restarted: .* '{taken[0]}' and '{taken[1]}'"):
        place.starter().restart(failed, place.flows["custom"])
    row = place.ledger.find(name)
    assert row is not None
    assert row.next_loop_name is None


def test_restart_uses_second_name_if_a2i_has_the_first(
    place: Place, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdas.loops.starting.MAX_CLOCK_SKEW", timedelta(0))
    stranger = f"{name}-attempt-2"
    place.sandbox.client("sagemaker-a2i-runtime").start_human_loop(
        HumanLoopName=stranger,
        FlowDefinitionArn=place.flows["custom"],
        HumanLoopInput={"InputContent": "{}"},
    )
    failed = failed_loop(place, name)
    started = place.starter().restart(failed, place.flows["custom"])
    assert started.human_loop_name == loop_names.of_restart_fallback(name, 2)
    # When that loop fails, it is nobody's second attempt, and is not started again with this one's input.
    row = place.ledger.find(stranger)
    assert row is not None
    assert (row.status, row.attempt, row.previous_loop_name, row.input_location) == ("Refused", 1, None, None)
