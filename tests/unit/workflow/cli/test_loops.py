"""Tests of the `loops` commands. tests/engine has more, against the local engine."""

from __future__ import annotations

import pytest

from tests.command_line import run


def test_loops_without_a_command_prints_help_and_one_error(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("loops", capsys=capsys)
    assert status == 1
    assert "Usage: python deploy.py loops" in out
    assert err == (
        "error: loops needs a command: list, show, start, restart, stop, close, redrive, reconcile\n"
    )
