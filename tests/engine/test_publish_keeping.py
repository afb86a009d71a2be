"""Publishes that take away what running executions need, on the embedded engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from sandbox.engine import Sandbox
from sandbox.faults import Interrupt
from tests.engine.publisher import CALL, Executions, Publisher, answering, held
from tests.publish_failures import saw
from workflow.publish.content import Content
from workflow.publish.package import Package
from workflow.publish.plan import Plan
from workflow.publish.progress import NoProgress
from workflow.publish.publishing import Published, publish
from workflow.publish.rollback import choose, roll_back
from workflow.publish.status import status
from workflow.stack import ALIAS
from workflow.stack.stages import Shift

REMOVED = "DecideRestart"

COUNT = {
    "Type": "Task",
    "Resource": "arn:aws:states:::aws-sdk:dynamodb:scan",
    "Parameters": {"TableName": "${LedgerTable}", "Select": "COUNT"},
    "End": True,
}


def without_function(package: Package) -> Package:
    """A package whose workflow no longer has the function, nor its permissions."""
    template = json.loads(package.template)
    resources = template["Resources"]
    for name in (REMOVED, f"{REMOVED}Role", f"{REMOVED}Logs", f"{REMOVED}Version"):
        del resources[name]
    del resources["StateMachine"]["Properties"]["DefinitionSubstitutions"][f"{REMOVED}Arn"]
    for statement in statements_of(resources, "StateMachineRole"):
        if isinstance(statement["Resource"], list):
            statement["Resource"] = [one for one in statement["Resource"] if REMOVED not in json.dumps(one)]
    gone = {f"{REMOVED}Key", f"{REMOVED}Revision"}
    template["Parameters"] = {k: v for k, v in template["Parameters"].items() if k not in gone}
    parameters = {k: v for k, v in package.parameters.items() if k not in gone}
    return replace(package, template=json.dumps(template), parameters=parameters)


def statements_of(resources: dict[str, Any], role: str) -> list[dict[str, Any]]:
    policies = resources[role]["Properties"]["Policies"]
    return [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]


def calling(queue: str) -> Callable[[dict[str, Any]], None]:
    """An edit that makes the machine wait, and then call a function and count the items of the ledger."""
    edit = held(queue, "Call", {**CALL, "ResultPath": None, "OutputPath": "$", "Next": "Count", "End": False})

    def edit_both(resources: dict[str, Any]) -> None:
        edit(resources)
        properties = resources["StateMachine"]["Properties"]
        definition = json.loads(properties["DefinitionString"])
        del definition["States"]["Call"]["End"]
        definition["States"]["Count"] = COUNT
        properties["DefinitionString"] = json.dumps(definition)
        table = {"Fn::Sub": "${LedgerTable.Arn}"}
        policy = resources["StateMachineRole"]["Properties"]["Policies"][0]["PolicyDocument"]
        policy["Statement"].append({"Effect": "Allow", "Action": "dynamodb:Scan", "Resource": table})

    return edit_both


INVOKES = ["lambda:InvokeFunction"] * 2
"""Of the function, and of its versions."""


def narrowed(queue: str) -> Callable[[dict[str, Any]], None]:
    """An edit that makes the machine only wait, so that its role may do less. The function stays."""
    edit = held(queue, "Done")

    def edit_both(resources: dict[str, Any]) -> None:
        edit(resources)
        for statement in statements_of(resources, "StateMachineRole"):
            if isinstance(statement["Resource"], list):
                statement["Resource"] = [
                    one for one in statement["Resource"] if REMOVED not in json.dumps(one)
                ]

    return edit_both


@pytest.fixture
def minutes_take_a_moment(sandbox: Sandbox) -> Iterator[None]:
    sandbox.configure(minute_seconds=0.2)
    yield
    sandbox.configure(minute_seconds=60)


ENDED = {"Count": 0, "ScannedCount": 0}
"""The output of `calling`."""


def shifted(publisher: Publisher, executions: Executions, package: Package) -> tuple[Published, list[Any]]:
    """Publishes gradually; returns also the outputs of executions that ran on the first version meanwhile."""
    ended: list[Any] = []

    class During(NoProgress):
        def step(self, text: str) -> None:
            if "of new executions until" in text and not ended:
                alias = executions.alias
                executions.alias = alias.replace(f":{ALIAS}", ":1")
                ended.append(executions.finish(*executions.start()))
                executions.alias = alias

    def confirm(plan: Plan) -> bool:
        publisher.plans.append(plan)
        return True

    published = publish(publisher.account, publisher.stage, package, confirm=confirm, progress=During())
    assert published is not None
    return published, ended


def test_removed_function_and_permissions_stay_until_executions_have_ended(
    publisher: Publisher, executions: Executions, minutes_take_a_moment: None
) -> None:
    queue, functions = executions.queue, publisher.account.functions
    answering(publisher, "called")
    publisher.publish(publisher.package(calling(queue)))
    version = functions.versions(f"{publisher.stage.stack_name}-{REMOVED}")[0]
    before = executions.start()
    shift = Shift(first_percent=50, minutes=1)
    removing = without_function(publisher.package(held(queue, "Done"), shift=shift))

    published, during = shifted(publisher, executions, removing)

    # An execution that started on the old version during the shift.
    assert during == [ENDED]
    waiting = [one.sentence for one in published.still_needed]
    assert waiting == [
        "DecideRestart stays until 1 execution on version 1 has ended; publish again afterwards.",
        "Permissions of StateMachineRole stay until 1 execution on version 1 has ended; publish again afterwards.",
    ]
    assert functions.exists(version)
    assert REMOVED not in {one.id for one in publisher.plans[-1].destructive_changes}
    # The shift has ended, so that a plan without one has nothing to change.
    removing = without_function(publisher.package(held(queue, "Done")))
    plan = publisher.plan(removing)
    assert plan.is_empty
    assert [one.sentence for one in plan.still_needed] == waiting
    found = status(publisher.account, publisher.stage, drift=False)
    assert found is not None
    assert [one.sentence for one in found.still_needed] == waiting
    saw("A publish removes a function while executions need it", found, plan)

    assert executions.finish(*before) == ENDED

    plan = publisher.plan(removing)
    assert not plan.still_needed
    assert {one.id for one in plan.resources if one.action == "delete"} == {
        REMOVED,
        f"{REMOVED}Role",
        f"{REMOVED}Logs",
    }
    assert {one.holder for one in plan.permissions} == {"StateMachineRole", f"{REMOVED}Role"}
    publisher.publish(removing)
    assert not functions.exists(version)
    assert publisher.plan(removing).is_empty


def test_rollback_adds_permissions_before_it_routes_executions(
    publisher: Publisher, executions: Executions, sandbox: Sandbox
) -> None:
    account, stage = publisher.account, publisher.stage
    answering(publisher, "called")
    publisher.publish(publisher.package(calling(executions.queue)))
    without = publisher.package(narrowed(executions.queue))
    with (
        sandbox.faults.inject(Interrupt(), service="cloudformation", operation="ExecuteChangeSet", skip=1),
        pytest.raises(KeyboardInterrupt),
    ):
        publisher.publish(without)
    plan = publisher.plan(without)
    saw("SIGKILL before the update that removes what no execution needs", plan)
    publisher.publish(without)
    # Nothing runs, so what the first version needed is gone.
    assert [one.action for one in publisher.plans[-1].permissions if not one.widened] == [
        "dynamodb:Scan",
        *INVOKES,
    ]
    assert not Content(account.stacks.template(stage.stack_name), publisher.stack.parameters).keeps
    steps, ended = [], []

    class During(NoProgress):
        def step(self, text: str) -> None:
            steps.append(text)
            if text == "Updating the stack":
                ended.append(executions.finish(*executions.start()))

    roll_back(account, stage, choose(account, stage), confirm=lambda plan: True, progress=During())

    assert ended == [ENDED]
    assert steps.index("Adding the permissions that publish 1 needs") < steps.index(
        "Routing new executions to the version of publish 1"
    )
    assert publisher.plan(publisher.package(calling(executions.queue))).is_empty
