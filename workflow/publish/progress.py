"""The progress of a stack operation, for whoever watches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from workflow.publish.stacks import Event

__all__ = ["NoProgress", "Progress"]


class Progress(Protocol):
    """Receives the progress of a publish."""

    def step(self, text: str) -> None:
        """Receives what happens now, in a few words."""
        return

    def event(self, event: Event) -> None:
        """Receives an event of the stack."""
        return


class NoProgress(Progress):
    """Ignores the progress."""
