"""RedriveExecution: continuing an execution that did not succeed."""

from __future__ import annotations

import contextvars
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.ministack_patches.executions import run
from sandbox.ministack_patches.walks import LOCK, Walk, record

__all__ = ["correct", "status_of"]

_PERIOD = timedelta(days=14)
_MAX_EVENTS = 24_999
_MAX_OPEN = timedelta(days=365)
_TOKENS = 10
_TOKEN_SECONDS = 15 * 60.0

_UNSUCCESSFUL = ("FAILED", "TIMED_OUT", "ABORTED")


def correct() -> None:
    """Adds RedriveExecution, and what other operations say about it."""
    _redrive()
    _describe_redrives()
    _list_redrives()


def status_of(execution: dict[str, Any]) -> tuple[str, str | None]:
    """Returns whether an execution can be redriven now, and why not: redriveStatus and redriveStatusReason.

    AWS: an execution that failed, timed out or was stopped can be redriven within 14 days after its end, if it was
    started less than a year ago and its history has fewer than 24,999 events. Only Standard workflows can.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html; the reasons are those of
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html)
    """
    from ministack.services import stepfunctions

    status = execution["status"]
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) or {}
    now = datetime.now(UTC)
    reason = None
    if status not in _UNSUCCESSFUL:
        reason = f"Execution is {status} and cannot be redriven"
    elif machine.get("status") == "DELETING":
        reason = "State machine is in DELETING status"
    elif now - _time(execution["stopDate"]) > _PERIOD:
        reason = "Execution redrivable period exceeded"
    elif now - _time(execution["startDate"]) > _MAX_OPEN:
        reason = "Execution has exceeded the max execution time"
    elif len(execution["events"]) >= _MAX_EVENTS:
        reason = "Execution history event limit exceeded"
    return ("NOT_REDRIVABLE", reason) if reason else ("REDRIVABLE", None)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _redrive() -> None:
    """Adds RedriveExecution.

    AWS: the execution continues from the state in which it ended, with the input and the variables of that state, and
    with the definition, role, version and alias of its start; of a Parallel or Map, from the branches that did not
    succeed. A Fail state fails again. Retries and timeouts begin anew. The history goes on with ExecutionRedriven, and
    the event of the status RUNNING is sent again. Calls with one of the last ten client tokens of the execution, each
    valid for 15 minutes, give the first answer.
    (https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html,
    https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html)
    AWS does not document which events of the history repeat. Here a state that was entered is not entered again, but
    the Fail state, and each iteration that is run again is started again.
    A distributed Map begins anew here. AWS continues its Map Run.
    MiniStack: does not know the operation.
    """
    from ministack.core.responses import error_response_json, json_response, now_iso
    from ministack.services import stepfunctions

    def refuse(code: str, message: str) -> Any:
        return error_response_json(code, message, 400)

    def redrive(data: dict[str, Any]) -> Any:
        arn = data.get("executionArn")
        if not isinstance(arn, str) or ":execution:" not in arn:
            return refuse("InvalidArn", f"Invalid Arn: '{arn}'")
        execution = stepfunctions._executions.get(arn)
        if execution is None:
            return refuse("ExecutionDoesNotExist", f"Execution Does Not Exist: '{arn}'")
        token = data.get("clientToken")
        with LOCK:
            for known, date, since in execution.get("redriveTokens", ()):
                if known == token and time.monotonic() - since < _TOKEN_SECONDS:
                    return json_response({"redriveDate": date})
            status, reason = status_of(execution)
            if status != "REDRIVABLE" or execution.get("sync"):
                return refuse("ExecutionNotRedrivable", reason or "Execution is not redrivable")
            date = now_iso()
            _continue(execution, date)
            if token:
                tokens = [*execution.get("redriveTokens", ()), (token, date, time.monotonic())]
                execution["redriveTokens"] = tokens[-_TOKENS:]
        stepfunctions._emit_execution_status_event(execution)
        # A thread does not inherit the account and Region of its parent.
        target = contextvars.copy_context().run
        threading.Thread(target=target, args=(run, execution), daemon=True).start()
        return json_response({"redriveDate": date})

    stepfunctions._redrive_execution = redrive
    _add_operation("RedriveExecution", lambda data: stepfunctions._redrive_execution(data))


def _continue(execution: dict[str, Any], date: str) -> None:
    """Makes an execution one that runs, and is where it was."""
    count = execution.get("redriveCount", 0) + 1
    for key in ("error", "cause"):
        execution.pop(key, None)
    execution.update(status="RUNNING", stopDate=None, output=None, redriveCount=count, redriveDate=date)
    details = {"executionRedrivenEventDetails": {"redriveCount": count}}
    redriven = record(execution, "ExecutionRedriven", details, len(execution["events"]))
    if "walk" in execution:
        _link(execution["walk"], redriven["id"])


def _link(walk: Walk, event: int) -> None:
    """Lets the next event of each walk that is not finished link to an event."""
    if walk.state is not None:
        walk.last_event = event
        walk.left = None
        for one in walk.inner or ():
            _link(one, event)


def _add_operation(name: str, handle: Callable[[dict[str, Any]], Any]) -> None:
    from ministack.services import stepfunctions

    handle_others = stepfunctions.handle_request

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any
    ) -> Any:
        if headers.get("x-amz-target", "").endswith(f".{name}"):
            return stepfunctions._finalize_response(handle(json.loads(body or b"{}")))
        return await handle_others(method, path, headers, body, query_params)

    stepfunctions.handle_request = handle_request


def _describe_redrives() -> None:
    """Says in DescribeExecution how often and when an execution was redriven, and whether it can be redriven.

    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html)
    """
    from ministack.services import stepfunctions

    describe = stepfunctions._describe_execution

    def describe_all(data: dict[str, Any]) -> Any:
        status, headers, body = describe(data)
        if status >= 400:
            return status, headers, body
        execution = stepfunctions._executions[data["executionArn"]]
        redrivable, reason = status_of(execution)
        more = {**_redriven(execution), "redriveStatus": redrivable}
        if reason is not None:
            more["redriveStatusReason"] = reason
        return status, headers, json.dumps({**json.loads(body), **more}).encode()

    stepfunctions._describe_execution = describe_all


def _redriven(execution: dict[str, Any]) -> dict[str, Any]:
    date = {"redriveDate": execution["redriveDate"]} if execution.get("redriveDate") else {}
    return {"redriveCount": execution.get("redriveCount", 0), **date}


def _list_redrives() -> None:
    """Says in ListExecutions how often and when executions were redriven, and filters by it.

    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html)
    """
    from ministack.core.responses import error_response_json
    from ministack.services import stepfunctions

    list_all = stepfunctions._list_executions

    def list_redriven(data: dict[str, Any]) -> Any:
        wanted = data.get("redriveFilter")
        if wanted not in (None, "REDRIVEN", "NOT_REDRIVEN"):
            return error_response_json("ValidationException", f"Invalid redriveFilter: '{wanted}'", 400)
        # All at once, since a page of MiniStack's is filled before the filter.
        asked = data if wanted is None else {**data, "maxResults": 1_000_000}
        status, headers, body = list_all(asked)
        if status >= 400:
            return status, headers, body
        answer = json.loads(body)
        found = []
        for one in answer["executions"]:
            more = _redriven(stepfunctions._executions[one["executionArn"]])
            if wanted is None or (wanted == "REDRIVEN") is (more["redriveCount"] > 0):
                found.append({**one, **more})
        return status, headers, json.dumps({**answer, "executions": found}).encode()

    stepfunctions._list_executions = list_redriven
