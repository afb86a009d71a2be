from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.workflow.stack.small_project import write_project
from tests.wheels import only_from


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project")


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, the only place where pip looks."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name, value in only_from(folder).items():
        monkeypatch.setenv(name, value)
    return folder
