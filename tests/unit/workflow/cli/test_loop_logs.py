"""`loops logs`. tests/engine reads what the functions of the workflow log there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.command_line import printed_json, run
from tests.unit.cloudwatch_logs import BEGIN, CloudWatchLogs
from tests.unit.doubles import StubbedSession
from tests.unit.workflow.cli.test_loops import CREATED, EXECUTION, add_loop
from tests.unit.workflow.operations.executions.doubles import Executions
from tests.unit.workflow.operations.executions.histories import START, History
from workflow.cli import loop_logs

AT = (START - BEGIN).total_seconds()
REQUEST = "4299ee26-8d1d-4ea9-bd43-77b85ed96cfe"
ASKED = [
    f"START RequestId: {REQUEST} Version: 3",
    json.dumps(
        {
            "level": "INFO",
            "message": "asked",
            "function_request_id": REQUEST,
            "execution": EXECUTION,
            "state": "Ask",
            "attempt": 1,
            "humanLoopName": "loop-1",
            "shop": "Cup \x1b[31m& Saucer",
        }
    ),
    '{"_aws":{"CloudWatchMetrics":[{"Metrics":[{"Name":"Asked"}]}]},"Asked":[1.0]}',
    "[ERROR] ValueError: no\nTraceback (most recent call last):",
    f"END RequestId: {REQUEST}",
    f"REPORT RequestId: {REQUEST}\tDuration: 1.00 ms\t",
]
PRINTED = """\
2026-03-04T12:00:01.001Z  Ask  INFO  asked humanLoopName=loop-1 shop="Cup \\u001b[31m& Saucer"
2026-03-04T12:00:01.003Z  Ask  ERROR  ValueError: no
    Traceback (most recent call last):
2026-03-04T12:00:01.005Z  Ask  REPORT RequestId: 4299ee26-8d1d-4ea9-bd43-77b85ed96cfe, Duration: 1.00 ms
"""


@pytest.fixture
def logs(session: StubbedSession) -> CloudWatchLogs:
    logs = CloudWatchLogs()
    session.use("logs", logs)
    return logs


def add_execution(session: StubbedSession, history: History, status: str = "FAILED", **more: Any) -> None:
    """Adds the execution."""
    executions = Executions(
        {"States": {"Ask": {"Type": "Task", "Next": "Done"}, "Done": {"Type": "Succeed"}}}
    )
    executions.add(EXECUTION, status, history, **more)
    session.use("stepfunctions", executions)


def add_failed(session: StubbedSession) -> None:
    """Adds the responses about an execution whose step Ask failed."""
    history = History()
    history.entered("Ask")
    history.tried("ValueError")
    history.add("ExecutionFailed", error="ValueError", cause="why")
    add_execution(session, history, stopDate=START)


@pytest.fixture
def failed(session: StubbedSession, logs: CloudWatchLogs) -> StubbedSession:
    """A session with a loop whose execution failed in the step Ask."""
    add_loop(session, "loop-1", status="Completed", execution=EXECUTION)
    add_failed(session)
    logs.write("tell", "one", *ASKED, at=AT + 1)
    return session


@pytest.mark.usefixtures("failed")
def test_lines_of_the_functions_are_printed(capsys: Any) -> None:
    assert run("loops", "logs", "loop-1", capsys=capsys) == (0, PRINTED, "")


@pytest.mark.usefixtures("failed")
def test_json_has_each_line_as_it_was_logged(capsys: Any) -> None:
    _, out, _ = run("loops", "logs", "loop-1", "--output", "json", capsys=capsys)
    lines = printed_json("loops logs", out)["lines"]
    assert [line["raw"] for line in lines] == ASKED
    assert (lines[1]["step"], lines[1]["attempt"], lines[1]["fields"]["humanLoopName"]) == (
        "Ask",
        1,
        "loop-1",
    )


def test_what_other_functions_did_with_the_loop_is_shown(
    failed: StubbedSession, logs: CloudWatchLogs, capsys: Any
) -> None:
    add_loop(failed, "loop-1", status="Completed", execution=EXECUTION, previousLoopName="loop-0")
    restarted = {"level": "INFO", "message": "restarted", "humanLoopName": "loop-0", "next": "loop-1"}
    text = json.dumps(restarted, separators=(",", ":"))
    logs.write("afterloop-dev-RestartLoop", "one", text, at=AT - 7 * 3600 + 369)
    odd = '{"humanLoopName": ["a"], "b": {"humanLoopName":"loop-1"}}'
    logs.write("afterloop-dev-Reconcile", "one", odd, at=AT + 29)
    for function, message, name in (
        ("StartLoop", "started", "loop-1"),
        ("StartLoop", "started another", "loop-11"),
        ("Reconcile", "processing a missed status change", "loop-1"),
        ("ReleaseClaim", "an execution ended without finishing", "loop-1"),
    ):
        line = {"level": "INFO", "message": message, "humanLoopName": name, "execution": EXECUTION}
        seconds = {"StartLoop": AT - 7 * 3600 + 370, "Reconcile": AT + 29, "ReleaseClaim": AT + 30}[function]
        text = json.dumps(line, separators=(",", ":"))
        logs.write(f"afterloop-dev-{function}", "one", text, at=seconds)
    _, out, _ = run("loops", "logs", "loop-1", capsys=capsys)
    found = [line.split("  ")[1:3:2] + line.split("  ")[3:] for line in out.splitlines() if "INFO" in line]
    assert [(where, message.partition(" humanLoopName")[0]) for where, message in found] == [
        ("RestartLoop", "restarted"),
        ("StartLoop", "started"),
        ("Ask", "asked"),
        ("Reconcile", "processing a missed status change"),
        ("ReleaseClaim", "an execution ended without finishing"),
    ]


@pytest.mark.usefixtures("failed")
def test_lines_of_one_step_are_printed_alone(logs: CloudWatchLogs, capsys: Any) -> None:
    logs.write("afterloop-dev-ReleaseClaim", "one", json.dumps({"execution": EXECUTION}), at=AT + 30)
    _, out, _ = run("loops", "logs", "loop-1", "--step", "Ask", capsys=capsys)
    assert out.count("  Ask  ") == 3
    assert "ReleaseClaim" not in out


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("ask", "the workflow has no step 'ask'; did you mean 'Ask'?"),
        ("Nowhere", "the workflow has no step 'Nowhere'; the steps are 'Ask', 'Done'"),
    ],
)
@pytest.mark.usefixtures("failed")
def test_unknown_step_is_an_error(step: str, error: str, capsys: Any) -> None:
    assert run("loops", "logs", "loop-1", "--step", step, capsys=capsys) == (1, "", f"error: {error}\n")


@pytest.mark.usefixtures("failed")
def test_step_that_was_not_reached_is_said_to_be(capsys: Any) -> None:
    status, out, err = run("loops", "logs", "loop-1", "--step", "Done", capsys=capsys)
    assert (status, out) == (0, "")
    assert "No log lines found.\nwarning: No execution of the loop has reached the step 'Done'.\n" in err


def test_loop_that_nothing_processed_is_said_to_be(
    session: StubbedSession, logs: CloudWatchLogs, capsys: Any
) -> None:
    add_loop(session, "loop-1", status="InProgress")
    status, out, err = run("loops", "logs", "loop-1", capsys=capsys)
    assert (status, out) == (0, "")
    assert "No execution of the workflow has processed the loop yet." in err


def test_execution_that_is_gone_costs_only_its_lines(
    session: StubbedSession, logs: CloudWatchLogs, capsys: Any
) -> None:
    gone = EXECUTION.replace(":one", ":gone")
    add_loop(
        session,
        "loop-1",
        status="Completed",
        execution=EXECUTION,
        **{f"claim {CREATED} Completed": {"state": "done", "execution": gone, "at": CREATED}},
    )
    add_failed(session)
    logs.write("tell", "one", *ASKED, at=AT + 1)
    _, out, err = run("loops", "logs", "loop-1", capsys=capsys)
    assert "asked" in out
    assert "90 days" in err


def test_unknown_loop_is_an_error(session: StubbedSession, logs: CloudWatchLogs, capsys: Any) -> None:
    session.stubs["sagemaker-a2i-runtime"].add_client_error(
        "describe_human_loop", "ResourceNotFoundException"
    )
    status, out, err = run("loops", "logs", "nobody", capsys=capsys)
    assert (status, out) == (1, "")
    assert "human loop 'nobody' does not exist in stage dev" in err


@pytest.fixture
def at_each_wait(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens while the command waits, in order. Then comes Ctrl-C."""
    happens: list[Callable[[], None]] = []

    def sleep(seconds: float) -> None:
        if not happens:
            raise KeyboardInterrupt
        happens.pop(0)()

    monkeypatch.setattr(loop_logs, "sleep", sleep)
    return happens


def test_new_lines_are_printed_as_they_come(
    session: StubbedSession,
    logs: CloudWatchLogs,
    at_each_wait: list[Callable[[], None]],
    capsys: Any,
) -> None:
    add_loop(session, "loop-1", status="Completed", execution=EXECUTION)
    history = History()
    history.entered("Ask")
    history.tried()
    del history.events[-1:]
    add_execution(session, history, "RUNNING")
    logs.write("tell", "one", *ASKED[:2], at=AT + 1)

    def fail() -> None:
        logs.errors = ["ThrottlingException"]

    def lose_connection() -> None:
        logs.errors = ["InternalServerError"]

    at_each_wait += [
        fail,
        lose_connection,
        lambda: logs.write("tell", "one", *ASKED[2:], at=AT + 1.002),
    ]
    status, out, err = run("loops", "logs", "loop-1", "--follow", capsys=capsys)
    assert (status, out) == (0, PRINTED)
    assert err.count("throttles searches") == 1
    assert err.count("trying again") == 1


def test_followed_lines_as_json_are_one_document_each(
    failed: StubbedSession, at_each_wait: list[Callable[[], None]], capsys: Any
) -> None:
    at_each_wait += [lambda: None]
    _, out, _ = run("loops", "logs", "loop-1", "--follow", "--output", "json", capsys=capsys)
    assert [json.loads(line)["raw"] for line in out.splitlines()] == ASKED


def test_lost_connection_without_follow_is_an_error(
    failed: StubbedSession, logs: CloudWatchLogs, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def refuse(**_: Any) -> Any:
        raise EndpointConnectionError(endpoint_url="https://logs")

    logs.filter_log_events = refuse  # type: ignore[method-assign]
    status, out, err = run("loops", "logs", "loop-1", capsys=capsys)
    assert (status, out, err.count("\n")) == (1, "", 1)
