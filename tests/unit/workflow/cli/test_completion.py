"""Tests of the completion in the shell."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import COMMANDS
from tests.command_line import run
from workflow import ROOT
from workflow.cli.completion import SHELLS, completions, install, script, shown_in
from workflow.cli.program import COMPLETION
from workflow.errors import AfterloopError

DEPLOY = ROOT / "deploy.py"


def offered(*words: str) -> list[str]:
    return [value for value, _ in completions(COMMANDS, words)]


@pytest.mark.parametrize(
    ("words", "some"),
    [
        ([""], {"publish", "loops", "local"}),
        (["rep"], {"report"}),
        (["--ver"], {"--version"}),
        (["--yes"], {"--yes"}),
        (["loops", ""], {"list", "show", "redrive"}),
        (["loops", "re"], {"restart", "redrive", "reconcile"}),
        (["loops", "list", "--"], {"--status", "--since", "--until", "--help", "--newest-first"}),
        (["loops", "redrive", "--no"], {"--no-wait"}),
        (["loops", "list", "--status", "comp"], {"Completed"}),
        (["loops", "list", "--status=comp"], {"--status=Completed"}),
        (["loops", "list", "--status", "=", "comp"], {"Completed"}),
        (["loops", "list", "--outcome", ""], {"stored", "escalated", "failed"}),
        (["status", "--output", ""], {"text", "json"}),
        (["status", "-o", "j"], {"json"}),
        (["status", "--stage", "l"], {"local"}),
        (["--stage", ""], {"dev", "local"}),
        (["--stage", "local", "--drift", "--y"], {"--yes"}),
    ],
)
def test_completion_offers_what_can_stand_there(words: list[str], some: set[str]) -> None:
    found = offered(*words)
    assert some <= set(found)
    assert all(one.lower().startswith(words[-1]) for one in found)


@pytest.mark.parametrize(
    "words",
    [["loops", "show", ""], ["report", "--file", ""], ["nonsense", ""], ["loops", "list", "--since", ""]],
)
def test_where_a_name_or_file_stands_nothing_is_offered(words: list[str]) -> None:
    assert offered(*words) == []


def test_former_names_of_options_are_not_offered() -> None:
    assert not {"--from", "--to", "--older-than"} & {
        *offered("report", "--"),
        *offered("loops", "list", "--"),
    }


def test_profiles_come_from_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    assert offered("status", "--profile", "") == []
    file.write_text("[default]\nregion = x\n[profile prod]\n[profile dev]\n")
    assert offered("status", "--profile", "") == ["default", "prod", "dev"]
    assert offered("status", "--profile", "p") == ["prod"]
    file.write_text("[broken")
    assert offered("status", "--profile", "") == []


def test_each_shell_gets_the_lines_that_it_reads() -> None:
    found = [("a:b", "Line 1\nline\t2"), ("c", "")]
    assert shown_in("bash", found) == "a:b\nc\n"
    assert shown_in("zsh", found) == "a\\:b:Line 1 line 2\nc\n"
    assert shown_in("fish", found) == "a:b\tLine 1 line 2\nc\n"
    assert shown_in("bash", [("odd\x1b", "")]) == "odd\\x1B\n"


def test_program_answers_a_shell_without_slow_imports() -> None:
    code = f"""
import sys, os, contextlib
os.environ[{COMPLETION!r}] = "bash"
import deploy
for words in (["loops", "list", "--status", "c"], ["report", "--c"], ["manifest", "--fi"]):
    with contextlib.suppress(SystemExit):
        deploy.main(words)
print([name for name in ("boto3", "rich", "matplotlib", "troposphere") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "Completed\n--cost-of-review\n--cost-of-error\n--file\n[]\n"


def in_bash(lines: str, home: Path) -> str:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    done = subprocess.run(
        [bash, "--norc", "-c", lines],
        cwd=ROOT,
        env={"HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


PRESS_TAB = """
. {file}
press() {{ COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _afterloop python; echo "${{COMPREPLY[*]}}"; }}
"""


def test_bash_completes_this_deploy_py_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "script"
    file.write_text(script("bash"))
    other = tmp_path / "deploy.py"
    other.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    lines = f"""
before() {{ COMPREPLY=(before); }}
complete -F before python
{PRESS_TAB.format(file=shlex.quote(str(file)))}
press python deploy.py loops list --output = js
press python {other} ""
press python
complete -p python
"""
    *found, registered = in_bash(lines, tmp_path).splitlines()
    assert found == ["json", "before", "before"]
    assert "-F _afterloop python" in registered
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("shell", SHELLS)
def test_script_is_valid_in_its_shell(shell: str, tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    file = tmp_path / "script"
    file.write_text(script(shell))
    done = subprocess.run([program, "-n", str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("shell", "start"), [("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", None)])
def test_installing_twice_is_as_installing_once(
    shell: str,
    start: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "a home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    for name in ("XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    if start:
        (home / start).write_text("alias a=b")
    for _ in range(2):
        status, out, err = run("--install-completion", capsys=capsys)
        assert (status, err) == (0, "")
        assert out.startswith(f"Completion for {shell} is in {home}")
    file, *_ = install(shell)
    assert file.read_text() == script(shell)
    if start:
        assert (home / start).read_text() == f"alias a=b\n[ -f '{file}' ] && . '{file}'\n"


def test_other_shells_and_files_that_cannot_be_written_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    message = "there is no completion for 'tcsh', only for bash, zsh, fish"
    for option in (["--install-completion"], ["--show-completion", "tcsh"]):
        assert run(*option, capsys=capsys) == (1, "", f"error: {message}\n")
    assert run("--show-completion", "fish", capsys=capsys) == (0, script("fish"), "")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / ".config").write_text("a file")
    with pytest.raises(AfterloopError, match=r"cannot install the completion: .*--show-completion bash"):
        install("bash", tmp_path)
