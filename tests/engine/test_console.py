"""The console of a stage on the engine."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from typing import Any

from starlette.testclient import TestClient

from console.app import console_app
from console.read_only import read_only
from console.site import Connection, Site
from sandbox.connection import engine_of
from sandbox.engine import Sandbox, SandboxSession
from sandbox.sample_flows import FLOW_DEFINITIONS
from tests.engine.published import PublishedStage
from workflow import ROOT
from workflow.operations.stage_resources import StageResources


def test_command_serves_a_published_stage_until_it_is_interrupted(published: PublishedStage) -> None:
    command = [sys.executable, "deploy.py", "console", "--stage", published.stage.name, "--output", "json"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=published.sandbox.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            link = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")["url"]
            address, _, token = link.partition("?token=")
            request = urllib.request.Request(
                f"{address}?format=json", headers={"Authorization": f"Bearer {token}"}
            )
            with urllib.request.urlopen(request, timeout=30) as response:
                assert "loops" in json.load(response)
            # On the engine, one can also answer as a worker.
            tasks = urllib.request.Request(
                f"{address}tasks?format=json", headers={"Authorization": f"Bearer {token}"}
            )
            with urllib.request.urlopen(tasks, timeout=30) as response:
                assert len(json.load(response)["samples"]) == len(FLOW_DEFINITIONS)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "Stopping the console\n")


def test_engine_is_found_by_its_keys_alone(sandbox: Sandbox) -> None:
    engine = engine_of(sandbox.variables())

    assert engine is not None
    assert isinstance(engine.call("GET", "/_sandbox/loops"), list)
    assert engine_of({**sandbox.variables(), "AWS_SECRET_ACCESS_KEY": "of-an-earlier-run"}) is None


ACTIONS = {"sagemaker-a2i-runtime": "sagemaker", "stepfunctions": "states"}
"""Name of a service in botocore → in IAM."""
IAM = {"s3:ListObjectsV2": "s3:ListBucket", "s3:HeadObject": "s3:GetObject"}
"""Operation → the action that IAM checks, if it is another."""


def test_pages_only_read_and_never_scan(published: PublishedStage) -> None:
    """As for a stage on AWS: the session refuses every other operation before the call."""
    sandbox, name = published.sandbox, published.name()
    published.start(name, published.flow_definition(), {"text": "fine"})
    sandbox.loops.answer(name, {"comment": "fine"})
    published.ended(name)
    session = read_only(
        SandboxSession(sandbox.endpoint_url, sandbox.region, sandbox.keys, sandbox.directory / "aws-config")
    )
    called: set[str] = set()

    def note(model: Any, **_: Any) -> None:
        called.add(
            f"{ACTIONS.get(model.service_model.service_name, model.service_model.service_name)}:{model.name}"
        )

    session.events.register("before-call", note)

    def connect() -> Connection:
        return Connection(StageResources.find(published.stage.name, session), session)

    browser = TestClient(console_app(Site(published.stage.name, connect)))
    execution = f"/executions/{(published.row(name).execution or '').rpartition(':')[2]}"
    paths = [
        "/",
        f"/?find={name}",
        "/?status=Completed&flow=support-messages&since=2h",
        f"/loops/{name}",
        f"/loops/{name}/review",
        execution,
        f"{execution}?state=Collect+review",
        f"{execution}?view=table",
        f"{execution}?view=events",
        "/report",
    ]
    answers = {path: browser.get(path).status_code for path in paths}

    assert answers == dict.fromkeys(paths, 200)
    page = (ROOT / "docs/how-to/console.md").read_text(encoding="utf-8")
    assert {action for action in called if f"`{IAM.get(action, action)}`" not in page} == set()
    assert browser.post(f"/loops/{name}/stop").status_code in (404, 405)
    assert browser.get("/tasks").status_code == 404
