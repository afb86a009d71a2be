"""Measures how an output becomes a record, in time and memory: `python -m benchmarks.bench_parse`.

It compares three pairs in turns: parsing, and all steps to the record, with a bare `json.loads` of the same Textract
output (136 KB, about 100 blocks); and one output that is a hundred times larger with a hundred of that size. The last
ratio shows whether time grows linearly with size. Memory is measured for an output of 20 MB, in separate processes:
by how much the process grows at its peak, and how much Python allocates, both as multiples of the size.

The exit status is 1 if the large output takes more than 1.5 times as long as a hundred small ones, or if memory
exceeds 4 times the size.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from statistics import median

from benchmarks.pairs import Ratio, in_turns, timed
from benchmarks.textract_documents import PAIRS_A_PAGE, document, event
from lambdas.reviews.event import CompletedLoop, parse_status_change
from lambdas.reviews.output import parse_output
from lambdas.reviews.review import build_record
from lambdas.reviews.settings import ReviewSettings

# Processor caches are small, so a large output is somewhat slower even if the algorithm is linear.
MAX_SLOWDOWN = 1.5
MEMORY = 4.0
LARGE = 20_000_000
PAGES = 100
ROUNDS = 7


def main() -> int:
    """Runs the benchmark and returns the exit status."""
    small, large = document(PAIRS_A_PAGE), document(PAIRS_A_PAGE * PAGES)
    bytes_read = {
        "json.loads": len(small) * PAGES,
        "parse": len(small) * PAGES,
        "all steps": len(small) * PAGES,
        "all steps, large output": len(large),
    }
    times = in_turns(
        {
            "json.loads": timed(lambda: json.loads(small), PAGES),
            "parse": timed(lambda: parse_output(small), PAGES),
            "all steps": timed(lambda: review(small), PAGES),
            "all steps, large output": timed(lambda: review(large)),
        },
        ROUNDS,
    )
    print(f"outputs of {len(small) / 1e3:,.0f} KB, and one of {len(large) / 1e6:,.1f} MB")
    for name, seconds in times.items():
        print(f"{name:24} {bytes_read[name] / median(seconds) / 1e6:4.0f} MB/s")
    slowdown = Ratio.of(times["all steps, large output"], times["all steps"])
    print(f"parse / json.loads: {Ratio.of(times['parse'], times['json.loads'])}")
    print(f"all steps / json.loads: {Ratio.of(times['all steps'], times['json.loads'])}")
    print(f"large output / {PAGES} small ones: {slowdown}; limit {MAX_SLOWDOWN}")
    growth, allocated = memory_of_a_large_output()
    print(f"memory for {LARGE / 1e6:.0f} MB: the process grows by {growth:.2f} times the size,")
    print(f"  Python allocates {allocated:.2f} times the size; limit {MEMORY}")
    return int(slowdown.median > MAX_SLOWDOWN or max(growth, allocated) > MEMORY)


def review(raw: bytes) -> bytes:
    """Returns the record of an output, as the function builds it between its GET and its PUT."""
    change = parse_status_change(event("outputs", "forms/output.json"))
    assert isinstance(change, CompletedLoop)
    return build_record(change, parse_output(raw), ReviewSettings(), "dev").to_line()


def memory_of_a_large_output() -> tuple[float, float]:
    """Measures the memory for the record of a 20 MB output.

    Returns:
        By how much a process grows at its peak, including the document, and how much Python allocates in addition to
        the document. Both are multiples of the document's size.
    """
    raw = document(LARGE * PAIRS_A_PAGE // len(document(PAIRS_A_PAGE)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "output.json"
        path.write_bytes(raw)
        grown, allocated = (
            int(
                subprocess.run(
                    [sys.executable, "-m", "benchmarks.bench_parse", how, str(path)],
                    capture_output=True,
                    check=True,
                    text=True,
                ).stdout
            )
            for how in ("grown", "allocated")
        )
    return grown / len(raw), allocated / len(raw)


def _grown(path: Path) -> int:
    """Returns by how many bytes this process grows at its peak."""
    review(document(1))  # imports and caches must not count
    before = _peak()
    review(path.read_bytes())
    return _peak() - before


def _peak() -> int:
    # Not getrusage: on Linux, ru_maxrss of a child process starts with the value of its parent.
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) * 1024


def _allocated(path: Path) -> int:
    """Returns how many bytes Python allocates at the peak."""
    review(document(1))
    raw = path.read_bytes()
    tracemalloc.start()
    review(raw)
    return tracemalloc.get_traced_memory()[1]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["grown", path]:
            print(_grown(Path(path)))
        case ["allocated", path]:
            print(_allocated(Path(path)))
        case _:
            sys.exit(main())
