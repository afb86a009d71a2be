"""The items of a Distributed Map."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from console.executions.items import execution_around, map_run_of
from console.executions.views import MapRunView
from tests.unit.console.executions.executions import NOW, START, History, execution_of

RUN = "arn:aws:states:us-east-1:111122223333:mapRun:m/each:one"
ITEM = "arn:aws:states:us-east-1:111122223333:execution:m/each:a"
COUNTS = {"pending": 1, "running": 0, "succeeded": 3, "failed": 1, "timedOut": 0, "aborted": 0, "total": 5}


def shown(*, refused: str = "", listed: bool = True) -> MapRunView:
    def describe(**_: Any) -> Any:
        if refused:
            raise ClientError({"Error": {"Code": refused, "Message": "no"}}, "DescribeMapRun")
        return {"executionArn": "arn:parent", "status": "RUNNING", "executionCounts": COUNTS}

    def list_executions(**asked: Any) -> Any:
        if not listed:
            raise ClientError({"Error": {"Code": "StateMachineTypeNotSupported"}}, "ListExecutions")
        failed = {"executionArn": ITEM, "name": "a", "status": "FAILED", "startDate": START, "stopDate": NOW}
        return {"executions": [failed] if asked["statusFilter"] == "FAILED" else []}

    history = History()
    history.entered("Each", "Map")
    history.add("MapStateStarted")
    history.add("MapRunStarted", mapRunArn=RUN)
    history.passed("Next")
    states = SimpleNamespace(describe_map_run=describe, list_executions=list_executions)
    first, second = execution_of(history).visits
    assert map_run_of(states, second, now=NOW) is map_run_of(states, None, now=NOW) is None
    found = map_run_of(states, first, now=NOW)
    assert found is not None
    return found


def test_items_are_counted_by_status_and_listed() -> None:
    found = shown()
    assert (found.status, found.counts) == ("RUNNING", {"FAILED": 1, "PENDING": 1, "SUCCEEDED": 3})
    (item,) = found.items
    assert (item.name, item.arn, item.status) == ("a", ITEM, "FAILED")
    assert item.seconds == (NOW - START).total_seconds()
    assert not found.note


@pytest.mark.parametrize(
    ("how", "note"),
    [
        ({"refused": "ResourceNotFound"}, "deletes executions 90 days after they end"),
        ({"refused": "AccessDeniedException"}, "The items cannot be read"),
        ({"listed": False}, "does not list executions of Express workflows"),
    ],
)
def test_items_that_cannot_be_read_are_explained(how: dict[str, Any], note: str) -> None:
    assert note in shown(**how).note


def test_execution_around_is_unknown_if_the_map_run_is_gone() -> None:
    def describe(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "ResourceNotFound"}}, "DescribeMapRun")

    assert execution_around(SimpleNamespace(describe_map_run=describe), RUN) is None
    assert execution_around(None, None) is None
