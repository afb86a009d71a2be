"""Settings for all tests."""

from __future__ import annotations

import functools
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import boto3
import botocore.session
import pytest
from botocore.loaders import create_loader
from hypothesis import HealthCheck, settings

from tests import least_privilege
from tests.browsers import browser

__all__ = ["browser"]

TESTS = Path(__file__).parent

# numpy's threads would wait for a core in a loop. The tests have as many processes as there are cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# One profile for all property tests. Examples have no deadline, and slow generation is not an error, because the
# machine can be busy. Every run has the same examples, so that a failure is reproducible.
settings.register_profile(
    "afterloop",
    deadline=None,
    derandomize=True,
    max_examples=30,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
# `make fuzz`: other examples in each run. A failing one is kept in .hypothesis/, and tried first in the next run.
settings.register_profile(
    "fuzz", parent=settings.get_profile("afterloop"), derandomize=False, max_examples=3_000, print_blob=True
)
settings.load_profile("afterloop")

# A shell that starts the tests in the background can make them ignore SIGINT. Their child processes would inherit
# this, but some tests send SIGINT to them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Each boto3 session looks for the models of its services and reads them, which takes half a second. They do not
# change, so all sessions of the process share the loader that keeps them.
botocore.session.create_loader = functools.cache(create_loader)


@pytest.fixture(autouse=True)
def own_default_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """A default session of the test's own: boto3 keeps it, with the profile and files of the time it was made."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


LONGEST = [
    "engine/test_docs.py",
    "engine/test_publish.py",
    "engine/test_tutorial.py",
    "engine/test_upgrade.py",
    "engine/test_human_review.py",
    "engine/test_console_story.py",
    "engine/test_human_review_tokens.py",
    "engine/test_operations.py",
    "engine/test_publish_cli.py",
    "engine/test_publish_shift.py",
    "engine/test_workflow.py",
    "engine/test_athena.py",
    "unit/workflow/operations/report/test_simulation.py",
]
"""The modules that take longest, longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts long modules first. A worker process that gets one last would keep all others waiting."""
    folders = {"engine": 1, "browser": 2}

    def order(item: pytest.Item) -> tuple[int, int]:
        module = item.path.relative_to(TESTS).as_posix()
        if module in LONGEST:
            return 0, LONGEST.index(module)
        return folders.get(item.path.parent.name, 3), 0

    items.sort(key=order)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Lets the collector look at everything again: some libraries complain about what they find at the end.

    Last, because pytest collects garbage here, too.
    """
    gc.unfreeze()


def pytest_collection_finish() -> None:
    """Keeps the garbage collector from looking at the tests, and at all that they import, again and again.

    They stay until the process ends. Without this, the collector takes a tenth of the time of the unit tests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(least_privilege.Recorder(), "least-privilege")


@pytest.fixture(autouse=True, scope="session")
def _no_checks_of_flow_definitions() -> Iterator[None]:
    """Plans of most tests are about something else: each would read all that the account's human loops need."""
    with pytest.MonkeyPatch.context() as patches:
        patches.setattr("workflow.publish.proposing.warnings_in_background", lambda stage, account: list)
        yield
