"""An error of the user's file is one line: file, line, what is wrong and what to do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workflow.errors import WorkflowError
from workflow.parts.user_permissions import declared_permissions
from workflow.parts.user_steps import load

EMPTY = "completed, failed, stopped = [], [], []\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from workflow.steps import LamdaStep", "{}:1: ImportError: cannot import name 'LamdaStep' from"),
        ("from workflow.steps import LamdaStep", "; did you mean 'LambdaStep'?"),
        ("completed = [LambdaStep('a')]", "name 'LambdaStep' is not defined; write `from workflow.steps import Lambd"),
        ("def send(): ...\ncompleted = [snd()]", "{}:2: NameError: name 'snd' is not defined; did you mean 'send'?"),
        ("from workflow import steps\nsteps.ChoiceRule.BoolEquals", "; did you mean 'BooleanEquals'?"),
        ("import pandaz", "No module named 'pandaz'; the file only describes steps, on this machine, before a publi"),
        ("import pandaz", ": import it in a function in lambdas/, or install it for this Python"),
        ("from lambdas.scoring import handler", '; a step needs no import of its function: write "FunctionName":'),
        ("open('config.json')", "; it depends on the current folder: use Path(__file__).with_name('config.json')"),
        ("import os\n\nos.environ['TOPIC']", "{}:3: KeyError: 'TOPIC'; the environment variable TOPIC is not set"),
        ("{}['x']", "{}:1: KeyError: 'x'"),
        ("import sys\nsys.exit(0)", "{}:2: SystemExit: 0; the file must not end the process: remove it"),
        ("from workflow.steps import *\ncompleted = []\ncompleted += Pass('a')", "; write the step in a list: [Pass(…"),
        ("from workflow.steps import *\ncompleted = [] + Pass('a')", "; write the step in a list: [Pass(…)]"),
        ("from workflow.steps import *\nPass('a') >> Pass('b')", "; write the steps in a list, in their order"),
        ("import boto3\nboto3.client('sqs')", "{}:2: NoRegionError: You must specify a region.; the file only"),
        ("import boto3\nboto3.client('sqs')", ": call AWS from a step, or from a function in lambdas/"),
        ("assert [] == [1]", "{}:1: AssertionError"),
        ("raise ValueError('two\\n  lines')", "{}:1: ValueError: two lines"),
        ("completed = [\n", "{}:1: SyntaxError: '[' was never closed"),
        (b"x = 'caf\xe9'\n", "{}:1: SyntaxError: (unicode error) 'utf-8' codec can't decode byte 0xe9"),
        (b"x = 'caf\xe9'\n", "; save the file as UTF-8"),
        ("x = 1\n".encode("utf-16"), "null bytes; save the file as UTF-8"),
        ("if 1:\n\tx = 1\n        y = 2", "{}:3: TabError: inconsistent use of tabs and spaces in indentation"),
    ],
)  # fmt: skip
def test_error_of_the_file_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes, message: str
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    path = tmp_path / "post_review.py"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(WorkflowError) as raised:
        load(path)
    (line,) = str(raised.value).splitlines()
    assert message.replace("{}", str(path), 1) in line


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_files_of_other_systems_are_read(tmp_path: Path, mark: bytes, newline: bytes) -> None:
    path = tmp_path / "post_review.py"
    path.write_bytes(mark + newline.join([b"# a comment", EMPTY.strip().encode(), b""]))
    assert load(path) == {"completed": [], "failed": [], "stopped": []}


def test_what_the_file_prints_is_shown_once_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard output is JSON with `--output json`."""
    path = tmp_path / "post_review.py"
    path.write_text(f"print('hello')\npermissions = {{}}\n{EMPTY}")
    load(path)
    declared_permissions(path)
    assert capsys.readouterr() == ("", "hello\n")


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(WorkflowError, match=r"post_review\.py: FileNotFoundError: "):
        load(tmp_path / "post_review.py")


@pytest.mark.parametrize(
    ("module", "error"),
    [("\n1 / 0", "ZeroDivisionError: division by zero"), ("\nx = ", "SyntaxError: invalid syntax")],
)
def test_error_in_a_module_of_the_users_own_has_both_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, error: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_steps", raising=False)
    (tmp_path / "own_steps.py").write_text(module)
    path = tmp_path / "workflow/post_review.py"
    path.parent.mkdir()
    path.write_text("x = 1\nimport own_steps\n")
    with pytest.raises(WorkflowError) as raised:
        load(path)
    assert str(raised.value) == f"{path}:2 (in {tmp_path}/own_steps.py:2): {error}"
