"""The command `python deploy.py local` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workflow.cli.terminal import Output, console_for, on_interrupt
from workflow.errors import AfterloopError

__all__ = ["local"]


def local(
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Exit when all sample loops have ended. The status is 0 if all ended as expected."
        ),
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="TCP port of the local engine. By default, a free one."),
    ] = None,
    console_port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="TCP port of the web console. By default, a free one."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the web console in the browser.")] = False,
    report: Annotated[Path, typer.Option(help="The file to write the report to.")] = Path("report.html"),
) -> None:
    """Run everything on this machine, without an AWS account."""
    if not report.absolute().parent.is_dir():
        raise AfterloopError(
            f"cannot write {report}: the folder does not exist; name another file with --report"
        )
    from sandbox.local import run

    with on_interrupt(lambda: "the local engine is stopped, and its content is deleted"):
        succeeded = run(
            console=console_for(Output.TEXT),
            port=port,
            once=once,
            report=report,
            console_port=console_port,
            open_console=open_,
        )
    if not succeeded:
        raise typer.Exit(1)
