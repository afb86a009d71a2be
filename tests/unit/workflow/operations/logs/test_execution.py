from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.unit.cloudwatch_logs import BEGIN, CloudWatchLogs
from workflow.asl.graph import StateStatus
from workflow.operations.executions import Attempt, ExecutionView, Visit
from workflow.operations.logs import Logs, log_lines
from workflow.operations.logs.execution import MAX_CALLS
from workflow.operations.stage_resources import StageResources

ARN = "arn:aws:states:eu-west-1:111122223333:execution:afterloop-dev:run"
RESOURCES = StageResources("dev", "aws", "eu-west-1", "111122223333", {})
COLLECT = "afterloop-dev-CollectReview"


class Session:
    def __init__(self, logs: CloudWatchLogs) -> None:
        self._logs = logs

    def client(self, service: str, **_: Any) -> Any:
        assert service == "logs"
        return self._logs


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def request(number: int) -> str:
    return f"4299ee26-8d1d-4ea9-bd43-{number:012}"


def attempt(
    start: float, end: float | None, number: int = 1, *, function: str = COLLECT, **more: Any
) -> Attempt:
    arn = f"arn:aws:lambda:eu-west-1:111122223333:function:{function}:3"
    ended = None if end is None else at(end)
    return Attempt(number, at(start), ended, **{"function": arn, "status": StateStatus.PASSED} | more)


def visit(state: str, *attempts: Attempt, number: int = 1, **more: Any) -> Visit:
    return Visit(state, "Task", number, entered=attempts[0].started, attempts=list(attempts), **more)


def execution(*visits: Visit, status: str = "SUCCEEDED", stopped: float | None = 3600) -> ExecutionView:
    return ExecutionView(
        arn=ARN,
        name="run",
        machine="arn:machine",
        status=status,
        started=BEGIN,
        stopped=None if stopped is None else at(stopped),
        visits=visits,
    )


def own(number: int, state: str, attempt: int = 1, message: str = "called", arn: str = ARN) -> str:
    """A line of a function of the stage."""
    return json.dumps(
        {
            "level": "INFO",
            "message": message,
            "function_request_id": request(number),
            "execution": arn,
            "state": state,
            "attempt": attempt,
        }
    )


def call(number: int, *lines: str) -> list[str]:
    start, stop = f"START RequestId: {request(number)} Version: 3", f"END RequestId: {request(number)}"
    return [start, *lines, stop, f"REPORT RequestId: {request(number)}\tDuration: 1.00 ms\t"]


def read(logs: CloudWatchLogs, view: ExecutionView, **which: Any) -> Logs:
    return log_lines(Session(logs), RESOURCES, view, **which)  # type: ignore[arg-type]


def messages(found: Logs) -> list[tuple[str | None, int | None, int | None, str]]:
    """The lines without those of Lambda."""
    return [
        (line.state, line.visit, line.attempt, line.message) for line in found.lines if line.level != "LAMBDA"
    ]


def test_call_is_found_by_the_request_of_its_result(logs: CloudWatchLogs) -> None:
    """As those of a function that knows nothing of Afterloop."""
    logs.write("shop", "one", *call(1, "of another execution"), *call(2, "told the shop"), *call(3))
    view = execution(visit("Tell the shop", attempt(0, 1, function="shop", request_id=request(2))))
    found = read(logs, view)
    assert [line.raw for line in found.lines] == call(2, "told the shop")
    assert {(line.state, line.visit, line.attempt, line.by_time) for line in found.lines} == {
        ("Tell the shop", 1, 1, False)
    }
    assert found.notes == []


@pytest.mark.parametrize(
    "cause",
    [
        json.dumps({"errorType": "ValueError", "requestId": request(2), "stackTrace": []}),
        json.dumps(
            {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {request(2)} Error: Task…"}
        ),
        json.dumps(
            {"errorMessage": f"2026-03-01T10:00:03.004Z {request(2)} Task timed out after 3.00 seconds"}
        ),
    ],
)
def test_failed_call_is_found_by_the_request_in_its_cause(logs: CloudWatchLogs, cause: str) -> None:
    logs.write("shop", "one", *call(1), *call(2, "[ERROR] ValueError: no\nTraceback…"))
    failed = attempt(0, 1, function="shop", status=StateStatus.FAILED, error="ValueError", cause=cause)
    found = read(logs, execution(visit("Tell the shop", failed), status="SUCCEEDED"))
    assert messages(found) == [("Tell the shop", 1, 1, "ValueError: no\nTraceback…")]


def test_call_without_result_is_found_by_the_step_that_it_logs(logs: CloudWatchLogs) -> None:
    """The step gave up waiting. The function is killed later, at its own timeout."""
    logs.write(COLLECT, "one", call(1)[0], own(1, "Collect review"), at=1)
    late = f"2026-03-01T10:05:30.000Z {request(1)} Task timed out after 330.00 seconds"
    logs.write(COLLECT, "one", late, *call(1)[1:], at=330)
    logs.write(COLLECT, "two", *call(2, own(2, "Collect review", arn="arn:other")), at=1)
    timed_out = attempt(0, 300, status=StateStatus.FAILED, error="States.Timeout")
    found = read(logs, execution(visit("Collect review", timed_out)))
    assert messages(found) == [
        ("Collect review", 1, 1, "called"),
        ("Collect review", 1, 1, "Task timed out after 330.00 seconds"),
    ]
    assert not any(line.by_time for line in found.lines)
    assert found.notes == []


def test_attempts_and_visits_are_told_apart(logs: CloudWatchLogs) -> None:
    """Each visit, and the execution after a redrive, counts retries from the beginning."""
    for number, (start, tried) in enumerate([(0, 1), (10, 2), (600, 1), (610, 2), (1200, 1)]):
        logs.write(
            COLLECT, "one", *call(number, own(number, "Collect review", tried, f"call {number}")), at=start
        )
    lost = {"status": StateStatus.FAILED, "error": "States.Timeout"}
    view = execution(
        visit(
            "Collect review",
            attempt(0, 5, 1, **lost),
            attempt(9, 15, 2, **lost),
            attempt(599, 605, 3, **lost),
        ),
        visit("Collect review", attempt(609, 700, 1, **lost), attempt(1199, None, 2), number=2),
    )
    assert messages(read(logs, view)) == [
        ("Collect review", 1, 1, "call 0"),
        ("Collect review", 1, 2, "call 1"),
        ("Collect review", 1, 3, "call 2"),
        ("Collect review", 2, 1, "call 3"),
        ("Collect review", 2, 2, "call 4"),
    ]


def test_lines_of_one_state_and_of_one_visit_are_read_alone(logs: CloudWatchLogs) -> None:
    around = Visit("Each item", "Map")
    for number in range(4):
        logs.write("f", "one", *call(number, f"line {number}"), at=number)
    view = execution(
        visit("a", attempt(0, 1, function="f", request_id=request(0))),
        visit("b", attempt(1, 2, function="f", request_id=request(1))),
        visit("b", attempt(2, 3, function="f", request_id=request(2)), number=2),
        around,
        visit("inside", attempt(3, 4, function="f", request_id=request(3)), outer=around),
    )

    def lines(**which: Any) -> list[str]:
        return [message for *_, message in messages(read(logs, view, **which))]

    assert lines(state="a") == ["line 0"]
    assert lines(state="b") == ["line 1", "line 2"]
    assert lines(state="b", visit=2) == ["line 2"]
    assert lines(state="Each item") == ["line 3"]
    assert lines(state="none") == []
    assert lines(since=at(3600)) == []
    assert lines() == ["line 0", "line 1", "line 2", "line 3"]


def test_lines_of_other_states_with_the_function_are_left_out(logs: CloudWatchLogs) -> None:
    lost = {"status": StateStatus.FAILED, "error": "States.Timeout"}
    visits = []
    for number, state in enumerate(("Collect review", "Keep answers", "Keep answers")):
        logs.write(COLLECT, "one", *call(number, own(number, state, message=f"call {number}")), at=number)
        visits.append(visit(state, attempt(number, number + 1, **lost), number=max(number, 1)))
    found = read(logs, execution(*visits), state="Keep answers", visit=2)
    assert messages(found) == [("Keep answers", 2, 1, "call 2")]
    assert found.notes == []


def test_call_of_which_nothing_is_known_is_found_by_its_time(logs: CloudWatchLogs) -> None:
    logs.write("shop", "one", *call(1, "before"), at=-100)
    logs.write("shop", "one", call(2)[0], "maybe", at=1)
    logs.write("shop", "two", *call(3, "of this execution"), at=30)
    logs.write("shop", "three", *call(4, "of another"), at=2)
    view = execution(
        visit(
            "Tell the shop",
            attempt(0, 10, function="shop", status=StateStatus.FAILED, error="States.Timeout"),
        ),
        visit("Tell again", attempt(29, 31, function="shop", request_id=request(3))),
    )
    found = read(logs, view)
    assert messages(found) == [
        ("Tell the shop", 1, 1, "maybe"),
        ("Tell the shop", 1, 1, "of another"),
        ("Tell again", 1, 1, "of this execution"),
    ]
    assert [line.by_time for line in found.lines if line.level != "LAMBDA"] == [True, True, False]
    (note,) = found.notes
    assert "shop" in note
    assert "'Tell the shop'" in note
    assert "by their time only" in note


def test_calls_found_by_time_are_told_apart(logs: CloudWatchLogs) -> None:
    lost = {"function": "shop", "status": StateStatus.FAILED, "error": "States.Timeout"}
    for number, start in enumerate((0.5, 2.5, 3.9)):
        logs.write("shop", f"stream {number}", *call(number, f"call {number}"), at=start)
    view = execution(
        visit("a", attempt(0, 2, **lost)),
        visit("b", attempt(2, 3, **lost)),
        visit("c", attempt(3.8, 5, **lost)),
    )
    assert [(state, message) for state, _, _, message in messages(read(logs, view))] == [
        ("a", "call 0"),
        ("b", "call 1"),
        ("c", "call 2"),
    ]


def test_call_that_lambda_refused_gets_no_lines_of_others(logs: CloudWatchLogs) -> None:
    logs.write("shop", "one", *call(1, "of another execution"), at=1)
    refused = attempt(
        0,
        2,
        function="shop",
        status=StateStatus.FAILED,
        error="Lambda.TooManyRequestsException",
        cause="Rate…",
    )
    assert read(logs, execution(visit("Tell the shop", refused))) == Logs()


def test_running_call_has_its_lines_so_far(logs: CloudWatchLogs) -> None:
    logs.write(COLLECT, "one", call(1)[0], own(1, "Collect review"), "working", at=1)
    running = visit("Collect review", attempt(0, None, status=StateStatus.RUNNING))
    found = read(logs, execution(running, status="RUNNING", stopped=None))
    assert [message for *_, message in messages(found)] == ["called", "working"]


def test_searches_are_few(logs: CloudWatchLogs) -> None:
    """In an account and Region, CloudWatch Logs allows five in a second."""
    visits = []
    for number in range(20):
        logs.write(
            COLLECT, f"stream {number % 3}", *call(number, own(number, "Collect review")), at=number * 10
        )
        visits.append(
            visit("Collect review", attempt(number * 10 - 1, number * 10 + 1, request_id=request(number)))
        )
    assert len(read(logs, execution(*visits)).lines) == 80
    assert logs.calls["FilterLogEvents"] == 2


def test_long_wait_between_calls_is_not_searched(logs: CloudWatchLogs) -> None:
    days = 3 * 24 * 3600
    for number, start in enumerate((0, days)):
        logs.write(COLLECT, "one", *call(number, own(number, "Collect review")), at=start)
    view = execution(
        visit("Collect review", attempt(0, 1, request_id=request(0))),
        visit("Collect review", attempt(days, days + 1, request_id=request(1)), number=2),
        stopped=days + 2,
    )
    assert len(read(logs, view).lines) == 8
    assert logs.calls["FilterLogEvents"] == 4


def test_many_calls_are_cut_and_said_to_be(logs: CloudWatchLogs) -> None:
    number = MAX_CALLS + 50
    visits = []
    for index in range(number):
        logs.write(COLLECT, f"stream {index % 5}", *call(index, own(index, "inside")), at=index)
        visits.append(
            visit("inside", attempt(index, index + 0.5, request_id=request(index)), number=index + 1)
        )
    found = read(logs, execution(*visits))
    assert len(found.lines) == 4 * MAX_CALLS
    assert found.lines[-1].visit == number
    assert found.notes == [
        f"Only the last {MAX_CALLS} of {number} calls of the function {COLLECT} are shown."
    ]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("arn:aws:lambda:us-east-1:111122223333:function:shop", "in account 111122223333, us-east-1"),
        ("arn:aws:lambda:eu-west-1:444455556666:function:shop:live", "in account 444455556666, eu-west-1"),
        ("444455556666:function:shop", "in account 444455556666, eu-west-1"),
        ("{% $f %}", "no readable name"),
    ],
)
def test_function_elsewhere_is_named(logs: CloudWatchLogs, function: str, words: str) -> None:
    (note,) = read(logs, execution(visit("Tell", Attempt(1, at(0), at(1), function=function)))).notes
    assert words in note
    assert not logs.calls


@pytest.mark.parametrize(
    "function",
    [
        "shop",
        "shop:live",
        "111122223333:function:shop",
        "arn:aws:lambda:eu-west-1:111122223333:function:shop:$LATEST",
    ],
)
def test_function_is_found_however_the_step_names_it(logs: CloudWatchLogs, function: str) -> None:
    logs.write("shop", "one", *call(1, "line"))
    view = execution(visit("Tell", Attempt(1, at(0), at(1), function=function, request_id=request(1))))
    assert len(read(logs, view).lines) == 4


def test_unreadable_log_group_costs_only_its_lines(logs: CloudWatchLogs) -> None:
    logs.write("other", "one", *call(2, "line"))
    view = execution(
        visit("Tell", attempt(0, 1, function="shop", request_id=request(1))),
        visit("Tell others", attempt(2, 3, function="other", request_id=request(2))),
    )
    found = read(logs, view)
    assert len(found.lines) == 4
    assert [note for note in found.notes if "/aws/lambda/shop does not exist" in note] == found.notes != []


def test_credentials_that_ran_out_are_an_error(logs: CloudWatchLogs) -> None:
    logs.errors = ["ExpiredTokenException"]
    with pytest.raises(ClientError, match="ExpiredTokenException"):
        read(logs, execution(visit("Tell", attempt(0, 1, request_id=request(1)))))


@pytest.mark.parametrize("status", ["ABORTED", "TIMED_OUT", "FAILED"])
def test_release_of_the_claim_is_among_the_lines(logs: CloudWatchLogs, status: str) -> None:
    line = json.dumps(
        {"level": "WARNING", "message": "an execution ended without finishing", "execution": ARN}
    )
    logs.write("afterloop-dev-ReleaseClaim", "one", *call(7, line), at=3605)
    view = execution(status=status)
    assert messages(read(logs, view)) == [(None, None, None, "an execution ended without finishing")]
    assert read(logs, view, state="Collect review").lines == []


def text_of(lines: Sequence[Any]) -> list[str]:
    return [line.raw for line in lines]


def test_lines_are_in_the_order_of_their_times(logs: CloudWatchLogs) -> None:
    logs.write("f", "one", *call(1, "second"), at=10)
    logs.write("g", "one", *call(2, "first"), at=0)
    view = execution(
        visit("a", attempt(9, 11, function="f", request_id=request(1))),
        visit("b", attempt(0, 1, function="g", request_id=request(2))),
    )
    assert text_of(read(logs, view).lines) == [*call(2, "first"), *call(1, "second")]
