"""Modules of the sandbox can be imported without valid settings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from workflow import ROOT

IMPORT_ALL = """
import importlib, pkgutil, sandbox
for module in pkgutil.walk_packages(sandbox.__path__, "sandbox."):
    print(importlib.import_module(module.name).__file__)
"""


def test_every_module_imports_next_to_invalid_settings(tmp_path: Path) -> None:
    for folder in ("console", "lambdas", "sandbox", "workflow"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "stages.toml").write_text("[stages.local]\nregoin = 1\n")
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    modules = {str(file.relative_to(ROOT)) for file in (ROOT / "sandbox").rglob("*.py")}
    assert {str(Path(file).relative_to(tmp_path)) for file in ended.stdout.split()} == modules - {
        "sandbox/__init__.py"
    }
