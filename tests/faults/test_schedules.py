"""A sample of the schedules of `make faults`: whatever fails, in any order, each loop that ends is handled once."""

from __future__ import annotations

import pytest

from tests.faults.choices import shrunk
from tests.faults.director import Schedule
from tests.faults.kinds import KINDS, Kind, schedule_of
from tests.faults.report import explained
from tests.faults.scripts import SCRIPTS, singles
from workflow import ROOT

SAMPLE = 24


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_loop_is_handled_once_or_a_person_knows(kind: Kind) -> None:
    for seed in range(kind.first, kind.first + max(2, int(SAMPLE * kind.share))):
        if schedule_of(seed).run().violations:
            pytest.fail(explained(seed))


def test_dying_after_any_call_loses_nothing() -> None:
    for name, schedule in singles("completed", ("kill after",)):
        assert not schedule.violations, f"{name}\n{schedule.told()}"


def test_scripts_use_every_function() -> None:
    """So that `make faults` kills each function between any two of its calls."""
    used: set[str] = set()
    for script in SCRIPTS.values():
        schedule = Schedule(0, [], script=script, plan={}).run()
        used |= {who.partition(" #")[0] for _, who, _ in schedule.world.scheduler.trace if " #" in who}
    assert used == {path.stem for path in (ROOT / "lambdas").glob("[a-z]*.py")}


def test_seed_reproduces_schedule() -> None:
    first, second = Schedule(7).run(), Schedule(7).run()
    assert first.told() == second.told()
    replayed = Schedule(7, first.choices.made).run()
    assert replayed.told() == first.told()


def test_choices_of_failing_schedule_are_shortened() -> None:
    def fails(choices: list[int]) -> list[int] | None:
        return choices if 7 in choices and 4 in choices else None

    assert shrunk([1, 2, 7, 3, 5, 4, 9, 8], fails, tries=100) == [7, 4]
