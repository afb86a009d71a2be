"""An upgrade of a stage from commit 657dd37 to the current code, and a rollback: nothing is lost or handled twice.

A case is the life of a human loop in three parts, separated by `yield`: the first part runs on the old stage, the
second on the upgraded stage, the third after the rollback. All cases share one upgrade, one rollback and one engine.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdas.aws.object_store import ObjectStore
from sandbox.engine import Sandbox
from sandbox.faults import Interrupt
from tests.engine.upgrade.old_stage import POST_REVIEW, OldStage
from tests.engine.upgrade.post_review import QUEUE
from tests.engine.upgrade.upgraded_stage import FLOW, UpgradedStage, lost
from tests.publish_failures import saw
from workflow.operations.manifest.export import export_manifest
from workflow.operations.report.loop_facts import count_loops, ledger_rows
from workflow.operations.report.statistics import ReviewStatistics
from workflow.operations.reviews_source import Period, open_reviews
from workflow.publish.account import Account
from workflow.publish.history import history, rollback_target
from workflow.publish.package import Package, make_package
from workflow.publish.publishing import plan_for, publish
from workflow.publish.rollback import roll_back
from workflow.publish.status import status
from workflow.stack import ALIAS
from workflow.stack.assembly import assemble
from workflow.stack.stages import Stage
from workflow.stack.targets import local

OLD = "657dd37"
Case = Iterator[None]

BACK_OFF_SECONDS = 4
"""How long an execution keeps its claim: long enough for a publish."""


def test_upgrade_and_rollback_lose_nothing(
    stage: UpgradedStage, account: Account, package: Package, subtests: pytest.Subtests
) -> None:
    cases = {begin.__name__: begin(stage) for begin in CASES}

    def run_part(part: str) -> None:
        for name, case in cases.items():
            with subtests.test(f"{name}, {part}"):
                next(case, None)

    run_part("before the upgrade")
    stage.old_code = stage.code_of(stage.all_executions()[0])
    before = stage.rows()
    check_end_during_the_import(stage, account, package)
    upgraded = publish(account, stage.stage, package, confirm=lambda plan: True)
    assert upgraded is not None
    stage.use_outputs(dict(upgraded.outputs))
    with subtests.test("the alias is part of the stack"):
        check_alias(stage, account, in_stack=True)
    rows = {name: row_with_old_names(stage, name) for name in before}
    assert lost(settled(before), rows) == []

    run_part("after the upgrade")
    before, keys = stage.rows(), stage.review_keys()
    record = rollback_target(history(account, stage.stage.name))
    rolled_back = roll_back(account, stage.stage, record, confirm=lambda plan: True)
    assert rolled_back is not None
    stage.use_outputs(dict(rolled_back.outputs))
    with subtests.test("the alias stays without the stack"):
        check_alias(stage, account, in_stack=False)
    assert lost(settled(before), stage.rows()) == []
    assert set(keys) <= set(stage.review_keys())

    run_part("after the rollback")
    with subtests.test("every status change is handled once"):
        check_every_change_is_handled_once(stage)
    with subtests.test("report and manifest"):
        check_report_and_manifest_are_complete(stage)

    publish(account, stage.stage, package, confirm=lambda plan: True)
    with subtests.test("the next upgrade makes the alias part of the stack again"):
        check_alias(stage, account, in_stack=True)


# The stage


@pytest.fixture
def stage(old: OldStage, eventually: Callable[..., Any]) -> Iterator[UpgradedStage]:
    """The stage as the old code published it, on its own engine."""
    with Sandbox.start(wait_scale=0, log_level="WARNING") as sandbox:
        sandbox.client("sqs").create_queue(QueueName=QUEUE.rpartition("/")[2])
        outputs = old.publish(sandbox, eventually)
        stage = UpgradedStage(sandbox, Stage(**old.settings), outputs, eventually)
        sandbox.flow_definitions.create(FLOW, stage.stage.output_buckets[0])
        stage.parent_machine = create_parent(stage, old)
        yield stage


@pytest.fixture
def old(tmp_path: Path) -> OldStage:
    return OldStage.of(OLD, tmp_path / "old")


@pytest.fixture
def account(stage: UpgradedStage) -> Account:
    return Account(stage.sandbox.session)


@pytest.fixture
def package(stage: UpgradedStage, account: Account) -> Package:
    """The package for the upgrade: the current code with the old settings and post-review steps."""
    return make_package(
        stage.stage,
        assemble(POST_REVIEW),
        local(),
        account=account.id,
        artifact_bucket=account.artifact_bucket,
    )


def create_parent(stage: UpgradedStage, old: OldStage) -> str:
    """Creates the user's own workflow as it was published then; returns the ARN of its state machine."""
    trust = {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam = stage.sandbox.client("iam")
    role = iam.create_role(
        RoleName="parent", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust})
    )["Role"]["Arn"]
    iam.put_role_policy(
        RoleName="parent", PolicyName="steps", PolicyDocument=json.dumps(old.parent["policy"])
    )
    created = stage.states.create_state_machine(
        name="parent", definition=json.dumps(old.parent["definition"]), roleArn=role
    )
    return str(created["stateMachineArn"])


def check_end_during_the_import(stage: UpgradedStage, account: Account, package: Package) -> None:
    """The process ends while CloudFormation makes the alias part of the stack."""
    interrupt = stage.sandbox.faults.inject(
        Interrupt("after"), service="cloudformation", operation="ExecuteChangeSet"
    )
    with interrupt, pytest.raises(KeyboardInterrupt):
        publish(account, stage.stage, package, confirm=lambda plan: True)
    waiter = stage.sandbox.client("cloudformation").get_waiter("stack_import_complete")
    waiter.wait(StackName=stage.stage.stack_name, WaiterConfig={"Delay": 0.1})
    saw(
        "SIGKILL while the alias becomes part of the stack",
        status(account, stage.stage, drift=False),
        plan_for(account, stage.stage, package),
    )


# Checks of all loops


def settled(rows: dict[str, Any]) -> dict[str, Any]:
    """The rows that no running execution will change."""
    return {name: row for name, row in rows.items() if not name.startswith("claimed")}


def row_with_old_names(stage: UpgradedStage, name: str) -> dict[str, Any]:
    """A row as the current ledger reads it, with the attribute names of the old one."""
    row = stage.row(name).model_dump(by_alias=True, exclude_none=True)
    return {**row, **{f"claim {claim}": held for claim, held in row["claims"].items()}}


def check_alias(stage: UpgradedStage, account: Account, *, in_stack: bool) -> None:
    """New executions run on the current revision, whoever made its version."""
    stack = account.stacks.find(stage.stage.stack_name)
    assert stack is not None
    machine = stack.outputs["StateMachine"]
    weights = account.machines.weights(machine, ALIAS) or {}
    (version,) = weights
    assert account.machines.is_current(machine, version)
    assert stack.outputs.get("LiveVersion") == (version if in_stack else None)
    named = {one["id"]: one["name"] for one in account.stacks.resources(stack.name)}
    assert named.get("LiveAlias") == (f"{machine}:{ALIAS}" if in_stack else None)


def check_every_change_is_handled_once(stage: UpgradedStage) -> None:
    handled = [
        stage.event_of(execution)
        for execution in stage.all_executions()
        if stage.end_of(execution)["status"] == "SUCCEEDED"
        and stage.states_of(execution)[-1] != "Already handled"
    ]
    changes = Counter((event["humanLoopName"], event["humanLoopStatus"]) for event in handled)
    loops = stage.sandbox.loops.list()
    assert changes == Counter((loop.name, loop.status) for loop in loops)
    assert {loop.name for loop in loops} <= stage.rows().keys()

    completed = [loop.name for loop in loops if loop.status == "Completed"]
    stored = [stage.record(f"s3://{stage.outputs['ReviewBucket']}/{key}") for key in stage.review_keys()]
    assert Counter(review["human_loop_name"] for review in stored) == Counter(completed)

    messages = [(loop.name, message["kind"]) for loop in loops for message in stage.messages(loop.name)]
    assert Counter(messages) == Counter(dict.fromkeys(messages, 1))


def check_report_and_manifest_are_complete(stage: UpgradedStage) -> None:
    session, period = stage.sandbox.session, Period.last_days(2)
    source = open_reviews(f"s3://{stage.outputs['ReviewBucket']}/reviews", session)
    reviews = list(source.reviews(FLOW, period))
    assert len(reviews) == len(stage.review_keys())

    statistics = ReviewStatistics(period)
    for review in reviews:
        statistics.add(review)
    figures = statistics.figures()
    assert (figures.reviews, figures.malformed) == (len(reviews), [])
    assert count_loops(ledger_rows(stage.outputs["LedgerTable"], session, period)).loops == len(stage.rows())

    export = export_manifest(reviews, ObjectStore(stage.s3), io.StringIO())
    assert (export.lines, export.left_out) == (len(reviews), [])


# Open loops, and workflows that wait for them


def open_loop(stage: UpgradedStage) -> Case:
    name = stage.begin("open")
    yield
    stage.begin(name)  # The same request returns the same loop.
    stage.answer(name)
    assert not stage.ran_old_code(stage.is_stored(name))
    yield
    stage.redeliver(name)


def open_until_the_rollback(stage: UpgradedStage) -> Case:
    name = stage.ask("open-until-the-rollback")
    yield
    assert stage.is_open(name)
    yield
    stage.answer(name)
    assert stage.ran_old_code(stage.is_stored(name))
    stage.wait_for_parent_result(name, name)


def waited_for(stage: UpgradedStage) -> Case:
    name = stage.ask("waited-for")
    yield
    assert stage.parent_waits(name)
    stage.answer(name)
    stage.is_stored(name)
    stage.wait_for_parent_result(name, name)
    yield


def started_by_new_code(stage: UpgradedStage) -> Case:
    yield
    name = stage.ask("started-by-new-code")
    yield
    stage.answer(name)
    assert stage.ran_old_code(stage.is_stored(name))
    stage.wait_for_parent_result(name, name)


def started_after_the_rollback(stage: UpgradedStage) -> Case:
    yield
    yield
    name = stage.ask("started-after-the-rollback")
    stage.answer(name)
    assert stage.ran_old_code(stage.is_stored(name))
    stage.wait_for_parent_result(name, name)


def still_starting(stage: UpgradedStage) -> Case:
    name = "still-starting"
    stage.sandbox.loops.refuse("StartHumanLoop", "ServiceQuotaExceededException")
    with pytest.raises(RuntimeError, match="TransientServiceError"):
        stage.begin(name)
    assert stage.row(name).status == "Starting"
    yield
    stage.begin(name)
    assert stage.is_open(name)
    yield
    stage.answer(name)
    stage.is_stored(name)


# Executions that are running


def claimed(stage: UpgradedStage) -> Case:
    """An execution has claimed a failed loop and backs off before it restarts the loop."""
    name = stage.ask("claimed")
    execution = stage.back_off(name, BACK_OFF_SECONDS)
    yield
    again = stage.has_outcome(name, "restarted").next_loop_name
    assert stage.row(name).execution == execution
    assert stage.ran_old_code(execution)
    stage.answer(again)
    assert not stage.ran_old_code(stage.is_stored(again))
    stage.wait_for_parent_result(name, again)
    yield
    stage.redeliver(name)


def claimed_by_new_code(stage: UpgradedStage) -> Case:
    """The roles are those of the restored publish, which has no table of tokens. So its step fails, and runs again."""
    yield
    name = stage.ask("claimed-by-new-code")
    execution = stage.back_off(name, BACK_OFF_SECONDS)
    yield
    stage.has_outcome(name, "failed", status="FAILED")
    assert not stage.ran_old_code(execution)
    stage.operate.redrive(name)
    again = stage.has_outcome(name, "restarted").next_loop_name
    stage.answer(again)
    assert stage.ran_old_code(stage.is_stored(again))
    stage.wait_for_parent_result(name, again)


def held_until_the_rollback(stage: UpgradedStage) -> Case:
    """An execution waits in a post-review step."""
    name = stage.ask("held-until-the-rollback")
    execution, token = stage.hold(name)
    yield
    assert stage.parent_waits(name)
    yield
    assert stage.runs(execution)
    stage.states.send_task_success(taskToken=token, output="{}")
    assert stage.end_of(execution)["status"] == "SUCCEEDED"
    assert stage.ran_old_code(execution)
    stage.wait_for_parent_result(name, name)


def held_by_new_code(stage: UpgradedStage) -> Case:
    """The roles are those of the restored publish, under which no function asks A2I before it answers."""
    yield
    name = stage.ask("held-by-new-code")
    execution, token = stage.hold(name)
    yield
    stage.states.send_task_success(taskToken=token, output="{}")
    assert stage.end_of(execution)["status"] == "FAILED"
    assert not stage.ran_old_code(execution)
    assert stage.parent_waits(name)
    again = stage.operate.redrive(name).execution
    stage.states.send_task_success(taskToken=stage.held(name), output="{}")
    assert stage.end_of(again)["status"] == "SUCCEEDED"
    stage.wait_for_parent_result(name, name)


# Failed loops and missed events


def restarted(stage: UpgradedStage) -> Case:
    name = stage.ask("restarted")
    second = stage.fail(name)
    yield
    third = stage.fail(second)
    assert stage.row(third).attempt == 3
    stage.answer(third)
    stage.is_stored(third)
    stage.wait_for_parent_result(name, third)
    yield
    stage.redeliver(name)


def restarted_by_new_code(stage: UpgradedStage) -> Case:
    yield
    name = stage.ask("restarted-by-new-code")
    second = stage.fail(name)
    yield
    third = stage.fail(second)
    stage.answer(third)
    assert stage.ran_old_code(stage.is_stored(third))
    stage.wait_for_parent_result(name, third)


def escalated(stage: UpgradedStage) -> Case:
    """The loop is escalated, and a person restarts it after the upgrade."""
    name = stage.begin("escalated")
    stage.sandbox.loops.fail(name, "ValidationError")
    stage.has_outcome(name, "escalated")
    stage.message(name)
    yield
    stage.redeliver(name)
    again = stage.operate.restart(name).human_loop_name
    stage.answer(again)
    stage.is_stored(again)
    assert stage.row(name).next_loop_name == again
    yield


def not_handled(stage: UpgradedStage) -> Case:
    """The output is unreadable: the execution fails, and an operator redrives it after the upgrade."""
    name = stage.ask("not-handled")
    stage.sandbox.events.lose()
    stage.answer(name)
    bucket, key = stage.sandbox.loops.get(name).output_uri.removeprefix("s3://").split("/", 1)
    readable = stage.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    stage.s3.put_object(Bucket=bucket, Key=key, Body=b"<html>")
    stage.sandbox.events.redeliver(name)
    stage.has_outcome(name, "failed", status="FAILED")
    yield
    assert stage.parent_waits(name)
    stage.s3.put_object(Bucket=bucket, Key=key, Body=readable)
    redriven = stage.operate.redrive(name)
    assert stage.is_stored(name) == redriven.execution
    stage.wait_for_parent_result(name, name)
    yield
    stage.redeliver(name)


def abandoned(stage: UpgradedStage) -> Case:
    """Someone stopped the execution that has the claim."""
    name = stage.ask("abandoned")
    execution = stage.back_off(name, 3600)
    stage.states.stop_execution(executionArn=execution)
    assert stage.end_of(execution)["status"] == "ABORTED"
    assert [claim["state"] for claim in stage.row(name).claims.values()] == ["working"]
    yield
    assert stage.operate.redrive(name).before == execution
    again = stage.has_outcome(name, "restarted").next_loop_name
    stage.answer(again)
    stage.is_stored(again)
    stage.wait_for_parent_result(name, again)
    yield


def missed(stage: UpgradedStage) -> Case:
    """The event was lost; the reconciler finds the loop."""
    name = stage.ask("missed")
    stage.sandbox.events.lose()
    stage.answer(name)
    yield
    stage.invoke("Reconcile", {})
    assert not stage.ran_old_code(stage.is_stored(name))
    stage.wait_for_parent_result(name, name)
    stage.redeliver(name)
    yield


def missed_by_new_code(stage: UpgradedStage) -> Case:
    yield
    name = stage.ask("missed-by-new-code")
    stage.sandbox.events.lose()
    stage.answer(name)
    yield
    stage.invoke("Reconcile", {})
    assert stage.ran_old_code(stage.is_stored(name))
    stage.wait_for_parent_result(name, name)


# Finished loops


def finished(stage: UpgradedStage) -> Case:
    name = stage.ask("finished")
    stage.answer(name)
    stage.is_stored(name)
    stage.wait_for_parent_result(name, name)
    yield
    stage.is_stored(name)
    stage.redeliver(name)
    yield
    stage.is_stored(name)
    stage.redeliver(name)


def finished_by_new_code(stage: UpgradedStage) -> Case:
    yield
    name = stage.begin("finished-by-new-code")
    stage.answer(name)
    assert not stage.ran_old_code(stage.is_stored(name))
    yield
    stage.redeliver(name)
    stage.is_stored(name)


def stopped(stage: UpgradedStage) -> Case:
    name = stage.begin("stopped")
    stage.a2i.stop_human_loop(HumanLoopName=name)
    stage.has_outcome(name, "notified")
    stage.message(name)
    yield
    stage.redeliver(name)
    yield


CASES = [
    finished,
    finished_by_new_code,
    open_loop,
    open_until_the_rollback,
    waited_for,
    started_by_new_code,
    started_after_the_rollback,
    still_starting,
    held_until_the_rollback,
    held_by_new_code,
    restarted,
    restarted_by_new_code,
    escalated,
    not_handled,
    abandoned,
    missed,
    missed_by_new_code,
    stopped,
    # These come last because their back-off is running: the publish comes next.
    claimed,
    claimed_by_new_code,
]
