"""The reference matches the code, and is the same on every machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from docs.generate import REFERENCE
from docs.generate.__main__ import main
from docs.generate.markdown import table
from docs.generate.reading import exceptions, section
from workflow import ROOT
from workflow.stack.rendered import differing


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The pages, generated in another folder and in an environment with odd settings."""
    code = "import json, sys; from docs.generate.__main__ import rendered; json.dump(rendered(), sys.stdout)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path_factory.mktemp("elsewhere"),
        env={"PYTHONPATH": str(ROOT), "COLUMNS": "40", "PATH": "", "AFTERLOOP_STAGE": "prod"},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(run.stdout)
    return found


def test_committed_pages_match_the_code_in_any_environment(pages: dict[str, str]) -> None:
    changed = differing(pages, REFERENCE)
    assert not changed, f"python -m docs.generate would change {changed}"
    assert {file.name for file in REFERENCE.glob("*.md")} == set(pages), "a page that is not generated"


def test_pages_have_no_path_of_this_machine(pages: dict[str, str]) -> None:
    for name, content in pages.items():
        assert str(ROOT) not in content, name
        assert str(Path.home()) not in content, name


def test_each_page_has_its_main_content(pages: dict[str, str]) -> None:
    for command in ("publish", "plan", "rollback", "smoke", "report", "loops list", "loops redrive"):
        assert f"\n## {command}\n" in pages["commands.md"]
    assert "\n* `--until WHEN`: " in pages["commands.md"]
    assert "| `max_attempts` | integer from 1 to 20 | `3` |" in pages["settings.md"]
    assert "| `$.review` | **Collect review**, **Keep answers** |" in pages["state.md"]
    assert "| `by-status` | `status`, `createdAt` |" in pages["ledger.md"]
    assert "| `OutputTooLarge` | `ReviewError` |" in pages["errors.md"]
    assert "python deploy.py loops restart message-3301 --stage prod" in pages["messages.md"]
    assert "${Stage}" not in pages["messages.md"]


def test_check_finds_a_page_that_differs(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    assert main(["--check"]) == 0
    assert "nothing to change" in capsys.readouterr().out
    (tmp_path / "state.md").write_text("# The state\n")
    assert differing({"state.md": "# Another\n"}, tmp_path) == ["state.md"]


def test_section_of_a_docstring() -> None:
    doc = "Does it.\n\nArgs:\n    name: The ``name``,\n        long.\n    other: O.\n\nRaises:\n    Bad: It is.\n"
    assert section(doc, "Args") == {"name": "The `name`, long.", "other": "O."}
    assert section(doc, "Raises") == {"Bad": "It is."}
    assert section(doc, "Returns") == {}
    assert section("Does it.\n\nReference:\n    same: It is\n        the same.", "Reference") == {
        "same": "It is the same."
    }


def test_exceptions_include_subclasses() -> None:
    found = {one.name: one for one in exceptions("lambdas")}
    assert found["InvalidDocument"].bases == ("ReviewError",)
    assert "Loop" not in found


def test_table_escapes_bars_and_line_breaks() -> None:
    assert table(["A"], [["x|y\nz"]]) == "| A |\n| --- |\n| x\\|y z |"
