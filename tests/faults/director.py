"""What happens in a schedule: loops start and end, events are delivered, things break, people act.

The director is an actor that chooses what happens next. After it, the world calms down: faults end, what is under way
arrives, the reconciler runs every hour, and a person acts on what the list of loops and the messages show.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.loops.start_request import StartError
from lambdas.reviews.errors import TransientServiceError
from lambdas.reviews.event import TERMINAL_STATUSES
from tests.faults.checks import Model
from tests.faults.choices import Choices
from tests.faults.scheduler import Actor, Fault, Stuck
from tests.faults.services import FLOWS, A2iLoop
from tests.faults.world import MACHINE, PARENT, Execution, Simulation
from workflow.errors import AfterloopError

__all__ = ["Options", "Schedule"]

MIN_LIFE = timedelta(seconds=10)
"""How old a loop is when it is deleted, at least: twice the seconds in which clocks differ."""
MAX_ACTIONS = 14
"""The most that happens in the storm, beside what follows from it."""
_ROUNDS = 12
"""How often the reconciler and a person get to act in the end."""

_EXPECTED = (AfterloopError, StartError, TransientServiceError, ClientError, BotoCoreError)
"""Errors that an operator's command may end with. Any other is a bug."""


@dataclass(frozen=True)
class Options:
    """Which worlds are drawn.

    Attributes:
        deletions: Loops may be deleted in A2I before their status change was handled.
        reuse: Names of deleted loops may be used again.
        told: A message by name is expected for each loop that needs a person.
        seconds: Some events have the creation time to the second.
        ages: More than a week may pass.
    """

    deletions: bool = True
    reuse: bool = True
    told: bool = True
    seconds: bool = True
    ages: bool = True


class Schedule:
    """One schedule, from the first loop to the calm at the end.

    Attributes:
        violations: What was wrong; empty if all held.

    Args:
        seed: Makes the choices.
        replay: The choices, instead.
        options: Which worlds are drawn.
        script: What happens, instead of what is chosen.
        plan: With a script: the number of a call → its fault.
    """

    _deliveries: tuple[int, ...] = (1, 0, 2, 3, 5)
    """How often an event may be delivered."""

    def __init__(
        self,
        seed: int,
        replay: list[int] | None = None,
        options: Options = Options(),
        script: Callable[[Schedule], None] | None = None,
        plan: dict[int, Fault] | None = None,
    ) -> None:
        self.choices = Choices(seed, replay)
        self.world = Simulation(seed, self.choices)
        self.model = Model(self.world)
        self._options, self._script, self._plan = options, script, plan
        self._scheduler, self._clock = self.world.scheduler, self.world.clock
        self._a2i = self.world.a2i
        self.calls_of_script = 0
        self._dead: list[Execution] = []
        self._time_format = "milliseconds"

    @property
    def violations(self) -> list[str]:
        """What was wrong."""
        return self.world.violations

    def run(self) -> Schedule:
        """Runs it."""
        world = self.world
        world.a2i.stopping = self._stopping
        world.a2i.seen = lambda loop: loop.seen_by.append(world.acting)
        world.ended = self._execution_ended
        with world.running():
            try:
                self._storm()
                self._calm()
                if not self.violations:
                    self.model.at_the_end()
            except Stuck as stuck:
                world.violated(str(stuck))
        return self

    def told(self) -> str:
        """Returns what happened, one line for each call and event."""
        return "\n".join(
            f"{seconds:12,.3f}  {who:34}  {what}" for seconds, who, what in self.world.scheduler.trace
        )

    def counts(self) -> Counter[str]:
        """Returns how much happened, for the summary."""
        executions = [one for one in self.world.executions.values() if one.machine == MACHINE]
        return Counter(
            {
                "schedules": 1,
                "calls": self.world.scheduler.calls,
                "loops": len(self._a2i.all),
                "executions": len(executions),
                "executions that died": len(self._dead),
                "functions": self.world.number("invocation") - 1,
                **{f"faults ({kind})": number for kind, number in self.world.scheduler.injected.items()},
            }
        )

    # The storm

    def _storm(self) -> None:
        choices = self.choices
        if self._script is not None:
            script = self._script
            self._scheduler.switch, self._scheduler.plan = 0.0, self._plan
            self._spawn("director", lambda: script(self))
            self._scheduler.run()
            self._scheduler.plan, self.calls_of_script = None, self._scheduler.calls
            return
        if self._options.seconds:
            self._time_format = choices.of(("milliseconds", "seconds"), zero=0.5)
        self._scheduler.faults = choices.of((0.0, 0.02, 0.08, 0.15))
        self._scheduler.again = choices.of((0.0, 0.5, 0.9))
        self._scheduler.switch = choices.of((0.05, 0.3, 0.8))
        self._spawn("director", self._direct)
        self._scheduler.run()

    def _direct(self) -> None:
        self._start_loop()
        for _ in range(self.choices.index(MAX_ACTIONS) + 2):
            self.choices.of(self._possible())()
            self._pause()

    def _possible(self) -> list[Callable[[], None]]:
        """Returns what can happen next, more often what is more likely to matter."""
        loops = self._a2i.loops.values()
        deletable = [loop for loop in loops if self._can_be_deleted(loop)]
        weights: list[tuple[Callable[[], None], int]] = [
            (self._pause, 4),
            (self._end_loop, 8 if any(loop.status == "InProgress" for loop in loops) else 0),
            (self._start_loop, 3),
            (self._start_elsewhere, 1),
            (self._reconcile, 3),
            (self._operate, 2),
            (self._act, 8 if self._needing_action() else 0),
            (self._abort, 2 if self._abortable() else 0),
            (self._outage, 1),
            (self._pass_time, 3),
            (partial(self._delete, deletable), 2 if deletable else 0),
            (self._reuse, 4 if self._free_names() else 0),
        ]
        return [action for action, weight in weights for _ in range(weight)]

    def _pause(self) -> None:
        # The others get some steps, or all that they can do without time passing.
        steps = self.choices.of((0, 1, 3, 10, 30))
        begun = self._scheduler.steps
        if steps:
            self._scheduler.wait(lambda: self._scheduler.steps < begun + steps, 5.0)

    def _spawn(self, name: str, work: Callable[[], Any], kind: str = "world", **more: Any) -> Actor:
        return self._scheduler.spawn(Actor(name, kind, work, immortal=kind in ("world", "delivery"), **more))

    def _start_loop(self) -> None:
        """A workflow asks people about an order; sometimes a second one, or again, with the same key."""
        self._ask(self.choices.of((1, 2)))

    def _ask(self, number: int) -> None:
        name = f"order-{number}-run-{self.world.number(f'order {number}')}"
        given = {"key": f"order {number}", "text": f"order {number}"}
        self._scheduler.say(f"starts {name}")
        self.world.start_execution(PARENT, name, json.dumps(given))

    def _start_elsewhere(self) -> None:
        """A loop that Afterloop did not start."""
        name = f"elsewhere-{self.choices.of((1, 2))}"
        if name not in self._a2i.loops and not self._names_of(name):
            self._start_outside(name)

    def _start_outside(self, name: str) -> None:
        self.world.acting = self._scheduler.current
        text = json.dumps({"text": f"outside {self.world.number('outside')}"})
        self._a2i.call(
            "StartHumanLoop",
            {
                "HumanLoopName": name,
                "FlowDefinitionArn": FLOWS[0],
                "HumanLoopInput": {"InputContent": text},
            },
        )
        self._scheduler.say(f"starts {name} in A2I, outside of Afterloop")

    def _names_of(self, name: str) -> list[A2iLoop]:
        return [loop for loop in self._a2i.all if loop.name == name]

    def _end_loop(self) -> None:
        open_loops = [loop for loop in self._a2i.loops.values() if loop.status == "InProgress"]
        if open_loops:
            self._end(self.choices.of(open_loops))

    def _end(self, loop: A2iLoop) -> None:
        how = self.choices.of(("Completed", "Failed", "Failed", "Failed", "Stopped"))
        if how == "Failed":
            loop.failure_code = self.choices.of(("InternalError", "Expired", "ValidationError"))
            loop.failure_reason = "simulated"
        self._finish(loop, how)

    def _finish(self, loop: A2iLoop, status: str) -> None:
        loop.status = status
        if status == "Completed" or (status == "Stopped" and self.choices.chance(0.3)):
            loop.answers = 1
            self.world.buckets.objects["outputs", loop.key] = loop.output()
        self._scheduler.say(f"A2I: {loop} ends as {status} {loop.failure_code or ''}".rstrip())
        times = self.choices.of(self._deliveries)
        for _ in range(times):
            self._deliver(loop, delay=self.choices.of((0, 0, 1, 60, 4000)))

    def _stopping(self, loop: A2iLoop) -> None:
        def stop() -> None:
            self._scheduler.sleep(2)
            if loop.status == "Stopping":
                self._finish(loop, "Stopped")

        self._spawn(f"A2I stops {loop.name}", stop)

    def _deliver(self, loop: A2iLoop, delay: float) -> None:
        event = loop.event(self._time_format)

        def deliver() -> None:
            if delay:
                self._scheduler.sleep(delay)
            loop.known = True
            name = f"event-{self.world.number('event')}-{loop.name}-{loop.status}"
            self.world.start_execution(MACHINE, name, json.dumps(event))

        self._spawn(f"delivery of {loop.name} {loop.status}", deliver, "delivery")

    def _reconcile(self) -> None:
        self.world.invocation("reconcile", {})

    def _execution_ended(self, execution: Execution) -> None:
        if execution.machine != MACHINE or execution.status == "SUCCEEDED":
            return
        if execution.status != "FAILED":
            self._dead.append(execution)
        if find_spec("lambdas.release_claim") is None:
            return
        for _ in range(self.choices.of((1, 2, 0))):
            self._report(execution, delay=self.choices.of((0, 0, 5, 600)))

    def _report(self, execution: Execution, delay: float) -> None:
        """EventBridge reports the end of an execution. Lambda retries the function twice."""
        detail = {"executionArn": execution.arn, "stateMachineArn": MACHINE, "status": execution.status}
        kind = {"source": "aws.states", "detail-type": "Step Functions Execution Status Change"}
        event = {**kind, "detail": detail}

        def report() -> None:
            if delay:
                self._scheduler.sleep(delay)
            for wait in (60, 120, 0):
                invocation = self.world.invocation("release_claim", event)
                self._scheduler.join(invocation)
                if not invocation.dead and invocation.error is None:
                    return
                self._scheduler.sleep(wait)
            self._report_failed(event)

        self._spawn(f"report of {execution.name}", report, "delivery")

    def _report_failed(self, event: Any) -> None:
        """The event is in the queue of undelivered events, which nobody reads here."""

    def _abortable(self) -> list[Execution]:
        return [
            one
            for one in self.world.executions.values()
            if one.status == "RUNNING" and one.machine == MACHINE and one.run.entered
        ]

    def _abort(self) -> None:
        self.world.abort(self.choices.of(self._abortable()))

    def _outage(self) -> None:
        service = self.choices.of(
            ("dynamodb", "lambda", "sagemaker-a2i-runtime", "s3", "sns", "stepfunctions")
        )
        self._scheduler.outage[service] = self._clock.now + timedelta(seconds=self.choices.of((5, 120, 1200)))
        self._scheduler.say(f"outage of {service}")

    def _pass_time(self) -> None:
        seconds = self.choices.of((10, 400, 3600, 86_400, *((12 * 86_400,) if self._options.ages else ())))
        self._scheduler.say(f"{seconds:,} s pass")
        self._clock.advance(seconds)

    def _can_be_deleted(self, loop: A2iLoop) -> bool:
        return loop.status in TERMINAL_STATUSES and (self._options.deletions or self._is_done(loop))

    def _delete(self, loops: list[A2iLoop]) -> None:
        loop = self.choices.of(loops)
        # Two loops of a name are told apart by their creation times. Nobody starts, ends, deletes and starts a loop
        # again within the seconds in which clocks differ.
        if loop.created > self._clock.now - MIN_LIFE:
            return
        self._scheduler.say(f"{loop} is deleted in A2I")
        self._a2i.delete(loop)

    def _is_done(self, loop: A2iLoop) -> bool:
        executions = self.world.executions
        return any(
            self.model.is_about(claim, loop)
            and held[0] == "done"
            and executions[held[1]].status == "SUCCEEDED"
            for claim, held in self.model.claims.items()
        )

    def _free_names(self) -> list[str]:
        if not self._options.reuse:
            return []
        return sorted({loop.name for loop in self._a2i.all if loop.deleted} - set(self._a2i.loops))

    def _reuse(self) -> None:
        name = self.choices.of(self._free_names())
        # While Afterloop starts a loop, nobody else starts one with its name and flow definition: A2I does not return
        # the input of a loop, so a start that is resumed could not tell that the loop is somebody else's.
        row = self.world.ledger.item(name)
        if row is None or row["status"] != {"S": "Starting"}:
            self._start_outside(name)

    # People

    def _needing_action(self) -> list[str]:
        shown = ("failed", "escalated", "notified", "processing")
        return sorted(key for key, outcome in self.model.outcomes.items() if outcome in shown)

    def _act(self) -> None:
        """One or two people do something about a loop that is not done."""
        name = self.choices.of(self._needing_action())
        for _ in range(self.choices.of((1, 2, 3))):
            self._command(self.choices.of(("redrive", "close", "restart")), name)

    def _operate(self) -> None:
        names = sorted({loop.name for loop in self._a2i.all})
        if not names:
            return
        name = self.choices.of(names)
        # Often two people act on one loop at once.
        for _ in range(self.choices.of((1, 2))):
            self._operate_on(name)

    def _operate_on(self, name: str) -> None:
        what = self.choices.of(("redrive", "close", "restart", "stop", "reconcile", "redrive execution"))
        if what == "redrive execution":
            failed = [one for one in self.world.executions.values() if one.machine == MACHINE and one.stopped]
            if failed:
                self._redrive_execution(self.choices.of(failed).arn)
            return
        self._command(what, name)

    def _redrive_execution(self, arn: str) -> None:
        name = f"redrive --execution {arn.rpartition(':')[2]}"
        self._person(name, lambda: self.world.operator().redrive_execution(arn))

    def _command(self, what: str, name: str) -> Actor:
        def act() -> Any:
            loops = self.world.operator()
            if what == "close":
                return loops.close(name, "not needed")
            if what == "reconcile":
                return loops.reconcile()
            return getattr(loops, what)(name)

        return self._person(f"{what} {name}", act)

    def _person(self, name: str, act: Callable[[], Any]) -> Actor:
        def work() -> Any:
            try:
                return act()
            except _EXPECTED as error:
                self._scheduler.current.error = error
                self._scheduler.say(f"{type(error).__name__}: {error}")
                return None
            except Exception as error:
                self.world.violated(f"the command {name} fails with a bug: {type(error).__name__}: {error}")
                raise

        return self._spawn_person(f"loops {name}", work)

    def _spawn_person(self, name: str, work: Callable[[], Any]) -> Actor:
        return self._scheduler.spawn(Actor(f"{name} ({self.world.number('person')})", "person", work))

    # For scripts

    def ask(self) -> None:
        """A workflow asks people about an order."""
        self._start_loop()

    def settle(self) -> None:
        """Waits until everything that was begun is done."""
        me = self._scheduler.current

        def busy() -> bool:
            now = self._clock.now
            return any(
                one is not me and (one.wake is not None or one.is_ready(now))
                for one in self._scheduler.actors
            )

        self._scheduler.wait(busy)

    def finish(self, status: str, code: str | None = None, *, times: int = 1, output: bool = True) -> None:
        """The newest open loop ends, and its event is delivered some times."""
        open_loops = [loop for loop in self._a2i.loops.values() if loop.status == "InProgress"]
        if not open_loops:
            return  # a fault kept it from being started
        loop = open_loops[-1]
        loop.status, loop.failure_code, loop.answers = status, code, int(status == "Completed")
        self._scheduler.say(f"A2I: {loop} ends as {status} {code or ''}".rstrip())
        if output and loop.answers:
            self.world.buckets.objects["outputs", loop.key] = loop.output()
        for _ in range(times):
            self._deliver(loop, delay=0)

    def abort(self, state: str) -> None:
        """A person stops the executions when one gets to a state."""

        def arrived() -> bool:
            return any(one.run.entered[-1] == state for one in self._abortable())

        self._scheduler.wait(lambda: not arrived(), 5.0)
        for execution in self._abortable():
            self.world.abort(execution)

    def delete(self) -> None:
        """The newest loop, which has ended, is deleted in A2I. Its event is late."""
        if not self._a2i.loops:
            return  # a fault kept it from being started
        loop = list(self._a2i.loops.values())[-1]
        self._scheduler.say(f"{loop} is deleted in A2I")
        self._a2i.delete(loop)
        self._clock.advance(600)

    def deliver(self) -> None:
        """The event of the newest loop arrives."""
        if self._a2i.all:
            self._deliver(self._a2i.all[-1], delay=0)

    def write_output(self) -> None:
        """The outputs of completed loops are there at last."""
        for loop in self._a2i.all:
            if loop.status == "Completed":
                self.world.buckets.objects.setdefault(("outputs", loop.key), loop.output())

    def command(self, what: str) -> None:
        """A person runs a command about the newest loop."""
        if self._a2i.all:
            self._command(what, self._a2i.all[-1].name)

    # The calm

    def _calm(self) -> None:
        scheduler = self._scheduler
        scheduler.faults, scheduler.switch = 0.0, 0.0
        scheduler.outage.clear()
        scheduler.broken = lambda actor, call: False
        scheduler.say("*** calm")
        scheduler.run()
        for _ in range(_ROUNDS):
            before = self._state()
            self._spawn("workers", self._finish_all)
            scheduler.run()
            self._clock.advance(3600)
            self._reconcile()
            scheduler.run()
            self._check_told()
            self._act_on_what_is_shown()
            scheduler.run()
            if scheduler.stopped or before == self._state():
                return

    def _state(self) -> Any:
        rows = {
            key: {name: value for name, value in item.items() if name != "updatedAt"}
            for key, item in self.world.ledger.items().items()
            if "status" in item or "taskTokens" in item  # not how far the reconciler has read
        }
        return rows, [loop.status for loop in self._a2i.all], len(self.world.topics.messages)

    def _finish_all(self) -> None:
        for loop in list(self._a2i.loops.values()):
            if loop.status == "InProgress":
                loop.status, loop.answers = "Completed", 1
                self.world.buckets.objects["outputs", loop.key] = loop.output()
                self._scheduler.say(f"A2I: {loop} ends as Completed")
                self._deliver(loop, 0)

    def _act_on_what_is_shown(self) -> None:
        for row in list(self.model.rows()):
            # A2I confirms nothing of a loop that was deleted after its end. The message says what a person can do.
            is_unconfirmed = "A2I does not have the loop" in (row.reason or "")
            if row.outcome == "failed":
                self._command("close" if is_unconfirmed else "redrive", row.human_loop_name)
            elif row.outcome == "escalated" or (row.outcome == "closed" and row.waiting):
                self._command("close", row.human_loop_name)
            self._scheduler.run()
        for message in self.world.topics.messages:
            # A status change that no row shows: its message has the execution.
            if "--execution " in message.get("command", "") and "acted" not in message:
                message["acted"] = True
                arn = message["execution"].rpartition("/")[2]
                self._redrive_execution(arn)
                self._scheduler.run()

    def _check_told(self) -> None:
        """Checks that a person was told by name of each loop that needs one."""
        if not self._options.told:
            return
        told = {message.get("humanLoopName") for message in self.world.topics.messages}
        for row in self.model.rows():
            if row.outcome in ("failed", "escalated") and not told & {row.human_loop_name, row.name}:
                self.world.violated(
                    f"{row.human_loop_name} is {row.outcome}, and nobody was told: {row.reason}"
                )
