"""Shows a list of human loops again and again, as it changes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from time import sleep
from typing import TYPE_CHECKING

import typer

from workflow.cli.show_loops import listing_table, plain
from workflow.cli.terminal import Output

if TYPE_CHECKING:
    from workflow.operations.listing import Listing

__all__ = ["check_watchable", "watch"]

SECONDS = 2
"""How long to wait between two lists."""


def check_watchable(output: Output) -> None:
    """Refuses to watch a list for a program or a file.

    Raises:
        BadParameter: The output is JSON, or does not go to a terminal.
    """
    if output is Output.JSON or not sys.stdout.isatty():
        raise typer.BadParameter(
            "shows the list on a terminal only: leave it out for JSON, a file or a pipe", param_hint="--watch"
        )


def watch(listing: Listing, read: Callable[[], Listing]) -> None:
    """Shows a list until Ctrl-C, which leaves the last one on the terminal.

    What passes by itself, such as throttling or a lost connection, is shown below the list, and ends nothing.

    Args:
        listing: The list.
        read: Returns it again, as it is then.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    from lambdas.aws.transient import is_transient

    problem = ""
    try:
        with Live(auto_refresh=False) as live:
            while True:
                lines = [f"{datetime.now(UTC):%H:%M:%S} UTC, every {SECONDS} s until Ctrl-C"]
                lines += [f"warning: {row}" for row in listing.unreadable]
                if listing.more:
                    lines.append(f"More than {len(listing.loops)} human loops match.")
                if problem:
                    lines.append(f"{problem}; trying again")
                table = listing_table(listing.loops) if listing.loops else Text("No human loops found.")
                # The line with the time is first: a terminal that is not high enough leaves out the end.
                live.update(
                    Group(*(Text(plain(line).plain, style="dim") for line in lines), table), refresh=True
                )
                sleep(SECONDS)
                try:
                    listing, problem = read(), ""
                except (ClientError, BotoCoreError) as error:
                    if not is_transient(error):
                        raise
                    problem = str(error)
    except KeyboardInterrupt:
        return
