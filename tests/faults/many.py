"""Schedules with commands on many loops: by filter, by two people at once, interrupted and repeated."""

from __future__ import annotations

from datetime import timedelta

from tests.faults.commands import Commands
from tests.faults.director import Schedule
from workflow.operations.several import (
    DEFAULT_OUTCOMES,
    Interruption,
    Operation,
    Results,
    Selection,
    process,
)

__all__ = ["Many"]

MAX_ORDERS = 6


class Many(Commands, Schedule):
    """Many loops need action. In the end, commands on all of them leave none."""

    def _direct(self) -> None:
        for number in range(1, self.choices.of((3, MAX_ORDERS)) + 1):
            self._ask(number)
        for _ in range(self.choices.of((1, 2, 3))):
            self._scheduler.sleep(self.choices.of((1, 30)))
            self._end_all()
            self._scheduler.sleep(self.choices.of((0.01, 1, 30)))
            self.choices.of((self._pause, self._abort_all, self._outage, self._reconcile, self._act_on_one))()
            self._scheduler.sleep(self.choices.of((1, 30, 700)))
            if self._operations():
                self._several()

    def _act_on_one(self) -> None:
        if self._needing_action():
            self._act()

    def _end_all(self) -> None:
        """An outage, or an input that A2I rejects: all loops fail at once."""
        for loop in list(self._a2i.loops.values()):
            if loop.status == "InProgress":
                loop.status = "Failed"
                loop.failure_code = self.choices.of(("ValidationError", "InternalError"))
                self._scheduler.say(f"A2I: {loop} ends as Failed {loop.failure_code}")
                self._deliver(loop, delay=0)

    def _abort_all(self) -> None:
        """Somebody stops all executions of the workflow."""
        for execution in self._abortable():
            self.world.abort(execution)

    def _operations(self) -> list[Operation]:
        """Returns the operations that have something to do."""
        there = set(self.model.outcomes.values())
        return [operation for operation, outcomes in DEFAULT_OUTCOMES.items() if there & {*outcomes}]

    def _several(self) -> None:
        operation = self.choices.of(self._operations())
        selection = self.choices.of(
            (
                Selection(),
                Selection(),
                Selection(failure_code="ValidationError"),
                Selection(outcome="failed"),
                Selection(since=self._clock.now - timedelta(hours=1)),
            )
        )
        at_once, wait = self.choices.of((1, 3, 10)), self.choices.of((True, False))
        # Two people run the same command, or one runs it again after Ctrl-C.
        for _ in range(self.choices.of((1, 2, 2))):
            self._run_several(operation, selection, at_once, wait=wait)
            self._pause()

    def _run_several(
        self,
        operation: Operation,
        selection: Selection,
        at_once: int,
        *,
        wait: bool = True,
        calm: bool = False,
    ) -> None:
        def run(interruption: Interruption) -> Results:
            loops = self.world.operator()
            names = [loop.human_loop_name for loop in loops.select(operation, selection).loops]
            actions = {
                "redrive": loops.actions.redrive(interruption, wait=wait),
                "restart": loops.actions.restart(interruption),
                "close": loops.actions.close(interruption, "not needed"),
            }
            action = actions[operation]
            found = process(names, action, at_once=at_once, interruption=interruption, keep_going=calm)
            if len(found.results) + found.left != len(names):
                self.world.violated(f"{operation} of {len(names)} loops reports {len(found.results)} of them")
            return found

        self._run_command(f"{operation} of several", run, calm=calm)

    def _act_on_what_is_shown(self) -> None:
        for operation in ("redrive", "close"):
            self._run_several(operation, Selection(), 3, calm=True)
            self._scheduler.run()
        super()._act_on_what_is_shown()
