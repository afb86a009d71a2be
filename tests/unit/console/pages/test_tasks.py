"""The reviewer's pages: each sample can be answered without a script, and gives the answer of the crowd element."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from lambdas.reviews.output import REKOGNITION, TEXTRACT
from sandbox.sample_flows import FLOW_DEFINITIONS
from tests.waiting_tasks import WaitingTasks, written

Open = Callable[..., TestClient]


@pytest.fixture
def tasks() -> WaitingTasks:
    return WaitingTasks()


@pytest.fixture
def page(console: Open, tasks: WaitingTasks) -> TestClient:
    client = console(tasks.connection, may_write=True, reviewers=tasks)
    client.follow_redirects = False
    return client


def fields_of(html: str) -> dict[str, str]:
    """Returns the fields of a task's form with their values, as a browser without scripts submits them."""
    form = html[html.index('<form method="post" class="task') : html.index("End this loop")]
    form = re.sub(r"<template.*?</template>", "", form, flags=re.DOTALL)
    fields: dict[str, str] = {}
    for tag in re.findall(r"<(?:input|textarea|select)\b[^>]*>", form):
        given = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if given.get("type") in ("radio", "checkbox") and not re.search(r"\bchecked\b", tag):
            continue
        if "name" in given and not tag.startswith("<select"):
            fields[given["name"]] = given.get("value", "on")
    for name, options in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected>', options)
        fields[name] = chosen[1] if chosen else ""
    return fields


ANIMALS = FLOW_DEFINITIONS["animal-boxes"].sample.answers[0]
BOX_ROWS = {
    f"e0-box-{number}-{name}": str(("Cat", "Dog").index(value) if name == "label" else value)
    for number, box in enumerate(ANIMALS["animals"]["boundingBoxes"])
    for name, value in box.items()
}
SPAN_ROWS = {
    f"e0-span-{number}-{name}": str(
        ("product", "person", "place", "date").index(span["label"])
        if name == "label"
        else span[f"{name}Offset"]
    )
    for number, span in enumerate(FLOW_DEFINITIONS["order-parts"].sample.answers[0]["parts"]["entities"])
    for name in ("label", "start", "end")
}


@pytest.mark.parametrize(
    ("name", "entered", "removed", "which"),
    [
        ("animal-names", {"e0-option": "2"}, (), 0),
        ("support-messages", {"e0-option": "1", "e1-text": "Broken on arrival"}, (), 0),
        ("image-moderation", {"e0-label-0": "on", "e0-label-1": "on"}, (), 0),
        ("image-moderation", {"e0-label-0": "on"}, (), 1),
        ("animal-boxes", BOX_ROWS, (), 0),
        ("order-parts", SPAN_ROWS, (), 0),
        ("job-applications", {"e0-pair-3-value-0": "01/04/2026"}, ("e0-pair-5-value-0-check-0",), 0),
        ("job-applications", {"e0-pair-4-value-0": "$ 43,000"}, (), 2),
    ],
)
def test_form_without_script_gives_the_answer_of_the_sample(
    page: TestClient,
    tasks: WaitingTasks,
    name: str,
    entered: dict[str, str],
    removed: tuple[str, ...],
    which: int,
) -> None:
    opened = page.get(f"/tasks/{name}")
    assert opened.status_code == 200
    fields = {key: value for key, value in fields_of(opened.text).items() if key not in removed} | entered
    answered = page.post(f"/tasks/{name}", data=fields)
    assert answered.status_code == 303, answered.text
    ((_, worker, answer, seconds),) = tasks.answers
    assert (worker, written(answer)) == ("w1", written(FLOW_DEFINITIONS[name].sample.answers[which]))
    assert 0 <= seconds < 60


def test_two_workers_answer_one_after_the_other(page: TestClient, tasks: WaitingTasks) -> None:
    fields = {"worker": "w2", "e0-none": "on"}
    first = page.post("/tasks/image-moderation", data=fields)
    assert first.headers["location"].startswith("/tasks/image-moderation?")
    assert "one more worker has to answer" in page.get(first.headers["location"]).text
    again = page.post("/tasks/image-moderation", data=fields)
    assert again.status_code == 422
    assert "This worker has answered already: choose another one." in again.text
    assert fields_of(page.get("/tasks/image-moderation").text)["worker"] == "w1"
    page.post("/tasks/image-moderation", data={**fields, "worker": "w1"})
    assert [(worker, answer) for _, worker, answer, _ in tasks.answers] == [
        (worker, {REKOGNITION: {"moderationLabels": []}}) for worker in ("w2", "w1")
    ]
    assert "nobody can answer it" in page.get("/tasks/image-moderation").text
    assert page.post("/tasks/animal-names", data={"e0-option": "0"}).status_code == 422  # without a worker


def test_what_was_entered_is_kept_with_the_problem_beside_it(page: TestClient, tasks: WaitingTasks) -> None:
    fields = {
        **BOX_ROWS,
        "worker": "w3",
        "e0-box-1-width": "9000",
        "e0-box-7-label": "0",
        "e0-box-7-left": "<b>",
    }
    refused = page.post("/tasks/animal-boxes", data=fields)
    assert (refused.status_code, tasks.answers) == (422, [])
    kept = fields_of(refused.text)
    assert {key: kept[key] for key in (*BOX_ROWS, "worker")} == {
        key: fields[key] for key in (*BOX_ROWS, "worker")
    }
    assert "The box reaches beyond the image, which is 800 by 533 pixels." in refused.text
    assert 'value="&lt;b&gt;"' in refused.text
    view = page.post("/tasks/animal-boxes?format=json", data=fields).json()
    assert [bool(box["problem"]) for box in view["elements"][0]["boxes"]] == [False, True, False, True]


def test_answer_that_the_engine_refuses_is_kept(page: TestClient, tasks: WaitingTasks) -> None:
    tasks.refusal = "human loop support-messages is Stopped: it cannot be answered or ended"
    fields = {"worker": "w1", "e0-option": "1", "e1-text": "a long remark"}
    refused = page.post("/tasks/support-messages", data=fields)
    assert refused.status_code == 409
    assert tasks.refusal in refused.text
    assert "a long remark</textarea>" in refused.text


def test_flow_definition_without_description_takes_json(page: TestClient, tasks: WaitingTasks) -> None:
    tasks.add("other", {"n": "a\u202eb"})
    opened = page.get("/tasks/other")
    assert "crowd-bounding-box" in opened.text
    assert r"a\u202Eb" in opened.text
    refused = page.post("/tasks/other", data={"worker": "w1", "e0-text": '{"a": 1,}'})
    assert "This is not JSON" in refused.text
    assert "{&#34;a&#34;: 1,}" in refused.text
    page.post("/tasks/other", data={"worker": "w1", "e0-text": '{"b": {"label": "x"}, "a": 1}'})
    assert written(tasks.answers[0][2]) == '{"a":1,"b":{"label":"x"}}'


def test_only_the_beginning_of_a_long_input_is_shown(page: TestClient, tasks: WaitingTasks) -> None:
    tasks.add("other", {"text": "x" * 200_000, "list": list(range(100_000))})
    view = page.get("/tasks/other?format=json").json()
    assert (len(view["inputContent"]), view["isInputCut"]) == (100_000, True)
    assert "The first 100,000 characters:" in page.get("/tasks/other").text
    assert page.get("/tasks/animal-names?format=json").json()["isInputCut"] is False


@pytest.mark.parametrize(
    "value", [None, 1, [[]], {"a": {}}, [1, None, {"label": None}], {"boundingBoxes": "x"}]
)
def test_odd_input_still_makes_a_page(page: TestClient, tasks: WaitingTasks, value: Any) -> None:
    for name in ("animal-boxes", "order-parts", "support-messages"):
        described = tasks.task(name).description
        content = {
            "taskObject": "a\x00b\ud800",
            "labels": value,
            "prediction": {"animals": value, "parts": value},
        }
        tasks.add(f"odd-{name}", content, description=described)
    response = {"blocks": value, "moderationLabels": value}
    for name, source in (("odd-form", TEXTRACT), ("odd-image", REKOGNITION)):
        tasks.add(name, {"aiServiceRequest": value, "selectedAiServiceResponse": response}, source)
    for name in [name for name in tasks.tasks if name.startswith("odd-")]:
        assert page.get(f"/tasks/{name}").status_code == 200
        assert page.get(f"/tasks/{name}?as=json").status_code == 200
        assert (
            page.post(f"/tasks/{name}", data={"e0-box-0-left": "9" * 400, "accepted": "x"}).status_code == 422
        )


def test_any_task_can_be_answered_as_json(page: TestClient, tasks: WaitingTasks) -> None:
    opened = page.get("/tasks/animal-boxes?as=json&format=json").json()
    begun = json.loads(opened["elements"][0]["text"])
    assert begun["animals"]["initialValueModified"] is False
    answer: dict[str, Any] = {"animals": {"boundingBoxes": [], "note": 1}}
    page.post("/tasks/animal-boxes?as=json", data={"worker": "w1", "e0-text": json.dumps(answer)})
    assert tasks.answers[0][2] == answer


@pytest.mark.parametrize(
    ("action", "fields", "how"),
    [
        ("fail", {"code": "InternalError", "reason": "No worker."}, ("fail", "InternalError", "No worker.")),
        ("expire", {}, ("expire",)),
        ("stop", {}, ("stop",)),
    ],
)
def test_task_ends_without_an_answer(
    page: TestClient, tasks: WaitingTasks, action: str, fields: dict[str, str], how: tuple[str, ...]
) -> None:
    assert page.post(f"/tasks/animal-names/{action}", data=fields).status_code == 303
    assert tasks.ended == [("animal-names", *how)]


def test_failure_needs_a_code(page: TestClient, tasks: WaitingTasks) -> None:
    refused = page.post("/tasks/animal-names/fail", data={"code": " "})
    assert (refused.status_code, tasks.ended) == (422, [])
    assert "Enter a failure code" in refused.text


def test_list_has_what_waits_and_starts_samples(page: TestClient, tasks: WaitingTasks) -> None:
    listed = page.get("/tasks?format=json").json()
    assert [task["name"] for task in listed["tasks"]] == list(FLOW_DEFINITIONS)
    assert listed["hasMore"] is False
    for number in range(200):
        tasks.add(f"more-{number}", {})
    assert "These are the 200 oldest; more wait." in page.get("/tasks").text
    tasks.tasks.clear()
    assert "No task waits" in page.get("/tasks").text
    started = page.post("/tasks", data={"sample": "animal-boxes"})
    assert (started.status_code, list(tasks.tasks)) == (303, ["animal-boxes"])
    assert page.post("/tasks", data={"sample": "none"}).status_code == 409


def test_picture_is_sent_as_what_it_is(page: TestClient, tasks: WaitingTasks) -> None:
    shown = page.get("/tasks/animal-boxes/picture")
    assert shown.headers["content-type"] == "image/png"
    assert shown.content == FLOW_DEFINITIONS["animal-boxes"].sample.picture()
    tasks.objects["documents", "animals.png"] = b"<script>alert(1)</script>"
    other = page.get("/tasks/animal-boxes/picture")
    assert other.headers["content-type"] == "application/octet-stream"
    assert other.headers["content-disposition"].startswith("attachment;")
    assert "sandbox" in other.headers["content-security-policy"]
    assert "cannot be read" in page.get("/tasks/animal-boxes").text
    assert page.get("/tasks/support-messages/picture").status_code == 404


@pytest.mark.parametrize("path", ["/tasks/none", "/tasks/a%2Fb", "/tasks/none/picture"])
def test_unknown_task_says_what_to_do(page: TestClient, path: str) -> None:
    assert page.get(path).status_code == 404


def test_console_without_reviewers_has_no_tasks(console: Open) -> None:
    client = console(may_write=True)
    assert client.get("/tasks").status_code == 404
    assert "Tasks" not in client.get("/tasks").text


def test_form_that_is_too_long_is_refused(page: TestClient) -> None:
    fields = {"worker": "w1", "e0-text": "x" * 5_000_000}
    refused = page.post("/tasks/animal-names", data=fields)
    assert refused.status_code == 413
    assert "more than the 4,194,304 that are read" in refused.text
