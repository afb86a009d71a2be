"""Modules that others import and that are rarely used."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import Any

__all__ = ["import_later"]


def import_later(name: str) -> None:
    """Makes the next import of a module load it only when something of it is used.

    `importlib.util.LazyLoader` does not do that: before Python 3.12, an import of its module loads it.

    Args:
        name: The name of the module. One that is loaded, or does not exist, is left as it is.
    """
    spec = None if name in sys.modules else importlib.util.find_spec(name)
    if spec is not None:
        stand_in = _Later(name)
        stand_in.__spec__ = spec
        sys.modules[name] = stand_in


class _Later(ModuleType):
    """Stands for a module, and becomes it in `sys.modules` when something asks for what only the module has."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)
