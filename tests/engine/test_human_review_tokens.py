"""Task tokens are stored, moved and answered once, even if a process is killed or operations race."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest

from lambdas.loops.confirmation import NotEnded
from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from lambdas.loops.tokens import Tokens
from lambdas.loops.waiting import Answered, TokenUndeliverable, WaitingWorkflows
from lambdas.reviews.times import timestamp
from sandbox.engine import Sandbox
from tests.review_samples import STORED_REVIEW
from tests.unit.doubles import create_ledger_table, create_token_table

FLOW = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/triage"
REVIEW = STORED_REVIEW | {"flow_definition_arn": FLOW}
CALLS = range(1, 15)
"""The numbers of the AWS calls of one operation of `WaitingWorkflows`. Each test fails or interferes before one."""


class Killed(BaseException):
    """The process is killed here. No `except Exception` catches it."""


@dataclass(frozen=True)
class Place:
    """A separate ledger, and workflows that wait."""

    sandbox: Sandbox
    name: str
    machine: str
    queue: str
    flow: str
    eventually: Callable[..., Any]

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.sandbox.client("dynamodb"), self.name)

    @cached_property
    def tokens(self) -> Tokens:
        return self._tokens(self.sandbox.client("dynamodb"))

    def _tokens(self, dynamodb: Any) -> Tokens:
        return Tokens(dynamodb, f"{self.name}-tokens", self.name)

    @cached_property
    def waiting(self) -> WaitingWorkflows:
        return self.watched(lambda call: None)

    def watched(self, before: Callable[[int], None]) -> WaitingWorkflows:
        """With its own clients. `before` is called with the number of each of their calls, from 1."""
        services = ("dynamodb", "s3", "stepfunctions", "sagemaker-a2i-runtime")
        clients = {service: self.sandbox.session.client(service) for service in services}
        count = itertools.count(1)
        for client in clients.values():
            client.meta.events.register("before-call.*.*", lambda **_: before(next(count)))
        return WaitingWorkflows(
            Ledger(clients["dynamodb"], self.name),
            self._tokens(clients["dynamodb"]),
            clients["s3"],
            clients["stepfunctions"],
            clients["sagemaker-a2i-runtime"],
        )

    def killed_before(self, call: int) -> WaitingWorkflows:
        def kill(now: int) -> None:
            if now == call:
                raise Killed

        return self.watched(kill)

    def meanwhile(self, call: int, act: Callable[[], Any]) -> WaitingWorkflows:
        """Something else happens before that call."""

        def interrupt(now: int) -> None:
            if now == call:
                act()

        return self.watched(interrupt)

    def loop(self, **changes: Any) -> str:
        """Adds a row for a loop in progress. Returns its name."""
        name = f"loop-{uuid.uuid4().hex[:10]}"
        row = Loop(human_loop_name=name, flow_definition_arn=FLOW, status="InProgress", root_loop_name=name)
        assert self.ledger.open(row.model_copy(update=changes)) is None
        return name

    def store(self, name: str) -> None:
        """The loop is completed. Does what **Record review** and, if a workflow waits, **Answer workflow** do."""
        self.sandbox.client("sagemaker-a2i-runtime").start_human_loop(
            HumanLoopName=name, FlowDefinitionArn=self.flow, HumanLoopInput={"InputContent": "{}"}
        )
        ended = self.sandbox.loops.answer(name, {})
        created, output = timestamp(ended.created_at), ended.output_uri
        key = f"reviews/{name}.json"
        body = json.dumps({**REVIEW, "human_loop_name": name, "output_location": output})
        self.sandbox.client("s3").put_object(Bucket=self.name, Key=key, Body=body)
        location = f"s3://{self.name}/{key}"
        self.ledger.update(name, loop_created_at=created, review_location=location, output_location=output)
        self.ledger.update(name, status="Completed", outcome="stored")
        if self.row(name).waiting:
            self.waiting.answer(name)

    def restart(self, name: str) -> str:
        """Does what **Restart loop** does to the ledger. Returns the next loop's name."""
        following = self.loop(previous_loop_name=name, attempt=2)
        self.ledger.update(name, status="Failed", next_loop_name=following)
        self.waiting.follow(name)
        return following

    def row(self, name: str) -> Loop:
        found = self.ledger.find(name)
        assert found is not None
        return found

    def workflow(self) -> tuple[str, str]:
        """Starts a workflow that waits. Returns its execution and its token."""
        states, sqs = self.sandbox.client("stepfunctions"), self.sandbox.client("sqs")
        mark = uuid.uuid4().hex
        started = states.start_execution(stateMachineArn=self.machine, input=json.dumps({"mark": mark}))

        def token() -> str | None:
            for message in sqs.receive_message(QueueUrl=self.queue).get("Messages", []):
                sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                body = json.loads(message["Body"])
                if body["mark"] == mark:
                    return str(body["token"])
            return None

        return started["executionArn"], self.eventually(token)

    def result(self, execution: str) -> Any:
        """Waits for the result of a workflow: its output, or its error and cause."""
        states = self.sandbox.client("stepfunctions")

        def over() -> Any:
            found = states.describe_execution(executionArn=execution)
            return found if found["status"] != "RUNNING" else None

        found = self.eventually(over, message=f"{execution} has ended")
        return (
            json.loads(found["output"])
            if found["status"] == "SUCCEEDED"
            else (found["error"], found["cause"])
        )

    def settled(self, *names: str) -> bool:
        """Whether no token is left, and no row has a waiting workflow."""
        return not any(self.tokens.of(name) or self.row(name).waiting for name in names)


@pytest.fixture(scope="module")
def place(sandbox: Sandbox, eventually: Callable[..., Any]) -> Place:
    name = f"tokens-{uuid.uuid4().hex[:8]}"
    sandbox.client("s3").create_bucket(Bucket=name)
    create_ledger_table(sandbox.client("dynamodb"), name)
    create_token_table(sandbox.client("dynamodb"), f"{name}-tokens")
    flow = sandbox.flow_definitions.create(name, name)
    queue = sandbox.client("sqs").create_queue(QueueName=name)["QueueUrl"]
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = sandbox.client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    send = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "*"}
    sandbox.client("iam").put_role_policy(
        RoleName=name,
        PolicyName="send",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [send]}),
    )
    wait = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {
            "QueueUrl": queue,
            "MessageBody": {"token.$": "$$.Task.Token", "mark.$": "$.mark"},
        },
        "TimeoutSeconds": 120,
        "End": True,
    }
    machine = sandbox.client("stepfunctions").create_state_machine(
        name=name,
        roleArn=role["Role"]["Arn"],
        definition=json.dumps({"StartAt": "Wait", "States": {"Wait": wait}}),
    )
    return Place(sandbox, name, machine["stateMachineArn"], queue, flow, eventually)


def test_no_operation_makes_more_calls_than_tested(place: Place) -> None:
    calls: dict[str, int] = {}

    def counted(operation: str) -> WaitingWorkflows:
        return place.watched(lambda call: calls.update({operation: call}))

    name = place.loop()
    _, token = place.workflow()
    counted("join").join(name, token)
    following = place.loop(previous_loop_name=name)
    place.ledger.update(name, next_loop_name=following)
    counted("follow").follow(name)
    place.ledger.update(following, outcome="notified")
    assert counted("answer").answer(following) == Answered(delivered=1)
    late = place.workflow()[1]
    counted("join late").join(name, late)
    assert max(calls.values()) < CALLS.stop, calls


@pytest.mark.parametrize("call", CALLS)
def test_answer_killed_at_any_call_can_be_repeated(place: Place, call: int) -> None:
    name = place.loop()
    workflows = [place.workflow() for _ in range(2)]
    for _, token in workflows:
        place.waiting.join(name, token)
    place.ledger.update(name, status="Stopped", outcome="notified")
    try:
        place.killed_before(call).answer(name)
    except Killed:
        place.waiting.answer(name)
    for execution, _ in workflows:
        error, cause = place.result(execution)
        assert error == "HumanReview.Stopped"
        assert name in cause
    assert place.settled(name)
    assert place.row(name).answer in ("delivered", "ended")


@pytest.mark.parametrize("call", CALLS)
def test_move_killed_at_any_call_can_be_repeated(place: Place, call: int) -> None:
    name = place.loop()
    execution, token = place.workflow()
    place.waiting.join(name, token)
    following = place.loop(previous_loop_name=name)
    place.ledger.update(name, status="Failed", next_loop_name=following)
    try:
        place.killed_before(call).follow(name)
    except Killed:
        place.waiting.follow(name)
    assert place.tokens.of(following) == [token]
    place.store(following)
    assert place.result(execution)["humanLoopName"] == following
    assert place.settled(name, following)


@pytest.mark.parametrize("call", CALLS)
def test_workflow_joining_while_loop_ends_gets_the_result(place: Place, call: int) -> None:
    name = place.loop()
    execution, token = place.workflow()
    place.meanwhile(call, lambda: place.store(name)).join(name, token)
    if place.row(name).outcome is None:
        place.store(name)
    assert place.result(execution)["humanLoopName"] == name
    assert place.settled(name)


@pytest.mark.parametrize("call", CALLS)
def test_workflow_joining_during_restart_waits_for_next_loop(place: Place, call: int) -> None:
    name = place.loop()
    place.ledger.update(name, status="Failed")
    execution, token = place.workflow()
    place.meanwhile(call, lambda: place.restart(name)).join(name, token)
    following = place.row(name).next_loop_name or place.restart(name)
    place.store(following)
    assert place.result(execution)["humanLoopName"] == following
    assert place.settled(name, following)


@pytest.mark.parametrize("call", CALLS)
def test_workflow_moved_while_next_loop_ends_gets_the_result(place: Place, call: int) -> None:
    name = place.loop()
    execution, token = place.workflow()
    place.waiting.join(name, token)
    following = place.loop(previous_loop_name=name)
    place.ledger.update(name, status="Failed", next_loop_name=following)
    place.meanwhile(call, lambda: place.store(following)).follow(name)
    if place.row(following).outcome is None:
        place.store(following)
    assert place.result(execution)["humanLoopName"] == following
    assert place.settled(name, following)


@pytest.mark.parametrize(
    ("changes", "kept"),
    [
        ({"status": "Starting"}, True),
        ({"status": "Completed"}, True),
        ({"status": "Failed"}, True),
        ({"status": "Failed", "outcome": "failed"}, True),
        ({"status": "Completed", "outcome": "stored"}, False),
        ({"status": "Stopped", "outcome": "notified"}, False),
        ({"status": "Failed", "outcome": "escalated"}, False),
        ({"status": "Failed", "outcome": "closed"}, False),
        ({"status": "Failed", "outcome": "restarted"}, False),
        ({"status": "Failed", "next_loop_name": "next"}, False),
        ({"status": "NotNeeded"}, False),
        ({"status": "Refused"}, False),
    ],
)
def test_token_is_kept_only_before_the_outcome(place: Place, changes: dict[str, Any], kept: bool) -> None:
    name = place.loop()
    place.ledger.update(name, **changes)
    assert place.tokens.keep(name, "token") is kept
    assert place.tokens.of(name) == (["token"] if kept else [])
    assert bool(place.row(name).waiting) is kept


def test_unknown_loop_keeps_no_token(place: Place) -> None:
    assert place.tokens.keep("unknown-loop", "token") is False
    with pytest.raises(NotEnded, match="unknown-loop"):
        place.waiting.join("unknown-loop", "token")
    assert place.ledger.find("unknown-loop") is None


@pytest.mark.parametrize(
    ("changes", "error", "cause"),
    [
        (
            {"status": "Failed", "outcome": "escalated", "reason": "All attempts are used up."},
            "HumanReview.Failed",
            "failed and is not restarted. All attempts are used up.",
        ),
        (
            {"status": "Failed", "outcome": "escalated", "reason": "So.", "failure_reason": "x" * 40_000},
            "HumanReview.Failed",
            "So. A2I says: xxx",
        ),
        (
            {"status": "Completed", "outcome": "closed", "note": "the customer has left"},
            "HumanReview.Failed",
            "was closed by a person: the customer has left",
        ),
        (
            {"status": "Stopped", "outcome": "notified", "review_location": "s3://reviews/kept.json"},
            "HumanReview.Stopped",
            "The answers given before that are in s3://reviews/kept.json.",
        ),
    ],
)
def test_error_explains_the_result_of_the_loop(
    place: Place, changes: dict[str, Any], error: str, cause: str
) -> None:
    name = place.loop()
    execution, token = place.workflow()
    place.waiting.join(name, token)
    place.ledger.update(name, **changes)
    place.waiting.answer(name)
    actual_error, actual_cause = place.result(execution)
    assert actual_error == error
    assert actual_cause.startswith(f"Human loop {name} ")
    assert cause in actual_cause
    assert len(actual_cause) <= 32_768


def test_invalid_tokens_do_not_stop_other_answers(place: Place) -> None:
    name = place.loop()
    execution, token = place.workflow()
    for one in ("!made up", token, "~made up"):  # sorted before and after the valid token
        place.waiting.join(name, one)
    place.ledger.update(name, status="Stopped", outcome="notified")
    with pytest.raises(TokenUndeliverable) as refused:
        place.waiting.answer(name)
    assert place.result(execution)[0] == "HumanReview.Stopped"
    assert str(refused.value) == (
        f"A workflow that waits for human loop {name!r} could not be notified: "
        "InvalidToken: Invalid Token: 'Invalid token'"
    )
    assert place.waiting.answer(name) == Answered()  # an invalid token is reported only once
    assert place.settled(name)


def test_loop_in_progress_is_not_answered(place: Place) -> None:
    name = place.loop()
    assert place.waiting.answer(name) == Answered()  # no workflow waits
    _, token = place.workflow()
    place.waiting.join(name, token)
    with pytest.raises(NotEnded, match=name):
        place.waiting.answer(name)
    assert place.tokens.of(name) == [token]


def test_select_does_not_return_token_items(place: Place) -> None:
    name = place.loop()
    place.waiting.join(name, "token")
    everything = [loop.human_loop_name for loop in place.ledger.select(unreadable=pytest.fail)]
    assert name in everything
    assert not [found for found in everything if found.startswith("tokens ")]
