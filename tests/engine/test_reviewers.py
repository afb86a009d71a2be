"""A person starts a sample on the console's page, answers it, and finds the review stored."""

from __future__ import annotations

from starlette.testclient import TestClient

from console.app import console_app
from lambdas.loops.loop import Loop
from sandbox.local import console_site
from sandbox.sample_flows import FLOW_DEFINITIONS
from tests.engine.published import PublishedStage
from tests.waiting_tasks import written


def test_sample_is_started_answered_and_stored(published: PublishedStage) -> None:
    site = console_site(published.sandbox, published.stage.name)
    page = TestClient(console_app(site), follow_redirects=False)

    def started(flow: str) -> str:
        location = page.post("/tasks", data={"sample": flow}).headers["location"]
        return location.partition("?")[0].rpartition("/")[2]

    def ended(name: str) -> Loop | None:
        loop = published.ledger.find(name)
        return loop if loop and loop.outcome not in (None, "processing") else None

    listed = page.get("/tasks?format=json").json()
    assert {sample["flowDefinition"] for sample in listed["samples"]} == FLOW_DEFINITIONS.keys()

    boxes, stopped = started("animal-boxes"), started("order-parts")
    assert f'href="/tasks/{boxes}"' in page.get(f"/loops/{boxes}").text
    view = page.get(f"/tasks/{boxes}?format=json").json()
    assert (view["picture"]["width"], view["picture"]["height"]) == (800, 533)
    worker = view["workers"][1]["id"]
    answer = FLOW_DEFINITIONS["animal-boxes"].sample.answers[0]
    rows = {
        f"e0-box-{number}-{name}": str(("Cat", "Dog").index(value) if name == "label" else value)
        for number, box in enumerate(answer["animals"]["boundingBoxes"])
        for name, value in box.items()
    }
    page.post(f"/tasks/{boxes}", data={"worker": worker, "accepted": view["accepted"], **rows})
    page.post(f"/tasks/{stopped}/stop")

    stored = published.eventually(lambda: ended(boxes))
    assert (stored.status, stored.outcome) == ("Completed", "stored")
    bucket, _, key = published.sandbox.loops.get(boxes).output_uri.removeprefix("s3://").partition("/")
    output = published.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert f'"answerContent":{written(answer)},' in output
    assert f'"workerId":"{worker}"' in output
    assert published.eventually(lambda: ended(stopped)).outcome == "notified"
    waiting = {task["name"] for task in page.get("/tasks?format=json").json()["tasks"]}
    assert waiting.isdisjoint({boxes, stopped})
