"""The picture of an execution, drawn from histories and definitions of the local engine."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docs.examples import execution_graph
from docs.examples.execution_graph import Visit, visits, worst
from sandbox.samples import SUPPORT_MESSAGE
from tests.engine.published import PublishedStage
from workflow.asl.graph import StateStatus

Draw = Callable[[str, Path], tuple[int, str, str]]

NOWHERE = "arn:aws:lambda:us-east-1:111122223333:function:nowhere"
STATES: dict[str, Any] = {
    "Begin": {"Type": "Pass", "Next": "Call"},
    "Call": {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": NOWHERE},
        "Retry": [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Put right"}],
        "Next": "Done",
    },
    "Put right": {"Type": "Pass", "Next": "Give up"},
    "Give up": {"Type": "Fail", "Error": "Given.Up"},
    "Done": {"Type": "Succeed"},
}
ERROR = "Lambda.AWSLambdaException"
"""The error of a call that the role does not allow."""


@pytest.mark.parametrize("caught", [True, False])
def test_failed_step_is_listed_and_drawn_as_failed(published: PublishedStage, caught: bool) -> None:
    states = STATES if caught else {**STATES, "Call": {**STATES["Call"], "Catch": []}}
    machine = published.states.create_state_machine(
        name=published.name("machine"),
        definition=json.dumps({"StartAt": "Begin", "States": states}),
        roleArn=_role_without_permissions(published),
    )["stateMachineArn"]
    execution = published.states.start_execution(stateMachineArn=machine)["executionArn"]
    published.eventually(
        lambda: published.states.describe_execution(executionArn=execution)["status"] == "FAILED"
    )
    visited = visits(published.states.get_execution_history(executionArn=execution)["events"])
    if caught:
        assert visited == [
            Visit("Begin", StateStatus.PASSED),
            Visit("Call", StateStatus.CAUGHT, ERROR),
            Visit("Put right", StateStatus.PASSED),
            Visit("Give up", StateStatus.FAILED),
        ]
    else:
        assert visited == [Visit("Begin", StateStatus.PASSED), Visit("Call", StateStatus.FAILED, ERROR)]
    assert worst(visited)["Call"] is (StateStatus.CAUGHT if caught else StateStatus.FAILED)


def _role_without_permissions(published: PublishedStage) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    created = published.sandbox.client("iam").create_role(
        RoleName=published.name("role"),
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    return str(created["Role"]["Arn"])


@pytest.fixture
def draw(
    published: PublishedStage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Draw:
    """Runs the command: exit status, standard output, standard error."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in published.sandbox.environment().items():
        monkeypatch.setenv(name, value)

    def run(name: str, file: Path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["", name, "--stage", published.stage.name, "--file", str(file)])
        status = execution_graph.main()
        printed, reported = capsys.readouterr()
        return status, printed, reported

    return run


def test_command_draws_last_execution_of_loop(published: PublishedStage, draw: Draw, tmp_path: Path) -> None:
    name = published.name()
    published.start(name, published.flow_definition(), SUPPORT_MESSAGE.prediction)
    published.sandbox.loops.answer(name, SUPPORT_MESSAGE.answers[0])
    (execution,) = published.ended(name)

    file = tmp_path / "loop.svg"
    assert draw(name, file) == (0, " → ".join(execution["states"]) + f"\n{file}\n", "")
    picture = file.read_text(encoding="utf-8")
    assert 'class="state task passed" data-state="Record review"' in picture
    assert 'class="state succeed not-reached" data-state="Already handled"' in picture
    assert ">Lambda CollectReview<" in picture
    assert not re.search(r"Lambda (\d|afterloop)", picture)

    nowhere = tmp_path / "nowhere" / "loop.svg"
    assert draw(name, nowhere) == (1, "", f"error: {nowhere} cannot be written: No such file or directory\n")
    assert draw(name, tmp_path) == (1, "", f"error: {tmp_path} cannot be written: Is a directory\n")


def test_command_reports_unprocessed_loop_in_one_line(draw: Draw, tmp_path: Path) -> None:
    reported = "error: no execution of stage local has processed message-0\n"
    assert draw("message-0", tmp_path / "loop.svg") == (1, "", reported)
