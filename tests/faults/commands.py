"""Commands on many loops or messages: run by one or two people, interrupted by Ctrl-C, and repeated."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.faults.director import Schedule
from workflow.operations.several import Interruption, Results

__all__ = ["Commands"]

_IS_BUG = re.compile(r"[A-Z]\w*(Error|Exception): ")


class Commands(Schedule):
    """Runs commands, and checks what they report."""

    def _run_command(
        self, name: str, run: Callable[[Interruption], Results], *, calm: bool = False
    ) -> Results:
        """Lets a person run a command.

        Args:
            name: The command.
            run: Runs it.
            calm: Nothing fails and nobody interrupts it.

        Returns:
            What the command reported, once it has ended.
        """
        interruption, reported = Interruption(), Results()

        def act() -> None:
            found = run(interruption)
            reported.results, reported.left, reported.stopped = found.results, found.left, found.stopped
            self._scheduler.say(f"reports {[one.result for one in found.results]}, {found.stopped}")
            self._check_results(name, found, calm=calm)

        self._person(name, act)
        if not calm and self.choices.chance(0.3):
            self._interrupt(name, interruption)
        return reported

    def _interrupt(self, name: str, interruption: Interruption) -> None:
        steps = self.choices.of((3, 10, 30))
        begun = self._scheduler.steps

        def press() -> None:
            self._scheduler.wait(lambda: self._scheduler.steps < begun + steps, 60.0)
            self._scheduler.say(f"presses Ctrl-C in {name}")
            interruption.request()

        self._spawn(f"Ctrl-C in {name}", press)

    def _check_results(self, name: str, found: Results, *, calm: bool) -> None:
        # A message that is held for too long is read again. Its event starts no second execution.
        named = [one.name for one in found.results if one.message_id is None]
        for again in {one for one in named if named.count(one) > 1}:
            self.world.violated(f"{name} processes {again} twice")
        for one in found.results:
            if one.result == "error" and (calm or _IS_BUG.match(one.detail)):
                self.world.violated(f"{name} fails for {one.name}: {one.detail}")
            ended = self.world.executions.get(one.execution or "")
            wanted = {"done": ("SUCCEEDED",), "failed": ("FAILED", "ABORTED", "TIMED_OUT")}.get(one.result)
            # An execution that failed may have been redriven since.
            if ended and wanted and ended.status not in wanted and not ended.redrives:
                self.world.violated(
                    f"{name} reports {one.result} for {one.name}, and its execution is {ended.status}"
                )
        if calm and (found.left or found.stopped):
            self.world.violated(f"{name} stops: {found.stopped}, {found.left} left")
