"""What keeps failing until somebody repairs it: each step of the workflow, each function, each service.

The loop ends while it fails. A message about the loop has to arrive in time, and when the cause is repaired, a person
who does what the message says gets the loop handled. docs/reliability.md names these tests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.faults.director import Options, Schedule
from tests.faults.scheduler import Actor, Call
from tests.faults.world import MACHINE, Execution
from workflow.machine import build_definition


class Broken(Schedule):
    """A loop ends while some calls fail in each try. They work again in the calm.

    Args:
        script: What happens. It begins when the loop has been started.
        fails: Given who makes a call, and the call: whether it fails.

    Attributes:
        refused: How many calls failed.
        kept: The events that ReleaseClaim failed to process.
        runs: The runs of the reconciler.
    """

    def __init__(self, script: Callable[[Schedule], None], fails: Callable[[Actor, Call], bool]) -> None:
        super().__init__(0, [], Options(), self._play, {})
        self._happens, self._fails = script, fails
        self.refused = 0
        self.kept: list[Any] = []
        self.runs: list[Actor] = []

    def _play(self, schedule: Schedule) -> None:
        self.ask()
        self.settle()
        self._scheduler.broken = self._refuses
        self._begun = self._clock.now
        self._happens(self)
        self.settle()

    def _execution_ended(self, execution: Execution) -> None:
        """EventBridge reports it, once and at once."""
        if execution.machine == MACHINE and execution.status != "SUCCEEDED":
            self._report(execution, delay=0)

    def _report_failed(self, event: Any) -> None:
        self.kept.append(event)

    def _refuses(self, actor: Actor, call: Call) -> bool:
        fails = self._fails(actor, call)
        self.refused += fails
        return fails

    def pass_an_hour(self) -> None:
        """Time passes, and the reconciler runs."""
        self._clock.advance(3600)
        self.runs.append(self.world.invocation("reconcile", {}))
        self.settle()

    def told_within(self, kind: str) -> timedelta:
        """Returns how long after the end of the loop the first message of a kind was sent."""
        sent: list[datetime] = [one["at"] for one in self.world.topics.messages if one.get("kind") == kind]
        assert sent, f"no {kind} among {[one.get('kind') for one in self.world.topics.messages]}"
        return min(sent) - self._begun


@dataclass(frozen=True)
class Case:
    """A step that keeps failing.

    Attributes:
        script: What happens to the loop.
        kind: The kind of message that a person gets.
        minutes: How long that may take.
        beside: The step that fails before it, so that it is reached.
    """

    script: Callable[[Any], None]
    kind: str = "step-failed"
    minutes: int = 2
    beside: str = ""


def completed(schedule: Schedule) -> None:
    schedule.finish("Completed")


def delivered_twice(schedule: Schedule) -> None:
    schedule.finish("Completed", times=2)


def failed(schedule: Schedule) -> None:
    schedule.finish("Failed", "InternalError")


def rejected(schedule: Schedule) -> None:
    schedule.finish("Failed", "ValidationError")


def stopped(schedule: Schedule) -> None:
    schedule.finish("Stopped")


def stopped_with_answers(schedule: Any) -> None:
    schedule.command("stop")


def deleted(schedule: Schedule) -> None:
    """A2I's own event comes after the loop was deleted, and escalated as that."""
    schedule.finish("Completed", times=0)
    schedule.delete()
    schedule.command("reconcile")
    schedule.settle()
    schedule.deliver()


HOUR = 70
"""Minutes until the reconciler has run, which does what a lost report of an execution's end would have done."""
STEPS = {
    "Claim status change": Case(completed, "event-unclaimed"),
    "Read the row": Case(delivered_twice, "event-unclaimed"),
    "Claim again": Case(deleted, "event-unclaimed", minutes=20),
    "Escalate unclaimed event": Case(completed, "execution-ended", minutes=5, beside="Claim status change"),
    "Collect review": Case(completed),
    "Record review": Case(completed),
    "Answer workflow": Case(completed),
    "Restart or escalate?": Case(failed),
    "Restart loop": Case(failed, minutes=4),
    "Record restart": Case(failed, minutes=4),
    "Escalate failed loop": Case(rejected),
    "Record escalation": Case(rejected),
    "Keep answers": Case(stopped_with_answers),
    "Notify stopped": Case(stopped),
    "Record stop": Case(stopped),
    "Escalate": Case(completed, "execution-ended", minutes=5, beside="Collect review"),
    "Give claim back": Case(completed, beside="Collect review"),
}
TASKS = [name for name, state in build_definition()["States"].items() if state["Type"] == "Task"]


@pytest.mark.parametrize("step", TASKS)
def test_person_is_told_of_a_step_that_keeps_failing(step: str) -> None:
    case = STEPS[step]
    steps = {step, case.beside}
    schedule = Broken(case.script, lambda actor, call: actor.kind == "execution" and actor.where in steps)
    schedule.run()
    assert any(f"[{step}]" in line and "refused (error)" in line for line in schedule.told().splitlines())
    assert schedule.told_within(case.kind) <= timedelta(minutes=case.minutes), schedule.told()
    assert not schedule.violations, schedule.told()


def aborted(schedule: Schedule) -> None:
    schedule.finish("Completed")
    schedule.abort("Collect review")


def lost(schedule: Any) -> None:
    """The event is lost, and the reconciler runs twice."""
    schedule.finish("Completed", times=0)
    for _ in range(2):
        schedule.pass_an_hour()


FUNCTIONS = {
    "answer_workflow": Case(completed),
    "collect_review": Case(completed),
    "decide_restart": Case(failed),
    "restart_loop": Case(failed, minutes=4),
    "release_claim": Case(aborted, "execution-ended", HOUR),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_person_is_told_of_a_function_whose_calls_keep_failing(function: str) -> None:
    case = FUNCTIONS[function]
    schedule = Broken(case.script, lambda actor, call: actor.name.startswith(f"{function} "))
    schedule.run()
    assert schedule.refused
    assert schedule.told_within(case.kind) <= timedelta(minutes=case.minutes), schedule.told()
    assert not schedule.violations, schedule.told()


SERVICES = {
    "dynamodb": Case(completed, "event-unclaimed"),
    "lambda": Case(completed),
    "s3": Case(completed),
    "sagemaker-a2i-runtime": Case(completed),
}


@pytest.mark.parametrize("service", SERVICES)
def test_person_is_told_of_a_loop_that_ends_while_a_service_is_down(service: str) -> None:
    case = SERVICES[service]
    schedule = Broken(case.script, lambda actor, call: call.service == service)
    schedule.run()
    assert schedule.refused
    assert schedule.told_within(case.kind) <= timedelta(minutes=case.minutes), schedule.told()
    assert not schedule.violations, schedule.told()


def test_message_that_sns_refused_is_sent_when_sns_works_again() -> None:
    schedule = Broken(rejected, lambda actor, call: call.service == "sns")
    schedule.run()
    assert schedule.refused
    assert schedule.kept  # in the queue UndeliveredEvents, which has an alarm
    assert schedule.told_within("execution-ended") <= timedelta(minutes=HOUR)
    assert not schedule.violations, schedule.told()


@pytest.mark.parametrize("what", ["stepfunctions", "reconcile", "the Region"])
def test_lost_event_is_processed_when_the_reconciler_works_again(what: str) -> None:
    """Its own calls fail, such as for a lost permission; Step Functions starts nothing; or all calls fail."""
    schedule = Broken(
        lost, lambda actor, call: what in (call.service, actor.name.partition(" ")[0], "the Region")
    )
    schedule.run()
    assert schedule.refused
    assert not schedule.violations, schedule.told()
    # Lambda counts these errors, and the alarm on them goes off.
    assert [type(one.error).__name__ for one in schedule.runs] == ["ReconciliationIncomplete"] * 2
