"""A stage for one test of publishing: packages with edits, executions that wait, and what `confirm` was shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from workflow.publish.account import Account
from workflow.publish.adopting import Choose
from workflow.publish.history import history, rollback_target
from workflow.publish.package import Package, make_package
from workflow.publish.plan import Plan
from workflow.publish.progress import NoProgress
from workflow.publish.publishing import Published, plan_for, publish
from workflow.publish.rollback import roll_back
from workflow.publish.stacks import Stack
from workflow.stack import ALIAS
from workflow.stack.assembly import Assembly
from workflow.stack.bundles import local
from workflow.stack.stages import Stage

__all__ = [
    "CALL",
    "Executions",
    "Publisher",
    "answering",
    "broken",
    "comment",
    "edited",
    "follow_to_end",
    "held",
]


class Publisher:
    """A stage for one test, and what the test does to it."""

    def __init__(self, account: Account, name: str, assembly: Assembly, root: Path) -> None:
        self.account, self.assembly, self.root = account, assembly, root
        # It stays published, so it gets no events of the loops of other tests: each would start an execution.
        self.stage = Stage(
            name=name, region=account.region, output_buckets=("reviewed",), flow_definitions=(name,)
        )
        self.plans: list[Plan] = []
        self.invoked: list[str] = []

    def package(self, edit: Callable[[dict[str, Any]], object] | None = None, **settings: Any) -> Package:
        """The stage's package, with other settings and with the resources of its template edited."""
        package = make_package(
            self.stage.model_copy(update=settings),
            self.assembly,
            local(),
            account=self.account.id,
            artifact_bucket=self.account.artifact_bucket,
            root=self.root,
        )
        if edit is None:
            return package
        template = json.loads(package.template)
        edit(template["Resources"])
        return replace(package, template=json.dumps(template))

    def publish(
        self, package: Package | None = None, *, agree: bool = True, choose: Choose | None = None
    ) -> Published | None:
        def confirm(plan: Plan) -> bool:
            self.plans.append(plan)
            return agree

        package = package or self.package()
        return publish(self.account, self.stage, package, confirm=confirm, choose=choose)

    def plan(self, package: Package | None = None) -> Plan:
        return plan_for(self.account, self.stage, package or self.package())

    @property
    def stack_status(self) -> str | None:
        stack = self.account.stacks.find(self.stage.stack_name)
        return stack.status if stack else None

    @property
    def stack(self) -> Stack:
        """The stage's stack, which exists."""
        stack = self.account.stacks.find(self.stage.stack_name)
        assert stack is not None
        return stack

    def publish_calling(self, queue: str, *answers: str) -> Callable[[dict[str, Any]], None]:
        """Publishes a machine that waits and calls a function, once for each answer; returns the definition."""
        definition = held(queue, "Call", CALL)
        for answer in answers:
            answering(self, answer)
            self.publish(self.package(definition))
        return definition


def comment(text: str) -> Callable[[dict[str, Any]], None]:
    """An edit that changes one state of the definition."""

    def edit(resources: dict[str, Any]) -> None:
        properties = resources["StateMachine"]["Properties"]
        definition = json.loads(properties["DefinitionString"])
        definition["States"]["Already handled"]["Comment"] = text
        properties["DefinitionString"] = json.dumps(definition)

    return edit


def broken(resources: dict[str, Any]) -> None:
    """An edit that CloudFormation accepts at first, and that fails during the update."""
    resources["Broken"] = {"Type": "AWS::SQS::Queue", "Properties": {"MessageRetentionPeriod": 1}}


def edited(publisher: Publisher, **sections: Any) -> Package:
    package = publisher.package()
    template = json.loads(package.template)
    return replace(package, template=json.dumps({**template, **sections}))


CALL = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Parameters": {"FunctionName": "${DecideRestartArn}", "Payload": {}},
    "OutputPath": "$.Payload",
    "End": True,
}


def held(queue: str, then: str, state: Any = None) -> Callable[[dict[str, Any]], None]:
    """An edit that makes the machine wait for a task token, and then run one state."""
    hold = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": queue, "MessageBody.$": "$$.Task.Token"},
        "Next": then,
    }
    definition = {"StartAt": "Hold", "States": {"Hold": hold, then: state or {"Type": "Pass", "End": True}}}

    def edit(resources: dict[str, Any]) -> None:
        resources["StateMachine"]["Properties"]["DefinitionString"] = json.dumps(definition)
        statements = resources["StateMachineRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        statements.append({"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"})

    return edit


def follow_to_end(publisher: Publisher) -> None:
    """Waits until CloudFormation has ended what an interrupted publish began."""
    waiter = publisher.account.session.client("cloudformation").get_waiter("stack_update_complete")
    waiter.wait(StackName=publisher.stage.stack_name, WaiterConfig={"Delay": 0.1})


class Executions:
    """Executions of the live version, each of which waits in its first state until `finish`."""

    def __init__(self, publisher: Publisher, eventually: Callable[..., Any]) -> None:
        self.stage, self.eventually = publisher.stage, eventually
        session = publisher.account.session
        self.states, self.sqs = session.client("stepfunctions"), session.client("sqs")
        self.queue = self.sqs.create_queue(QueueName=self.stage.name)["QueueUrl"]
        account = f"{publisher.account.region}:{publisher.account.id}"
        self.alias = f"arn:aws:states:{account}:stateMachine:{self.stage.stack_name}:{ALIAS}"

    def start(self) -> tuple[str, str]:
        """ARN and task token of a new execution, which now waits."""
        execution = self.states.start_execution(stateMachineArn=self.alias, input="{}")["executionArn"]
        messages = self.eventually(lambda: self.sqs.receive_message(QueueUrl=self.queue).get("Messages"))
        self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=messages[0]["ReceiptHandle"])
        return execution, messages[0]["Body"]

    def started_during_a_rollback(self, publisher: Publisher) -> tuple[str, str]:
        """Rolls back one publish; returns an execution that started after the routing, before the stack update."""
        executions, started = self, list[tuple[str, str]]()

        class During(NoProgress):
            def step(self, text: str) -> None:
                if text == "Updating the stack":
                    started.append(executions.start())

        def confirm(plan: Plan) -> bool:
            publisher.plans.append(plan)
            return True

        record = rollback_target(history(publisher.account, self.stage.name))
        roll_back(publisher.account, self.stage, record, confirm=confirm, progress=During())
        (execution,) = started
        return execution

    def finish(self, execution: str, token: str) -> Any:
        """The output of an execution, or the name of its error."""
        self.states.send_task_success(taskToken=token, output="{}")
        ended = self.eventually(
            lambda: (
                found
                if (found := self.states.describe_execution(executionArn=execution))["status"] != "RUNNING"
                else None
            )
        )
        return json.loads(ended["output"]) if ended["status"] == "SUCCEEDED" else ended["error"]


def answering(publisher: Publisher, answer: str) -> None:
    """Writes a function that returns an answer."""
    file = publisher.root / "lambdas/decide_restart.py"
    file.write_text(f"def handler(event, context):\n    return {answer!r}\n")
