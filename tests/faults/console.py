"""Schedules in which people press Redrive in the console of Step Functions."""

from __future__ import annotations

from collections.abc import Callable

from lambdas.loops.abandoned import FAILED_STATUSES
from tests.faults.director import Schedule
from tests.faults.world import MACHINE, Execution

__all__ = ["Console"]


class Console(Schedule):
    """The execution continues from the state that failed, with the same input, whatever has happened since.

    Executions of workflows that ask people are redriven, too. What `loops redrive` does at the same time is another
    execution of the same status change.
    """

    def _possible(self) -> list[Callable[[], None]]:
        abort, press = 6 if self._abortable() else 0, 14 if self._redrivable() else 0
        return [*super()._possible(), *[self._abort] * abort, *[self._press] * press]

    def _redrivable(self) -> list[Execution]:
        return [one for one in self.world.executions.values() if one.status in FAILED_STATUSES]

    def _press(self) -> None:
        # More often an execution of the workflow, and the newest one: it is on top of the console's list.
        failed = self._redrivable()
        ours = [one for one in failed if one.machine == MACHINE]
        execution = self.choices.of([*(ours or failed)[-1:], *failed])
        for _ in range(self.choices.of((1, 1, 2))):
            self._redrive_in_console(execution)
            self._pause()
        if execution.machine == MACHINE and self.choices.chance(0.3):
            # A colleague does not know of it.
            name = execution.event["detail"]["humanLoopName"]
            self._command(self.choices.of(("redrive", "close", "restart")), name)

    def _redrive_in_console(self, execution: Execution) -> None:
        if execution.status in FAILED_STATUSES:
            self._scheduler.say(f"presses Redrive for {execution.name}")
            self.world.redrive_execution(execution)
