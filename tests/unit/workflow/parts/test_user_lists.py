"""What is no list of steps is reported with its line, what it is, and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow.errors import WorkflowError
from workflow.parts.user_steps import load

HEAD = """\
from workflow.steps import *
completed, failed, stopped = [], [], []
def send(name):
    return SnsPublishStep(name)
"""
"""The lines of a case begin with line 5."""


def write(folder: Path, lines: str) -> Path:
    path = folder / "post_review.py"
    path.write_text(HEAD + lines, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "completed = LambdaStep('Score it')",
            "5: `completed` must be a list of steps, not a LambdaStep ('Score it'): write [LambdaStep(…)]",
        ),
        (
            "x = 1\nfailed: list = AwsSdkTask('Ask', service='s3', action='getObject')",
            "6: `failed` must be a list of steps, not an AwsSdkTask ('Ask'): write [AwsSdkTask(…)]",
        ),
        ("completed = Chain([send('a')])", "5: `completed` must be a list of steps, not a Chain: write [Chain(…)]"),
        ("completed = [send('a')],", "not a tuple: write [ and ] around the steps, without a comma after the ]"),
        ("completed = None", "not None: write [] for no steps (`append` and `extend` change the list, and return"),
        ("completed = completed.append(send('a'))", "5: `completed` must be a list of steps, not None: write"),
        ("completed = (send('a') for _ in 'x')", "not a generator: write list(…) around it"),
        ("completed = map(send, 'x')", "not a map: write list(…) around it"),
        ("completed = {send('a')}", "not a set: write list(…) around it"),
        ("completed = {'a': send('a')}", "not a dictionary: write [LambdaStep(…)], or [] for none"),
        ("completed = 'Score it'", "not the text 'Score it': write [LambdaStep(…)], or [] for none"),
        ("completed = 1", "not 1: write [LambdaStep(…)], or [] for none"),
        ("completed = LambdaStep", "not the class LambdaStep: write [LambdaStep(…)], or [] for none"),
        ("def steps(): return []\ncompleted = steps", "6: `completed` must be a list of steps, not the function steps"),
        ("completed = object()", "5: `completed` must be a list of steps, not an object: write [LambdaStep(…)]"),
        ("completed, x = send('a'), 1", "5: `completed` must be a list of steps, not a SnsPublishStep ('a')"),
        ("if True:\n    completed = send('a')", "6: `completed` must be a list of steps, not a SnsPublishStep ('a')"),
        ("def completed(): ...", "5: `completed` must be a list of steps, not the function completed: call it"),
        ("del completed", "5: `completed` must be a list of steps, but is missing: write completed = [LambdaStep(…)]"),
        (
            "completed = [\n    send('a'),\n    LambdaStep,\n]",
            "7: `completed` must be a list of steps, but at index 1 is the class LambdaStep: call it, LambdaStep(…)",
        ),
        ("completed = [Exception]", "but at index 0 is the class Exception: write a step of workflow.steps"),
        ("completed = ['score']", "but at index 0 is the text 'score': write a step, such as LambdaStep(…)"),
        ("completed = [send]", "but at index 0 is the function send: call it"),
        ("completed = [[send('a')]]", "but at index 0 is a list: write its steps without the inner brackets"),
        ("completed = [{'Type': 'Pass'}]", "but at index 0 is a dictionary: write a step of workflow.steps"),
        ("completed = [Choice('c').add_choice(ChoiceRule.IsNull('$.x', True), send('a'))]", "at index 0 is None: `ap"),
        ("completed = [Retry(error_equals=['x'])]", "at index 0 is a Retry: write a step of workflow.steps"),
        ("from fractions import Fraction\ncompleted = [Fraction(1)]", "0 is a Fraction of fractions: write a step"),
        ("completed = [Chain()]", "5: `completed` has an empty Chain at index 0: write its steps, or remove it"),
        ("completed.append(send('a'))\ncompleted.append([send('b')])", "6: `completed` must be a list of steps, but"),
        ("completed += [send('a')]\ncompleted += ['b']", "6: `completed` must be a list of steps, but at index 1 is"),
        (
            "completed = [send('a')]\ncompleted = [send('b')]",
            "6: `completed` is assigned a second time, so the steps of line 5 are lost: write them in one list, or "
            "completed += […]",
        ),
        (
            "completed = [send('a')]\ncompleted.append(send('b'))\ncompleted = [send('c')]",
            "7: `completed` is assigned a second time, so the steps of line 5 are lost",
        ),
        ("a = send('a')\ncompleted = [a, Chain([a])]", "6: `completed` has state 'a' ({}:4) 2 times; create a step"),
    ],
)  # fmt: skip
def test_what_is_no_list_of_steps_is_reported(tmp_path: Path, lines: str, message: str) -> None:
    path = write(tmp_path, lines)
    with pytest.raises(WorkflowError) as raised:
        load(path)
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"{path}:")
    assert message.replace("{}", str(path)) in line


@pytest.mark.parametrize(
    "lines",
    [
        "completed = []\ncompleted = [send('a')]",
        "base = [send('a')]\ncompleted = base\ncompleted = [*base, send('b')]",
        "completed = [send('a')]\ncompleted = [*completed, send('b')]",
        "completed = [send('a')]\nall_of_them = completed\ncompleted = [send('b'), *all_of_them]",
        "completed = [send('a')]\nif completed:\n    completed = [send('b')]",
        "for name in 'abc':\n    completed.append(send(name))\ncompleted.append(Chain([send('d'), Pass('e')]))",
        "completed.insert(0, send('a'))\nfailed = list(map(send, 'bc'))",
    ],
)
def test_lists_that_are_made_in_several_statements_are_accepted(tmp_path: Path, lines: str) -> None:
    assert load(write(tmp_path, lines))["completed"]
