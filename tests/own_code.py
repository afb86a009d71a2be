"""The modules of `lambdas/` that belong to the project. Users add functions, which can need other libraries."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import lambdas.aws
import lambdas.loops
import lambdas.reviews
from workflow.stack.assembly import assemble


def modules_of_lambdas(folder: Path) -> list[str]:
    """The names of the modules: the packages, and the functions that the workflow's own steps run.

    Args:
        folder: An empty folder, for a post_review.py without steps.
    """
    no_steps = folder / "post_review.py"
    no_steps.write_text("completed = failed = stopped = []\n")
    functions = [function.handler.rpartition(".")[0] for function in assemble(no_steps).functions]
    packages = [lambdas.aws, lambdas.loops, lambdas.reviews]
    return functions + [
        module.name
        for package in packages
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
