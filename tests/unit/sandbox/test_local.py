"""What `local` shows on a terminal while it starts."""

from __future__ import annotations

import io
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from sandbox import local


class Published(Exception):
    """Raised to end the run when the stage is published."""


def test_status_line_disappears_when_the_engine_has_started(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    engine = SimpleNamespace(
        endpoint_url="http://127.0.0.1:4566", account_id="111122223333", region="us-east-1"
    )

    def publish(*_: Any) -> None:
        console.print("publishing now")  # rich draws a status line again after each output
        raise Published

    monkeypatch.setattr(local.Sandbox, "start", lambda **_: nullcontext(engine))
    monkeypatch.setattr(local, "publish_local", publish)
    with pytest.raises(Published):
        local.run(console=console)

    before, after = screen.getvalue().split("publishing now")
    assert "Starting the local engine" in before
    assert "Starting the local engine" not in after
    assert "Publishing the stage" in after
