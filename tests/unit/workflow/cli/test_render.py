"""Tests of `render`."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.command_line import run
from workflow.stack import rendered


def test_render_writes_what_differs_and_check_only_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "workflow.stack.assembly.assemble", lambda: SimpleNamespace(warnings=("state 'Tell': …",))
    )
    monkeypatch.setattr(rendered, "render_files", lambda _: {"graph.svg": "<svg/>\n"})
    differing, write_files = rendered.differing, rendered.write_files
    monkeypatch.setattr(rendered, "differing", lambda files, folder=tmp_path: differing(files, folder))
    monkeypatch.setattr(rendered, "write_files", lambda files: write_files(files, tmp_path))

    warning = "Warning: state 'Tell': …\n"
    assert run("render", "--check", capsys=capsys) == (
        1,
        "",
        "Warning: state 'Tell': …\nerror: definitions/ is out of date (graph.svg): run `python deploy.py render`\n",
    )
    assert list(tmp_path.iterdir()) == []
    assert run("render", capsys=capsys) == (0, "definitions/: graph.svg\n", warning)
    assert run("render", "--check", capsys=capsys) == (0, "definitions/: nothing to change\n", warning)
    assert (tmp_path / "graph.svg").read_text() == "<svg/>\n"
    assert run("render", "--output", "json", capsys=capsys) == (
        0,
        '{\n  "changed": [],\n  "warnings": [\n    "state \'Tell\': …"\n  ]\n}\n',
        warning,
    )
