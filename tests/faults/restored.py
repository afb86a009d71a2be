"""Schedules in which items of the ledger are lost, and put back as they were at an earlier time.

docs/how-to/restore.md has the steps, and says what does not come back: decisions of people, inputs of loops that were
started after that time, and task tokens. Messages and steps are repeated. So what was handled after that time may be
handled once more; from then on, everything that is checked in other schedules holds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.faults.director import Options, Schedule
from tests.faults.world import PARENT, Execution

__all__ = ["Restored"]


class Restored(Schedule):
    """An accident, the steps of the how-to page, and everything else at the same time. A2I still has all loops."""

    def __init__(self, seed: int, replay: list[int] | None = None, **more: Any) -> None:
        options = replace(more.pop("options", Options()), deletions=False, reuse=False)
        super().__init__(seed, replay, options, **more)
        self._restored_to: datetime | None = None

    def _possible(self) -> list[Callable[[], None]]:
        accident = 10 if self._restored_to is None and self.world.ledger.items() else 0
        return [*super()._possible(), *[self._accident] * accident]

    def _accident(self) -> None:
        ledger = self.world.ledger
        before = self.choices.of((0, 1, 10, 600, 86_400))
        moment = self._restored_to = max(self._clock.start, self._clock.now - timedelta(seconds=before))
        some = self.choices.of((False, True))
        rows = [key for key in ledger.items() if not key.startswith("tokens ")]
        lost = [key for key in rows if not some or self.choices.chance(0.5)]
        for key in lost:
            ledger.lose(key)
            self.model.restored(key)
        self._scheduler.say(f"deletes {', '.join(lost)} by accident")
        gap = self.choices.of((0, 5, 400))

        def restore() -> None:
            if gap:
                self._scheduler.sleep(gap)
            back = ledger.put_back(moment)
            for key in back:
                self.model.restored(key)
            self._scheduler.say(f"puts back {', '.join(back)} as {before:,} s before the accident")
            self._catch_up()

        self._spawn("restore", restore)

    def _catch_up(self) -> None:
        since = self._restored_to
        self._person("reconcile --since", lambda: self.world.operator().reconcile(since=since))

    # The calm

    def _act_on_what_is_shown(self) -> None:
        if self._restored_to is not None:
            self._catch_up()
            self._scheduler.run()
        super()._act_on_what_is_shown()
        if self._restored_to is not None:
            for execution in self._waiting():
                self._scheduler.say(
                    f"stops and redrives {execution.name}, which waits for a loop that has ended"
                )
                self.world.abort(execution)
                self._scheduler.run()
                self.world.redrive_execution(execution)
                self._scheduler.run()

    def _waiting(self) -> list[Execution]:
        """The workflows that still wait although all loops have ended: their tokens were lost."""
        if any(loop.status in ("InProgress", "Stopping") for loop in self._a2i.all):
            return []
        return [
            one for one in self.world.executions.values() if one.machine == PARENT and one.status == "RUNNING"
        ]
