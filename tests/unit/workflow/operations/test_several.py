"""Tests of operations on many loops: which are selected, and how they are processed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from moto import mock_aws

from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from lambdas.reviews.errors import TransientServiceError
from tests.unit.doubles import StubbedSession, create_ledger_table
from workflow.operations import several
from workflow.operations.several import (
    Interruption,
    Operation,
    Result,
    Results,
    Selection,
    process,
    repeated,
    select,
)
from workflow.operations.stage_loops import LoopError

FLOW = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/triage"


class Patient(Interruption):
    """Does not wait. Records for how long it was to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> bool:
        self.pauses.append(seconds)
        return self.requested


def throttled(code: str = "ThrottlingException") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "Rate exceeded"}}, "StartExecution")


@pytest.fixture(scope="module")
def ledger() -> Iterator[Ledger]:
    with mock_aws():
        client = StubbedSession().client("dynamodb")
        create_ledger_table(client)
        ledger = Ledger(client, "ledger")
        for name, day, more in (
            ("old", 1, {"outcome": "failed", "reason": "Collect review: OutputMissing: no object"}),
            ("new", 9, {"outcome": "failed", "reason": "Collect review: Lambda.Unknown: died"}),
            ("elsewhere", 2, {"outcome": "failed", "flow_definition_arn": f"{FLOW}-2"}),
            ("expired", 3, {"outcome": "escalated", "failure_code": "Expired"}),
            (
                "undated",
                4,
                {"outcome": "escalated", "failure_code": "OutputMissing", "escalated_at": "?"},
            ),
            ("stopped", 5, {"outcome": "notified"}),
            ("redriven", 5, {"outcome": "processing"}),
            ("stored", 6, {"outcome": "stored"}),
            ("running", 7, {"status": "InProgress"}),
        ):
            moment = f"2026-03-{day:02}T00:00:00.000Z"
            row = {
                "status": "Failed",
                "flow_definition_arn": FLOW,
                "created_at": "2026-02-01",
                "escalated_at": moment,
                **more,
            }
            assert ledger.open(Loop(human_loop_name=name, **row)) is None
        yield ledger


class TestSelect:
    @pytest.mark.parametrize(
        ("operation", "selection", "expected"),
        [
            ("redrive", {}, ["elsewhere", "new", "old"]),
            ("restart", {}, ["expired", "undated"]),
            ("close", {}, ["elsewhere", "expired", "new", "old", "undated"]),
            ("restart", {"outcome": "notified"}, ["stopped"]),
            ("redrive", {"flow_definition": FLOW}, ["new", "old"]),
            ("redrive", {"since": datetime(2026, 3, 2, tzinfo=UTC)}, ["elsewhere", "new"]),
            ("redrive", {"failure_code": "OutputMissing"}, ["old"]),
            ("redrive", {"failure_code": "Output"}, []),
            ("close", {"failure_code": "OutputMissing"}, ["old", "undated"]),
            ("restart", {"failure_code": "Expired"}, ["expired"]),
            # The time of the escalation is that of an earlier one, which a person has acted on.
            ("redrive", {"outcome": "processing", "since": datetime(2026, 3, 31, tzinfo=UTC)}, ["redriven"]),
            # A time that cannot be read hides no loop.
            ("restart", {"since": datetime(2026, 3, 31, tzinfo=UTC)}, ["undated"]),
        ],
    )
    def test_every_filter_narrows_the_selection(
        self, ledger: Ledger, operation: Operation, selection: dict[str, Any], expected: list[str]
    ) -> None:
        found = select(ledger, operation, Selection(**selection), selection.get("flow_definition"))
        assert sorted(loop.human_loop_name for loop in found.loops) == expected

    def test_selection_reads_indexes_only(self, ledger: Ledger) -> None:
        calls: set[str] = set()
        ledger._client.meta.events.register("before-call.dynamodb", lambda model, **_: calls.add(model.name))
        for operation in several.OUTCOMES:
            select(ledger, operation, Selection(flow_definition=FLOW), FLOW)
        assert calls == {"Query"}


class TestProcess:
    def test_no_more_loops_than_allowed_run_at_once(self) -> None:
        together = threading.Barrier(3, timeout=30)
        lock, running, most = threading.Lock(), 0, 0

        def action(name: str) -> Result:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            together.wait()  # Three are here together, so they do run at once.
            with lock:
                running -= 1
            return Result(name, "done")

        names = [f"loop-{number}" for number in range(12)]
        seen: list[int] = []
        found = process(
            names, action, at_once=3, interruption=Interruption(),
            progress=lambda so_far: seen.append(len(so_far.results)),
        )  # fmt: skip
        assert sorted(one.name for one in found.results) == sorted(names)
        assert (most, found.left, found.stopped) == (3, 0, None)
        assert seen == list(range(1, 13))

    def test_nothing_to_process_gives_no_result(self) -> None:
        assert (
            process([], lambda name: Result(name, "done"), at_once=9, interruption=Interruption())
            == Results()
        )

    @pytest.mark.parametrize(
        ("error", "result", "detail"),
        [
            (LoopError("human loop a: no"), "skipped", "human loop a: no"),
            (throttled("AccessDenied"), "error", "StartExecution failed (AccessDenied): Rate exceeded"),
            (
                EndpointConnectionError(endpoint_url="http://x"),
                "error",
                'Could not connect to the endpoint URL: "http://x"',
            ),
            (TransientServiceError("busy\nnow"), "error", "busy now"),
            (KeyError("execution"), "error", "KeyError: 'execution'"),
        ],
    )
    def test_error_of_one_loop_does_not_stop_the_others(
        self, error: Exception, result: str, detail: str
    ) -> None:
        def action(name: str) -> Result:
            if name == "a":
                raise error
            return Result(name, "done")

        found = process(["a", "b"], action, at_once=1, interruption=Interruption())
        assert [(one.name, one.result, one.detail) for one in found.results] == [
            ("a", result, detail),
            ("b", "done", ""),
        ]

    def test_run_stops_if_the_first_loops_all_fail(self) -> None:
        names = [str(number) for number in range(100)]
        found = process(names, lambda name: Result(name, "failed"), at_once=1, interruption=Interruption())
        assert (len(found.results), found.left, found.stopped) == (5, 95, "failing")
        found = process(
            names,
            lambda name: Result(name, "failed"),
            at_once=9,
            interruption=Interruption(),
            keep_going=True,
        )
        assert (len(found.results), found.left, found.stopped) == (100, 0, None)

    def test_run_goes_on_if_one_of_the_first_loops_succeeds(self) -> None:
        def action(name: str) -> Result:
            return Result(name, "done" if name == "2" else "failed")

        names = [str(number) for number in range(50)]
        assert process(names, action, at_once=1, interruption=Interruption()).left == 0

    def test_run_goes_on_while_most_loops_are_being_processed(self) -> None:
        """Without waiting, no result says that a loop was processed. A few errors must not stop all others."""

        def action(name: str) -> Result:
            return Result(name, "error" if int(name) % 3 == 0 else "running")

        names = [str(number) for number in range(1, 60)]
        assert process(names, action, at_once=1, interruption=Interruption()).left == 0

    def test_interrupted_run_finishes_what_it_began(self) -> None:
        interruption, begun, finish = Interruption(), threading.Semaphore(0), threading.Event()

        def action(name: str) -> Result:
            begun.release()
            assert finish.wait(30)
            return Result(name, "done")

        def interrupt() -> None:
            for _ in range(2):
                begun.acquire()
            interruption.request()
            finish.set()

        thread = threading.Thread(target=interrupt)
        thread.start()
        found = process([str(number) for number in range(9)], action, at_once=2, interruption=interruption)
        thread.join()
        assert (found.count("done"), found.left, found.stopped) == (2, 7, "interrupted")


class TestRepeated:
    @pytest.mark.parametrize(
        "error", [throttled(), throttled("TooManyRequestsException"), TransientServiceError("busy")]
    )
    def test_throttled_call_is_repeated(self, error: Exception) -> None:
        errors, patient = [error] * 6, Patient()

        def call() -> str:
            if errors:
                raise errors.pop()
            return "answer"

        assert repeated(call, patient) == "answer"
        assert len(patient.pauses) == 6
        assert all(0 <= pause <= 30 for pause in patient.pauses)

    def test_call_that_stays_throttled_is_an_error(self) -> None:
        patient = Patient()
        with pytest.raises(ClientError, match="Rate exceeded"):
            repeated(lambda: (_ for _ in ()).throw(throttled()), patient)
        assert len(patient.pauses) == 6

    def test_other_errors_are_not_repeated(self) -> None:
        patient = Patient()
        with pytest.raises(ClientError):
            repeated(lambda: (_ for _ in ()).throw(throttled("AccessDenied")), patient)
        assert patient.pauses == []

    def test_interruption_ends_the_pauses(self) -> None:
        patient = Patient()
        patient.request()
        with pytest.raises(ClientError):
            repeated(lambda: (_ for _ in ()).throw(throttled()), patient)
        assert len(patient.pauses) == 1
