"""Fixtures of the tests on the embedded engine: an engine for each worker process, and a way to wait."""

from __future__ import annotations

import json
import shutil
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import Mock

import pytest

from lambdas.reviews.event import SOURCE
from sandbox.engine import Sandbox, SandboxSession
from sandbox.local import local_stage, publish_local
from tests import least_privilege
from tests.engine.published import PublishedStage
from tests.engine.publisher import Executions, Publisher
from workflow import ROOT
from workflow.publish.account import Account
from workflow.publish.functions import Functions
from workflow.publish.missing import CheckedStack
from workflow.stack.assembly import Assembly, assemble
from workflow.stack.chat_settings import Chat, Slack, Teams

T = TypeVar("T")

_TEAM = "0123abcd-0123-0123-0123-0123456789ab"
SUBSCRIBERS = {
    "escalation_emails": ("oncall@example.com",),
    "notification_emails": ("reviews@example.com",),
    "chat": Chat(
        slack=Slack(workspace="T0123ABCD", channel="C0123ABCD"),
        teams=Teams(tenant=_TEAM, team=_TEAM, channel="19%3a0123abcd%40thread.tacv2"),
        notifications=True,
    ),
}
"""Who gets the messages of the stage `local`: settings of it."""


@pytest.fixture(scope="session")
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """The engine. All tests of a worker process share it, so each uses its own names for resources.

    Waits of state machines are skipped.
    """
    with Sandbox.start(wait_scale=0, log_level="WARNING") as running:
        yield running
        least_privilege.keep(request.config, running)
        others = _stages_with_events_of_all_loops(running) - {local_stage().stack_name}
        assert others == set(), (
            "give these stages flow_definitions, or destroy them: each runs all loops again"
        )


def _stages_with_events_of_all_loops(sandbox: Sandbox) -> set[str]:
    pages = sandbox.client("events").get_paginator("list_rules").paginate(NamePrefix="afterloop-")
    patterns = {
        rule["Name"]: json.loads(rule.get("EventPattern", "{}")) for page in pages for rule in page["Rules"]
    }
    return {
        name
        for name, pattern in patterns.items()
        if pattern.get("source") == [SOURCE] and "detail" not in pattern
    }


@pytest.fixture(scope="session", autouse=True)
def _no_first_reconciliation() -> Iterator[None]:
    """The first publish of a stage invokes the reconciler, which would process loops of the first tests, too."""
    invoke_later = Functions.invoke_later

    def unless_local(functions: Functions, arn: str) -> None:
        # The unit tests of the same process go on as before.
        if "//127.0.0.1:" not in functions._client.meta.endpoint_url:
            invoke_later(functions, arn)

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(Functions, "invoke_later", unless_local)
        yield


@pytest.fixture(scope="session")
def published(sandbox: Sandbox, eventually: Callable[..., object]) -> PublishedStage:
    """The stage `local`, published to the shared engine by the code that publishes to AWS. Addresses and channels get
    its messages."""
    stage = local_stage().model_copy(update=SUBSCRIBERS)
    return PublishedStage(sandbox, stage, publish_local(sandbox, stage), eventually)


@pytest.fixture
def without_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK of this process repeats failed calls at once."""
    monkeypatch.setattr("botocore.endpoint.time", Mock(sleep=Mock(), time=time.time))


@pytest.fixture
def unique() -> str:
    """A name that no other test uses."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def eventually() -> Callable[..., object]:
    """`eventually(condition, timeout=20, interval=0.05, message="")` waits for a condition and returns its value.

    The condition is a function without arguments. It is met when it returns a true value. An AssertionError in it
    means "not yet"; after the timeout, it becomes the cause of the test's failure. The interval grows to 0.4 s.
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
        # What takes long is looked at less often: each look keeps the engine from its work.
        interval = min(1.5 * interval, 0.4)


@pytest.fixture(scope="session")
def assembly() -> Assembly:
    return assemble()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the bundles' source files, for editing."""
    for folder in ("lambdas", "requirements"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (ROOT / ".build").mkdir(exist_ok=True)
    (tmp_path / ".build").symlink_to(ROOT / ".build")
    return tmp_path


@pytest.fixture
def publisher(
    sandbox: Sandbox,
    assembly: Assembly,
    root: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Publisher:
    name = f"t{zlib.crc32(request.node.name.encode())}"
    publisher = Publisher(Account(sandbox.session), name, assembly, root)
    # Each first publish invokes a function. A cold start takes a second, so most tests do without it.
    monkeypatch.setattr(Functions, "invoke_later", lambda _, arn: publisher.invoked.append(arn))
    monkeypatch.setattr("workflow.publish.history.current_commit", lambda: None)  # git takes longer than S3.
    # A plan asks some thirty times whether a resource exists. test_publish_repair.py, and the commands, do it.
    monkeypatch.setattr(Account, "checked", lambda account, stack: CheckedStack())
    return publisher


@pytest.fixture
def executions(publisher: Publisher, eventually: Callable[..., Any]) -> Executions:
    return Executions(publisher, eventually)


@pytest.fixture
def apart(sandbox: Sandbox, assembly: Assembly, root: Path) -> Publisher:
    """The only stage in its Region."""
    config = root / "aws-config"
    config.write_text("[default]\n")
    session = SandboxSession(sandbox.endpoint_url, "eu-west-2", sandbox.keys, config)
    return Publisher(Account(session), "alone", assembly, root)
