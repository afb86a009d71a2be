"""`benchmarks.pairs` runs subjects in turns and compares them round by round."""

from __future__ import annotations

import pytest

from benchmarks.pairs import Ratio, in_turns, timed


def test_in_turns_alternates_and_leaves_out_the_first_run() -> None:
    order: list[str] = []

    def subject(name: str) -> float:
        order.append(name)
        return float(len(order))

    times = in_turns({"a": lambda: subject("a"), "b": lambda: subject("b")}, rounds=2)
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert times == {"a": [3, 5], "b": [4, 6]}


def test_ratio_compares_runs_of_the_same_round() -> None:
    # The machine was ten times slower in the second round. The ratio is 2 in both.
    assert Ratio.of([2.0, 20.0], [1.0, 10.0]) == Ratio(median=2.0, low=2.0, high=2.0, rounds=2)


def test_ratio_prints_median_and_spread() -> None:
    assert str(Ratio.of([1.0, 2.0, 3.0, 4.0, 5.0], [1.0] * 5)) == "3.00 (middle half 2.00 to 4.00, 5 rounds)"


def test_ratio_refuses_results_of_different_rounds() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Ratio.of([1.0, 2.0], [1.0])


def test_timed_runs_the_action_as_often_as_asked() -> None:
    calls: list[int] = []
    assert timed(lambda: calls.append(1), repeats=3)() >= 0
    assert len(calls) == 3
