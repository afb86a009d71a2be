"""Reads an execution, its definition and its history from Step Functions."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from lambdas.reviews.times import in_utc
from workflow.operations.executions.history import visits_of
from workflow.operations.executions.model import ExecutionGone, ExecutionUnreadable, ExecutionView, is_final
from workflow.operations.executions.statuses import figures_of

__all__ = ["read_execution"]

_PAGE = 1000
"""Events in one page of a history: the maximum of GetExecutionHistory. A history has up to 25,000 events."""


_NEWEST = 100
"""Events in one page if only those since the last time are read."""


def read_execution(states: Any, arn: str, known: ExecutionView | None = None) -> ExecutionView:
    """Returns an execution with its whole history.

    Args:
        states: The client of Step Functions.
        arn: The ARN of the execution.
        known: The execution as it was read before. Then only what has happened since is read: events are only ever
            added, and an execution runs one definition. An execution that has not changed is returned as it is.

    Raises:
        ExecutionGone: Step Functions does not have it (any more).
        botocore.exceptions.ClientError: Other errors of Step Functions.
    """
    found = _described(states, arn)
    if known is not None and _is_unchanged(known, found):
        return known
    definition = known.definition if known is not None else _definition(states, arn)
    events = (
        [*known.events, *_events_since(states, arn, known)] if known is not None else _events(states, arn)
    )
    if not is_final(found["status"]) and events and events[-1]["type"] in _ENDS:
        found = _described(states, arn)  # It ended while its history was read.
    gaps = [] if definition else [_NO_DEFINITION]
    visits = visits_of(events, definition)
    return ExecutionView(
        arn=arn,
        name=found["name"],
        machine=found["stateMachineArn"],
        version=found.get("stateMachineVersionArn"),
        status=found["status"],
        started=in_utc(found["startDate"]),
        stopped=in_utc(found["stopDate"]) if found.get("stopDate") else None,
        input=found.get("input"),
        output=found.get("output"),
        error=found.get("error"),
        cause=found.get("cause"),
        definition=definition,
        events=events,
        visits=visits,
        figures=figures_of(definition, visits),
        redrives=found.get("redriveCount", 0),
        map_run=found.get("mapRunArn"),
        link=_link(states, arn),
        gaps=gaps,
    )


_ENDS = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted")
_NO_DEFINITION = "Step Functions no longer has the definition that this execution ran."


def _described(states: Any, arn: str) -> Any:
    try:
        return states.describe_execution(executionArn=arn)
    except ClientError as error:
        _refuse(error, arn)


def _definition(states: Any, arn: str) -> Mapping[str, Any]:
    try:
        text = states.describe_state_machine_for_execution(executionArn=arn)["definition"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "StateMachineDoesNotExist":
            _refuse(error, arn)
        return {}
    found = json.loads(text)
    return found if isinstance(found, Mapping) else {}


def _events(states: Any, arn: str) -> list[Any]:
    try:
        pages = states.get_paginator("get_execution_history").paginate(
            executionArn=arn, PaginationConfig={"PageSize": _PAGE}
        )
        return [event for page in pages for event in page["events"]]
    except ClientError as error:
        _refuse(error, arn)


def _events_since(states: Any, arn: str, known: ExecutionView) -> list[Any]:
    """Returns the events after those that are known, oldest first."""
    last = known.events[-1]["id"] if known.events else 0
    new: list[Any] = []
    try:
        pages = states.get_paginator("get_execution_history").paginate(
            executionArn=arn, reverseOrder=True, PaginationConfig={"PageSize": _NEWEST}
        )
        for page in pages:
            new += itertools.takewhile(lambda event: event["id"] > last, page["events"])
            if any(event["id"] <= last for event in page["events"]):
                break
    except ClientError as error:
        _refuse(error, arn)
    return new[::-1]


def _is_unchanged(known: ExecutionView, found: Any) -> bool:
    if not known.is_final or not known.events or known.events[-1]["type"] not in _ENDS:
        return False
    stopped = in_utc(found["stopDate"]) if found.get("stopDate") else None
    return (known.status, known.stopped, known.redrives) == (
        found["status"],
        stopped,
        found.get("redriveCount", 0),
    )


def _refuse(error: ClientError, arn: str) -> NoReturn:
    code = error.response["Error"]["Code"]
    if code in ("ExecutionDoesNotExist", "InvalidArn"):
        raise ExecutionGone(
            f"Step Functions has no execution {arn}: it deletes executions 90 days after they end; "
            "the ledger and the stored review have what remains"
        ) from None
    if code == "StateMachineTypeNotSupported":
        raise ExecutionUnreadable(
            f"{arn} is an execution of an Express workflow, whose history is only in its logs"
        ) from None
    raise error


def _link(states: Any, arn: str) -> str | None:
    """The address of an execution in the console; None on a local engine."""
    host = urlsplit(states.meta.endpoint_url).hostname or ""
    if not host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws")):
        return None
    region = states.meta.region_name
    home = f"https://{region}.console.aws.amazon.com/states/home?region={region}"
    return f"{home}#/v2/executions/details/{arn}"
