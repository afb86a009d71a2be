"""The command `python deploy.py console` and its options."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Annotated

import typer

from workflow.cli.options import StageOptions, takes_options
from workflow.cli.terminal import Output, print_json, tell

__all__ = ["console"]


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
    """Show human loops, executions and reviews in a browser, served on this machine. It only reads."""
    from console.read_only import read_only
    from console.server import serving
    from console.site import Connection, Site

    def connect() -> Connection:
        session = read_only(on.session())
        return Connection(on.resources(session), session)

    site = Site(on.stage, connect)
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
