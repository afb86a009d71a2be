"""Schedules in which a loop is deleted in A2I before its event arrives, which is late."""

from __future__ import annotations

from tests.faults.director import Schedule
from tests.faults.services import A2iLoop

__all__ = ["Deleting"]

_MAX_MORE = 8
"""The most that happens after that."""


class Deleting(Schedule):
    """The reconciler finds that a loop is gone, and A2I's own event arrives before, while or after it is escalated."""

    def _direct(self) -> None:
        self._start_loop()
        for _ in range(3):
            self._pause()
        loops = [loop for loop in self._a2i.loops.values() if loop.status == "InProgress"]
        if loops:
            self._lose(loops[0])
        for _ in range(self.choices.index(_MAX_MORE)):
            self.choices.of(self._possible())()
            self._pause()

    def _lose(self, loop: A2iLoop) -> None:
        choices = self.choices
        self._clock.advance(choices.of((15, 400)))
        if choices.chance(0.3):
            self._reconcile()  # then the ledger knows when the loop was created
            self._pause()
        loop.status = choices.of(("Completed", "Completed", "Stopped", "Failed"))
        if loop.status == "Failed":
            loop.failure_code = choices.of(("InternalError", "ValidationError"))
        if loop.status == "Completed":
            loop.answers = 1
            self.world.buckets.objects["outputs", loop.key] = loop.output()
        self._scheduler.say(f"A2I: {loop} ends as {loop.status}, and is deleted")
        self._a2i.delete(loop)
        self._clock.advance(choices.of((400, 4000)))
        self._pause()
        for _ in range(choices.of((1, 2))):
            self._reconcile()
        for _ in range(choices.of((1, 2))):
            self._deliver(loop, delay=choices.of((0, 0, 1, 3, 60, 500)))
        self._pause()
