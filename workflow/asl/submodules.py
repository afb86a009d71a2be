"""The SDK's modules below `workflow.steps`, so that existing code changes only where it imports from.

`from stepfunctions.steps.states import Task` becomes `from workflow.steps.states import Task`.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

__all__ = ["add_submodules"]

MODULES = (
    "choice_rule",
    "compute",
    "fields",
    "integration_resources",
    "sagemaker",
    "service",
    "states",
    "utils",
)
"""The modules of `stepfunctions.steps`."""


def add_submodules(steps: types.ModuleType) -> None:
    """Adds the SDK's modules to the module with our classes."""
    for name in MODULES:
        module = _Submodule(name, steps)
        sys.modules[module.__name__] = module
        setattr(steps, name, module)


class _Submodule(types.ModuleType):
    """Has our classes, and what else the SDK's module of this name has."""

    def __init__(self, name: str, steps: types.ModuleType) -> None:
        super().__init__(f"{steps.__name__}.{name}")
        self._steps = steps
        self._of_sdk = f"stepfunctions.steps.{name}"

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":  # Without it, `import *` would bring nothing. The SDK's module has none.
            return [one for one in vars(importlib.import_module(self._of_sdk)) if not one.startswith("_")]
        if hasattr(self._steps, name):
            return getattr(self._steps, name)
        return getattr(importlib.import_module(self._of_sdk), name)
