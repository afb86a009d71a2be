"""Destroying a stage on the embedded engine: what runs, what goes, what is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sandbox.engine import Sandbox
from sandbox.faults import Interrupt
from tests.engine.publisher import Executions, Publisher, broken, held
from tests.publish_failures import saw
from workflow.errors import DeploymentError, PublishError
from workflow.publish.account import Account
from workflow.publish.destroying import Destruction, destroy, destruction
from workflow.publish.kept_data import kept_data
from workflow.publish.package import Package
from workflow.publish.progress import NoProgress
from workflow.publish.stacks import Event
from workflow.publish.status import status


def planned(publisher: Publisher, *, delete_data: bool = False) -> Destruction:
    plan = destruction(publisher.account, publisher.stage, delete_data=delete_data)
    assert plan is not None
    return plan


def tables_and_buckets(account: Account) -> tuple[list[str], list[str]]:
    tables = account.session.client("dynamodb").list_tables()["TableNames"]
    buckets = account.session.client("s3").list_buckets(BucketRegion=account.region)["Buckets"]
    return [name for name in tables if "alone" in name], [
        one["Name"] for one in buckets if "alone" in one["Name"]
    ]


def test_kept_data_is_adopted_by_a_new_stack_or_deleted_on_request(
    apart: Publisher, sandbox: Sandbox, eventually: Callable[..., Any]
) -> None:
    """One test, since each step needs the result of the one before."""
    published = apart.publish()
    assert published is not None
    account, name = apart.account, apart.stage.name
    s3, dynamodb = account.session.client("s3"), account.session.client("dynamodb")
    kept = {one: published.outputs[one] for one in ("LedgerTable", "ReviewBucket", "TokenTable")}
    tables, bucket = [kept["LedgerTable"], kept["TokenTable"]], kept["ReviewBucket"]
    s3.put_object(Bucket=bucket, Key="reviews/a.json", Body=b"{}")
    loop = {"humanLoopName": "a", "status": "Completed", "outcome": "stored", "createdAt": "2026-01-01"}
    dynamodb.put_item(TableName=tables[0], Item={key: {"S": value} for key, value in loop.items()})

    plan = planned(apart)
    assert {one.id: one.holds for one in plan.kept} == {"LedgerTable": 1, "ReviewBucket": 1, "TokenTable": 0}
    destroy(account, apart.stage, plan)

    assert apart.stack_status is None
    assert tables_and_buckets(account) == (tables, [bucket])
    assert "TlsOnly" in s3.get_bucket_policy(Bucket=bucket)["Policy"]
    assert account.artifact_bucket not in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    left = planned(apart)
    assert (left.stack_id, {one.id: one.name for one in left.kept}) == (None, kept)

    plan = apart.plan()
    assert plan.notes[0].startswith(f"An earlier stack kept LedgerTable {tables[0]} (about 1 items), ReviewB")
    with pytest.raises(PublishError) as refused:
        apart.publish()
    saw("An earlier stack of the stage kept data", plan, refused.value)
    assert apart.stack_status is None

    with (
        sandbox.faults.inject(Interrupt("after"), service="cloudformation", operation="ExecuteChangeSet"),
        pytest.raises(KeyboardInterrupt),
    ):
        apart.publish(choose=lambda found: found[0])
    eventually(lambda: apart.stack_status == "IMPORT_COMPLETE")
    saw("SIGKILL while kept data is adopted", status(account, apart.stage, drift=False), apart.plan())

    # A key that CloudFormation refuses in the update after the import, as when somebody edited the template.
    with pytest.raises(DeploymentError):
        apart.publish(apart.package(broken))
    assert apart.stack_status == "UPDATE_ROLLBACK_COMPLETE"
    # Its subscription stays unconfirmed, so CloudFormation cannot delete it.
    package = apart.package(escalation_endpoints=("https://127.0.0.1:9/unheard",))
    again = apart.publish(package)
    assert again is not None
    assert {one: again.outputs[one] for one in kept} == kept
    rows = list(account.data.ledger(tables[0]).select(outcome="stored", unreadable=lambda _: None))
    assert [row.human_loop_name for row in rows] == ["a"]
    assert s3.get_object(Bucket=bucket, Key="reviews/a.json")["Body"].read() == b"{}"
    assert apart.plan(package).is_empty
    assert account.stacks.drifts(apart.stage.stack_name) == []

    destroy(account, apart.stage, planned(apart))
    (generation,) = kept_data(account, name)
    assert [one.name for one in generation.resources] == list(kept.values())
    destroy(account, apart.stage, planned(apart, delete_data=True))
    assert (tables_and_buckets(account), destruction(account, apart.stage)) == (([], []), None)


def rule_state(publisher: Publisher) -> str:
    events = publisher.account.session.client("events")
    return str(events.describe_rule(Name=publisher.stage.stack_name)["State"])


def test_destroy_ends_what_runs_and_is_finished_after_it_was_killed(
    publisher: Publisher, executions: Executions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One test, because all of it needs a published stage: waiting, stopping, and a kill at each step."""
    package = publisher.package(held(executions.queue, "Next"))
    publisher.publish(package)
    check_kill_before_the_deletion(publisher, package, executions)
    check_kill_during_the_deletion(publisher, executions, monkeypatch)


def check_kill_before_the_deletion(publisher: Publisher, package: Package, executions: Executions) -> None:
    started = executions.start()
    seen: list[tuple[str, str]] = []
    ended: list[Any] = []

    class Finishing(NoProgress):
        def step(self, text: str) -> None:
            seen.append((text, rule_state(publisher)))
            if len(seen) == 1:
                ended.append(executions.finish(*started))

    def killed() -> None:
        raise KeyboardInterrupt

    plan = planned(publisher)
    with pytest.raises(KeyboardInterrupt):
        destroy(publisher.account, publisher.stage, plan, Finishing(), wait=True, on_deletion=killed)
    # Events still start executions while it waits: one of them may end the one that is waited for.
    assert seen[0] == ("Waiting: 1 execution still runs", "ENABLED")
    assert ended == [{}]
    assert (len(plan.parts.rules), rule_state(publisher)) == (3, "DISABLED")

    found = status(publisher.account, publisher.stage, drift=False)
    for seen in (found, publisher.plan(package)):
        saw("A `destroy` is killed before the deletion begins", seen)
    publisher.publish(package)
    assert rule_state(publisher) == "ENABLED"
    alarms = publisher.account.session.client("cloudwatch").describe_alarms(AlarmNames=plan.parts.alarms)
    assert {one["ActionsEnabled"] for one in alarms["MetricAlarms"]} == {True}


def check_kill_during_the_deletion(
    publisher: Publisher, executions: Executions, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs, session = publisher.stack.outputs, publisher.account.session
    sqs, states = session.client("sqs"), session.client("stepfunctions")
    messages = sqs.create_queue(QueueName=f"{publisher.stage.name}-messages")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=messages, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    session.client("sns").subscribe(TopicArn=outputs["EscalationTopic"], Protocol="sqs", Endpoint=arn)
    sqs.send_message(QueueUrl=outputs["UndeliveredEvents"], MessageBody="{}")
    execution, _ = executions.start()
    claim = {"state": {"S": "working"}, "execution": {"S": execution}, "at": {"S": "2026-01-01T00:00:00Z"}}
    row = {
        "humanLoopName": {"S": "a"},
        "createdAt": {"S": "2026-01-01T00:00:00Z"},
        "status": {"S": "InProgress"},
        "outcome": {"S": "processing"},
        "claim 2026-01-01T00:00:00Z Completed": {"M": claim},
    }
    session.client("dynamodb").put_item(TableName=outputs["LedgerTable"], Item=row)

    plan = planned(publisher)
    saw("Somebody destroys the stage while executions run", plan)
    assert (plan.running, plan.open_loops) == (1, 1)
    lost = {one.what: (one.count, list(one.names)) for one in plan.lost}
    assert (lost["undelivered events"], lost["subscriptions"]) == ((1, []), (1, [arn]))
    before: list[Any] = []

    def on_deletion() -> None:
        # Executions go with their state machine, so this one is looked at before. An event that was on its way starts
        # another one, which holds the deletion.
        before.append(states.describe_execution(executionArn=execution))
        executions.start()

    class Killed(NoProgress):
        def event(self, event: Event) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("workflow.publish.destroying.LATE_SECONDS", 0)
    with pytest.raises(KeyboardInterrupt):
        destroy(publisher.account, publisher.stage, plan, Killed(), on_deletion=on_deletion)
    assert publisher.stack_status == "DELETE_IN_PROGRESS"
    destroy(publisher.account, publisher.stage, planned(publisher))

    assert publisher.stack_status is None
    (ended,) = before
    assert (ended["status"], ended["error"]) == ("ABORTED", "Afterloop.StageDestroyed")
    assert ended["cause"].startswith(f"{publisher.account.caller} destroyed the stage")
    loop = publisher.account.data.ledger(outputs["LedgerTable"]).find("a")
    assert loop is not None
    assert (loop.outcome, loop.reason, [one["state"] for one in loop.claims.values()]) == (
        "failed",
        ended["cause"],
        ["released"],
    )
    assert "Messages" not in sqs.receive_message(QueueUrl=messages)
