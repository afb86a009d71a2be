"""The wheel, for projects that import `HumanReview`, `LoopsClient` or `lambdas.reviews`: it has all the code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.own_code import modules_of_lambdas
from workflow import ROOT

PACKAGES = ("workflow", "lambdas", "sandbox", "console")

IMPORT_ALL = """
import importlib, pkgutil, sys
for name in ("workflow", "sandbox", "console"):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, name + "."):
        if not module.name.endswith(".__main__"):
            importlib.import_module(module.name)
for name in sys.argv[1:]:
    importlib.import_module(name)
from lambdas.reviews.review import build_record, summarise
from workflow.human_review import HumanReview
from workflow.operations.client import LoopsClient
from workflow.stack.queries import QUERIES
assert QUERIES
for name in ("workflow", "lambdas", "sandbox", "console"):
    print(sys.modules[name].__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the project, because setuptools writes into the folder that it builds."""
    folder = tmp_path_factory.mktemp("wheel")
    project = folder / "project"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, project / package)
    (project / "lambdas/__pycache__").mkdir(exist_ok=True)
    (project / "lambdas/__pycache__/left_over.pyc").touch()
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, project)
    build = [
        "wheel",
        "--no-index",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(project),
    ]
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *build], capture_output=True, check=True
    )
    [built] = folder.glob("*.whl")
    return built


def test_wheel_has_every_file_of_its_packages(wheel: Path) -> None:
    tracked = {
        file.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert packed == tracked


def test_wheel_can_be_imported_without_the_project(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    # -P and our own PYTHONPATH keep the current folder and the project off the path.
    run = subprocess.run(
        [sys.executable, "-P", "-c", IMPORT_ALL, *modules_of_lambdas(tmp_path)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed), "HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert [Path(line).parent for line in run.stdout.splitlines()] == [installed / name for name in PACKAGES]
