"""Work that a service does after it has responded."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["in_background"]


def in_background(function: Callable[..., Any], *arguments: Any) -> None:
    """Calls a function in a thread, for the account and the Region of this one."""
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(function, *arguments), daemon=True).start()
