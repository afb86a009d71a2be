"""Tests of `lock`."""

from __future__ import annotations

import json

import pytest

from tests.command_line import run
from workflow import ROOT
from workflow.stack.locking import Locked


def test_lock_prints_the_file_and_the_packages_of_each_function(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def lock(written: str, *, upgrade: bool) -> Locked:
        asked.append((written, upgrade))
        packages = ("one==1", "two==2") if written == "ask" else ()
        return Locked(ROOT / f"lambdas/{written}.requirements.txt", packages)

    monkeypatch.setattr("workflow.stack.locking.to_lock", lambda names: list(names) or ["ask", "tell"])
    monkeypatch.setattr("workflow.stack.locking.lock", lock)

    assert run("lock", capsys=capsys) == (
        0,
        "lambdas/ask.requirements.txt: one==1, two==2\n"
        "lambdas/tell.requirements.txt: nothing that the functions do not have already\n",
        "",
    )
    status, out, _ = run("lock", "ask", "--upgrade", "-o", "json", capsys=capsys)
    assert status == 0
    assert json.loads(out) == {
        "locked": [{"file": "lambdas/ask.requirements.txt", "packages": ["one==1", "two==2"]}]
    }
    assert asked == [("ask", False), ("tell", False), ("ask", True)]
