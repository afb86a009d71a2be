"""Schedules in which every event is delivered 1 to 5 times, in any order and in parallel."""

from __future__ import annotations

from tests.faults.director import Schedule

__all__ = ["Repeated"]


class Repeated(Schedule):
    """Several loops end at the same time. No event is lost, and others often continue between two calls."""

    _deliveries = (1, 2, 3, 4, 5)

    def _direct(self) -> None:
        self._scheduler.switch = self.choices.of((0.8, 0.5))
        self._start_loop()
        self._start_loop()
        self._start_elsewhere()
        self._scheduler.sleep(self.choices.of((30, 1)))
        for loop in list(self._a2i.loops.values()):
            if loop.status == "InProgress":
                self._end(loop)
        super()._direct()
