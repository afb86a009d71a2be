"""Tests of how reviews were chosen: which are certain, which are a random sample, and with which rate."""

from __future__ import annotations

import math

import pytest

from workflow.operations.report import selection
from workflow.operations.report.selection import (
    BY_CONDITION,
    UNKNOWN,
    SelectionCounts,
    sampling_rate,
    stratum_of,
)

LOW = "ImportantFormKeyConfidenceCheck(Total, KeyValueBlockConfidenceLessThan=80)"
FIVE = "Sampling(RandomSamplingPercentage=5)"
TWENTY = "Sampling(RandomSamplingPercentage=20)"
BOTH = f"{BY_CONDITION}\n{FIVE}"


def counted(*groups: tuple[int, list[str]] | tuple[int, list[str], int]) -> SelectionCounts:
    """Counts a number of reviews with these conditions, each with one prediction or as many as given."""
    counts = SelectionCounts()
    for number, conditions, *predictions in groups:
        for _ in range(number):
            counts.add(conditions, *predictions)
    return counts


@pytest.mark.parametrize(
    ("condition", "rate"),
    [
        (FIVE, 0.05),
        ("Sampling(RandomSamplingPercentage=12.5)", 0.125),
        ("Sampling(RandomSamplingPercentage=100)", 1.0),
    ],
)
def test_sampling_has_a_rate(condition: str, rate: float) -> None:
    assert sampling_rate(condition) == pytest.approx(rate)


@pytest.mark.parametrize(
    "condition",
    [
        "Sampling",
        "Sampling(RandomSamplingPercentage=0)",
        "Sampling(RandomSamplingPercentage=101)",
        "Sampling(Odd=1)",
    ],
)
def test_odd_rate_is_unknown(condition: str) -> None:
    rate = sampling_rate(condition)
    assert rate is not None
    assert math.isnan(rate)
    assert counted((50, [LOW]), (50, [condition])).kind == "unknown"


def test_other_condition_has_no_rate() -> None:
    assert sampling_rate(LOW) is None
    assert sampling_rate("SamplingOfOurOwn") is None


@pytest.mark.parametrize(
    ("conditions", "stratum"),
    [
        ([], UNKNOWN),
        ([LOW], BY_CONDITION),
        ([LOW, FIVE], f"{BY_CONDITION}\n{FIVE}"),
        ([FIVE], FIVE),
        ([FIVE, FIVE], FIVE),
    ],
)
def test_another_condition_makes_a_review_certain(conditions: list[str], stratum: str) -> None:
    assert stratum_of(conditions) == stratum


def test_sample_speaks_for_all() -> None:
    counts = counted((200, [LOW]), (11, [LOW, FIVE]), (60, [FIVE]))
    assert counts.kind == "sampled"
    assert counts.by_sampling == 60
    assert counts.weights() == pytest.approx({BY_CONDITION: 1, BOTH: 1, FIVE: 20})


def test_rate_that_changed_weights_each_review_with_its_own() -> None:
    weights = counted((100, [LOW]), (40, [FIVE]), (40, [TWENTY])).weights()
    assert weights == pytest.approx({BY_CONDITION: 1, FIVE: 20, TWENTY: 5})


def test_two_samples_at_once_are_combined() -> None:
    counts = counted((100, [LOW]), (40, [FIVE]), (160, [TWENTY]), (10, [FIVE, TWENTY]))
    either = 1 / (1 - 0.95 * 0.8)
    assert sorted(counts.weights().values()) == pytest.approx([1, either, either, either])


def test_without_a_sample_only_conditions_are_known() -> None:
    assert counted((100, [LOW])).kind == "conditions"


def test_custom_task_says_nothing() -> None:
    assert counted((100, [])).kind == "unknown"
    assert counted().kind == "unknown"


def test_a_few_reviews_without_conditions_are_left_out() -> None:
    counts = counted((200, [LOW]), (60, [FIVE]), (5, []))
    assert counts.kind == "sampled"
    assert UNKNOWN not in counts.weights()
    assert counted((200, [LOW]), (60, [FIVE]), (50, [])).kind == "unknown"


def test_sampling_that_is_part_of_a_condition_is_no_sample() -> None:
    # "Low confidence and Sampling": they are met together, always.
    assert counted((100, [LOW, FIVE]), (30, [FIVE])).kind == "unknown"
    # By chance, more than 5 of 100 can be met together.
    assert counted((90, [LOW]), (10, [LOW, FIVE]), (30, [FIVE])).kind == "sampled"


def test_sampling_that_was_off_for_a_while_is_no_sample() -> None:
    # A tenth of the reviews of the second half met both. In the first half, there was no Sampling.
    ten = "Sampling(RandomSamplingPercentage=10)"
    assert counted((1_000, [LOW]), (900, [LOW]), (100, [LOW, ten]), (200, [ten])).kind == "unknown"
    assert counted((900, [LOW]), (100, [LOW, ten]), (200, [ten])).kind == "sampled"
    # Few can be chance.
    assert counted((99, [LOW]), (1, [LOW, FIVE]), (30, [FIVE])).kind == "sampled"
    # A rate that changed covers the whole time.
    assert counted((1_850, [LOW]), (50, [LOW, ten]), (100, [LOW, FIVE]), (200, [ten])).kind == "sampled"


def test_sampling_without_a_rate_beside_a_condition_is_no_sample() -> None:
    assert counted((99, [LOW]), (1, [LOW, "Sampling"]), (30, [FIVE])).kind == "unknown"


def test_number_of_samples_is_limited() -> None:
    counts = SelectionCounts()
    for percent in range(1, 20):
        counts.add([f"Sampling(RandomSamplingPercentage={percent})"])
    counts.add([LOW])
    assert len(counts.reviews) == selection.MAX_SAMPLES + 2
    assert counts.reviews[BY_CONDITION] == 1


def test_parts_of_documents_leave_the_estimates_to_the_sample() -> None:
    counts = counted((200, [LOW], 1), (12, [LOW, FIVE], 4), (60, [FIVE], 4))
    assert counts.shows_parts
    assert counts.kind == "sampled"
    assert counts.weights() == pytest.approx({BOTH: 20, FIVE: 20})
    assert counts.sample == {BOTH, FIVE}


def test_parts_of_documents_that_are_never_seen_whole_are_unknown() -> None:
    assert counted((200, [LOW], 1), (60, [FIVE], 4)).kind == "unknown"
    assert counted((150, [LOW], 1), (5, [LOW, FIVE], 4), (60, [FIVE], 4)).kind == "unknown"


def test_documents_of_the_same_size_are_seen_whole() -> None:
    whole = counted(
        (100, [LOW], 3), (100, [LOW], 5), (6, [LOW, FIVE], 3), (6, [LOW, FIVE], 5), (60, [FIVE], 2)
    )
    assert not whole.shows_parts
    assert whole.weights()[BY_CONDITION] == 1
    assert not counted((60, [FIVE], 4)).shows_parts
