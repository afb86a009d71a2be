"""Executions of the local engine, read from their histories, and drawn."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from sandbox.samples import SUPPORT_MESSAGE
from tests.command_line import printed_json, run
from tests.engine.published import PublishedStage
from workflow.asl.graph import StateStatus
from workflow.operations.executions import ExecutionGone, read_execution, read_map_run

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
    found = read_execution(published.states, execution)
    path = f"Begin → Call (caught {ERROR}) → Put right → Give up (failed: Given.Up)"
    assert " → ".join(map(str, found.visits)) == (path if caught else f"Begin → Call (failed: {ERROR})")
    assert found.statuses["Call"] is (StateStatus.CAUGHT if caught else StateStatus.FAILED)
    assert found.statuses["Done"] is StateStatus.NOT_REACHED
    assert [attempt.error for attempt in found.of("Call")[0].attempts] == [ERROR, ERROR]
    assert found.link is None, "there is no console"


def test_nested_states_retries_items_and_redrive_are_read(published: PublishedStage) -> None:
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": NOWHERE},
    }
    passed = {"Type": "Pass", "End": True}
    every_item = {"StartAt": "Item", "States": {"Item": {**passed, "Assign": {"seen.$": "$"}}}}
    one_by_one = {
        "StartAt": "Alone",
        "States": {"Alone": passed},
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
    }
    items = {"Type": "Map", "ItemsPath": "$.items"}
    branches = [
        {"StartAt": "Each", "States": {"Each": {**items, "ItemProcessor": every_item, "End": True}}},
        {
            "StartAt": "Call",
            "States": {"Call": {**STATES["Call"], "Next": "Back"}, "Back": passed, "Put right": passed},
        },
    ]
    states = {
        "Both": {"Type": "Parallel", "Branches": branches, "ResultPath": "$.both", "Next": "Apart"},
        "Apart": {**items, "ItemProcessor": one_by_one, "ResultPath": "$.apart", "Next": "Again"},
        "Again": {**task, "End": True},
    }
    client = published.states
    machine = client.create_state_machine(
        name=published.name("machine"),
        definition=json.dumps({"StartAt": "Both", "States": states}),
        roleArn=_role_without_permissions(published),
    )["stateMachineArn"]
    arn = client.start_execution(stateMachineArn=machine, input='{"items": [1, 2]}')["executionArn"]
    published.eventually(lambda: client.describe_execution(executionArn=arn)["status"] == "FAILED")
    found = read_execution(client, arn)
    assert {name: str(status) for name, status in found.statuses.items()} == {
        "Both": "passed",
        "Each": "passed",
        "Item": "passed",
        "Call": "caught-error",
        "Back": "not-reached",
        "Put right": "passed",
        "Apart": "passed",
        "Alone": "unknown",
        "Again": "failed",
    }
    assert [(visit.index, visit.variables) for visit in found.of("Item")] in (
        [(0, {"seen": "1"}), (1, {"seen": "2"})],
        [(1, {"seen": "2"}), (0, {"seen": "1"})],
    )
    (call,) = found.of("Call")
    assert (call.branch, call.retries, call.outer) == (1, 1, found.visits[0])
    (apart,) = found.of("Apart")
    assert json.loads(apart.added or "") == {"apart": [1, 2]}
    run = read_map_run(client, str(apart.map_run))
    assert (run.execution, run.status, [item.status for item in run.items]) == (
        arn,
        "SUCCEEDED",
        ["SUCCEEDED"] * 2,
    )
    alone = read_execution(client, run.items[0].arn)
    assert ([str(visit) for visit in alone.visits], alone.map_run) == (["Alone"], run.arn)

    client.redrive_execution(executionArn=arn)
    published.eventually(lambda: client.describe_execution(executionArn=arn)["status"] == "FAILED")
    again = read_execution(client, arn, found)
    assert (again.redrives, len(again.visits)) == (1, len(found.visits))
    assert [attempt.number for attempt in again.of("Again")[0].attempts] == [1, 2]


def test_execution_that_does_not_exist_is_gone(published: PublishedStage) -> None:
    machine = published.outputs["StateMachine"].replace(":stateMachine:", ":execution:")
    with pytest.raises(ExecutionGone):
        read_execution(published.states, f"{machine}:nowhere")


def _role_without_permissions(published: PublishedStage) -> str:
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    created = published.sandbox.client("iam").create_role(
        RoleName=published.name("role"),
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )
    return str(created["Role"]["Arn"])


def test_command_draws_last_execution_of_loop(
    published: PublishedStage,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = published.name()
    published.start(name, published.flow_definition(), SUPPORT_MESSAGE.prediction)
    published.sandbox.loops.answer(name, SUPPORT_MESSAGE.answers[0])
    (execution,) = published.ended(name)
    for variable in [variable for variable in os.environ if variable.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    for variable, value in published.sandbox.environment().items():
        monkeypatch.setenv(variable, value)
    file = tmp_path / "loop.svg"
    draw = ("loops", "graph", name, "--stage", published.stage.name, "--file", str(file))

    assert run(*draw, capsys=capsys) == (0, " → ".join(execution["states"]) + f"\n{file}\n", "")
    picture = file.read_text(encoding="utf-8")
    assert 'class="state task passed" data-state="Record review"' in picture
    assert 'class="state succeed not-reached" data-state="Already handled"' in picture
    assert ">Lambda CollectReview<" in picture
    assert not re.search(r"Lambda (\d|afterloop)", picture)

    status, printed, _ = run(*draw, "--output", "json", capsys=capsys)
    states = {state["name"]: state["status"] for state in printed_json("loops graph", printed)["states"]}
    assert (status, states["Record review"], states["Already handled"]) == (0, "passed", "not-reached")
