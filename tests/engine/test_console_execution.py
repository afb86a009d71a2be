"""An execution in the console: one that the workflow failed to process, on the engine."""

from __future__ import annotations

import json

from starlette.testclient import TestClient

from console.app import console_app
from console.site import Connection, Site
from tests.engine.published import PublishedStage
from workflow.operations.stage_resources import StageResources


def test_failed_execution_is_understood_and_runs_again(published: PublishedStage) -> None:
    name, session = published.name("odd"), published.sandbox.session
    event = {"detail": published.event(name, "Completed", humanLoopOutput={"outputS3Uri": "nowhere"})}
    published.states.start_execution(
        stateMachineArn=f"{published.outputs['StateMachine']}:live", name=name, input=json.dumps(event)
    )
    published.ended(name)
    stage = published.stage.name
    site = Site(stage, lambda: Connection(StageResources.find(stage, session), session), may_write=True)
    browser = TestClient(console_app(site))

    page = browser.get(f"/executions/{name}?format=json").json()
    graph = browser.get(f"/executions/{name}").text
    again = browser.post(f"/executions/{name}/run-again", follow_redirects=False)
    redriven = browser.get(again.headers["location"])

    assert (page["summary"]["text"], page["summary"]["step"]["state"]) == ("It failed in", "Collect review")
    assert page["summary"]["cause"]["message"].endswith("expected s3://bucket/key, found 'nowhere'")
    assert page["loop"] == {"name": name, "change": "Completed", "outcome": "failed"}
    visit, logs = page["step"]["visit"], page["step"]["logs"]
    assert (visit["status"], visit["error"], len(visit["attempts"])) == ("caught-error", "InvalidDocument", 1)
    assert "review refused" in [line["message"] for line in logs["lines"]]
    assert 'class="state task caught-error selected" data-state="Collect review"' in graph
    assert again.status_code == 303
    assert again.headers["location"].startswith(f"/executions/redrive-{name}-")
    assert "The status change is being processed again" in redriven.text
    published.ended(name, 2)
