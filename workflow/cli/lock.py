"""`python deploy.py lock`: locks the requirements of functions."""

from __future__ import annotations

from typing import Annotated

import typer

from workflow import ROOT
from workflow.cli.terminal import Output, print_json, tell

__all__ = ["lock"]


def lock(
    functions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FUNCTION", help="Functions with requirements of their own. The default is all of them."
        ),
    ] = None,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Choose the latest versions, not those that are locked.")
    ] = False,
    output: Annotated[Output, typer.Option("--output", "-o", help="Format of the output.")] = Output.TEXT,
) -> None:
    """Lock what functions need in addition to what all functions share: versions and hashes, for every machine."""
    from workflow.stack.locking import lock as write_lock
    from workflow.stack.locking import to_lock

    locked = [write_lock(written, upgrade=upgrade) for written in to_lock(functions or ())]
    if output is Output.JSON:
        from workflow.cli.shapes import LockResult

        print_json(LockResult.of(locked, ROOT))
        return
    for one in locked:
        packages = ", ".join(one.packages) or "nothing that the functions do not have already"
        tell(f"{one.file.relative_to(ROOT).as_posix()}: {packages}")
