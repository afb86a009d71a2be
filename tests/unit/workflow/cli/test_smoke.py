"""Tests of `smoke`. tests/engine runs the real checks."""

from __future__ import annotations

import os
import signal
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
        def __init__(
            self, *given: object, progress: Callable[[str], None], flow_definition: str | None
        ) -> None:
            assert given[2] == "reviewed"
            assert flow_definition in (None, "forms")
            progress("Waiting")

        def checks(self) -> Iterator[Check]:
            yield from found

    monkeypatch.setattr("workflow.operations.smoke.SmokeTest", SmokeTest)
    return found


@pytest.fixture(autouse=True)
def written(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is recorded of each test: the checks that failed."""
    results: list[list[str]] = []

    class SmokeRecord:
        def __init__(self, _: object, stage: str) -> None:
            assert stage == "dev"

        def write(self, failed: list[str]) -> str | None:
            results.append(failed)
            return "the result is not recorded: [sic]" if len(results) > 2 else None

    monkeypatch.setattr("workflow.publish.smoke_record.SmokeRecord", SmokeRecord)
    return results


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


def test_smoke_is_interrupted_by_sigterm_and_cleans_up(
    arguments: list[str],
    checks: list[Check],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cleaned = []

    class SmokeTest:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def checks(self) -> Iterator[Check]:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                yield checks[0]
            finally:
                cleaned.append(True)

    monkeypatch.setattr("workflow.operations.smoke.SmokeTest", SmokeTest)
    before = signal.getsignal(signal.SIGTERM)
    status, _, err = run(*arguments, capsys=capsys)
    assert (status, err, cleaned) == (130, "error: interrupted\n", [True])
    assert signal.getsignal(signal.SIGTERM) is before


def test_smoke_exits_with_1_if_a_check_fails(
    arguments: list[str],
    checks: list[Check],
    written: list[list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    version = "arn:aws:states:us-east-1:123456789012:stateMachine:afterloop-dev:7"
    checks.append(Check("Failed", "a message arrived", "it did not [sic]", "arn:execution", version))
    status, out, _ = run(*arguments, "--output-bucket", "reviewed", capsys=capsys)
    assert status == 1
    assert "✗ Failed: a message arrived (version 7)\n    it did not [sic]\n1 of 2 checks passed." in out
    status, out, err = run(*arguments, "--flow-definition", "forms", "-o", "json", capsys=capsys)
    assert (status, err) == (1, "")
    assert printed_json("smoke", out) == [
        {
            "loop": "Completed",
            "what": "its execution succeeds",
            "problem": None,
            "execution": None,
            "version": None,
        },
        {
            "loop": "Failed",
            "what": "a message arrived",
            "problem": "it did not [sic]",
            "execution": "arn:execution",
            "version": version,
        },
    ]
    assert written == [["Failed: a message arrived"]] * 2
    assert run(*arguments, capsys=capsys)[2] == "warning: the result is not recorded: [sic]\n"
