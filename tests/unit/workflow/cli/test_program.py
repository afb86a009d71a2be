"""The command line as a process sees it: exit statuses, one-line errors, and what it does not import."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy import COMMANDS
from tests.command_line import run
from workflow import ROOT
from workflow.cli.program import command_line, version, with_default_command


@pytest.mark.parametrize("command", [[], ["plan"], ["outputs"], ["status"], ["destroy"], ["rollback"]])
def test_without_credentials_there_is_one_line_that_names_the_local_way(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(*command, capsys=capsys)

    assert (status, out) == (1, "")
    assert err.startswith("error: no AWS credentials were found")
    assert "python deploy.py local" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--stage", "nobody"], "stages.toml: there is no stage 'nobody'; the stages are dev, local"),
        (["plan", "--settings", "/no/such.toml"], "/no/such.toml: there is no such file; write one with"),
        (["--profile", "nobody"], "The config profile (nobody) could not be found"),
        (["plan", "--region", "mars-1"], "'ap-southeast-2', not 'mars-1'"),
        (["plan", "--nonsense"], "No such option: --nonsense"),
        (["nonsense"], "No such command 'nonsense'"),
        (["plan", "--output", "xml"], "'xml' is not one of 'text', 'json'"),
        (["local", "--port", "99999"], "'--port': should be less than or equal to 65535"),
        (["local", "--port", "-1"], "'--port': should be greater than or equal to 0"),
        (["local", "--port", "http"], "'--port': should be a whole number\n"),
        (["report", "--from", "31.1.2026"], "'--from': '31.1.2026' is no day, such as 2026-01-31"),
        (["loops", "list", "--older-than", "2x"], "value for --older-than: '2x' is no age, such as 30m"),
        (["loops", "reconcile", "--since", "2x"], "3d or 1w, and no day, such as 2026-01-31"),
        (["init"], "stages.toml: there is a stage dev already; edit it there, or name another with --stage"),
        (["init", "--stage", "Prod"], "stage Prod: name: 'Prod' is invalid"),
    ],
)
def test_a_mistake_is_told_in_one_line_with_status_1(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(*arguments, capsys=capsys)

    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert told in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["publish", "--help"]])
def test_help_is_there(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(*arguments, capsys=capsys)
    assert status == 0
    assert "Usage: python deploy.py" in out


@pytest.mark.parametrize("first", ["-y", "--yes", "--stage", "--output"])
def test_publish_is_the_default_command(first: str) -> None:
    assert with_default_command([first]) == ["publish", first]
    assert with_default_command([]) == ["publish"]
    assert with_default_command(["plan", first]) == ["plan", first]


def test_a_plan_does_not_import_what_it_does_not_need() -> None:
    heavy = ["matplotlib", "numpy", "duckdb", "ministack", "sagemaker", "pygraphviz", "cfnlint"]
    code = f"""
import sys, json
sys.path.insert(0, {str(ROOT)!r})
import deploy, workflow.publish.publishing, workflow.publish.package, workflow.stack.assembly, workflow.cli.show
import workflow.cli.publish
workflow.stack.assembly.assemble()
print(json.dumps([name for name in {heavy} if name in sys.modules]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == []


def test_only_the_module_of_the_command_is_imported() -> None:
    others = {command.module for command in COMMANDS.values()}
    for arguments, module in (
        (["--help"], None),
        (["--version"], None),
        (["plan", "--help"], "workflow.cli.publish"),
        (["local", "--help"], "sandbox.cli"),
    ):
        code = f"""
import sys, json, contextlib, deploy
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(None):
    deploy.main({arguments})
print(json.dumps([name for name in {[*sorted(others), "sandbox.local", "boto3"]} if name in sys.modules]))
"""
        run = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert json.loads(run.stdout) == ([module] if module else []), arguments


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_their_own_help_says(name: str) -> None:
    listed = command_line(COMMANDS, only="nothing").commands[name].help
    own = command_line(COMMANDS, only=name).commands[name].help
    if name == "manifest":  # Says in the list what it is for, in its own help what it writes.
        assert (listed, own.split(" as ")[0]) == (COMMANDS[name].help, "Export reviewed items")
    else:
        assert own.startswith(listed.removesuffix("."))


def test_the_version_is_the_one_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert run("--version", capsys=capsys) == (0, f"{project['version']}\n", "")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "7.8.9"\n')
    monkeypatch.setattr("workflow.cli.program.ROOT", tmp_path)
    assert version() == "7.8.9"


def test_the_version_of_an_installed_package_is_in_its_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "afterloop-3.2.1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: afterloop\nVersion: 3.2.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("workflow.cli.program.ROOT", tmp_path)
    assert importlib.metadata.version("afterloop") == "3.2.1"
    assert version() == "3.2.1"


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("workflow.cli.program", ["rich", "boto3", "pydantic", "stepfunctions"]),
        ("workflow.cli.publish", ["rich", "boto3", "pydantic", "stepfunctions"]),
        ("workflow.cli.loops", ["matplotlib", "troposphere", "rich.table", "stepfunctions"]),
    ],
)
def test_nothing_heavy_is_imported_for_help(module: str, heavy: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
