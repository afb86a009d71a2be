"""The modules of `lambdas/` that are the project's: users add functions, which may need what is not installed here."""

from __future__ import annotations

import pkgutil
from pathlib import Path

import lambdas.aws
import lambdas.loops
import lambdas.reviews
from workflow.stack.assembly import assemble


def modules_of_lambdas(folder: Path) -> list[str]:
    """Their names: the rooms with all that is in them, and the functions that the workflow's own steps run.

    Args:
        folder: an empty one, for a file without steps of the user's.
    """
    no_steps = folder / "post_review.py"
    no_steps.write_text("completed = failed = stopped = []\n")
    functions = [function.handler.rpartition(".")[0] for function in assemble(no_steps).functions]
    rooms = [lambdas.aws, lambdas.loops, lambdas.reviews]
    return functions + [
        module.name for room in rooms for module in pkgutil.walk_packages(room.__path__, f"{room.__name__}.")
    ]
