"""What the tests on the embedded engine share: one engine per worker process, and how to wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from sandbox.engine import Sandbox
from sandbox.local import local_stage, publish_local
from tests.engine.published import PublishedStage

T = TypeVar("T")


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The engine, shared by all tests of one worker process; the waits of state machines are skipped.

    Tests keep out of each other's way by names of their own, not by emptying it.
    """
    with Sandbox.start(wait_scale=0, log_level="WARNING") as running:
        yield running


@pytest.fixture(scope="session")
def published(sandbox: Sandbox, eventually: Callable[..., object]) -> PublishedStage:
    """The stage `local`, published to the shared sandbox by the same code that publishes to AWS."""
    return PublishedStage(sandbox, local_stage(), publish_local(sandbox), eventually)


@pytest.fixture(scope="session")
def eventually() -> Callable[..., object]:
    """`eventually(condition, timeout=20, interval=0.05, message="")` waits until it holds; returns its value.

    The condition is a function without arguments. It holds when it returns something true; an AssertionError
    in it means "not yet", and is what the test fails with when the time is over.
    """
    return _eventually


def _eventually(
    condition: Callable[[], T], timeout: float = 20, interval: float = 0.05, message: str = ""
) -> T:
    deadline = time.monotonic() + timeout
    while True:
        failure = None
        try:
            value = condition()
        except AssertionError as error:
            value, failure = None, error
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(
                message or f"{condition.__name__}: still {value!r} after {timeout} s"
            ) from failure
        time.sleep(interval)
