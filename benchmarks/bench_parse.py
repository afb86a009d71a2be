"""How fast an output is parsed, compared and made a record, and in how much memory: `python -m benchmarks.bench_parse`.

A page's Textract output (136 KB, about 100 blocks), and ones ten and a hundred times larger; beside each, how long
`json.loads` takes for the parsing alone. Then the memory for a 20 MB output, in a process of its own: how
much the process grew at its peak, and what Python allocated, both as multiples of the document's size.

Exit status 1 if time does not grow with size, or memory exceeds four times the size.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from benchmarks.textract_documents import PAIRS_A_PAGE, document, event
from lambdas.reviews.event import CompletedLoop, parse_status_change
from lambdas.reviews.output import parse_output
from lambdas.reviews.review import build_record
from lambdas.reviews.settings import ReviewSettings

# A hundred times the size may take a hundred times as long, and half as much again: caches are small.
LINEAR = 1.5
MEMORY = 4.0
LARGE = 20_000_000


def main() -> int:
    """Measures, prints, and tells whether the limits hold."""
    pages = [1, 10, 100]
    rates = []
    print(f"{'size':>10}  {'parse':>9}  {'all':>9}  {'all':>9}  {'json.loads':>10}")
    for count in pages:
        raw = document(PAIRS_A_PAGE * count)
        repeats = max(3, 100 // count)
        parse = _seconds(lambda raw=raw: parse_output(raw), repeats)  # type: ignore[misc]
        whole = _seconds(lambda raw=raw: review(raw), repeats)  # type: ignore[misc]
        plain = _seconds(lambda raw=raw: json.loads(raw), repeats)  # type: ignore[misc]
        rates.append(len(raw) / whole / 1e6)
        print(
            f"{len(raw) / 1e3:>7,.0f} KB  {parse * 1e3:>6.1f} ms  {whole * 1e3:>6.1f} ms"
            f"  {rates[-1]:>4.0f} MB/s  {plain * 1e3:>7.1f} ms"
        )
    growth, allocated = memory_of_a_large_output()
    print(
        f"{LARGE / 1e6:.0f} MB: the process grew by {growth:.2f} times that, Python allocated {allocated:.2f} times"
    )
    slowdown = max(rates) / rates[-1]
    print(
        f"linear: {slowdown:.2f} (at most {LINEAR}); memory: {max(growth, allocated):.2f} (at most {MEMORY})"
    )
    return int(slowdown > LINEAR or max(growth, allocated) > MEMORY)


def review(raw: bytes) -> bytes:
    """Makes a record of an output, as the function does between its GET and its PUT."""
    change = parse_status_change(event("outputs", "forms/output.json"))
    assert isinstance(change, CompletedLoop)
    return build_record(change, parse_output(raw), ReviewSettings(), "dev").to_line()


def memory_of_a_large_output() -> tuple[float, float]:
    """Returns the memory for making a record of a 20 MB output, as multiples of its size.

    Returns:
        By how much a process grows at its peak, from before it has read the document; and how much
        Python allocates beside the document.
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


def _seconds(action: Callable[[], object], repeats: int) -> float:
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)  # whatever else the machine did only adds to it


def _grown(path: Path) -> int:
    """Returns by how many bytes this process grows at its peak."""
    review(document(1))  # all is imported and built before the measurement starts
    before = _peak()
    review(path.read_bytes())
    return _peak() - before


def _peak() -> int:
    # Linux tells it per program; getrusage's figure is that of whoever started this one, if that was larger.
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
