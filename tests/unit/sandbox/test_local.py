"""What `local` shows on a terminal while it starts."""

from __future__ import annotations

import io
import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from lambdas.loops.loop import Loop
from sandbox import local
from tests.command_line import run


class Published(Exception):
    """Raised to end the run when the stage is published."""


def test_status_line_disappears_when_the_engine_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    engine = SimpleNamespace(
        endpoint_url="http://127.0.0.1:4566",
        account_id="111122223333",
        region="us-east-1",
        canned_results=SimpleNamespace(given=nullcontext),
    )

    def publish(*_: Any) -> None:
        console.print("publishing now")  # rich draws a status line again after each output
        raise Published

    monkeypatch.setattr(local.Sandbox, "start", lambda **_: nullcontext(engine))
    monkeypatch.setattr(local, "publish_local", publish)
    with pytest.raises(Published):
        local.run(console=console)

    before, after = screen.getvalue().split("publishing now")
    assert "Starting the local engine" in before
    assert "Starting the local engine" not in after
    assert "Publishing the stage" in after


@pytest.mark.parametrize("writable", [True, False])
def test_keys_are_printed_also_if_their_file_cannot_be_written(
    writable: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / ".engine.env" if writable else tmp_path / "missing" / ".engine.env"
    monkeypatch.setattr(local, "EXPORTS_FILE", file)
    read: list[str] = []

    def ctrl_c(_: float) -> None:
        read.extend(path.read_text() for path in [file] if path.exists())
        raise KeyboardInterrupt

    monkeypatch.setattr(local.time, "sleep", ctrl_c)
    screen = io.StringIO()
    engine = SimpleNamespace(variables=lambda: {"AWS_SECRET_ACCESS_KEY": "of this run"})
    local._wait_for_interrupt(Console(file=screen, width=40), engine)
    printed = screen.getvalue()
    assert "  export AWS_SECRET_ACCESS_KEY='of this run'\n" in printed
    assert ("  source .engine.env\n" in printed) == writable
    assert ("cannot be written (No such file or directory); copy these lines instead" in printed) != writable
    assert ["of this run" in text for text in read] == [True] * writable
    assert printed.endswith("Stopping the local engine\n")
    assert not file.exists()


def test_canned_results_are_checked_before_the_engine_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "results.json"
    file.write_text('{"states": {"Colect review": {"result": {}}}}')
    status, out, err = run("local", "--canned-results", str(file), capsys=capsys)
    assert (status, out) == (1, "")
    assert f"{file}: states: there is no state 'Colect review'; did you mean 'Collect review'?" in err


def test_json_output_has_each_loop_and_what_is_not_as_expected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    loop = Loop(human_loop_name="message-3301", status="Completed", outcome="stored", execution="arn")
    progress = {
        "message-3301": local.LoopProgress(loop, "SUCCEEDED", ["Collect review"], ["escalation: a"]),
        "message-3302": local.LoopProgress(),
    }
    watch = SimpleNamespace(progress=progress, problems=lambda: ["message-3302: no execution"])
    monkeypatch.setattr(local, "run", lambda **_: watch)
    report = tmp_path / "report.html"

    status, out, err = run("local", "--once", "--report", str(report), "--output", "json", capsys=capsys)

    assert (status, err) == (1, "")
    document = json.loads(out)
    assert document["problems"] == ["message-3302: no execution"]
    assert document["report"] == str(report)
    assert document["loops"] == [
        {
            "humanLoopName": "message-3301",
            "status": "Completed",
            "outcome": "stored",
            "execution": "arn",
            "executionStatus": "SUCCEEDED",
            "states": ["Collect review"],
            "messages": ["escalation: a"],
        },
        {
            "humanLoopName": "message-3302",
            "status": None,
            "outcome": None,
            "execution": None,
            "executionStatus": None,
            "states": [],
            "messages": [],
        },
    ]


def test_json_output_needs_once(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("local", "--output", "json", capsys=capsys)

    assert (status, out) == (1, "")
    assert "--output json: needs --once" in err
