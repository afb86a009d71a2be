"""The floors of coverage that `make unit` checks."""

from __future__ import annotations

from tests.coverage_by_module import FLOORS, below_floor
from workflow import ROOT


def test_each_module_has_to_reach_the_floor_of_its_package() -> None:
    report = {"lambdas/loops/ledger.py": 84.9, "lambdas/reconcile.py": 85, "workflow/cli/show.py": 12}
    found = below_floor(report)
    assert [line.split(":")[0] for line in found] == ["lambdas/loops/ledger.py", "workflow/cli/show.py"]


def test_packages_with_a_floor_exist() -> None:
    assert all((ROOT / package).is_dir() for package in FLOORS)
