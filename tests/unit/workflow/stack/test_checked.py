"""Tests of what is kept of the checks of a definition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from workflow.asl.checks import Finding, check
from workflow.stack import checked as module
from workflow.stack.checked import KEPT_RUNS, checked

DEFINITION = {"StartAt": "Ask", "States": {"Ask": {"Type": "Task", "Resource": "${AskArn}"}}}
PLACES = {"Ask": "post_review.py:3"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The checks themselves, which count how often they run."""
    counting = Mock(wraps=check)
    monkeypatch.setattr(module, "check", counting)
    return counting


def test_findings_are_the_same_when_they_come_from_the_cache(tmp_path: Path, asked: Mock) -> None:
    expected = check(DEFINITION, places=PLACES)
    assert {one.state for one in expected} == {"Ask"}  # It ends nowhere.
    assert [checked(tmp_path, DEFINITION, places=PLACES) for _ in range(3)] == [expected] * 3
    assert asked.call_count == 1


@pytest.mark.parametrize(
    "known",
    [
        {"places": {"Ask": "post_review.py:4"}},
        {"places": PLACES, "functions": ["ask"]},
        {"places": PLACES, "own": {"Ask"}},
        {"places": PLACES, "event": {"detail": None}},
        {"places": PLACES, "results": {"Ask": {"answer": None}}},
    ],
)
def test_other_arguments_are_checked_again(tmp_path: Path, asked: Mock, known: dict[str, Any]) -> None:
    checked(tmp_path, DEFINITION, places=PLACES)
    assert checked(tmp_path, DEFINITION, **known) == check(DEFINITION, **known)
    assert asked.call_count == 2


def test_another_definition_is_checked_again(tmp_path: Path, asked: Mock) -> None:
    checked(tmp_path, DEFINITION)
    ended = {"StartAt": "Ask", "States": {"Ask": {"Type": "Pass", "End": True}}}
    assert checked(tmp_path, ended) == []
    assert asked.call_count == 2


def test_changed_checks_run_again(tmp_path: Path, asked: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "workflow" / "asl" / "checks" / "structure.py"
    rules.parent.mkdir(parents=True)
    rules.write_text("MAX_NAME = 80\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    checked(tmp_path, DEFINITION)
    rules.write_text("MAX_NAME = 90\n")
    checked(tmp_path, DEFINITION)
    monkeypatch.setattr(module, "version", lambda package: f"{package} 2")
    checked(tmp_path, DEFINITION)
    assert asked.call_count == 3


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"KEY": 1}', '{"KEY": [{"text": "x"}]}', '{"KEY": ["x"]}']
)
def test_damaged_cache_is_replaced(tmp_path: Path, asked: Mock, damage: str) -> None:
    expected = checked(tmp_path, DEFINITION)
    kept = tmp_path / "checks.json"
    [key] = json.loads(kept.read_text())
    kept.write_text(damage.replace("KEY", key))
    assert [checked(tmp_path, DEFINITION) for _ in range(2)] == [expected] * 2
    assert asked.call_count == 2


def test_findings_are_returned_if_they_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert checked(tmp_path / "file", DEFINITION) == check(DEFINITION)


def test_newest_findings_are_kept(tmp_path: Path) -> None:
    (tmp_path / "checks.json").write_text(json.dumps({f"{number}": [] for number in range(KEPT_RUNS)}))
    checked(tmp_path, DEFINITION)
    kept = json.loads((tmp_path / "checks.json").read_text())
    assert len(kept) == KEPT_RUNS
    assert "0" not in kept
    assert all(isinstance(Finding(**one), Finding) for one in list(kept.values())[-1])
