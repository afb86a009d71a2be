"""Importing the modules of `lambdas/` needs only their packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.own_code import modules_of_lambdas
from workflow import ROOT


def test_no_import_needs_an_environment_variable(tmp_path: Path) -> None:
    modules = modules_of_lambdas(tmp_path)
    assert {"lambdas.decide_restart", "lambdas.loops.ledger", "lambdas.reviews.review"} <= set(modules)
    run = subprocess.run(
        [sys.executable, "-c", f"import {', '.join(modules)}"],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
