"""Reads an execution, its definition and its history from Step Functions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from lambdas.reviews.times import in_utc
from workflow.asl.graph import StateFigures, StateStatus
from workflow.operations.executions.history import visits_of
from workflow.operations.executions.model import ExecutionGone, ExecutionUnreadable, ExecutionView, is_final
from workflow.operations.executions.statuses import figures_of

__all__ = ["read_execution"]

_PAGE = 1000
"""Events in one page of a history: the maximum of GetExecutionHistory. A history has up to 25,000 events."""
_NEWEST = 100
"""Events in one page if only those since the last time are read."""
_ENDS = ("ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted")


def read_execution(
    states: Any, arn: str, known: ExecutionView | None = None, *, data: bool = True
) -> ExecutionView:
    """Returns an execution with its whole history.

    What the caller may not read is missing, and `gaps` says so: the history, the definition, or data that is encrypted
    with a key of the account.

    Args:
        states: The client of Step Functions.
        arn: The ARN of the execution.
        known: The execution as it was read before. Then only what has happened since is read: events are only ever
            added, and an execution runs one definition. An execution that has not changed is returned as it is.
        data: Whether to read inputs and outputs.

    Raises:
        ExecutionGone: Step Functions does not have it, or no longer.
        ExecutionUnreadable: It is an execution of an Express workflow.
        botocore.exceptions.ClientError: Other errors of Step Functions.
    """
    gaps: list[str] = []
    known = None if known is None or known.gaps else known
    found, has_data = _described(states, arn, gaps, data=data)
    if known is not None and _is_unchanged(known, found):
        return known
    definition = known.definition if known else _definition(states, arn, gaps)
    events = _events(states, arn, known.events if known else (), gaps, data=has_data)
    if events and not is_final(found["status"]) and events[-1]["type"] in _ENDS:
        found, _ = _described(states, arn, [], data=data)  # It ended while its history was read.
    visits = visits_of(events or (), definition)
    figures = figures_of(definition, visits)
    if events is None:
        figures = {name: StateFigures(StateStatus.UNKNOWN) for name in figures}
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
        events=events or (),
        visits=visits,
        figures=figures,
        redrives=found.get("redriveCount", 0),
        map_run=found.get("mapRunArn"),
        link=_link(states, arn),
        gaps=gaps,
    )


def _is_unchanged(known: ExecutionView, found: Mapping[str, Any]) -> bool:
    """Whether a known execution had ended, and was not redriven since.

    Histories are eventually consistent: right after the end, the last event may be missing.
    """
    if not known.is_final or not known.events or known.events[-1]["type"] not in _ENDS:
        return False
    stopped = in_utc(found["stopDate"]) if found.get("stopDate") else None
    return (known.status, known.stopped, known.redrives) == (
        found["status"],
        stopped,
        found.get("redriveCount", 0),
    )


def _described(states: Any, arn: str, gaps: list[str], *, data: bool) -> tuple[Any, bool]:
    """The execution, and whether its data can be read."""
    try:
        return states.describe_execution(executionArn=arn), data
    except ClientError as error:
        if not _is_about_key(error):
            _refuse(error, arn)
    gaps.append(
        "Inputs and outputs are encrypted with a key that your role may not use (kms:Decrypt), so they are not shown."
    )
    return states.describe_execution(executionArn=arn, includedData="METADATA_ONLY"), False


def _definition(states: Any, arn: str, gaps: list[str]) -> Mapping[str, Any]:
    try:
        found = json.loads(states.describe_state_machine_for_execution(executionArn=arn)["definition"])
        return found if isinstance(found, Mapping) else {}
    except ClientError as error:
        if _code(error) == "StateMachineDoesNotExist":
            gaps.append("Step Functions no longer has the definition that this execution ran.")
        elif _is_about_key(error):
            gaps.append("The definition is encrypted with a key that your role may not use (kms:Decrypt).")
        elif _code(error) == "AccessDeniedException":
            gaps.append(_not_allowed("definition", "DescribeStateMachineForExecution"))
        else:
            _refuse(error, arn)
        return {}


def _events(
    states: Any, arn: str, known: Sequence[Any], gaps: list[str], *, data: bool
) -> Sequence[Any] | None:
    """The history, oldest event first; None if the caller may not read it."""

    def pages(size: int, **how: Any) -> Any:
        paginator = states.get_paginator("get_execution_history")
        config = {"PageSize": size}
        included = {} if data else {"includeExecutionData": False}
        return paginator.paginate(executionArn=arn, PaginationConfig=config, **included, **how)

    try:
        if known and (new := _events_after(known[-1]["id"], pages)) is not None:
            return [*known, *new]
        return [event for page in pages(_PAGE) for event in page["events"]]
    except ClientError as error:
        if _code(error) != "AccessDeniedException":
            _refuse(error, arn)
        gaps.append(_not_allowed("history", "GetExecutionHistory"))
        return None


def _events_after(last: int, pages: Callable[..., Any]) -> list[Any] | None:
    """The events after one, oldest first. None if they do not follow it."""
    new: list[Any] = []
    for page in pages(_NEWEST, reverseOrder=True):
        for event in page["events"]:
            if event["id"] <= last:
                return new[::-1] if not new or new[-1]["id"] == last + 1 else None
            new.append(event)
    return None


def _not_allowed(what: str, action: str) -> str:
    return f"Your role may not read the {what} (states:{action}), so what happened in the states is unknown."


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def _is_about_key(error: ClientError) -> bool:
    """KmsAccessDeniedException, KmsInvalidStateException and the like."""
    return _code(error).startswith("Kms")


def _refuse(error: ClientError, arn: str) -> NoReturn:
    if _code(error) in ("ExecutionDoesNotExist", "InvalidArn"):
        raise ExecutionGone(
            f"Step Functions has no execution {arn}: it deletes executions 90 days after they end; "
            "the ledger and the stored review have what remains"
        ) from None
    if _code(error) == "StateMachineTypeNotSupported":
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
