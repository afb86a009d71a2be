"""Tests of what needs attention in a stage."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto import mock_aws

from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from tests.unit.doubles import REGION, StubbedSession, create_ledger_table
from tests.unit.workflow.stack.template.test_alarms import template_with_alarms
from workflow.operations.attention import MAX_NAMED, read_attention
from workflow.operations.stage_resources import StageResources

ACCOUNT = "123456789012"
MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:afterloop-dev"
RESOURCES = StageResources("dev", "aws", REGION, ACCOUNT, {"LedgerTable": "ledger", "StateMachine": MACHINE})
DESCRIPTIONS = {
    f"afterloop-dev-{name}": str(alarm.AlarmDescription.data["Fn::Sub"]).replace("${Stage}", "dev")
    for name, alarm in template_with_alarms().resources.items()
}
NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)


@pytest.fixture
def session() -> Iterator[StubbedSession]:
    with mock_aws():
        session = StubbedSession("stepfunctions", "cloudwatch")
        create_ledger_table(session.client("dynamodb"))
        yield session
        session.close()
        session.assert_all_called()


def add_loop(session: StubbedSession, name: str, outcome: str, minute: int = 0) -> None:
    created = f"2026-03-04T10:{minute:02}:00.000Z"
    row = Loop(
        human_loop_name=name,
        status="Completed",
        outcome=outcome,
        created_at=created,
        reason="Step: Oops: why",
    )
    Ledger(session.client("dynamodb"), "ledger").open(row)


def has_alarms(session: StubbedSession, *names: str) -> None:
    alarms = [
        {"AlarmName": name, "StateUpdatedTimestamp": NOW, "AlarmDescription": DESCRIPTIONS.get(name, "Look.")}
        for name in names
    ]
    session.stubs["cloudwatch"].add_response(
        "describe_alarms",
        {"MetricAlarms": alarms},
        {"AlarmNamePrefix": "afterloop-dev-", "StateValue": "ALARM", "AlarmTypes": ["MetricAlarm"]},
    )


def has_executions(session: StubbedSession, **of_status: list[tuple[str, int, str]]) -> None:
    """Adds executions as (name, age in hours, input), the newest first."""
    stub = session.stubs["stepfunctions"]
    found: list[dict[str, Any]] = []
    for status in ("ABORTED", "FAILED", "TIMED_OUT"):
        listed = [
            {
                "executionArn": f"{MACHINE.replace('stateMachine', 'execution')}:{name}",
                "stateMachineArn": MACHINE, "name": name, "status": status, "startDate": NOW - timedelta(hours=age),
            }
            for name, age, _ in of_status.get(status, [])
        ]  # fmt: skip
        stub.add_response("list_executions", {"executions": listed})
        texts = [text for _, _, text in of_status.get(status, [])]
        found += [
            {**one, "stopDate": one["startDate"], "input": text, "error": "Oops", "cause": "why"}
            for one, text in zip(listed, texts, strict=True)
            if one["startDate"] > NOW - timedelta(days=1)
        ]
    for one in sorted(found, key=lambda one: one["startDate"], reverse=True)[:MAX_NAMED]:
        stub.add_response("describe_execution", one, {"executionArn": one["executionArn"]})


def of_loop(name: str) -> str:
    return json.dumps({"detail": {"humanLoopName": name}})


def test_nothing_needs_attention_in_a_quiet_stage(session: StubbedSession) -> None:
    has_alarms(session)
    has_executions(session)
    found = read_attention(RESOURCES, session, NOW)  # type: ignore[arg-type]
    assert (found.alarms, found.executions, found.loops, found.waiting) == ([], [], [], {})
    assert (found.next, found.problems) == ([], [])


def test_failures_are_named_with_their_loops_and_the_next_commands(session: StubbedSession) -> None:
    has_alarms(session, "afterloop-dev-ExecutionsFailed", "afterloop-dev-2-ExecutionsFailed")
    has_executions(
        session,
        FAILED=[("new", 1, of_loop("loop 1")), ("old", 3, of_loop("redriven")), ("older", 30, "")],
        TIMED_OUT=[("slow", 2, "{}")],
    )
    for number in range(7):
        add_loop(session, f"loop {number}", "failed", number)
    add_loop(session, "redriven", "stored")
    found = read_attention(RESOURCES, session, NOW)  # type: ignore[arg-type]

    assert [alarm.name for alarm in found.alarms] == ["afterloop-dev-ExecutionsFailed"]
    assert [(one.arn.rpartition(":")[2], one.status, one.human_loop_name, one.outcome) for one in found.executions] == [
        ("new", "FAILED", "loop 1", "failed"),
        ("slow", "TIMED_OUT", None, None),
        ("old", "FAILED", "redriven", "stored"),
    ]  # fmt: skip
    assert found.waiting == {"failed": 7}
    assert [loop.human_loop_name for loop in found.loops] == [f"loop {number}" for number in range(MAX_NAMED)]
    assert "Oops" in found.loops[0].why
    assert [step.command for step in found.next] == [
        "python deploy.py loops list --outcome failed --stage dev",
        "python deploy.py loops show 'loop 0' --stage dev",
        "python deploy.py loops redrive --outcome failed --stage dev",
        "python deploy.py console --open --stage dev",
    ]


def test_next_step_of_each_alarm_is_the_command_in_its_description(session: StubbedSession) -> None:
    has_alarms(session, *DESCRIPTIONS, *(name.replace("dev", "dev-2") for name in DESCRIPTIONS))
    has_executions(session)
    *steps, console = read_attention(RESOURCES, session, NOW).next  # type: ignore[arg-type]
    assert console.command == "python deploy.py console --open --stage dev"
    assert len({step.command for step in steps}) == len(steps)
    offered = tuple(f". to {step.why}: {step.command}".lower() for step in steps)
    for name, description in DESCRIPTIONS.items():
        assert description.endswith(" --stage dev"), name
        command = description.rpartition(": ")[2]
        assert command in [step.command for step in steps], name
    for text in offered:
        assert any(description.lower().endswith(text) for description in DESCRIPTIONS.values()), text


def test_undelivered_events_come_first(session: StubbedSession) -> None:
    has_alarms(session, "afterloop-dev-EventsUndelivered")
    has_executions(session)
    add_loop(session, "a", "failed")
    add_loop(session, "b", "escalated")
    steps = [step.command for step in read_attention(RESOURCES, session, NOW).next]  # type: ignore[arg-type]
    assert steps == [
        "python deploy.py loops redrive --undelivered --dry-run --stage dev",
        "python deploy.py loops show b --stage dev",
        "python deploy.py loops list --stage dev",
        "python deploy.py console --open --stage dev",
    ]


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "{", '{"detail": 7}', '{"detail": {"humanLoopName": 7}}', "[" * 9999]
)
def test_execution_with_an_odd_input_has_no_loop(session: StubbedSession, text: str) -> None:
    has_alarms(session)
    has_executions(session, FAILED=[("odd", 1, text)])
    (execution,) = read_attention(RESOURCES, session, NOW).executions  # type: ignore[arg-type]
    assert (execution.human_loop_name, execution.outcome, execution.error) == (None, None, "Oops")


def test_what_cannot_be_read_is_a_problem_and_the_rest_is_shown(session: StubbedSession) -> None:
    session.stubs["cloudwatch"].add_client_error("describe_alarms", "AccessDenied", "no")
    session.stubs["stepfunctions"].add_client_error("list_executions", "ThrottlingException", "slow down")
    add_loop(session, "a", "escalated")
    row = {
        "humanLoopName": "odd",
        "status": "Failed",
        "outcome": "failed",
        "createdAt": "2026",
        "attempt": "first",
    }
    item = {name: {"S": value} for name, value in row.items()}
    session.client("dynamodb").put_item(TableName="ledger", Item=item)
    found = read_attention(RESOURCES, session, NOW)  # type: ignore[arg-type]
    assert found.waiting == {"escalated": 1}
    assert found.problems[:2] == [
        "cannot read the alarms: DescribeAlarms failed (AccessDenied): no",
        "cannot read the failed executions: ListExecutions failed (ThrottlingException): slow down",
    ]
    assert "odd" in found.problems[2]
