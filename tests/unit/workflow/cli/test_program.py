"""Tests of the program: exit statuses, one-line errors, and what is imported."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy import COMMANDS
from docs.generate.commands import all_commands, commands
from tests.command_line import run
from workflow import ROOT
from workflow.cli.program import command_line, version, with_default_command
from workflow.stack.assembly import assemble


@pytest.mark.parametrize("command", [[], ["plan"], ["outputs"], ["status"], ["destroy"], ["rollback"]])
def test_missing_credentials_are_one_error_with_an_alternative(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(*command, capsys=capsys)

    assert (status, out) == (1, "")
    assert err.startswith("error: no AWS credentials found")
    assert "`make local`" in err
    assert "AWS_ENDPOINT_URL" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stage", "nobody"], "stages.toml: stage 'nobody' does not exist; the stages are dev, local"),
        (["plan", "--settings", "/no/such.toml"], "/no/such.toml: the file does not exist; create it with"),
        (["--profile", "nobody"], "The config profile (nobody) could not be found"),
        (["plan", "--region", "mars-1"], "'ap-southeast-2', not 'mars-1'"),
        (["plan", "--nonsense"], "No such option: --nonsense"),
        (["nonsense"], "No such command 'nonsense'"),
        (["plan", "--output", "xml"], "'xml' is not one of 'text', 'json'"),
        (["local", "--port", "99999"], "'--port': should be less than or equal to 65535"),
        (["local", "--port", "-1"], "'--port': should be greater than or equal to 0"),
        (["local", "--port", "http"], "'--port': should be a whole number; see"),
        (["report", "--since", "31.1.2026"], "'--since': invalid time '31.1.2026': use 30m, 2h, 3d or 1w"),
        (["manifest", "--flow-definition", "f", "--until", "soon"], "'--until': invalid time 'soon'"),
        (["reviews", "recompute", "--since", "9999-01-01"], "'--since': invalid time '9999-01-01'"),
        (["loops", "list", "--until", "2x"], "'--until': invalid time '2x': use 30m"),
        (["loops", "reconcile", "--since", "2x"], "or a day or time (UTC) such as 2026-01-31"),
        (
            ["report", "--from", "2d", "--since", "3d"],
            "--from: is the former name of --since: give one of them",
        ),
        (["report", "--to", "2d", "--until", "3d"], "--to: is the former name of --until: give one of them"),
        (
            ["loops", "list", "--older-than", "2d", "--until", "3d"],
            "--older-than: is the former name of --until",
        ),
        (
            ["init"],
            "stages.toml: stage dev already exists; edit it in the file, or choose another name with --stage",
        ),
        (["init", "--stage", "Prod"], "stage Prod: name: 'Prod' is invalid"),
    ],
)
def test_mistakes_are_one_line_errors(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(*arguments, capsys=capsys)

    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["publish", "--help"]])
def test_help_prints_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(*arguments, capsys=capsys)
    assert status == 0
    assert "Usage: python deploy.py" in out


@pytest.mark.parametrize(
    "name", ["", "publish", "status", "loops", "loops list", "loops redrive", "report", "local"]
)
def test_help_shows_values_by_name_and_none_for_a_flag(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    out = run(*name.split(), "--help", capsys=capsys)[1]
    assert "--help" in out
    assert re.findall("<[a-z|]+>", out) == []


def test_reference_shows_values_by_name() -> None:
    group = command_line(COMMANDS)
    assert {"NAME", "FILE", "NUMBER", "WHEN", "text|json"} <= {
        one.metavar for _, command in all_commands(group) for one in command.params
    }
    assert re.findall(r"`-[^`]*<.*?>`", commands(group)) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'. See `python deploy.py --help`"),
        (["repot"], "No such command 'repot'. Did you mean 'report'? See `python deploy.py --help`"),
        (["loops", "lst"], "No such command 'lst'. Did you mean 'list'? See `python deploy.py loops --help`"),
        (["loops", "show"], "Missing argument 'NAME'. See `python deploy.py loops show --help`"),
        (["plan", "--nonsense"], "--settings); see `python deploy.py plan --help`"),
        (["--nonsense"], "--settings); see `python deploy.py publish --help`"),
        (
            ["report", "extra"],
            "Got unexpected extra argument(s) (extra); see `python deploy.py report --help`",
        ),
        (["loops", "close", "--note", " "], "no more action; see `python deploy.py loops close --help`"),
        (["loops", "redrive", "a", "--since", "2h"], "; see `python deploy.py loops redrive --help`"),
        (
            ["publish", "--stage"],
            "Option '--stage' requires an argument. See `python deploy.py publish --help`",
        ),
    ],
)
def test_usage_errors_point_to_the_help_of_the_command(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(*arguments, capsys=capsys)
    assert (status, out) == (1, "")
    assert err.endswith(f"{message}\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("first", ["-y", "--yes", "--stage", "--output"])
def test_publish_is_the_default_command(first: str) -> None:
    assert with_default_command([first]) == ["publish", first]
    assert with_default_command([]) == ["publish"]
    assert with_default_command(["plan", first]) == ["plan", first]


def test_plan_does_not_import_heavy_libraries() -> None:
    # What the checks need is not needed either, once their findings are in the cache.
    assemble()
    heavy = [
        *("matplotlib", "numpy", "duckdb", "ministack", "sagemaker", "pygraphviz", "cfnlint"),
        *("statelint", "jsonata", "workflow.publish.history", "yaml", "aws_lambda_powertools"),
    ]
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


def test_collector_works_only_in_a_process_that_goes_on() -> None:
    code = """
import gc
from workflow.cli.program import collect_late
collect_late()
print(gc.get_threshold()[0])
gc.collect(0)
print(gc.get_threshold()[0], len(gc.callbacks))
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "1000000\n50000 0\n"


def test_only_the_module_of_the_command_is_imported() -> None:
    others = set(COMMANDS.values())
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
def test_help_of_a_command_is_known_without_importing_it(name: str) -> None:
    listed = command_line(COMMANDS, only="nothing").commands[name].help
    own = command_line(COMMANDS, only=name).commands[name].help
    assert listed
    assert listed.split() == own.split()


def test_version_comes_from_pyproject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert run("--version", capsys=capsys) == (0, f"{project['version']}\n", "")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "7.8.9"\n')
    monkeypatch.setattr("workflow.cli.program.ROOT", tmp_path)
    assert version() == "7.8.9"


def test_version_of_an_installed_package_comes_from_metadata(
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
        ("workflow.cli.loops", ["boto3", "matplotlib", "troposphere", "rich.table", "stepfunctions"]),
        ("workflow.cli.manifest", ["boto3", "pydantic", "obstore"]),
        ("workflow.cli.report", ["boto3", "pydantic", "obstore", "matplotlib"]),
        ("workflow.cli.smoke", ["boto3", "pydantic"]),
    ],
)
def test_command_modules_do_not_import_heavy_libraries(module: str, heavy: list[str]) -> None:
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
