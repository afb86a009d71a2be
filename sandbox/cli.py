"""The commands `python deploy.py local` and `python deploy.py console`, and their options."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from workflow.cli.options import StageOptions, takes_options
from workflow.cli.terminal import Output, console_for, on_interrupt, print_json, tell
from workflow.errors import AfterloopError

__all__ = ["console", "local"]


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
    canned_results: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file of results for tasks, in place of calls of services that the engine does not run. "
            "The engine reads it again when it changes. By default, canned_results.json, if it exists.",
        ),
    ] = None,
    report: Annotated[Path, typer.Option(help="The file to write the report to.")] = Path("report.html"),
    output: Annotated[
        Output, typer.Option("--output", "-o", help="Format of the output. For json, also pass --once.")
    ] = Output.TEXT,
) -> None:
    """Run everything on this machine, without an AWS account."""
    if not report.absolute().parent.is_dir():
        raise AfterloopError(
            f"cannot write {report}: the folder does not exist; name another file with --report"
        )
    if output is Output.JSON and not once:
        raise typer.BadParameter("needs --once", param_hint="--output json")
    from sandbox.canned_file import DEFAULT_FILE
    from sandbox.local import run

    with on_interrupt(lambda: "the local engine is stopped, and its content is deleted"):
        watch = run(
            console=console_for(output),
            port=port,
            once=once,
            report=report,
            console_port=console_port,
            open_console=open_,
            canned_results=canned_results or DEFAULT_FILE,
        )
    if output is Output.JSON:
        from workflow.cli.shapes import LocalResult

        print_json(LocalResult.of(watch.progress, watch.problems(), report.absolute()))
    if watch.problems():
        raise typer.Exit(1)


@takes_options
def console(
    *,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="TCP port on this machine. By default, a free one."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the console in the browser.")] = False,
    on: StageOptions,
) -> None:
    """Show human loops, executions and reviews in a browser, served on this machine.

    The console of a stage on AWS only reads, with your credentials. On the local engine, it can also restart, stop,
    close and redrive loops, and you can answer them as a worker.
    """
    from console.read_only import read_only
    from console.server import serving
    from console.site import Connection, Site
    from sandbox.connection import engine_of
    from sandbox.reviewers import LocalReviewers

    engine = None if on.profile else engine_of(os.environ)

    def connect() -> Connection:
        session = on.session() if engine else read_only(on.session())
        return Connection(on.resources(session), session)

    reviewers = LocalReviewers(engine, on.session(), on.stage) if engine else None
    site = Site(on.stage, connect, may_write=engine is not None, reviewers=reviewers)
    _ = site.connection  # A stage that is not published is an error of the command.
    with serving(site, port) as link:
        if on.output is Output.JSON:
            from workflow.cli.shapes import ConsoleAddress

            print_json(ConsoleAddress(url=link))
        else:
            tell(f"Console at {link}", "Only you have this link. The console runs until you press Ctrl-C.")
        if open_:
            import webbrowser

            webbrowser.open(link)
        # Ctrl-C is how the command ends, so it is no error.
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
        tell("Stopping the console", err=True)
