"""Checks that the unit tests cover each module.

python -m tests.coverage_by_module .build/coverage.json

An average would hide a module that no unit test runs, so each module has to reach the floor of its package.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FLOORS = {"lambdas/": 85, "workflow/cli/": 70, "workflow/operations/": 70, "workflow/publish/": 70}
"""Package → percentage of statements that unit tests run, of each of its modules."""


def below_floor(report: dict[str, float]) -> list[str]:
    """Returns a line for each module below its floor.

    Args:
        report: Module → percentage of its statements that ran.
    """
    return [
        f"{module}: {percentage:.0f} %, and {floor} % of each module of {package} is expected"
        for package, floor in FLOORS.items()
        for module, percentage in sorted(report.items())
        if module.startswith(package) and percentage < floor
    ]


def main(file: Path) -> int:
    """Prints the modules below their floor, and returns the exit status."""
    report = json.loads(file.read_text())["files"]
    found = below_floor({name: one["summary"]["percent_covered"] for name, one in report.items()})
    for line in found:
        print(f"error: {line}: add unit tests", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
