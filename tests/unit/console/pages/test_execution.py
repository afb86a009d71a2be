"""The page of an execution."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from botocore.exceptions import ClientError
from starlette.testclient import TestClient

from console.executions.recent import RecentExecutions
from lambdas.loops.loop import Loop
from lambdas.loops.rows import UnreadableRow
from tests.unit.console.conftest import resources
from tests.unit.console.executions.executions import (
    ARN,
    MACHINE,
    START,
    History,
    LogSession,
    OneExecution,
    StageLoopsDouble,
    mapped,
)

Open = Callable[..., TestClient]


@pytest.fixture
def opened(console: Callable[..., TestClient]) -> Open:
    """Makes a client of a console with one execution: `opened(history, status)`."""

    def make(
        history: History,
        status: str = "SUCCEEDED",
        *,
        loops: StageLoopsDouble | None = None,
        write: bool = False,
        logged: Sequence[dict[str, Any]] = (),
        **more: Any,
    ) -> TestClient:
        arn = more.pop("arn", ARN)
        states = OneExecution(history, status, arn, more)
        connection = SimpleNamespace(
            states=states,
            executions=RecentExecutions(states),
            loops=loops or StageLoopsDouble(),
            resources=resources(),
            session=LogSession(lambda **_: {"events": list(logged)}),
        )
        return console(connection, may_write=write)

    return make


def failed() -> History:
    states = {"Look up": {"Type": "Task", "Next": "Store"}, "Store": {"Type": "Pass", "End": True}}
    history = History({"StartAt": "Look up", "States": states})
    history.entered("Look up", given={"name": "n"})
    history.add("TaskScheduled", resourceType="dynamodb", resource="getItem")
    history.add(
        "TaskFailed", resourceType="dynamodb", resource="getItem", error="NoTable", cause="It is gone."
    )
    history.add("ExecutionFailed", error="NoTable", cause="It is gone.")
    return history


def view(client: TestClient, path: str = "/executions/one", **query: Any) -> dict[str, Any]:
    response = client.get(path, params={**query, "format": "json"})
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


def test_failed_execution_shows_its_failed_step_and_why(opened: Open) -> None:
    client = opened(failed(), "FAILED", error="NoTable", cause="It is gone.")
    html = client.get("/executions/one").text
    assert "It failed in" in html
    assert "NoTable" in html
    assert "It is gone." in html
    assert 'data-state="Store"' in html
    assert "data-live" not in html
    found = view(client)
    assert found["summary"]["step"] == {"state": "Look up", "visit": 1, "where": ""}
    assert found["step"]["visit"]["error"] == "NoTable"
    assert [(one["name"], one["status"]) for one in found["states"]] == [
        ("Look up", "failed"),
        ("Store", "not-reached"),
    ]
    assert "graph" not in found


def test_graph_links_each_step_and_marks_the_chosen_one(opened: Open) -> None:
    client = opened(failed(), "FAILED")
    html = client.get("/executions/one").text
    assert 'href="/executions/one?state=Store#step"' in html
    chosen = re.findall(r'<a href="([^"]*)"[^>]* aria-current="true"', html)
    assert chosen == ["/executions/one?state=Look+up#step"]
    assert "style=" not in html
    assert "<style" not in html
    assert 'href="/graph.css"' in html
    style = client.get("/graph.css")
    assert style.headers["content-type"].startswith("text/css")
    assert ".machine .state.failed>.shape" in style.text


def test_chosen_step_is_shown_in_graph_and_table(opened: Open) -> None:
    client = opened(failed(), "FAILED")
    for showing in ("graph", "table"):
        found = view(client, state="Store", view=showing)
        assert (found["step"]["name"], found["step"]["visit"]) == ("Store", None)
        assert "did not come to this step" in client.get(f"/executions/one?state=Store&view={showing}").text


def test_table_and_events_show_all_steps_first(opened: Open) -> None:
    client = opened(failed(), "FAILED")
    table = view(client, view="table")
    assert table["step"] is None
    assert [row["step"]["state"] for row in table["table"]["rows"]] == ["Look up"]
    events = view(client, view="events")
    assert [event["id"] for event in events["events"]["events"]] == [1, 2, 3, 4, 5]
    only = view(client, view="events", state="Look up")
    assert only["events"]["step"]["state"] == "Look up"
    for showing in ("table", "events"):
        assert client.get(f"/executions/one?view={showing}").status_code == 200


def test_running_execution_is_live(opened: Open) -> None:
    history = History({"StartAt": "Back off", "States": {"Back off": {"Type": "Wait", "End": True}}})
    history.entered("Back off", "Wait")
    client = opened(history, "RUNNING")
    html = client.get("/executions/one").text
    assert html.count("data-live") == 2
    assert "It is waiting in" in html
    assert view(client)["isFinal"] is False


def test_page_leads_to_the_loop_and_to_the_aws_console(opened: Open) -> None:
    loop = Loop(human_loop_name="order 1@2026-03-04T05:06:07Z", outcome="stored")
    html = opened(mapped(1), loops=StageLoopsDouble(loop)).get("/executions/one").text
    assert 'href="/loops/order%201%402026-03-04T05%3A06%3A07Z"' in html
    assert (
        "https://eu-west-1.console.aws.amazon.com/states/home?region=eu-west-1#/v2/executions/details/"
        in html
    )


def test_input_that_is_no_event_has_no_loop(opened: Open) -> None:
    for given in ("[]", "{", '{"detail": {"humanLoopName": 7}}', '{"detail": {"humanLoopName": ""}}'):
        assert view(opened(mapped(1), input=given))["loop"] is None


def test_loop_name_that_no_row_can_have_is_shown(opened: Open) -> None:
    given = json.dumps({"detail": {"humanLoopName": "x" * 3000, "humanLoopStatus": ["odd"]}})
    found = view(opened(mapped(1), input=given))
    assert found["loop"]["change"] == ""


def test_items_and_visits_of_a_map_are_linked(opened: Open) -> None:
    client = opened(mapped(3, failed=(1,)))
    html = client.get("/executions/one?state=Each").text
    assert "/executions/one?state=Refuse&amp;visit=1#step" in html
    html = client.get("/executions/one?state=Look").text
    assert 'name="visit" min="1" max="2" value="2"' in html
    assert "/executions/one?state=Look&amp;visit=1#step" in html


def test_items_of_a_distributed_map_link_to_their_executions(opened: Open) -> None:
    processor = {"States": {"Item": {"Type": "Pass"}}, "ProcessorConfig": {"Mode": "DISTRIBUTED"}}
    history = History({"States": {"Each": {"Type": "Map", "ItemProcessor": processor}}})
    history.entered("Each", "Map")
    history.add("MapStateStarted")
    history.add("MapRunStarted", mapRunArn="arn:run")
    client = opened(history, "RUNNING")
    html = client.get("/executions/one?state=Each").text
    link = re.search('href="([^"]+)">item a</a>', html)
    assert link is not None
    assert link[1].endswith(f"/executions/{quote(ARN + '/each:a', safe='')}")
    assert f"{ARN}/each:a" in client.get(link[1]).text
    assert view(client, state="Each")["step"]["mapRun"]["counts"] == {"FAILED": 1}
    assert "other executions" in client.get("/executions/one?state=Item").text


def test_execution_of_an_item_leads_to_the_one_around(opened: Open) -> None:
    client = opened(mapped(1), mapRunArn="arn:run")
    around = view(client)["around"]
    assert around.startswith("arn:")
    assert (
        f'<a href="/executions/{quote(around, safe="")}">another execution</a>'
        in client.get("/executions/one").text
    )
    assert view(opened(mapped(1)))["around"] is None


def test_command_to_run_again_is_shown_by_a_console_that_reads(opened: Open) -> None:
    client = opened(failed(), "FAILED")
    html = client.get("/executions/one").text
    assert f"python deploy.py loops redrive --execution {ARN} --stage dev" in html
    assert "<button>Run again</button>" not in html
    assert client.post("/executions/one/run-again").status_code == 405


def test_run_again_starts_the_next_execution_and_goes_there(opened: Open) -> None:
    loops = StageLoopsDouble()
    client = opened(failed(), "FAILED", loops=loops, write=True)
    assert "<button>Run again</button>" in client.get("/executions/one").text
    response = client.post("/executions/one/run-again", follow_redirects=False)
    assert response.status_code == 303
    assert response.headers["location"].startswith("/executions/one-again?message=")
    assert loops.redriven == [ARN]


def test_execution_that_cannot_run_again_says_why(opened: Open) -> None:
    loops = StageLoopsDouble(refusal="its status change is already processed, by other")
    client = opened(failed(), "FAILED", loops=loops, write=True)
    html = client.get("/executions/one").text
    assert "It cannot run again: its status change is already processed, by other" in html
    assert "<button>Run again</button>" not in html
    response = client.post("/executions/one/run-again")
    assert response.status_code == 409
    assert "already processed" in response.text


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "InternalServerError", "Message": "down"}}, "BatchGetItem"),
        UnreadableRow("order 1", "attempt is not a number"),
    ],
)
def test_ledger_that_cannot_be_read_costs_only_the_loop(opened: Open, error: Exception) -> None:
    found = view(opened(failed(), "FAILED", loops=StageLoopsDouble(error=error)))
    assert found["loop"] == {"name": "order 1", "change": "Completed", "outcome": None}
    assert found["runAgain"]["possible"] is False
    assert found["runAgain"]["whyNot"]
    assert found["step"]["name"] == "Look up"


def test_only_failed_executions_of_the_workflow_can_run_again(opened: Open) -> None:
    assert view(opened(mapped(1)))["runAgain"] is None
    assert view(opened(failed(), "FAILED", stateMachineArn=f"{MACHINE}-2"))["runAgain"] is None


def test_executions_of_other_state_machines_are_found_by_arn(opened: Open) -> None:
    arn = "arn:aws:states:eu-west-1:111122223333:execution:children/map:one"
    client = opened(mapped(1), arn=arn)
    path = f"/executions/{arn.replace('/', '%2F')}"
    assert view(client, path)["arn"] == arn
    assert (
        f'href="/executions/{arn.replace(":", "%3A").replace("/", "%2F")}?view=table"'
        in client.get(path).text
    )


def test_unknown_execution_is_a_page_that_says_what_to_do(opened: Open) -> None:
    response = opened(mapped(1)).get("/executions/two")
    assert response.status_code == 404
    assert "90 days" in response.text
    assert "python deploy.py loops list --stage dev" in response.text
    response = opened(mapped(1)).get(f"/executions/{'x' * 300}")
    assert response.status_code == 404
    assert "No execution has an ARN of" in response.text


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("state=Lok", 404, "The execution has no step &#39;Lok&#39;."),
        ("state=Each&visit=2", 404, "there is no visit 2"),
        ("state=Each&visit=x", 400, "The visit is a number from 1"),
        ("state=Each&visit=0", 400, "The visit is a number from 1"),
        ("view=table&page=%C2%B2", 400, "The page is a number from 1"),
        ("view=list", 400, "There is no view"),
    ],
)
def test_invalid_address_says_what_is_wrong(opened: Open, query: str, status: int, text: str) -> None:
    response = opened(mapped(1)).get(f"/executions/one?{query}")
    assert response.status_code == status
    assert text in response.text


def test_execution_without_definition_is_shown_as_a_table(opened: Open) -> None:
    client = opened(History())
    found = view(client)
    assert (found["showing"], found["table"]["rows"]) == ("table", [])
    for showing in ("graph", "table", "events"):
        assert client.get(f"/executions/one?view={showing}").status_code == 200


def test_hostile_texts_are_escaped_everywhere(opened: Open) -> None:
    hostile = "<script>x</script>\x1b[2J\u202e\"'&?#/"
    states = {hostile: {"Type": "Task", "Comment": hostile, "End": True}}
    history = History({"StartAt": hostile, "States": states, "Comment": hostile}, input=hostile)
    history.entered(hostile, given={hostile: hostile})
    history.tried(hostile)
    history.tried()
    history.left(
        hostile, output={hostile: hostile, "more": hostile}, assignedVariables={hostile: json.dumps(hostile)}
    )
    history.entered("Fail", "Fail")
    history.add("ExecutionFailed", error=hostile, cause=hostile)
    event = json.dumps({"detail": {"humanLoopName": hostile, "humanLoopStatus": hostile}})
    time = int(START.timestamp() * 1000) + 3000
    line = json.dumps({"execution": ARN, "attempt": 1, "message": hostile, "function_request_id": "r"})
    logged = [{"logStreamName": "s", "timestamp": time, "message": line}]
    client = opened(history, "FAILED", error=hostile, cause=hostile, input=event, logged=logged)
    for showing in ("graph", "table", "events"):
        response = client.get("/executions/one", params={"view": showing, "state": hostile})
        assert response.status_code == 200
        html = response.text
        assert "<script>x" not in html
        assert "\x1b" not in html
        assert "\u202e" not in html
    step = view(client, state=hostile)["step"]
    assert step["name"] == hostile
    assert [one["message"] for one in step["logs"]["lines"]] == [hostile]
