"""The benchmark's limits that do not depend on the machine: memory, and that time grows with size only."""

from __future__ import annotations

import time

from benchmarks.bench_parse import MEMORY, memory_of_a_large_output, review
from benchmarks.textract_documents import PAIRS_A_PAGE, document
from lambdas.reviews.output import parse_output


def test_a_20_mb_output_takes_at_most_four_times_its_size_in_memory() -> None:
    grown, allocated = memory_of_a_large_output()
    assert 1 < grown < MEMORY  # the document itself is in it
    assert 0 < allocated < MEMORY


def test_the_samples_size_is_what_the_figures_say() -> None:
    raw = document(PAIRS_A_PAGE)
    blocks = parse_output(raw).ai_service_response
    assert blocks is not None
    assert len(blocks.blocks or ()) == 112
    assert 130_000 < len(raw) < 140_000


def test_time_is_linear_in_size() -> None:
    def seconds(raw: bytes) -> float:
        review(raw)
        times = []
        for _ in range(3):
            start = time.process_time()
            review(raw)
            times.append(time.process_time() - start)
        return min(times)

    # Ten times the size: were anything quadratic, it would take a hundred times as long.
    assert seconds(document(PAIRS_A_PAGE * 30)) < 30 * seconds(document(PAIRS_A_PAGE * 3))
