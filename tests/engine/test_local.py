"""`deploy.py local`, and the stage that it publishes."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import pytest

from sandbox.engine import Sandbox
from sandbox.errors import SandboxError
from sandbox.local import local_stage
from tests.command_line import run
from tests.engine.published import PublishedStage
from tests.engine.sample_loops import sample_loops_not_shown
from workflow import ROOT
from workflow.errors import SettingsError
from workflow.stack.stages import load_stage


def test_local_once_shows_every_loop_and_ends(
    published: PublishedStage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the engine of the tests. The tutorial runs the command with an engine and a report of its own."""
    report = Mock()
    monkeypatch.setattr(Sandbox, "start", lambda **_: nullcontext(published.sandbox))
    monkeypatch.setattr("sandbox.local.publish_local", lambda *_: published.outputs)
    monkeypatch.setattr("sandbox.local._write_report", report)
    monkeypatch.setenv("COLUMNS", "40")
    status, out, err = run("local", "--once", capsys=capsys)
    assert (status, err) == (0, "")
    assert sample_loops_not_shown(out) == []
    report.assert_called_once()


@pytest.mark.parametrize("port", [-1, 65_536, 99_999])
def test_start_refuses_invalid_port(port: int) -> None:
    with pytest.raises(SandboxError, match=f"invalid port: {port}; use a port from 1 to 65535"):
        Sandbox.start(port=port)


def test_local_stage_has_default_without_its_table(tmp_path: Path) -> None:
    path = tmp_path / "stages.toml"
    assert local_stage(path) == load_stage(ROOT / "stages.toml", "local")
    path.write_text('[stages.dev]\nregion = "us-east-1"\noutput_buckets = ["reviewed"]\n')
    assert local_stage(path) == load_stage(ROOT / "stages.toml", "local")
    path.write_text('[stages.local]\nregion = "eu-west-1"\noutput_buckets = ["reviewed"]\n')
    assert local_stage(path).region == "eu-west-1"
    path.write_text("[stages.local]\nregoin = 1\n")
    with pytest.raises(SettingsError, match="did you mean 'region'"):
        local_stage(path)
