"""`loops graph`. tests/engine draws an execution of the workflow."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.command_line import printed_json, run
from tests.unit.doubles import StubbedSession
from tests.unit.workflow.cli.test_loops import EXECUTION, MACHINE, add_loop
from tests.unit.workflow.operations.executions.histories import START, History

DEFINITION = {
    "StartAt": "Ask",
    "States": {
        "Ask": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Next": "Done"},
        "Done": {"Type": "Succeed"},
    },
}


def add_execution(session: StubbedSession, status: str = "FAILED", **more: Any) -> None:
    """Adds a response about the execution."""
    found = {
        "executionArn": EXECUTION,
        "stateMachineArn": MACHINE,
        "status": status,
        "startDate": START,
        **more,
    }
    session.stubs["stepfunctions"].add_response("describe_execution", found, {"executionArn": EXECUTION})


def failed_history() -> History:
    history = History()
    history.entered("Ask")
    history.tried("Oh")
    history.tried("Oh")
    history.add("ExecutionFailed", error="Oh", cause="why")
    return history


def add_history(session: StubbedSession, history: History, arn: str = EXECUTION) -> None:
    """Adds the responses about an execution that failed."""
    machine = {"stateMachineArn": MACHINE, "name": "m", "roleArn": "arn:aws:iam::111122223333:role/r"}
    stub = session.stubs["stepfunctions"]
    stub.add_response(
        "describe_state_machine_for_execution",
        {**machine, "definition": json.dumps(DEFINITION), "updateDate": START},
        {"executionArn": arn},
    )
    stub.add_response("get_execution_history", {"events": history.events})


@pytest.fixture
def failed(session: StubbedSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StubbedSession:
    """A session with a loop whose execution failed; files are written to a temporary folder."""
    monkeypatch.chdir(tmp_path)
    add_loop(session, "loop-1", status="Completed", execution=EXECUTION)
    add_execution(session, name="one", error="Oh", cause="why")
    add_history(session, failed_history())
    return session


def test_graph_draws_last_execution_of_loop(failed: StubbedSession, capsys: Any) -> None:
    printed = "Ask (failed: Oh)\nExecution failed: Oh: why\nloop-1.svg\n"
    assert run("loops", "graph", "loop-1", capsys=capsys) == (0, printed, "")
    drawing = Path("loop-1.svg").read_text(encoding="utf-8")
    assert re.search('class="state task failed" data-state="Ask".+failed; 1 retry', drawing)
    assert 'class="state succeed not-reached" data-state="Done"' in drawing


@pytest.mark.parametrize("options", [["--format", "png"], ["--file", "loop-1.png"]])
def test_graph_writes_png(failed: StubbedSession, capsys: Any, options: list[str]) -> None:
    status, printed, _ = run("loops", "graph", "loop-1", *options, capsys=capsys)
    assert (status, printed.splitlines()[-1]) == (0, "loop-1.png")
    content = Path("loop-1.png").read_bytes()
    assert content.startswith(b"\x89PNG\r\n")
    width, height = (int.from_bytes(content[at : at + 4]) for at in (16, 20))
    assert height > width > 400, "two pixels a point"


def test_graph_prints_states_as_json(failed: StubbedSession, capsys: Any) -> None:
    status, printed, _ = run("loops", "graph", "loop-1", "--output", "json", capsys=capsys)
    assert status == 0
    document = printed_json("loops graph", printed)
    assert document["states"][0] == {
        "name": "Ask",
        "status": "failed",
        "visits": 1,
        "failed": 1,
        "retries": 1,
    }
    assert (document["humanLoopName"], document["execution"]) == ("loop-1", EXECUTION)


def test_graph_opens_picture(failed: StubbedSession, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", opened := mock.Mock())
    assert run("loops", "graph", "loop-1", "--open", capsys=capsys)[0] == 0
    opened.assert_called_once_with(Path("loop-1.svg").resolve().as_uri())


def test_graph_reports_file_that_cannot_be_written(failed: StubbedSession, capsys: Any) -> None:
    assert run("loops", "graph", "loop-1", "--file", "nowhere/loop.svg", capsys=capsys) == (
        1,
        "",
        "error: cannot write nowhere/loop.svg: No such file or directory; specify another with --file\n",
    )


def test_graph_draws_named_execution(
    session: StubbedSession, capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    add_execution(session, "SUCCEEDED", name="../one")
    history = History()
    for _ in range(41):
        history.passed("Again")
    add_history(session, history)
    status, printed, _ = run("loops", "graph", "--execution", "one", capsys=capsys)
    assert (status, printed) == (0, "41 visits to states: 41 passed\none.svg\n")
    assert [file.name for file in tmp_path.iterdir()] == ["one.svg"]


def test_graph_reports_loop_that_was_not_processed(session: StubbedSession, capsys: Any) -> None:
    add_loop(session, "loop-1", status="InProgress")
    status, _, error = run("loops", "graph", "loop-1", capsys=capsys)
    assert status == 1
    assert error == (
        "error: no execution of stage dev has processed human loop loop-1, whose status is InProgress; see "
        "`python deploy.py loops show loop-1 --stage dev`\n"
    )


def test_graph_reports_execution_that_is_gone(session: StubbedSession, capsys: Any) -> None:
    add_loop(session, "loop-1", status="Completed", execution=EXECUTION)
    session.stubs["stepfunctions"].add_client_error("describe_execution", "ExecutionDoesNotExist")
    status, _, error = run("loops", "graph", "loop-1", capsys=capsys)
    assert status == 1
    assert "deletes executions 90 days after they end" in error


@pytest.mark.parametrize("arguments", [[], ["loop-1", "--execution", EXECUTION]])
def test_graph_needs_loop_or_execution(session: StubbedSession, capsys: Any, arguments: list[str]) -> None:
    status, _, error = run("loops", "graph", *arguments, capsys=capsys)
    assert status != 0
    assert "specify either NAME or --execution" in " ".join(error.replace("│", "").split())
