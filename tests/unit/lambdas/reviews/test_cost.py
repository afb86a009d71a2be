"""Memory and work grow linearly with the size of an output. benchmarks/bench_parse.py measures seconds."""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any

from benchmarks.bench_parse import MEMORY, review
from benchmarks.textract_documents import PAIRS_A_PAGE, document
from lambdas.reviews.output import parse_output


def test_record_needs_at_most_four_times_the_output_in_memory() -> None:
    raw = document(PAIRS_A_PAGE * 5)
    review(document(1))  # imports everything before the measurement
    tracemalloc.start()
    review(raw)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0 < peak < MEMORY * len(raw)


def test_document_of_one_page_is_a_realistic_sample() -> None:
    raw = document(PAIRS_A_PAGE)
    blocks = parse_output(raw).ai_service_response
    assert blocks is not None
    assert len(blocks.blocks or ()) == 112
    assert 130_000 < len(raw) < 140_000


def test_number_of_calls_is_linear_in_size() -> None:
    def calls(pairs: int) -> int:
        count = 0

        def count_call(frame: Any, event: str, argument: Any) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        raw = document(pairs)
        previous = sys.getprofile()
        sys.setprofile(count_call)
        try:
            review(raw)
        finally:
            sys.setprofile(previous)
        return count

    calls(1)  # the first review imports and builds models
    # Eight times the size. Quadratic work would take 64 times the calls.
    assert calls(PAIRS_A_PAGE * 4) < 10 * calls(PAIRS_A_PAGE // 2)
