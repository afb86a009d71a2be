"""A console without a server: Starlette's test client in front of the application or of the guard."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from console.app import console_app
from console.guard import Guard
from console.site import Connection, Site
from workflow.operations.listing import LoopPage
from workflow.operations.stage_resources import StageResources

PORT = 8421
TOKEN = "correct-token"


def resources(**outputs: str) -> StageResources:
    return StageResources(
        stage="dev",
        partition="aws",
        region="eu-west-1",
        account_id="111122223333",
        outputs={
            "StateMachine": "arn:aws:states:eu-west-1:111122223333:stateMachine:afterloop-dev",
            "LedgerTable": "ledger",
            "ReviewBucket": "reviews",
            **outputs,
        },
    )


def quiet_connection() -> Connection:
    """A stage without human loops, for tests of what all pages share. It makes no call."""
    connection = Connection(resources(), session=None)  # type: ignore[arg-type]
    vars(connection)["loops"] = SimpleNamespace(page=lambda *_, **__: LoopPage([]))
    return connection


@pytest.fixture
def console() -> Callable[..., TestClient]:
    """Makes a client of a console without the guard, given what its `Connection` is: `console(connection)`."""

    def make(connection: Any = None, **options: Any) -> TestClient:
        def connect() -> Any:
            if isinstance(connection, Exception):
                raise connection
            return connection or quiet_connection()

        site = Site("dev", connect, **options)
        return TestClient(console_app(site), raise_server_exceptions=False)

    return make


@pytest.fixture
def guarded() -> Callable[..., TestClient]:
    """Makes a client of a guard in front of an application, or of a console that has nothing but its first page."""

    def make(app: Any = None) -> TestClient:
        site = Site("dev", quiet_connection)
        guard = Guard(app or console_app(site), PORT, TOKEN)
        return TestClient(guard, base_url=f"http://127.0.0.1:{PORT}", follow_redirects=False)  # type: ignore[arg-type]

    return make
