"""Two people change one stage: one of them goes, and the other is told who, since when, and what to do."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sandbox.engine import Sandbox
from sandbox.faults import DropAnswer, Error
from tests.engine.publisher import Publisher, comment
from tests.publish_failures import saw
from workflow import ROOT
from workflow.cli.publish import Confirmation
from workflow.cli.show import StackActivity
from workflow.cli.terminal import Output, console_for
from workflow.errors import PublishError
from workflow.publish import locks
from workflow.publish.account import Account
from workflow.publish.destroying import destroy, destruction
from workflow.publish.history import history, rollback_target
from workflow.publish.holder import Holder, current_holder, lock_key
from workflow.publish.locks import held
from workflow.publish.plan import Plan, RemadePlan
from workflow.publish.progress import NoProgress
from workflow.publish.publishing import publish
from workflow.publish.rollback import roll_back
from workflow.publish.status import status
from workflow.stack.stages import Stage


class Colleague(Publisher):
    """Another person with the same stage, in a process of their own."""

    def __init__(self, first: Publisher) -> None:
        super().__init__(Account(first.account.session), first.stage.name, first.assembly, first.root)

    @property
    def sees(self) -> Holder | None:
        return current_holder(self.account, self.stage.name)

    def roll_back(self, to: int = 1, confirm: Callable[[Plan], bool] = lambda plan: True) -> Any:
        record = rollback_target(history(self.account, self.stage.name), to)
        return roll_back(self.account, self.stage, record, confirm=confirm)

    def destroy(self) -> None:
        plan = destruction(self.account, self.stage)
        assert plan is not None
        destroy(self.account, self.stage, plan)


def lock_versions(publisher: Publisher) -> list[Any]:
    found = publisher.account.session.client("s3").list_object_versions(
        Bucket=publisher.account.artifact_bucket, Prefix=lock_key(publisher.stage.name)
    )
    return [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]


def updated_by_another_tool(publisher: Publisher, days: str) -> None:
    """Changes the stack as somebody does in the console."""
    client: Any = publisher.account.session.client("cloudformation")
    kept = [
        {"ParameterKey": name, "UsePreviousValue": True}
        for name in publisher.stack.parameters
        if name != "LogRetentionDays"
    ]
    client.update_stack(
        StackName=publisher.stage.stack_name,
        UsePreviousTemplate=True,
        Parameters=[*kept, {"ParameterKey": "LogRetentionDays", "ParameterValue": days}],
        Capabilities=["CAPABILITY_NAMED_IAM"],
    )
    waiter = client.get_waiter("stack_update_complete")
    waiter.wait(StackName=publisher.stage.stack_name, WaiterConfig={"Delay": 0.1})


HOLDS = """
import sys, threading
from workflow.publish.account import Account
from workflow.publish.locks import held
from workflow.stack.stages import Stage

stage = Stage(name=sys.argv[1], region="us-east-1", output_buckets=("reviewed",))
with held(Account.at(region="us-east-1"), stage, "publish", "of package 1a2b3c4d"):
    print("held", flush=True)
    threading.Event().wait()
"""


@contextmanager
def holding(sandbox: Sandbox, stage: str) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of a stage."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, stage],
        cwd=ROOT,
        env=sandbox.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_one_at_a_time_changes_a_stage(
    publisher: Publisher,
    sandbox: Sandbox,
    eventually: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One test, since each part needs a published stage."""
    publisher.publish()
    colleague = Colleague(publisher)
    refused: dict[str, str] = {}

    class During(NoProgress):
        def step(self, text: str) -> None:
            if text != "Updating the stack":
                return
            for operation in (colleague.publish, colleague.roll_back, colleague.destroy):
                with pytest.raises(PublishError) as error:
                    operation()
                refused[operation.__name__] = str(error.value)
            seen = status(colleague.account, colleague.stage, drift=False)
            planned = colleague.plan(colleague.package(comment("next")))
            assert seen is not None
            for holder in (seen.locked_by, planned.locked_by):
                assert holder is not None
                assert (holder.operation, holder.activity) == ("publish", "runs")

    done = publish(
        publisher.account,
        publisher.stage,
        publisher.package(comment("next")),
        confirm=lambda plan: True,
        progress=During(),
    )

    assert done is not None
    assert done.changed
    assert list(refused) == ["publish", "roll_back", "destroy"]
    for text in refused.values():
        assert text.startswith(f"stage {publisher.stage.name} is locked: {publisher.account.caller} (")
        saw("Two people change a stage", text)
    assert [one.outcome for one in history(publisher.account, publisher.stage.name)] == ["published"] * 2
    assert colleague.sees is None
    assert lock_versions(publisher) == []

    # A process that was killed holds nobody up on its own machine.
    with holding(sandbox, publisher.stage.name) as process:
        with pytest.raises(
            PublishError, match=rf"process {process.pid}\) runs a publish of package 1a2b3c4d"
        ):
            colleague.roll_back()
        process.kill()
        process.wait()
        asked: list[Plan] = []

        def decline(plan: Plan) -> bool:
            asked.append(plan)
            return False

        assert colleague.roll_back(confirm=decline) is None
    saw("SIGKILL, or no power, at any step", asked[0])
    assert lock_versions(publisher) == []

    # What is made is what was shown: the stack changes during the question, in the console.
    plans: list[Plan] = []
    monkeypatch.setattr("workflow.cli.publish.approved", lambda *_: True)

    def confirmation(*, yes: bool = False) -> Confirmation:
        activity = StackActivity(console_for(Output.TEXT))
        return Confirmation(activity, publisher.account, publisher.stage.name, yes)

    def confirm_late(plan: Plan) -> bool:
        plans.append(plan)
        if len(plans) == 1:
            updated_by_another_tool(publisher, "90")
        return confirmation()(plan)

    wanted = publisher.package(comment("next"), log_retention_days=7)
    assert publish(publisher.account, publisher.stage, wanted, confirm=confirm_late) is not None
    days = [[(one.before, one.after) for one in plan.settings] for plan in plans]
    assert days == [[("30", "7")], [("90", "7")]]
    assert [isinstance(plan, RemadePlan) for plan in plans] == [False, True]
    with pytest.raises(PublishError) as differs:
        confirmation(yes=True)(plans[1])
    saw("The stack changes between the plan and the answer", capsys.readouterr().out, differs.value)
    assert publisher.stack.parameters["LogRetentionDays"] == "7"

    # A rollback does not wait for a person who is at lunch with an open question. It stops that publish.
    def confirm_after_lunch(plan: Plan) -> bool:
        eventually(lambda: (holder := colleague.sees) and holder.activity == "asks")
        assert colleague.roll_back(2, confirm=decline) is None
        return True

    package = publisher.package(comment("after lunch"))
    with pytest.raises(PublishError, match=r"this publish of stage .* lost its lock, so it stopped") as lost:
        publish(publisher.account, publisher.stage, package, confirm=confirm_after_lunch)
    saw("Somebody rolls back during the question", lost.value)
    assert len(history(publisher.account, publisher.stage.name)) == 3


def test_process_that_slept_stops_before_it_writes(
    sandbox: Sandbox, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A laptop sleeps for an hour. Meanwhile, its lock expires, and somebody else takes it."""
    stage = Stage(name=unique[:20], region="us-east-1", output_buckets=("reviewed",))
    account, other = Account(sandbox.session), Account(sandbox.session)

    def sleep_and_write() -> None:
        with held(account, stage, "publish"), monkeypatch.context() as patches:
            patches.setattr("workflow.publish.holder.LEASE_SECONDS", -1)
            with held(other, stage, "rollback", "to publish 3"):
                now = locks._now()
                patches.setattr(locks, "_now", lambda: (now[0] + 3600, now[1] + 3600))
                account.artifacts.write(f"stages/{stage.name}/late.json", b"{}")

    with pytest.raises(PublishError) as lost:
        sleep_and_write()
    saw("A laptop sleeps, and somebody else changes the stage meanwhile", lost.value)
    assert other.artifacts.keys(f"stages/{stage.name}/") == []


@pytest.mark.parametrize(
    "fault", [DropAnswer(), Error("ConditionalRequestConflict", status=409)], ids=["lost answer", "conflict"]
)
def test_lock_survives_lost_answers_and_conflicts(
    sandbox: Sandbox, unique: str, fault: Any, monkeypatch: pytest.MonkeyPatch, without_waits: None
) -> None:
    """S3 answers with 409 if another request writes the object at the same moment. The SDK does not repeat that."""
    monkeypatch.setattr(locks, "SURE_SECONDS", -1.0)
    stage = Stage(name=unique[:20], region="us-east-1", output_buckets=("reviewed",))
    account = Account(sandbox.session)
    with (
        sandbox.faults.inject(fault, service="s3", operation="PutObject", times=1) as first,
        held(account, stage, "publish") as lock,
    ):
        assert lock.is_taken
        with sandbox.faults.inject(fault, service="s3", operation="PutObject", times=1) as second:
            account.artifacts.keys("none/")
        account.artifacts.keys("none/")
        assert (first.count, second.count) == (1, 1)
    assert account.artifacts.keys(f"stages/{stage.name}/") == []


def test_of_many_that_take_a_lock_at_once_one_gets_it(sandbox: Sandbox, unique: str) -> None:
    stage = Stage(name=unique[:20], region="us-east-1", output_buckets=("reviewed",))
    accounts = [Account(sandbox.session) for _ in range(4)]
    for account in accounts:
        _ = account.artifacts, account.caller
    start, end, outcomes = threading.Barrier(4), threading.Barrier(4), list[str]()

    def take(account: Account) -> None:
        start.wait()
        try:
            with held(account, stage, "publish"):
                outcomes.append("held")
                end.wait()
        except PublishError as error:
            outcomes.append(str(error)[:5])
            end.wait()

    threads = [threading.Thread(target=take, args=[account]) for account in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["held", "stage", "stage", "stage"]


def test_first_publish_of_two_people_creates_one_stack(apart: Publisher) -> None:
    """Nothing can be locked before there is an artifact bucket, and a question alone does not create it."""
    colleague = Colleague(apart)
    s3 = apart.account.session.client("s3")

    def buckets() -> set[str]:
        return {one["Name"] for one in s3.list_buckets()["Buckets"]}

    def confirm_after_the_colleague(plan: Plan) -> bool:
        assert plan.creates
        assert apart.account.artifact_bucket not in buckets()
        assert colleague.publish() is not None
        return True

    first = publish(apart.account, apart.stage, apart.package(), confirm=confirm_after_the_colleague)

    assert first is not None
    assert not first.changed
    assert [one.number for one in history(apart.account, apart.stage.name)] == [1]
    # The last stage takes the bucket with it, and the lock in it.
    plan = destruction(apart.account, apart.stage, delete_data=True)
    assert plan is not None
    destroy(apart.account, apart.stage, plan)
    assert apart.account.artifact_bucket not in buckets()
