"""For each sentence that a report can say: a world in which it must be said, and one in which it must not.

The sentences of the findings are named by `Claim`. Another enum of sentences can have its own table of `Worlds`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache
from typing import NamedTuple

import numpy as np

from tests.unit.workflow.operations.report.simulation import CONDITION, Reviews, alike, reviewed
from workflow.operations.report.figures import Costs, Figures
from workflow.operations.report.findings import Claim
from workflow.operations.report.loop_facts import LoopFacts, count_loops

__all__ = ["CLAIMS", "World", "Worlds"]


class World(NamedTuple):
    """What a report is about."""

    figures: Figures
    facts: LoopFacts | None = None


class Worlds(NamedTuple):
    """The two worlds of a sentence. Each is made when it is needed, and once."""

    said: Callable[[], World]
    not_said: Callable[[], World]


Table = Mapping[Enum, Worlds]


def rng() -> np.random.Generator:
    return np.random.default_rng(11)


# Predictions


@cache
def steady() -> World:
    """600 documents of 4 fields, of which people overrule 20%, always."""
    reviews = Reviews()
    for place, wrong in enumerate(alike(rng(), 0.2, 0.1, (600, 4))):
        reviews.add(wrong, names=["a", "b", "c", "d"], day=place % 30)
    return World(reviews.figures())


@cache
def changing(early: float, late: float) -> World:
    """600 documents of 4 fields. The rate of wrong fields changes day by day, the same for all fields."""
    reviews = Reviews()
    chance = rng()
    for place in range(600):
        share = early + (late - early) * (place % 30) / 29
        reviews.add(alike(chance, share, 0.1, (1, 4))[0], names=["a", "b", "c", "d"], day=place % 30)
    return World(reviews.figures())


@cache
def other_fields_later() -> World:
    """Early, most documents have an easy field; late, most have a hard one."""
    reviews = Reviews()
    chance = rng()
    for place in range(900):
        day = place % 30
        hard = chance.random() < 0.1 + 0.8 * day / 29
        reviews.add([chance.random() < (0.5 if hard else 0.05)], names=["hard" if hard else "easy"], day=day)
    return World(reviews.figures())


@cache
def barely_any_errors() -> World:
    """Too few errors to say whether they became more."""
    reviews = Reviews()
    for place in range(90):
        reviews.add([place in (70, 80)], day=place // 3)
    return World(reviews.figures())


@cache
def a_field_apart(rate: float) -> World:
    """20 fields; one of them has a rate of its own, the others 10%."""
    rates = np.full(20, 0.1)
    rates[7] = rate
    reviews = Reviews()
    for wrong in alike(rng(), rates, 0.1, (150, 20)):
        reviews.add(wrong, names=[f"field {number}" for number in range(20)])
    return World(reviews.figures())


@cache
def versions(*, at_once: bool) -> World:
    """The version of the model changes on the 15th day, or two versions are in use all the time."""
    reviews = Reviews()
    chance = rng()
    for place in range(300):
        day = place // 10
        version = f"v{1 + place % 2}" if at_once and place > 9 else f"v{1 + (day >= 15)}"
        reviews.add([chance.random() < (0.1 if version == "v2" else 0.4)], day=day, version=version)
    return World(reviews.figures())


# Confidence


@cache
def sure(gap: float, documents: int = 500) -> World:
    """Documents of a model whose confidence is too high by `gap`."""
    chance = rng()
    confidence = chance.uniform(0.5, 0.95, (documents, 4))
    wrong = chance.random((documents, 4)) < np.clip(1 - confidence + gap, 0, 1)
    reviews = Reviews()
    for place in range(documents):
        reviews.add(wrong[place], confidence[place])
    return World(reviews.figures())


@cache
def uneven() -> World:
    """A confidence of 60% should be 80%, and one of 90% should be 70%: on average it is right."""
    chance = rng()
    high = chance.random((500, 4)) < 0.5
    wrong = chance.random((500, 4)) < np.where(high, 0.3, 0.2)
    confidence = np.where(high, 0.9, 0.6)
    reviews = Reviews()
    for place in range(500):
        reviews.add(wrong[place], confidence[place])
    return World(reviews.figures())


@cache
def random_confidence() -> World:
    """A confidence that has nothing to do with what is wrong; on average it is right."""
    chance = rng()
    reviews = Reviews()
    for _ in range(500):
        reviews.add(chance.random(4) < 0.25, chance.uniform(0.6, 0.9, 4))
    return World(reviews.figures())


# Selection


@cache
def calibrated(rate: float, documents: int = 6_000, costs: Costs | None = None) -> World:
    """Calibrated predictions; documents below 80% are reviewed, and a random sample with a rate."""
    chance = rng()
    confidence = chance.beta(8, 2, (documents, 1))
    wrong = chance.random((documents, 1)) < 1 - confidence
    return World(reviewed(chance, confidence, wrong, threshold=0.8, rate=rate).figures(costs))


@cache
def parts_of_documents() -> World:
    """A random sample, and reviews of a condition that show only the fields that met it."""
    chance = rng()
    confidence = chance.beta(8, 2, (1_000, 4))
    wrong = chance.random((1_000, 4)) < 1 - confidence
    return World(reviewed(chance, confidence, wrong, threshold=0.8, rate=0.1, parts=True).figures())


@cache
def small_sample() -> World:
    """A random sample of which only 5 reviews exist so far."""
    reviews = Reviews()
    for place in range(100):
        conditions = [CONDITION] if place % 20 else ["Sampling(RandomSamplingPercentage=5)"]
        reviews.add([place % 4 == 0], [0.7], conditions=conditions)
    return World(reviews.figures())


@cache
def easy_above_70(rate: float) -> World:
    """Nearly all errors are below 70%, and documents below 90% are reviewed."""
    chance = rng()
    confidence = chance.uniform(0.5, 1, (3_000, 1))
    wrong = chance.random((3_000, 1)) < np.where(confidence < 0.7, 0.4, 0.003)
    return World(reviewed(chance, confidence, wrong, threshold=0.9, rate=rate).figures())


@cache
def custom() -> World:
    """Reviews of a custom task: nothing says why they took place."""
    reviews = Reviews()
    chance = rng()
    for confidence in chance.beta(8, 2, 500):
        reviews.add([chance.random() < 1 - confidence], [confidence])
    return World(reviews.figures())


@cache
def priced(error: float, *, documents: int = 4_000, informative: bool = True) -> World:
    """All documents are sampled. A review costs 1. With a confidence of its own value, or of none."""
    chance = rng()
    confidence = chance.uniform(0.5, 1, (documents, 1))
    wrong = chance.random((documents, 1)) < (1 - confidence if informative else 0.25)
    return World(reviewed(chance, confidence, wrong, threshold=0, rate=0.5).figures(Costs(1, error)))


@cache
def condition(rate: float) -> World:
    """Reviews of one condition, of which so many have a correction."""
    reviews = Reviews()
    chance = rng()
    for _ in range(400):
        reviews.add([chance.random() < rate], conditions=["MissingImportantFormKey(Total)"])
    return World(reviews.figures())


@cache
def sample_only() -> World:
    """A random sample of a good model: it catches nothing, and that is the point of it."""
    reviews = Reviews()
    for _ in range(400):
        reviews.add([False], conditions=["Sampling(RandomSamplingPercentage=5)"])
    return World(reviews.figures())


# People and loops


@cache
def agreeing(share: float, documents: int = 200) -> World:
    """So many of the fields have identical answers."""
    reviews = Reviews()
    chance = rng()
    for _ in range(documents):
        reviews.add([False] * 5, agreements=[1.0 if chance.random() < share else 2 / 3 for _ in range(5)])
    return World(reviews.figures())


@cache
def loops(failed: int) -> World:
    """A hundred loops, some of which failed."""
    rows = [{"status": "Completed", "createdAt": "2026-01-05T10:00:00.000Z", "attempt": 1}] * (100 - failed)
    rows += [{"status": "Failed", "createdAt": "2026-01-05T10:00:00.000Z", "outcome": "restarted"}] * failed
    return World(steady().figures, count_loops(rows))


CLAIMS: Mapping[Claim, Worlds] = {
    Claim.RISING: Worlds(lambda: changing(0.1, 0.4), other_fields_later),
    Claim.FALLING: Worlds(lambda: changing(0.4, 0.1), steady),
    Claim.STABLE: Worlds(lambda: changing(0.3, 0.3), barely_any_errors),
    Claim.NEW_VERSION: Worlds(lambda: versions(at_once=False), lambda: versions(at_once=True)),
    Claim.FIELD_STANDS_OUT: Worlds(lambda: a_field_apart(0.5), lambda: a_field_apart(0.1)),
    Claim.OVERCONFIDENT: Worlds(lambda: sure(0.1), lambda: sure(0.0)),
    Claim.UNDERCONFIDENT: Worlds(lambda: sure(-0.1), lambda: sure(0.0)),
    Claim.RELIABLE: Worlds(lambda: sure(0.0, 2_000), uneven),
    Claim.UNEVEN: Worlds(uneven, lambda: sure(0.0)),
    Claim.RANKS_BADLY: Worlds(random_confidence, lambda: sure(0.1)),
    Claim.RATE_OF_ALL: Worlds(lambda: calibrated(0.1), lambda: calibrated(0)),
    Claim.THRESHOLD_FOR_ALL: Worlds(lambda: easy_above_70(0.2), lambda: easy_above_70(0)),
    Claim.THRESHOLD_TO_LOWER: Worlds(lambda: easy_above_70(0), lambda: easy_above_70(0.2)),
    Claim.UNCHECKED: Worlds(lambda: calibrated(0), custom),
    Claim.CHEAPEST_THRESHOLD: Worlds(lambda: priced(5), lambda: priced(5, informative=False)),
    Claim.REVIEW_NOTHING: Worlds(lambda: priced(0.5), lambda: priced(5)),
    Claim.REVIEW_EVERYTHING: Worlds(lambda: priced(1_000), lambda: priced(5)),
    Claim.COST_UNDECIDED: Worlds(lambda: priced(4, documents=150, informative=False), lambda: priced(1_000)),
    Claim.IDLE_CONDITIONS: Worlds(lambda: condition(0.005), sample_only),
    Claim.PEOPLE_AGREE: Worlds(lambda: agreeing(0.97), lambda: agreeing(0.89)),
    Claim.PEOPLE_MOSTLY_AGREE: Worlds(lambda: agreeing(0.85), lambda: agreeing(0.85, 10)),
    Claim.PEOPLE_DISAGREE: Worlds(lambda: agreeing(0.6), lambda: agreeing(0.8)),
    Claim.NO_LOOP_FAILED: Worlds(lambda: loops(0), lambda: loops(3)),
    Claim.LOOPS_FAILED: Worlds(lambda: loops(3), lambda: loops(0)),
}
