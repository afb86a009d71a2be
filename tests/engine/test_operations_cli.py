"""Tests of `python deploy.py loops` on a published stage."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.text import Text

import deploy
from lambdas.loops.refusals import CLOSED
from sandbox.faults import Error
from sandbox.samples import SUPPORT_MESSAGE, TaskType
from tests.command_line import printed_json
from tests.engine.published import PublishedStage
from tests.engine.test_operations import Misplaced, escalated, failed_execution, handled
from workflow import ROOT

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    published: PublishedStage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command against the stage `local`: exit status, standard output, standard error."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in published.sandbox.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, stdin: str = "", group: str = "loops") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as end:
            deploy.main([*group.split(), *arguments, "--stage", "local"])
        captured = capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture(scope="module")
def flow(published: PublishedStage) -> str:
    return published.flow_definition()


def flow_name(flow: str) -> str:
    return flow.rpartition("/")[2]


INPUT = json.dumps(SUPPORT_MESSAGE.prediction)

NO_CUSTOMER = {
    "custom": ("sagemaker-a2i-runtime", "StartHumanLoop", "AccessDeniedException"),
    "textract": ("textract", "AnalyzeDocument", "InvalidParameterException"),
    "rekognition": ("rekognition", "DetectModerationLabels", "InvalidParameterException"),
}
"""What AWS answers to an account that A2I is closed to. Only the code of AnalyzeDocument is documented; see
`lambdas/loops/refusals.py` for what else is known."""


@pytest.mark.parametrize("task_type", NO_CUSTOMER)
def test_start_in_an_account_that_a2i_is_closed_to_says_so(
    published: PublishedStage, run: Run, task_type: TaskType
) -> None:
    flow, name = flow_name(published.flow_definition(task_type=task_type)), published.name()
    document = ("--document", "s3://human-review-documents/a.png")
    image = ("--image", document[1])
    given = {"custom": ("--input", "-"), "textract": document, "rekognition": image}[task_type]
    service, operation, code = NO_CUSTOMER[task_type]
    error = Error(code, "Request has invalid parameters")
    with published.sandbox.faults.inject(error, service=service, operation=operation):
        status, out, err = run("start", "--flow-definition", flow, "--name", name, *given, stdin=INPUT)
    assert (status, out) == (1, "")
    assert (
        f"{operation} refuses to start human loop '{name}': Request has invalid parameters ({code}); {CLOSED}"
        in err
    )
    row = published.row(name)
    assert (row.status, CLOSED in (row.reason or "")) == ("Refused", True)


def test_start_answer_and_show(published: PublishedStage, flow: str, run: Run, tmp_path: Path) -> None:
    name = published.name()
    file = tmp_path / "input.json"
    file.write_text(INPUT)
    start = ("start", "--flow-definition", flow_name(flow), "--name", name, "--input")

    status, out, err = run(*start, str(file))
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"{name} was started.",
        f"To check its status: python deploy.py loops show {name} --stage local",
    ]
    # The command that it prints can be run as it is.
    assert run(*out.splitlines()[1].partition("loops ")[2].removesuffix(" --stage local").split())[0] == 0
    assert f"{name} was already started. Its status is InProgress." in run(*start, "-", stdin=INPUT)[1]

    published.sandbox.loops.answer(name, SUPPORT_MESSAGE.answers[0])
    row = handled(published, name)
    status, out, err = run("show", name)
    assert (status, err) == (0, "")
    assert out.startswith(f"{name}  Completed  stored\nThe review is stored.\n")
    for text in (flow, row.input_location, row.review_location, row.output_location, row.execution):
        assert str(text) in out
    assert "1 answer, 2 fields, 1 changed: the model was overruled" in out

    # A step is tried with the state that it had in the execution of this loop.
    status, out, _ = run("Workflow waiting?", "--loop", name, "--output", "json", group="try")
    tried = printed_json("try", out)
    assert (status, tried["next_state"], tried["input"]["detail"]["humanLoopName"]) == (0, "Handled", name)


def test_piped_list_has_whole_names_and_no_colors(
    published: PublishedStage, flow: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    name = published.name("a-long-name-" + "x" * 40)
    published.start(name, flow, {})
    escalated(published, name)

    status, out, err = run("list", "--flow-definition", flow_name(flow), "--outcome", "Escalated")

    assert (status, err) == (0, "")
    assert "\x1b" not in out
    header, *rows = out.splitlines()
    assert header.split()[:2] == ["Human", "loop"]
    (row,) = [row for row in rows if name in row]
    assert "the same input would fail again." in row
    assert all(line == line.rstrip() for line in out.splitlines())


def test_json_has_the_attributes_of_the_ledger(published: PublishedStage, flow: str, run: Run) -> None:
    name = published.name()
    published.start(name, flow, {})
    escalated(published, name)

    status, out, _ = run("list", "--flow-definition", flow, "--limit", "0", "--output", "json")
    assert status == 0
    (row,) = [row for row in printed_json("loops list", out) if row["humanLoopName"] == name]
    item = published.sandbox.client("dynamodb").get_item(
        TableName=published.outputs["LedgerTable"], Key={"humanLoopName": {"S": name}}
    )["Item"]
    named = {attribute for attribute in item if attribute.startswith(("claim ", "execution ", "operator "))}
    assert row.keys() - {"claims", "executions", "operatorActions"} == item.keys() - named
    assert {f"claim {claim}" for claim in row["claims"]} | {
        f"execution {arn}" for arn in row["executions"]
    } == named

    shown = printed_json("loops show", run("show", name, "--output", "json")[1])
    assert shown["loop"] == row
    assert [step["command"] for step in shown["next"]] == [
        f"python deploy.py loops restart {name} --stage local",
        f'python deploy.py loops close {name} --stage local --note "..."',
    ]


def test_list_reports_its_limit_on_standard_error(published: PublishedStage, run: Run) -> None:
    flow = published.flow_definition()
    for _ in range(2):
        published.start(published.name(), flow, {})

    status, out, err = run("list", "--flow-definition", flow, "--limit", "1")

    assert status == 0
    assert len(out.splitlines()) == 2
    assert err == "More than 1 human loops match: raise --limit (0 for all), or add a filter.\n"
    _, out, limit = run("list", "--flow-definition", flow, "--limit", "1", "--output", "json")
    assert (len(printed_json("loops list", out)), limit) == (1, err)
    assert run("list", "--flow-definition", flow, "--until", "1w")[1] == "No human loops found.\n"


def test_start_with_a_request_from_a_file(
    published: PublishedStage, flow: str, run: Run, tmp_path: Path
) -> None:
    key = f"Order {published.name()}"
    request = {"key": key, "flowDefinitionArn": flow, "task": {"type": "custom", "inputContent": {"a": 1}}}
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request))

    status, out, _ = run("start", "--request", str(file), "--output", "json")

    assert status == 0
    name = printed_json("loops start", out)["humanLoopName"]
    assert run("show", key)[1].startswith(f"{name}  InProgress")


def test_restart_stop_and_close(published: PublishedStage, flow: str, run: Run) -> None:
    name = published.name()
    published.start(name, flow, {})
    escalated(published, name)

    assert run("restart", name)[1].startswith(f"{name}-attempt-2 was started.")
    assert run("stop", f"{name}-attempt-2")[1].startswith(f"{name}-attempt-2 is stopping.")
    assert handled(published, f"{name}-attempt-2").outcome == "notified"

    other = published.name()
    published.start(other, flow, {})
    escalated(published, other)
    status, out, _ = run("close", other, "--note", " nothing to be done ")
    assert status == 0
    assert re.match(rf"{other} was closed by \S+\.\n", out)
    assert published.row(other).note == "nothing to be done"


def test_command_of_an_escalation_can_be_run(published: PublishedStage, flow: str, run: Run) -> None:
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    misplaced = Misplaced(published, name)
    misplaced.restore()
    command = published.message(name)["command"].removeprefix("python deploy.py loops ")

    status, out, _ = run(*command.removesuffix(" --stage local").split())

    assert status == 0
    assert out.startswith(f"{name} is being processed again: arn:aws:states:")
    published.ended(name, 2)
    assert published.row(name).outcome == "stored"


def test_command_for_an_unclaimed_event_can_be_run(published: PublishedStage, run: Run) -> None:
    execution = failed_execution(published)
    event = json.loads(published.states.describe_execution(executionArn=execution)["input"])
    command = published.message(event["detail"]["humanLoopName"])["command"]
    assert execution in command

    status, out, err = run("--no-drift", "--output", "json", group="status")
    assert (status, err) == (0, "")
    attention = printed_json("status", out)["attention"]
    assert attention["problems"] == []
    (failed,) = [one for one in attention["executions"] if one["arn"] == execution]
    assert (failed["status"], failed["human_loop_name"]) == ("FAILED", event["detail"]["humanLoopName"])

    status, out, _ = run(
        *command.removeprefix("python deploy.py loops ").removesuffix(" --stage local").split(),
        "--output",
        "json",
    )

    assert status == 0
    assert printed_json("loops redrive", out)["before"] == execution


def test_reconcile_reports_what_it_found(published: PublishedStage, run: Run) -> None:
    flow = published.flow_definition()
    name = published.name()
    published.start(name, flow, SUPPORT_MESSAGE.prediction)
    published.sandbox.events.lose()
    published.sandbox.loops.answer(name, SUPPORT_MESSAGE.answers[0])

    status, out, err = run("reconcile", "--flow-definition", flow)
    assert (status, err) == (0, "")
    missed, summary = out.splitlines()
    assert missed.startswith(f"missed: {name} Completed: arn:aws:states:")
    assert summary == "Human loops checked: 1; 1 fixed."
    assert handled(published, name).outcome == "stored"

    status, out, _ = run("reconcile", "--flow-definition", flow, "--since", "2h", "--output", "json")
    document = printed_json("loops reconcile", out)
    assert (status, document["lookedAt"], document["missed"]) == (0, 1, {})
    status, out, err = run("reconcile", "--flow-definition", "gone")
    assert status == 1
    assert err.startswith(
        "error: unknown flow definition 'gone': stage local has no human loops and no reviews"
    )


def test_unknown_loop_is_one_line_error(run: Run) -> None:
    for command in ("show", "restart"):
        status, out, err = run(command, "nobody")
        assert (status, out) == (1, "")
        assert err.startswith("error: human loop 'nobody' does not exist in stage local")
        assert err.count("\n") == 1


def test_invalid_name_is_an_error_with_a_valid_suggestion(flow: str, run: Run) -> None:
    status, _, err = run(
        "start", "--flow-definition", flow, "--name", "Order 17", "--input", "-", stdin=INPUT
    )
    assert status == 1
    assert "A valid name: 'order-17-" in err


def test_unpublished_stage_is_one_line_error(
    run: Run, published: PublishedStage, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        deploy.main(["loops", "list", "--stage", "nowhere"])
    captured = capsys.readouterr()
    assert end.value.code == 1
    assert captured.err == (
        "error: stage nowhere is not published in us-east-1 (stack afterloop-nowhere does not exist); "
        "stages.toml: stage 'nowhere' does not exist; the stages are dev, local\n"
    )
    with pytest.raises(SystemExit):
        deploy.main(["loops", "list", "--stage", "dev"])
    assert (
        "is not published in us-east-1 (stack afterloop-dev does not exist); run `python deploy.py publish "
        in (capsys.readouterr().err)
    )


def test_list_on_a_terminal_has_colors_and_whole_names(published: PublishedStage, flow: str) -> None:
    """In a real terminal of 80 columns."""
    name = published.name("a-name-that-is-long-" + "y" * 30)
    published.start(name, flow, {})
    escalated(published, name)
    environment = published.sandbox.environment(COLUMNS="80", TERM="xterm-256color")
    command = [sys.executable, "deploy.py", "loops", "list", "--flow-definition", flow, "--stage", "local"]

    reader, writer = pty.openpty()
    with os.fdopen(writer, "wb") as terminal:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=terminal, stdout=terminal, stderr=terminal
        )
    shown = bytearray()
    # EIO: the process has closed the terminal.
    with contextlib.suppress(OSError):
        while data := os.read(reader, 65_536):
            shown += data
    os.close(reader)
    assert process.wait() == 0

    text = shown.decode()
    assert "\x1b[" in text
    plain = Text.from_ansi(text).plain
    assert max(map(len, plain.splitlines())) <= 80
    column = "".join(line.split()[0] for line in plain.splitlines() if line.strip() and "─" not in line)
    assert name in column


def test_step_is_tried_on_the_stage(published: PublishedStage, run: Run, tmp_path: Path) -> None:
    status, out, _ = run("Notify stopped", "--output", "json", group="try")
    tried = printed_json("try", out)
    assert (status, tried["status"], tried["next_state"]) == (0, "SUCCEEDED", "Record stop")
    assert tried["sent"]["TopicArn"] == published.outputs["NotificationTopic"]
    published.message("message-3301", "loop-stopped")  # The call was made.

    mock = tmp_path / "mock.json"
    mock.write_text('{"error": "SNS.ThrottledException", "cause": "slow"}')
    status, out, _ = run("Notify stopped", "--mock", str(mock), "--output", "json", group="try")
    tried = printed_json("try", out)
    assert (status, tried["status"], tried["retried"]["attempts"]) == (1, "RETRIABLE", 5)
    assert tried["caught"]["next_state"] == "Escalate"

    # A function runs with the version, the role and the environment of the stage.
    status, out, _ = run("Restart or escalate?", "--output", "json", group="try")
    tried = printed_json("try", out)
    assert (status, tried["result"]["Payload"]["action"]) == (0, "escalate")
    assert tried["sent"]["Payload"]["step"]["state"] == "Restart or escalate?"
    assert tried["warnings"] == []  # The published code is that of today.
    assert run("Route by status", group="try")[1].startswith("✓ Route by status")
