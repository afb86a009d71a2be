"""Tests of `smoke`. tests/engine runs the real checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.command_line import printed_json, run
from workflow.operations.smoke import Check
from workflow.operations.stage_resources import StageResources


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[Check]:
    """The checks that the smoke test makes."""
    found = [Check("Completed", "its execution succeeds")]

    class SmokeTest:
        def __init__(self, _: object, __: object, bucket: str, progress: Callable[[str], None]) -> None:
            assert bucket == "reviewed"
            progress("Waiting")

        def checks(self) -> Iterator[Check]:
            yield from found

    monkeypatch.setattr("workflow.operations.smoke.SmokeTest", SmokeTest)
    return found


@pytest.fixture
def arguments(tmp_path: Path, resources: StageResources) -> list[str]:
    settings = tmp_path / "stages.toml"
    settings.write_text('[stages.dev]\nregion = "us-east-1"\noutput_buckets = ["reviewed"]\n')
    return ["smoke", "--settings", str(settings)]


def test_smoke_passes(arguments: list[str], checks: list[Check], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments, capsys=capsys) == (
        0,
        "✓ Completed: its execution succeeds\n"
        "1 of 1 checks passed. Only the executions of the test remain.\n",
        "",
    )


def test_smoke_exits_with_1_if_a_check_fails(
    arguments: list[str], checks: list[Check], capsys: pytest.CaptureFixture[str]
) -> None:
    checks.append(Check("Failed", "a message arrived", "it did not [sic]"))
    status, out, _ = run(*arguments, "--output-bucket", "reviewed", capsys=capsys)
    assert status == 1
    assert "✗ Failed: a message arrived\n    it did not [sic]\n1 of 2 checks passed." in out
    status, out, err = run(*arguments, "-o", "json", capsys=capsys)
    assert (status, err) == (1, "")
    assert printed_json("smoke", out) == [
        {"loop": "Completed", "what": "its execution succeeds", "problem": None},
        {"loop": "Failed", "what": "a message arrived", "problem": "it did not [sic]"},
    ]
