"""A sample of the schedules of `make faults`: whatever fails, in any order, each loop that ends is handled once."""

from __future__ import annotations

import pytest

from tests.faults.choices import Choices, shrunk
from tests.faults.director import Schedule
from tests.faults.report import explained

SAMPLE = 60


@pytest.mark.parametrize("first", range(0, SAMPLE, 20))
def test_each_loop_is_handled_once_or_a_person_knows(first: int) -> None:
    for seed in range(first, first + 20):
        if Schedule(seed).run().violations:
            pytest.fail(explained(seed))


def test_seed_reproduces_schedule() -> None:
    first, second = Schedule(7).run(), Schedule(7).run()
    assert first.told() == second.told()
    replayed = Schedule(7, first.choices.made).run()
    assert replayed.told() == first.told()


def test_choices_of_failing_schedule_are_shortened() -> None:
    def fails(choices: list[int]) -> list[int] | None:
        made = Choices(0, choices)
        values = [made.index(10) for _ in range(20)]
        return made.made if 7 in values and values[3:].count(4) else None

    assert sorted(shrunk([1, 2, 7, 3, 5, 4, 9, 8], fails, tries=200)) in (
        [0, 0, 4, 7],
        [0, 0, 0, 4, 7],
        [0, 4, 7],
    )
