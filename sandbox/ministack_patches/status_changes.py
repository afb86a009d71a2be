"""Status changes of executions: the events and the metrics that Step Functions sends."""

from __future__ import annotations

import json
import logging
from typing import Any

from sandbox.ministack_patches import versions

__all__ = ["correct"]

_log = logging.getLogger(__name__)

_MAX_ESCAPED = 248 * 1024
"""Bytes of an input or output, as a JSON string in the event. A larger one is left out."""

_METRICS = {
    "RUNNING": "ExecutionsStarted",
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "TIMED_OUT": "ExecutionsTimedOut",
    "ABORTED": "ExecutionsAborted",
}


def correct() -> None:
    """Corrects what is sent when the status of an execution changes."""
    _report_status_changes()
    _keep_final_status()
    _link_events()


def _report_status_changes() -> None:
    """Sends the event of a status change as AWS does, and counts it in the metrics of the state machine.

    AWS: the event names the version and the alias of the execution, and whether it can be redriven, which is so for
    each end but success. Error and cause are there for each unsuccessful end. An input or output whose escaped text is
    larger than 248 KiB is left out, and `inputDetails` or `outputDetails` says so. Executions of Standard workflows
    send events. (https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html)
    The namespace AWS/States has ExecutionsStarted, ExecutionsSucceeded, ExecutionsFailed, ExecutionsTimedOut,
    ExecutionsAborted and ExecutionTime (milliseconds), for the state machine, and for a version and an alias with
    which the execution was started. (https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html)
    MiniStack: versions and aliases are null, only FAILED can be redriven and has an error, the size is that of the
    text in characters, and there are no metrics.
    """
    from ministack.services import eventbridge, stepfunctions

    def emit(execution: dict[str, Any]) -> None:
        versions.associate(execution)
        _count(execution)
        if execution.get("sync"):
            return
        detail = json.dumps(_detail(execution))
        entry = {
            "Source": "aws.states",
            "DetailType": "Step Functions Execution Status Change",
            "Detail": detail,
            "Resources": [execution["executionArn"]],
        }
        try:
            eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        except Exception:  # a rule that fails must not fail the execution
            _log.exception("the event of a status change was not delivered: %s", execution["executionArn"])

    stepfunctions._emit_execution_status_event = emit


def _detail(execution: dict[str, Any]) -> dict[str, Any]:
    from ministack.services import stepfunctions

    status = execution["status"]
    unsuccessful = status in ("FAILED", "TIMED_OUT", "ABORTED")
    given, given_details = _shortened(execution["input"])
    output, output_details = _shortened(execution["output"] if status == "SUCCEEDED" else None)
    return {
        "executionArn": execution["executionArn"],
        "stateMachineArn": execution["stateMachineArn"],
        "name": execution["name"],
        "status": status,
        "startDate": stepfunctions._iso_to_epoch_ms(execution["startDate"]),
        "stopDate": stepfunctions._iso_to_epoch_ms(execution.get("stopDate")),
        "input": given,
        "output": output,
        "stateMachineVersionArn": execution.get("stateMachineVersionArn"),
        "stateMachineAliasArn": execution.get("stateMachineAliasArn"),
        "redriveCount": 0,
        "redriveDate": None,
        "redriveStatus": "REDRIVABLE" if unsuccessful else "NOT_REDRIVABLE",
        "redriveStatusReason": None if unsuccessful else f"Execution is {status} and cannot be redriven",
        "inputDetails": given_details,
        "outputDetails": output_details,
        "error": execution.get("error") if unsuccessful else None,
        "cause": execution.get("cause") if unsuccessful else None,
    }


def _shortened(text: str | None) -> tuple[str | None, dict[str, bool] | None]:
    """Returns a text and its details, or None instead of a text that is too large."""
    if text is None:
        return None, None
    included = len(text) < _MAX_ESCAPED // 12 or len(json.dumps(text)) <= _MAX_ESCAPED
    return text if included else None, {"included": included}


def _count(execution: dict[str, Any]) -> None:
    from ministack.services import cloudwatch, stepfunctions

    status = execution["status"]
    machine = {"StateMachineArn": execution["stateMachineArn"]}
    series = [machine]
    for name, key in (("Version", "stateMachineVersionArn"), ("Alias", "stateMachineAliasArn")):
        if execution.get(key):
            series.append({**machine, name: execution[key].rpartition(":")[2]})
    started = stepfunctions._iso_to_epoch_ms(execution["startDate"])
    stopped = stepfunctions._iso_to_epoch_ms(execution.get("stopDate"))
    for dimensions in series:
        cloudwatch.record_metric("AWS/States", _METRICS[status], 1, "Count", dimensions)
        if stopped is not None:
            cloudwatch.record_metric(
                "AWS/States", "ExecutionTime", stopped - started, "Milliseconds", dimensions
            )


def _keep_final_status() -> None:
    """Keeps the status of an execution that has ended.

    AWS: an execution ends once. Nothing is added to its history after its last event.
    MiniStack: the task that was running when an execution was stopped goes on. When it fails, the status changes from
    ABORTED to FAILED, and a second event is sent.
    """
    from ministack.services import stepfunctions

    fail, add_event = stepfunctions._fail_execution, stepfunctions._add_event

    def fail_running(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    def add_before_end(execution: dict[str, Any], kind: str, details: dict[str, Any] | None = None) -> Any:
        if execution.get("stopDate") is None or kind.startswith("Execution"):
            return add_event(execution, kind, details)
        return None

    stepfunctions._fail_execution = fail_running
    stepfunctions._add_event = add_before_end


def _link_events() -> None:
    """Says in each event of a history which one came before it.

    AWS: `previousEventId`, which is 0 for the first.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html)
    MiniStack: leaves it out. It records no events inside of Parallel and Map, so the previous event is the last one.
    """
    from ministack.services import stepfunctions

    add_event = stepfunctions._add_event

    def add_linked(execution: dict[str, Any], kind: str, details: dict[str, Any] | None = None) -> Any:
        event = add_event(execution, kind, details)
        execution["events"][0].setdefault("previousEventId", 0)
        if event is not None:
            event.setdefault("previousEventId", event["id"] - 1)
        return event

    stepfunctions._add_event = add_linked
