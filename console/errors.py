"""What goes wrong in the console, as a page."""

from __future__ import annotations

from workflow.errors import AfterloopError

__all__ = ["Problem"]


class Problem(AfterloopError):
    """A page that says what is wrong, and what to do.

    Args:
        text: What is wrong and what to do.
        status: The HTTP status.
        title: The heading.
        commands: Commands that help, to copy.
    """

    def __init__(
        self, text: str, *, status: int = 404, title: str = "Not found", commands: tuple[str, ...] = ()
    ) -> None:
        super().__init__(text)
        self.status = status
        self.title = title
        self.commands = commands
