"""Prints who gets the messages of a stage for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workflow.cli.terminal import say, shown

if TYPE_CHECKING:
    from rich.console import Console

    from workflow.publish.recipients import KindRecipients, Recipient

__all__ = ["show_recipients"]

_STATUSES = {"unconfirmed": " [red]has not confirmed[/]", "missing": " [red]is no longer subscribed[/]"}


def show_recipients(console: Console, kinds: Sequence[KindRecipients], warnings: Sequence[str]) -> None:
    """Prints a line for each kind of message: who gets it. If nobody gets any, the warnings say it alone."""
    if any(one.recipients for one in kinds):
        say(console, "\n[bold]Who gets messages[/]")
        width = max(len(one.kind) for one in kinds)
        for one in kinds:
            people = ", ".join(map(_recipient, one.recipients))
            say(console, f"  {one.kind:<{width}}  {people or '[red]nobody[/]'}")
    for warning in warnings:
        say(console, f"  [bold red]![/] {shown(warning)}")


def _recipient(one: Recipient) -> str:
    # The name of a queue or a function is enough of its ARN.
    name = one.address.rpartition(":")[2] if one.address.startswith("arn:") else one.address
    address = name if one.protocol in ("email", "http", "https") else f"{one.protocol} {name}"
    about = f" (about {', '.join(one.flow_definitions)})" if one.flow_definitions is not None else ""
    more = f" (if {one.filter})" if one.filter else ""
    return f"{shown(address + about + more)}{_STATUSES.get(one.status, '')}"
