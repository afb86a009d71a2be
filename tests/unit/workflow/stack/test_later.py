"""A module that is imported later is loaded when something of it is used."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from workflow.stack.later import import_later


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that can be imported. What it has in `sys.modules` is removed afterwards."""
    package = tmp_path / "used_rarely"
    package.mkdir()
    (package / "__init__.py").write_text("VALUE = 17\n")
    (package / "inner.py").write_text("OTHER = 18\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("used_rarely", "used_rarely.inner"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)
    return "used_rarely"


def test_module_is_loaded_by_its_first_use(module: str) -> None:
    import_later(module)
    imported = importlib.import_module(module)
    assert "VALUE" not in vars(imported)
    assert (imported.VALUE, imported.VALUE) == (17, 17)
    assert vars(sys.modules[module])["VALUE"] == 17
    assert not hasattr(imported, "MISSING")


def test_module_inside_is_imported_as_always(module: str) -> None:
    import_later(module)
    assert importlib.import_module(f"{module}.inner").OTHER == 18


def test_module_that_is_loaded_or_does_not_exist_is_left(module: str) -> None:
    loaded = importlib.import_module(module)
    import_later(module)
    assert sys.modules[module] is loaded
    import_later("there_is_no_such_module")
    assert "there_is_no_such_module" not in sys.modules
