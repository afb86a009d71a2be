"""Measures the collection of reviews with thousands of shapes in one place: `python -m benchmarks.bench_align`.

Each scene is an output of three workers. It becomes a record in a process of its own: seconds of the processor from the
bytes to the record, so that a busy machine does not matter much, and the peak of memory. Then the approximate groups of
boxes in a dense scene are compared with the exact ones: the sum of the similarities within groups, and their number.

The exit status is 1 if a scene takes longer or more memory than its limit, or if the approximate groups have less than
95 % of the similarity of the exact ones.
"""

from __future__ import annotations

import json
import math
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any, NamedTuple
from unittest import mock

from benchmarks.bench_parse import review
from benchmarks.textract_documents import FLOW_DEFINITION
from lambdas.reviews.comparison import grouping
from lambdas.reviews.comparison.elements.boxes import Box

MIN_SIMILARITY = 0.95
WORKERS = 3


class Scene(NamedTuple):
    """What each worker draws, with the limits in seconds and MB."""

    draw: Callable[[random.Random], dict[str, Any]]
    max_seconds: float
    max_megabytes: int


def boxes(chance: random.Random, count: int, place: float, size: tuple[float, float]) -> dict[str, Any]:
    """Returns boxes whose corners are in a square place, in pixels."""
    return {
        "boundingBoxes": [
            {
                "label": chance.choice("abc"),
                "left": round(chance.uniform(0, place), 1),
                "top": round(chance.uniform(0, place), 1),
                "width": round(chance.uniform(*size), 1),
                "height": round(chance.uniform(*size), 1),
            }
            for _ in range(count)
        ]
    }


def polygons(chance: random.Random, place: float, radius: float) -> dict[str, Any]:
    """Returns 300 polygons with 100 corners."""

    def corners() -> list[dict[str, float]]:
        x, y = chance.uniform(0, place), chance.uniform(0, place)
        reach = [radius * chance.uniform(0.85, 1) for _ in range(100)]
        turns = [2 * math.pi * at / 100 for at in range(100)]
        return [
            {"x": round(x + far * math.cos(turn), 1), "y": round(y + far * math.sin(turn), 1)}
            for far, turn in zip(reach, turns, strict=True)
        ]

    return {"polygons": [{"label": "lake", "vertices": corners()} for _ in range(300)]}


def equal_boxes(chance: random.Random) -> dict[str, Any]:
    """Returns 3,000 times the same box."""
    return {"boundingBoxes": [{"label": "a", "left": 1, "top": 1, "width": 9, "height": 9}] * 3000}


SCENES: Mapping[str, Scene] = {
    "3,000 equal boxes": Scene(equal_boxes, 3, 200),
    "3,000 boxes that overlap": Scene(lambda chance: boxes(chance, 3000, 1000, (40, 160)), 3, 200),
    "3,000 boxes in one place": Scene(lambda chance: boxes(chance, 3000, 60, (100, 110)), 3, 200),
    "300 polygons that overlap": Scene(lambda chance: polygons(chance, 1000, 60), 5, 200),
    "300 polygons in one place": Scene(lambda chance: polygons(chance, 60, 300), 5, 200),
}


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    is_over = False
    for name, scene in SCENES.items():
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.bench_align", name], capture_output=True, check=True, text=True
        )
        seconds, megabytes, fields = json.loads(done.stdout)
        limits = f"limits {scene.max_seconds:g} s, {scene.max_megabytes} MB"
        print(f"{name:26} {seconds:4.1f} s {megabytes:4.0f} MB {fields:6,} fields; {limits}")
        is_over |= seconds > scene.max_seconds or megabytes > scene.max_megabytes
    similarity, groups = quality()
    print(
        f"approximate / exact groups: similarity {similarity:.3f}, number {groups:.3f}; limit {MIN_SIMILARITY}"
    )
    return int(is_over or similarity < MIN_SIMILARITY)


def measure(scene: Scene) -> None:
    """Prints seconds, MB, and the number of fields as JSON."""
    answers = [
        {"answerContent": {"objects": scene.draw(random.Random(worker))}, "workerId": f"w{worker}"}
        for worker in range(WORKERS)
    ]
    output = {
        "humanAnswers": answers,
        "flowDefinitionArn": FLOW_DEFINITION,
        "humanLoopName": "loop-1",
        "inputContent": {},
    }
    raw = json.dumps(output).encode()
    del answers, output
    start = time.process_time()
    record = review(raw)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # in KB on Linux
    print(json.dumps([seconds, peak, record.count(b'"vote_index"') // WORKERS]))


def quality() -> tuple[float, float]:
    """Returns the approximate groups as a part of the exact ones: the sum of similarities, and the number."""
    chance = random.Random(0)
    ranges = ((0, 200), (0, 200), (20, 80), (20, 80))
    objects = [(chance.choice("ab"), [chance.uniform(*each) for each in ranges]) for _ in range(1000)]
    sides = [
        [Box(label, *(side + chance.gauss(0, 3) for side in place)) for label, place in objects]
        for _ in range(WORKERS)
    ]
    found = []
    everything = 10**9
    for checks, most in ((0, 200_000), (everything, everything)):
        with (
            mock.patch.object(grouping, "MAX_CHECKS", checks),
            mock.patch.object(grouping, "MAX_PAIRS", most),
            mock.patch.object(grouping, "MAX_EFFORT", everything),
        ):
            groups = grouping.group(sides).groups
        similarity = sum(
            sides[one][members[one]].similarity(sides[other][members[other]])
            for members in groups
            for one, other in combinations(members, 2)
        )
        found.append((similarity, len(groups)))
    (similarity, number), (exact_similarity, exact_number) = found
    return similarity / exact_similarity, number / exact_number


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(SCENES[sys.argv[1]])
    else:
        sys.exit(main())
