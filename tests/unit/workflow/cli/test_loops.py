"""The group of commands about human loops. What they do is tested on the engine."""

from __future__ import annotations

import pytest

from tests.command_line import run


def test_of_loops_without_a_command_the_help_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("loops", capsys=capsys)
    assert status == 1
    assert "Usage: python deploy.py loops" in out
    assert err == (
        "error: give one of the commands of loops: "
        "list, show, start, restart, stop, close, redrive, reconcile\n"
    )
