"""Schedules in which everybody acts at once on one loop whose execution died."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.faults.director import Schedule
from tests.faults.services import A2iLoop

__all__ = ["Racing"]

_ROUNDS = 2
_DEATHS = {
    "Completed": ("Collect review", "Record review", "Answer workflow"),
    "Failed": ("Restart or escalate?", "Record escalation", "Answer workflow", "Restart loop"),
}
"""Status of a loop → the states in which the execution dies."""
_MAX_AT_ONCE = 5


class Racing(Schedule):
    """An execution dies while it holds a claim. Then people, the report of its end and the reconciler act at once."""

    def _direct(self) -> None:
        self._scheduler.faults = self.choices.of((0.0, 0.0, 0.02))
        self._scheduler.switch = self.choices.of((0.8, 0.5))
        self._start_loop()
        self.settle()
        for _ in range(_ROUNDS):
            loops = [loop for loop in self._a2i.loops.values() if loop.status == "InProgress"]
            if not loops:
                return
            self._race(loops[-1])
            self.settle()

    def _race(self, loop: A2iLoop) -> None:
        loop.status = self.choices.of(("Failed", "Completed"))
        if loop.status == "Completed":
            loop.answers = 1
            self.world.buckets.objects["outputs", loop.key] = loop.output()
        else:
            # Some failures are restarted by the workflow, others by a person.
            loop.failure_code = self.choices.of(("ValidationError", "InternalError"))
        self._scheduler.say(f"A2I: {loop} ends as {loop.status}")
        self._deliver(loop, delay=0)
        self.abort(self.choices.of(_DEATHS[loop.status]))
        # People act on what they see: at once, or after the report or the reconciler has released the claim.
        self._scheduler.sleep(self.choices.of((0, 1, 400)))
        rivals: list[Callable[[], object]] = [
            *(partial(self._command, what, loop.name) for what in ("redrive", "close", "restart", "redrive")),
            self._reconcile,
            *(partial(self._report, one, delay=0) for one in self._dead[-1:]),
        ]
        for _ in range(self.choices.of((2, 3, _MAX_AT_ONCE))):
            self.choices.of(rivals)()
            self._pause()
