"""The stage of the upgrade test: actions of people and programs, and checks of their results."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from lambdas.loops.loop import Loop
from lambdas.reviews.record import read_review
from sandbox.samples import SUPPORT_MESSAGE
from tests.engine.published import PublishedStage
from tests.engine.upgrade.post_review import QUEUE
from workflow.operations.loops import Loops
from workflow.operations.stage_resources import StageResources

FLOW = "support-messages"
ANSWER = SUPPORT_MESSAGE.answers[0]


@dataclass
class UpgradedStage(PublishedStage):
    """The stage as it is currently published."""

    parent_machine: str = ""
    """ARN of the user's own workflow, which has a `HumanReview` step."""
    old_code: str = ""
    """The code of the first executions; see `code_of`."""
    _parents: dict[str, str] = field(default_factory=dict)
    """The execution that started a loop, by the loop's name."""
    _events: dict[str, Any] = field(default_factory=dict)

    def use_outputs(self, outputs: dict[str, str]) -> None:
        """Continues with the outputs of another publish."""
        self.outputs = outputs
        self.__post_init__()

    def wait(self, condition: Callable[[], Any], message: str, timeout: float = 40) -> Any:
        """Waits until a condition holds; returns its value. A function's first call takes seconds."""
        return self.eventually(condition, timeout=timeout, message=message)

    # Actions

    def begin(self, name: str) -> str:
        """Starts a loop through the stage; returns its name."""
        self.start(name, self.flow_definition_arn(FLOW), SUPPORT_MESSAGE.prediction)
        return name

    def ask(self, name: str) -> str:
        """Starts a workflow that starts a loop and waits for it; returns the loop's name."""
        given = json.dumps({"id": name, "text": "The lamp was broken", "prediction": {"label": "praise"}})
        started = self.states.start_execution(stateMachineArn=self.parent_machine, input=given)
        self._parents[name] = started["executionArn"]
        self.wait(lambda: self.is_open(name), f"{name} is open")
        return name

    def answer(self, name: str) -> None:
        """Completes a loop."""
        self.sandbox.loops.answer(name, ANSWER)

    def fail(self, name: str) -> str:
        """Makes a loop fail, and waits until it is restarted; returns the name of the new loop."""
        self.sandbox.loops.fail(name, "InternalError")
        started: str = self.has_outcome(name, "restarted").next_loop_name
        assert self.is_open(started)
        return started

    def hold(self, name: str) -> tuple[str, str]:
        """Completes a loop whose execution waits in a post-review step; returns the execution and its task token."""
        self.answer(name)
        execution = self.execution_in(name, "Hold review")
        return execution, self.held(name)

    def held(self, name: str) -> str:
        """Returns the task token of the execution that waits in that step."""
        queue = self.sandbox.client("sqs")
        messages = self.wait(
            lambda: queue.receive_message(QueueUrl=QUEUE).get("Messages"), f"the token of {name}"
        )
        queue.delete_message(QueueUrl=QUEUE, ReceiptHandle=messages[0]["ReceiptHandle"])
        return str(messages[0]["Body"])

    def back_off(self, name: str, seconds: float) -> str:
        """Makes a loop fail, with a back-off of some seconds; returns the execution that claimed it."""
        self.sandbox.configure(wait_scale=seconds)  # The stage backs off for a second.
        self.sandbox.loops.fail(name, "InternalError")
        execution = self.execution_in(name, "Back off")
        self.sandbox.configure(wait_scale=0)
        return execution

    def redeliver(self, name: str) -> None:
        """Delivers the event of an ended loop again, and checks that nothing changes."""
        row, executions = self.row(name), self.executions_of(name)
        self.sandbox.events.redeliver(name)
        late = self.wait(
            lambda: [one for one in self.executions_of(name) if one not in executions],
            f"a second event of {name}",
        )
        assert [self.end_of(one)["status"] for one in late] == ["SUCCEEDED"]
        assert [self.states_of(one)[-1] for one in late] == ["Already handled"]
        assert self.row(name) == row

    @property
    def operate(self) -> Loops:
        """The operator's current commands."""
        session = self.sandbox.session
        return Loops(StageResources.find(self.stage.name, session), session)

    # Checks

    def is_open(self, name: str) -> bool:
        """Whether people can review a loop, according to the ledger and to A2I."""
        row = self.ledger.find(name)
        if row is None or row.status != "InProgress":
            return False
        return self.sandbox.loops.get(name).status == "InProgress"

    def has_outcome(self, name: str, outcome: str, *, status: str = "SUCCEEDED") -> Any:
        """Waits for a loop's outcome and for the end of the execution that wrote it; returns the row."""

        def row() -> Loop | None:
            found = self.row(name)
            return found if found.outcome == outcome else None

        execution = self.wait(row, f"{name} is {outcome}").execution
        ended = self.end_of(execution)
        assert ended["status"] == status, (name, ended)
        return self.row(name)

    def is_stored(self, name: str) -> str:
        """Waits until a review is stored, and reads it; returns the execution that stored it."""
        row = self.has_outcome(name, "stored")
        document = self.record(row.review_location)
        read = read_review(json.dumps(document))
        assert (read.human_loop_name, len(read.answers)) == (name, 1)
        assert lost(document, json.loads(read.to_line())) == []
        return str(row.execution)

    def wait_for_parent_result(self, name: str, answered: str) -> None:
        """Waits until the workflow that started loop `name` gets the answers of loop `answered`."""
        self.wait(
            lambda: not self.parent_waits(name),
            f"the workflow that waits for {name} gets its answers",
            timeout=10,
        )
        ended = self.states.describe_execution(executionArn=self._parents[name])
        assert ended["status"] == "SUCCEEDED", ended
        people = json.loads(ended["output"])["people"]
        assert (people["humanLoopName"], people["answers"]["sentiment"]) == (answered, "complaint")
        self.wait(lambda: self.row(answered).answer == "delivered", f"{answered} is delivered", timeout=10)

    def parent_waits(self, name: str) -> bool:
        """Whether the workflow that started a loop still waits."""
        return self.runs(self._parents[name])

    def runs(self, execution: str) -> bool:
        """Whether an execution is running."""
        return self.states.describe_execution(executionArn=execution)["status"] == "RUNNING"

    def end_of(self, execution: str) -> Any:
        """Waits until an execution has ended; returns its description."""

        def over() -> Any:
            found = self.states.describe_execution(executionArn=execution)
            return found if found["status"] != "RUNNING" else None

        return self.wait(over, f"{self.event_of(execution)['humanLoopName']}: {execution} has ended")

    def execution_in(self, name: str, state: str) -> str:
        """Waits until a loop's execution is in a state; returns its ARN."""

        def execution() -> str | None:
            return next(
                (one for one in self.executions_of(name) if self.states_of(one)[-1:] == [state]), None
            )

        return str(self.wait(execution, f"{name} is in {state}"))

    def executions_of(self, name: str) -> list[str]:
        """The ARNs of a loop's executions."""
        return [one for one in self.all_executions() if self.event_of(one)["humanLoopName"] == name]

    def all_executions(self) -> list[str]:
        """The ARNs of all executions of the stage's state machine, of every version."""
        machine = self.outputs["StateMachine"]
        pages = self.states.get_paginator("list_executions").paginate(stateMachineArn=machine)
        return [one["executionArn"] for page in pages for one in page["executions"]]

    def event_of(self, execution: str) -> Any:
        """The detail of the event that started an execution."""
        if execution not in self._events:
            described = self.states.describe_execution(executionArn=execution)
            self._events[execution] = json.loads(described["input"])["detail"]
        return self._events[execution]

    def states_of(self, execution: str) -> list[str]:
        """The names of the states that an execution has entered."""
        history = self.states.get_execution_history(executionArn=execution, maxResults=1000)["events"]
        return [
            one["stateEnteredEventDetails"]["name"] for one in history if "stateEnteredEventDetails" in one
        ]

    def code_of(self, execution: str) -> str:
        """The code of an execution: its definition, with a hash of the code in place of each function version."""
        machine = self.states.describe_state_machine_for_execution(executionArn=execution)
        functions = self.sandbox.client("lambda")

        def digest(arn: re.Match[str]) -> str:
            return str(functions.get_function_configuration(FunctionName=arn[0])["CodeSha256"])

        return re.sub(r"arn:aws:lambda:[\w:-]+", digest, machine["definition"])

    def ran_old_code(self, execution: str) -> bool:
        """Whether an execution runs, or ran, the old code."""
        return self.code_of(execution) == self.old_code

    def rows(self) -> dict[str, dict[str, Any]]:
        """The loops in the ledger's table, by name, with all attributes."""
        pages = (
            self.sandbox.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=self.outputs["LedgerTable"], ConsistentRead=True)
        )
        items = [
            {name: TypeDeserializer().deserialize(value) for name, value in item.items()}
            for page in pages
            for item in page["Items"]
        ]
        return {item["humanLoopName"]: item for item in items if "status" in item}

    def review_keys(self) -> list[str]:
        """The keys of the stored reviews."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.outputs["ReviewBucket"], Prefix="reviews/"
        )
        return [one["Key"] for page in pages for one in page.get("Contents", [])]


def lost(before: Any, now: Any, at: str = "") -> list[str]:
    """The places where `now` lacks something that `before` has; additions do not count."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [place for key in before for place in lost(before[key], now.get(key), f"{at}.{key}")]
    if isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        return [
            place
            for number, pair in enumerate(zip(before, now, strict=True))
            for place in lost(*pair, f"{at}[{number}]")
        ]
    return [] if before == now else [f"{at}: {before!r} is now {now!r}"]
