"""New executions move to a new version of the state machine: what CloudFormation does, with and without a follower."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.engine import Sandbox
from sandbox.faults import Interrupt
from tests.engine.publisher import Publisher, comment
from tests.publish_failures import saw
from workflow.errors import DeploymentError, PublishError
from workflow.publish.account import Account
from workflow.publish.history import history, latest
from workflow.publish.holder import current_holder
from workflow.publish.package import Package
from workflow.publish.plan import Plan
from workflow.publish.progress import NoProgress
from workflow.publish.publishing import Published, plan_for, publish
from workflow.publish.rollback import choose, roll_back
from workflow.publish.shift_alarms import unguarded
from workflow.stack import ALIAS
from workflow.stack.stages import Shift

MACHINE = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
FAILING = {"StartAt": "End", "States": {"End": {"Type": "Fail", "Error": "Broken"}}}


@pytest.fixture(autouse=True)
def _minutes_take_a_moment(sandbox: Sandbox) -> Iterator[None]:
    sandbox.configure(minute_seconds=0.2)
    yield
    sandbox.configure(minute_seconds=60)


class Shifting:
    """A stage that was published once, and publishes with a shift from then on."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher, self.account = publisher, publisher.account
        self.publisher.publish(self.package(MACHINE))
        self.shift = Shift(first_percent=50, minutes=1)
        self.machine = publisher.stack.outputs["StateMachine"]
        self.states = publisher.account.session.client("stepfunctions")

    def package(self, definition: dict[str, Any], text: str = "") -> Package:
        def edit(resources: dict[str, Any]) -> None:
            with_text = json.dumps({**definition, "Comment": text})
            resources["StateMachine"]["Properties"]["DefinitionString"] = with_text

        shift = getattr(self, "shift", None)
        return self.publisher.package(edit, shift=shift)

    @property
    def weights(self) -> dict[int, int]:
        """Number of a version → its percentage."""
        found = self.account.machines.weights(self.machine, ALIAS) or {}
        return {int(arn.rpartition(":")[2]): weight for arn, weight in found.items()}

    def run(self) -> int:
        """Runs an execution to its end; returns the number of its version."""
        arn = f"{self.machine}:{ALIAS}"
        execution = self.states.start_execution(stateMachineArn=arn, input="{}")["executionArn"]
        while (found := self.states.describe_execution(executionArn=execution))["status"] == "RUNNING":
            pass
        return int(found["stateMachineVersionArn"].rpartition(":")[2])

    def run_on_both(self) -> None:
        """Runs executions until the new version has run one, and the old one too."""
        numbers: set[int] = set()
        while len(numbers) < 2:
            numbers.add(self.run())

    def publish(
        self, package: Package, during: Callable[[], object] = lambda: None
    ) -> tuple[Published | None, list[str]]:
        """Publishes, and does something when the shift has begun; returns the steps, too."""
        steps: list[str] = []

        class Steps(NoProgress):
            def step(self, text: str) -> None:
                if "of new executions until" in text and not any("until" in one for one in steps):
                    during()
                steps.append(text)

        stage = self.publisher.stage
        found = publish(self.account, stage, package, confirm=lambda plan: True, progress=Steps())
        return found, steps


@pytest.fixture
def shifting(publisher: Publisher) -> Shifting:
    return Shifting(publisher)


def test_canary_and_linear_shift_go_through_and_say_where_executions_go(
    shifting: Shifting, sandbox: Sandbox
) -> None:
    sandbox.configure(minute_seconds=60)  # Until both versions have run.

    def run() -> None:
        shifting.run_on_both()
        sandbox.configure(minute_seconds=0.2)

    found, steps = shifting.publish(shifting.package(MACHINE, "next"), run)
    assert found is not None
    assert found.version == f"{shifting.machine}:2"
    assert shifting.weights == {2: 100}
    assert any(one.startswith("Version 2 gets 50 % of new executions until") for one in steps)
    assert any("UTC, then all of them; CloudFormation continues" in one for one in steps)
    assert shifting.publisher.plan(shifting.package(MACHINE, "next")).is_empty

    shifting.shift = Shift(first_percent=34, minutes=1, linear=True)
    _, steps = shifting.publish(shifting.package(MACHINE, "linear"))
    assert any("gets 34 % of new executions" in one and "then 68 %" in one for one in steps)
    assert shifting.weights == {3: 100}


def test_shift_that_only_the_new_version_fails_is_taken_back(shifting: Shifting, sandbox: Sandbox) -> None:
    sandbox.configure(minute_seconds=60)  # Until the executions have ended.

    def fail() -> None:
        shifting.run_on_both()
        sandbox.configure(minute_seconds=0.2)

    with pytest.raises(DeploymentError) as error:
        shifting.publish(shifting.package(FAILING), fail)

    text = str(error.value)
    alarm = f"{shifting.publisher.stage.stack_name}-Shift-2"
    assert text.startswith(f"the shift was taken back because the alarm {alarm} went off; ")
    assert "executions that ended on version 2 failed, 0 of" in text
    assert f":execution:{shifting.publisher.stage.stack_name}:" in text
    saw("Executions fail during a shift, and an alarm goes off", text)
    assert "new executions go to version 1 (100 %), and the stack was rolled back" in text
    assert shifting.weights == {1: 100}
    assert shifting.publisher.plan(shifting.package(MACHINE)).is_empty

    # The next publish has an alarm of its own.
    shifting.publish(shifting.package(MACHINE, "repaired"))
    assert set(shifting.weights.values()) == {100}
    assert min(shifting.weights) > 2


def test_alarm_of_the_team_takes_the_shift_back(shifting: Shifting, sandbox: Sandbox) -> None:
    sandbox.configure(minute_seconds=60)
    cloudwatch = shifting.account.session.client("cloudwatch")
    name = f"{shifting.publisher.stage.name} orders"
    cloudwatch.put_metric_alarm(
        AlarmName=name, Namespace=name, MetricName="m", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold",
    )  # fmt: skip
    shifting.shift = Shift(first_percent=50, minutes=1, alarms=(name,))

    def goes_off() -> None:
        cloudwatch.put_metric_data(Namespace=name, MetricData=[{"MetricName": "m", "Value": 1}])
        sandbox.configure(minute_seconds=0.2)

    # The publisher adds the shift to the package only: the plan reads it from the stage.
    stage = shifting.publisher.stage.model_copy(update={"shift": Shift(alarms=(name, "none"))})
    plan = plan_for(shifting.account, stage, shifting.package(MACHINE, "next"))
    (warning,) = [one for one in plan.warnings if "shift.alarms" in one]
    assert warning.endswith("alarm 'none' does not exist in us-east-1, so it cannot end a shift")

    with pytest.raises(DeploymentError, match=f"because the alarm {name} went off"):
        shifting.publish(shifting.package(MACHINE, "next"), goes_off)
    (warning,) = unguarded(stage.model_copy(update={"shift": shifting.shift}), shifting.account)
    assert warning.endswith("is in ALARM, so a shift would be taken back at once")
    assert shifting.weights == {1: 100}


def interrupted_after_the_start(shifting: Shifting, sandbox: Sandbox, package: Package) -> None:
    """The publishing process ends as soon as CloudFormation has begun."""
    interrupt = sandbox.faults.inject(
        Interrupt("after"), service="cloudformation", operation="ExecuteChangeSet"
    )
    with interrupt, pytest.raises(KeyboardInterrupt):
        shifting.publish(package)


def test_shift_ends_without_the_process_that_began_it(
    shifting: Shifting, sandbox: Sandbox, eventually: Callable[..., Any]
) -> None:
    package = shifting.package(MACHINE, "next")
    interrupted_after_the_start(shifting, sandbox, package)
    eventually(lambda: shifting.publisher.stack_status == "UPDATE_COMPLETE")
    assert shifting.weights == {2: 100}

    assert shifting.publisher.plan(package).is_empty
    found, _ = shifting.publish(package)
    assert found is not None
    record = latest(shifting.account, shifting.publisher.stage.name)
    assert record is not None
    assert record.version == f"{shifting.machine}:2"


def test_rollback_of_somebody_else_ends_a_shift(
    shifting: Shifting, sandbox: Sandbox, eventually: Callable[..., Any]
) -> None:
    sandbox.configure(minute_seconds=60)
    stage, other = shifting.publisher.stage, Account(shifting.account.session)
    package, plans = shifting.package(MACHINE, "next"), list[Plan]()

    def rolls_back() -> None:
        with pytest.raises(PublishError) as busy:
            plan_for(other, stage, package)
        saw("Somebody else publishes during a shift", busy.value)
        eventually(lambda: (holder := current_holder(other, stage.name)) and holder.activity == "waits")
        back = roll_back(other, stage, choose(other, stage), confirm=lambda plan: not plans.append(plan))
        assert back is not None

    with pytest.raises(PublishError) as error:
        shifting.publish(package, rolls_back)
    assert len(plans) == 1, plans[1:]
    saw("Somebody rolls back during a shift", error.value, plans[0])
    assert (shifting.weights, shifting.publisher.stack_status) == ({1: 100}, "UPDATE_ROLLBACK_COMPLETE")
    ended = history(other, stage.name)[1]
    assert (ended.outcome, ended.reason) == ("taken back", f"a rollback by {other.caller} ended its shift")


def test_rollback_restores_all_at_once(shifting: Shifting) -> None:
    shifting.publish(shifting.package(MACHINE, "next"))
    first, _ = history(shifting.account, shifting.publisher.stage.name)
    steps: list[str] = []

    class Steps(NoProgress):
        def step(self, text: str) -> None:
            steps.append(text)

    roll_back(shifting.account, shifting.publisher.stage, first, confirm=lambda plan: True, progress=Steps())
    assert not any("until" in one for one in steps)
    assert shifting.weights == {3: 100}
    assert shifting.publisher.stack.outputs["LiveVersion"] == f"{shifting.machine}:3"
    assert shifting.publisher.plan(shifting.package(MACHINE)).is_empty


def check_alias_comes_before_the_rules(publisher: Publisher) -> None:
    """No event starts an execution of an alias that does not exist yet."""
    client = publisher.account.session.client("cloudformation")
    events = client.describe_stack_events(StackName=publisher.stage.stack_name)["StackEvents"][::-1]
    done = [one["LogicalResourceId"] for one in events if one["ResourceStatus"] == "CREATE_COMPLETE"]
    assert done.index("LiveAlias") < min(done.index(rule) for rule in ("Rule", "ReconcileRule"))
    assert publisher.stack.outputs["LiveVersion"].endswith(":1")


def test_alias_is_created_before_the_rules_and_set_right_if_somebody_moved_it(publisher: Publisher) -> None:
    first = publisher.publish()
    check_alias_comes_before_the_rules(publisher)
    publisher.publish(package := publisher.package(comment("next")))
    assert first is not None
    assert first.version is not None
    machine = first.outputs["StateMachine"]
    second = publisher.stack.outputs["LiveVersion"]
    publisher.account.machines.route(machine, ALIAS, {first.version: 90, second: 10})
    plan = publisher.plan(package)
    saw("Somebody moves the alias by hand", plan)
    assert plan.notes == [
        "New executions go to version 1 (90 %) and version 2 (10 %); a publish routes all of them to the current one."
    ]
    assert publisher.publish(package, agree=False) is None

    finished = publisher.publish(package)
    assert finished is not None
    assert finished.changed
    assert publisher.account.machines.weights(machine, ALIAS) == {second: 100}
    assert publisher.plan(package).is_empty
