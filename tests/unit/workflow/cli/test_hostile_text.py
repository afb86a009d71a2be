"""No command prints a control character, a bidirectional control or a newline that is in a value from outside."""

from __future__ import annotations

import ast
import json
import re
import sys
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import workflow.cli
from lambdas.loops.reconciliation import Reconciliation
from lambdas.loops.visible import visible
from tests.command_line import run
from tests.unit.doubles import StubbedSession
from tests.unit.workflow.cli.test_loops import CLAIM, CREATED, EXECUTION, FLOW, add_loop
from tests.unit.workflow.operations.executions.doubles import Executions
from tests.unit.workflow.operations.executions.histories import History
from workflow.cli import show, terminal
from workflow.cli.shapes import StopResult
from workflow.operations.several import Result, Results
from workflow.operations.undelivered import UndeliveredEvents
from workflow.publish.destroying import Destruction, Kept, Lost
from workflow.publish.history import Record
from workflow.publish.needs import StillNeeded
from workflow.publish.plan import (
    FunctionChange,
    PermissionChange,
    Plan,
    ResourceChange,
    SettingChange,
    StateChange,
)
from workflow.publish.recipients import KindRecipients, Recipient
from workflow.publish.stacks import Event
from workflow.publish.status import Status

HOSTILE = (
    "[red]x[/]\nerror: run curl\x1b[2J\x1b]0;owned\x07\x9b1m\u202egro.live\u2066\u200b\u2028y\x85\U000e0041"
)
SHOWN = r"[red]x[/]\nerror: run curl\x1B[2J\x1B]0;owned\x07\u009B1m\u202Egro.live\u2066\u200B\u2028y\u0085\U000E0041"
MESSAGE = json.dumps({"TopicArn": HOSTILE, "Subject": HOSTILE, "Message": HOSTILE, "MessageId": HOSTILE})
OF_RICH = re.compile(r"\x1b\[[0-9;]*m|\x1b\]8;id=\d+;[^\x1b]*\x1b\\|\x1b\]8;;\x1b\\")
"""Colors and links."""

COMMANDS = [
    ("loops", "list", "--limit", "0"),
    ("loops", "show", "loop-1"),
    ("loops", "redrive", "loop-1", "--dry-run"),
    ("loops", "redrive", "--outcome", "failed", "--dry-run"),
    ("loops", "restart", "--outcome", "escalated", "--dry-run"),
    ("loops", "close", "--outcome", "failed", "--note", "x", "--dry-run"),
    ("loops", "show", HOSTILE),
    ("loops", "list", "--stage", HOSTILE),
    (HOSTILE,),
]


def check(printed: str) -> None:
    """Checks that nothing but our own colors, links and line ends does anything."""
    for line in OF_RICH.sub("", printed).split("\n"):
        assert visible(line) == line
        assert not line.startswith("error: run curl")


def add_hostile_loops(session: StubbedSession) -> None:
    names = (
        "status", "failureCode", "failureReason", "reason", "note", "closedBy", "closedAt", "reviewLocation",
        "outputLocation", "inputLocation", "previousLoopName", "nextLoopName", "escalatedAt",
    )  # fmt: skip
    texts = dict.fromkeys(names, HOSTILE)
    claim = {"state": "working", "execution": EXECUTION, "at": HOSTILE}
    odd = {f"claim x{HOSTILE}": {**claim, "execution": HOSTILE}, f"execution {HOSTILE}": {"at": HOSTILE}}
    for number, outcome in enumerate(("failed", "escalated", "closed", "restarted", HOSTILE), start=1):
        row = {**texts, "outcome": outcome, "status": "Failed", "createdAt": CREATED}
        del row["nextLoopName"], row["previousLoopName"]
        add_loop(session, f"loop-{number}", **row, flowDefinitionArn=f"{FLOW}{HOSTILE}")
    add_loop(session, HOSTILE, status="Failed", **{f"claim {CLAIM}": claim, **odd}, reason=HOSTILE)
    add_loop(session, "unreadable", attempt=HOSTILE, outcome="failed")


@pytest.fixture(params=["pipe", "terminal"])
def output(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "terminal":
        for name, value in {"FORCE_COLOR": "1", "COLUMNS": "60", "TERM": "xterm"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    return str(request.param)


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: visible(" ".join(arguments))[:40])
@pytest.mark.parametrize("form", ["text", "json"])
def test_commands_show_values_of_rows_visibly(
    arguments: tuple[str, ...],
    form: str,
    output: str,
    session: StubbedSession,
    capsys: pytest.CaptureFixture[str],
) -> None:
    add_hostile_loops(session)
    if arguments == ("loops", "show", HOSTILE):
        executions = Executions()
        history = History()
        history.entered(HOSTILE)
        history.add("TaskScheduled", resourceType="sns", resource="publish", parameters=MESSAGE)
        history.add("TaskSucceeded", resourceType="sns", resource="publish", output=MESSAGE)
        history.tried(HOSTILE)
        executions.add(EXECUTION, "FAILED", history, error=HOSTILE, cause=HOSTILE)
        session.use("stepfunctions", executions)
    more = ["--output", "json"] if form == "json" and len(arguments) > 1 else []
    _, out, err = run(*arguments, *more, capsys=capsys)
    check(out)
    check(err)
    assert out or err
    if more and out:
        assert json.loads(out) is not None
    elif arguments[:2] == ("loops", "list") and out and output == "pipe":
        assert SHOWN in out


def test_reconciliation_is_shown_visibly(
    session: StubbedSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Reconciliation()
    for field in fields(found):
        match getattr(found, field.name):
            case dict() as texts:
                texts[HOSTILE] = HOSTILE
            case list() as texts:
                texts.append(HOSTILE)
    monkeypatch.setattr("workflow.operations.loops.Loops.reconcile", lambda *_, **__: found)
    _, out, err = run("loops", "reconcile", capsys=capsys)
    check(out)
    check(err)
    assert SHOWN in out
    assert "run curl" in err


def test_results_of_many_are_shown_visibly(
    session: StubbedSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = Results(
        [
            Result(HOSTILE, result, HOSTILE, execution=HOSTILE, next_loop_name=HOSTILE, message_id=HOSTILE)
            for result in ("done", "possible", "running", "skipped", "failed", "error")
        ]
    )
    monkeypatch.setattr(UndeliveredEvents, "process", lambda *_, **__: found)
    monkeypatch.setattr(UndeliveredEvents, "count", lambda _: type("Queued", (), {"visible": 1, "held": 0})())
    monkeypatch.setattr(
        "workflow.operations.loops.Loops.undelivered", lambda _: object.__new__(UndeliveredEvents)
    )
    for more in ([], ["--output", "json"]):
        _, out, err = run("loops", "redrive", "--undelivered", *more, capsys=capsys)
        check(out)
        check(err)
        assert out


def filled(kind: type, **more: Any) -> Any:
    """An instance of a data class, with a hostile text in each field without a value."""
    assert is_dataclass(kind)
    return kind(**{field.name: HOSTILE for field in fields(kind) if field.name not in more} | more)


def shown(print_it: Any, *, is_terminal: bool = False) -> str:
    file = StringIO()
    print_it(Console(file=file, width=200, force_terminal=is_terminal))
    return file.getvalue()


def test_plan_is_shown_visibly() -> None:
    resources = [
        filled(ResourceChange, action=action, properties=(HOSTILE,), loses_data=True)
        for action in ("add", "change", "replace", "delete")
    ]
    plan = Plan(
        stack=HOSTILE,
        creates=False,
        states=[filled(StateChange, change="changed", is_machine=False)],
        functions=[filled(FunctionChange, change="changed", code=True, settings=(HOSTILE,))],
        permissions=[filled(PermissionChange, widened=True)],
        settings=[filled(SettingChange)],
        resources=resources,
        notes=[HOSTILE],
        swapped=[HOSTILE],
        warnings=[HOSTILE],
        still_needed=[StillNeeded(HOSTILE, 1, ())],
    )
    for one in (plan, replace(plan, creates=True)):
        for is_terminal in (False, True):
            check(shown(lambda console: show.show_plan(console, one, where="here"), is_terminal=is_terminal))  # noqa: B023


def test_status_outputs_and_destruction_are_shown_visibly() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    drift = {
        "id": HOSTILE, "type": HOSTILE, "status": HOSTILE,
        "differences": [{"property": HOSTILE, "expected": HOSTILE, "actual": HOSTILE}],
    }  # fmt: skip
    record = Record.model_construct(number=1, at=moment, version=HOSTILE, by=HOSTILE, restores=None)
    status = filled(
        Status, updated=moment, live={1: 100}, running=1, failed=1, swapped=[HOSTILE], drifts=[drift],
        publishes=[record], still_needed=[StillNeeded(HOSTILE, 1, ())], warnings=[HOSTILE],
        recipients=[KindRecipients("alarm", "AlarmTopic", [filled(Recipient, flow_definitions=(HOSTILE,))])],
    )  # fmt: skip
    kept = filled(Kept, holds=1)
    lost = [Lost(HOSTILE, 1, [HOSTILE])]
    destruction = Destruction(HOSTILE, HOSTILE, 1, 1, [kept], [HOSTILE], False, lost=lost)
    for is_terminal in (False, True):
        for print_it in (
            lambda console: show.show_status(console, status),
            lambda console: show.show_outputs(console, {"a": HOSTILE}, {"b": HOSTILE}),
            lambda console: show.show_destruction(console, destruction, where="here"),
        ):
            check(shown(print_it, is_terminal=is_terminal))


def test_progress_of_a_stack_is_shown_visibly() -> None:
    file = StringIO()
    activity = show.StackActivity(Console(file=file, width=200, force_terminal=True, force_interactive=True))
    with activity.running():
        activity.step(HOSTILE)
        for status in ("CREATE_FAILED", "CREATE_COMPLETE"):
            activity.event(Event("1", datetime(2026, 1, 1, tzinfo=UTC), HOSTILE, HOSTILE, status, HOSTILE))
        activity.detail(HOSTILE)
    # What moves the cursor of the line that is drawn again.
    printed = re.sub(r"\x1b\[(\?25[lh]|\d*[AK])|\r", "", file.getvalue())
    check(printed)
    assert r"\u202Egro.live" in printed


def test_question_and_error_are_shown_visibly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("typer.confirm", lambda question: asked.append(question))
    terminal.confirm(HOSTILE)
    check(asked[0])
    with pytest.raises(SystemExit), terminal.one_line_errors():
        raise terminal.PublishError(HOSTILE)
    check(capsys.readouterr().err)


def test_traceback_of_a_bug_is_shown_visibly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    terminal.show_bugs_visibly()
    try:
        raise RuntimeError(HOSTILE.replace("\n", " "))
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)
    err = capsys.readouterr().err
    check(err)
    assert err.startswith("Traceback")


def test_commands_print_only_through_the_terminal_module() -> None:
    for file in Path(workflow.cli.__file__).parent.glob("*.py"):
        if file.name == "terminal.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("typer.echo", "typer.secho", "print", "console.print"), file.name


def test_json_has_half_of_a_surrogate_pair_as_an_escape(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_json(StopResult(human_loop_name="a\ud800"))
    out = capsys.readouterr().out
    assert r"a\ud800" in out
    assert json.loads(out)["humanLoopName"] == "a\ud800"
