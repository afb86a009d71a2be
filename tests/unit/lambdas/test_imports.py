"""What the modules of `lambdas/` need when they are imported: nothing but their packages."""

from __future__ import annotations

import subprocess
import sys

from workflow.stack.functions import ROOT

IMPORT_ALL = """
import importlib, pkgutil, lambdas
for module in pkgutil.walk_packages(lambdas.__path__, "lambdas."):
    importlib.import_module(module.name)
    print(module.name)
"""


def test_no_import_needs_an_environment_variable() -> None:
    run = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL],
        cwd=ROOT,
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert {"lambdas.decide_restart", "lambdas.loops.ledger", "lambdas.reviews.review"} <= set(
        run.stdout.split()
    )
