"""Tests of the executions that start from now on."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.cloudwatch_logs import BEGIN, CloudWatchLogs
from tests.unit.workflow.operations.executions.doubles import Executions
from tests.unit.workflow.operations.executions.histories import START, History
from workflow.operations import new_executions
from workflow.operations.new_executions import NewExecutions, News
from workflow.operations.stage_resources import StageResources

MACHINE = "arn:aws:states:us-east-1:111122223333:stateMachine:afterloop-dev"
RESOURCES = StageResources("dev", "aws", "us-east-1", "111122223333", {"StateMachine": MACHINE})
DEFINITION = {"States": {"Ask": {"Type": "Task", "Next": "Done"}, "Done": {"Type": "Succeed"}}}
AT = (START - BEGIN).total_seconds()
REQUEST = "4299ee26-8d1d-4ea9-bd43-77b85ed96cfe"


def arn(name: str) -> str:
    return f"{MACHINE.replace(':stateMachine:', ':execution:')}:{name}"


class Stage:
    """A stage, and a clock that stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.executions = Executions(DEFINITION)
        self.logs = CloudWatchLogs()
        self.now = 0.0
        monkeypatch.setattr(new_executions, "monotonic", lambda: self.now)

    def client(self, service: str, **_: Any) -> Any:
        return {"stepfunctions": self.executions, "logs": self.logs}[service]

    def add(self, name: str, history: History, status: str = "RUNNING", **more: Any) -> None:
        ended = {} if status == "RUNNING" else {"stopDate": START + timedelta(seconds=9)}
        self.executions.add(arn(name), status, history, **ended, **more)

    def new(self) -> NewExecutions:
        return NewExecutions(self, RESOURCES)  # type: ignore[arg-type]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


def told(news: News) -> dict[str, Any]:
    return {
        "loop": news.loop,
        "started": news.has_started,
        "visits": [str(visit) for visit in news.visits],
        "ended": news.has_ended,
        "lines": [line.message for line in news.logs.lines],
    }


def test_execution_is_told_from_its_start_to_its_end(stage: Stage) -> None:
    stage.add("before", History(), "SUCCEEDED")
    looking = stage.new()
    assert list(looking.look()) == []

    history = History()
    history.entered("Ask")
    stage.add("one", history, input=json.dumps({"detail": {"humanLoopName": "loop-1"}}))
    assert [told(news) for news in looking.look()] == [
        {"loop": "loop-1", "started": True, "visits": [], "ended": False, "lines": []}
    ]
    assert [told(news)["visits"] for news in looking.look()] == [["Ask (running)"]]
    assert list(looking.look()) == [], "nothing is told twice"

    history.tried("KeyError")
    history.tried()
    history.left("Ask")
    history.entered("Done", "Succeed")
    history.left("Done", "Succeed")
    stage.add("one", history, "SUCCEEDED", input=json.dumps({"detail": {"humanLoopName": "loop-1"}}))
    assert [told(news) for news in looking.look()] == [
        {"loop": "loop-1", "started": False, "visits": ["Ask (1 retry)", "Done"], "ended": True, "lines": []}
    ]
    assert list(looking.look()) == []


def test_lines_are_read_now_and_then_until_some_time_after_the_end(stage: Stage) -> None:
    looking = stage.new()
    history = History()
    history.entered("Ask")
    history.tried(SdkResponseMetadata={"RequestId": REQUEST})
    history.left("Ask")
    stage.add("one", history, "SUCCEEDED")
    stage.logs.write("tell", "stream", f"START RequestId: {REQUEST} Version: 3", "first", at=AT + 1)
    assert [told(news)["lines"][-1] for news in looking.look()] == ["first"]

    stage.logs.write("tell", "stream", "second", f"END RequestId: {REQUEST}", at=AT + 2)
    searches = stage.logs.calls["FilterLogEvents"]
    assert list(looking.look()) == []
    assert stage.logs.calls["FilterLogEvents"] == searches, "too early"
    stage.now = 4
    assert [told(news)["lines"][0] for news in looking.look()] == ["second"]

    stage.now = 16
    assert list(looking.look()) == []
    calls = stage.executions.calls["DescribeExecution"]
    assert list(looking.look()) == []
    assert stage.executions.calls["DescribeExecution"] == calls, "it is forgotten"


def test_several_executions_are_told_oldest_first_and_few_at_a_time(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_executions, "MAX_FOLLOWED", 2)
    looking = stage.new()
    for name in ("one", "two", "three"):
        stage.add(name, History(), "SUCCEEDED", input="no JSON")
    assert [news.loop for news in looking.look()] == ["one", "two"]
    stage.now = 16
    assert list(looking.look()) == []
    assert [news.loop for news in looking.look()] == ["three"]


def test_execution_that_was_pushed_out_of_the_list_is_not_new(stage: Stage) -> None:
    """The list has the newest only. An older one appears in it again when others are deleted."""
    stage.add("now", History())
    looking = stage.new()
    stage.executions.add(arn("older"), "RUNNING", History(), startDate=START - timedelta(days=1))
    assert list(looking.look()) == []
