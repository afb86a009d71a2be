"""Status changes of executions: the events and the metrics that Step Functions sends."""

from __future__ import annotations

import json
import logging
from typing import Any

from sandbox.ministack_patches import redrive, versions

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


def _report_status_changes() -> None:
    """Sends the event of a status change as AWS does, and counts it in the metrics of the state machine.

    AWS: the event names the version and the alias of the execution, and whether it can be redriven, which is so for
    each end but success. Error and cause are there for each unsuccessful end. An input or output whose escaped text is
    larger than 248 KiB is left out, and `inputDetails` or `outputDetails` says so. Executions of Standard workflows
    send events. (https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html)
    The namespace AWS/States has ExecutionsStarted, ExecutionsSucceeded, ExecutionsFailed, ExecutionsTimedOut,
    ExecutionsAborted and ExecutionTime (milliseconds), for the state machine, and for a version and an alias with
    which the execution was started. A redrive counts as ExecutionsRedriven, and the end after it also as
    RedrivenExecutionsFailed and the like. (https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html)
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
    redrivable, reason = redrive.status_of(execution)
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
        "redriveCount": execution.get("redriveCount", 0),
        "redriveDate": stepfunctions._iso_to_epoch_ms(execution.get("redriveDate")),
        "redriveStatus": redrivable,
        "redriveStatusReason": reason,
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
    names = [_METRICS[status]]
    if execution.get("redriveCount"):
        names = ["ExecutionsRedriven"] if status == "RUNNING" else [*names, f"Redriven{names[0]}"]
    for dimensions in series:
        for name in names:
            cloudwatch.record_metric("AWS/States", name, 1, "Count", dimensions)
        if stopped is not None:
            cloudwatch.record_metric(
                "AWS/States", "ExecutionTime", stopped - started, "Milliseconds", dimensions
            )
