from __future__ import annotations

import json
from typing import Any

import pytest

from workflow.operations.logs.lines import read_line

ID = "4299ee26-8d1d-4ea9-bd43-77b85ed96cfe"
POWERTOOLS = {
    "level": "INFO",
    "location": "handler:47",
    "message": "answered",
    "timestamp": "2026-03-01 10:00:00,123+0000",
    "service": "afterloop",
    "cold_start": True,
    "function_name": "afterloop-dev-AnswerWorkflow",
    "function_memory_size": "512",
    "function_arn": "arn:aws:lambda:eu-west-1:111122223333:function:afterloop-dev-AnswerWorkflow:3",
    "function_request_id": ID,
    "execution": "arn:run",
    "state": "Answer workflow",
    "attempt": 2,
    "humanLoopName": "loop-1",
    "delivered": 1,
    "xray_trace_id": "1-5759e988-bd862e3fe1be46a994272793",
}


def test_line_of_powertools_has_message_fields_and_caller() -> None:
    line = read_line(json.dumps(POWERTOOLS))
    assert (line.level, line.message) == ("INFO", "answered")
    assert line.fields == {"humanLoopName": "loop-1", "delivered": 1}
    assert (line.request_id, line.execution, line.state, line.attempt) == (
        ID,
        "arn:run",
        "Answer workflow",
        2,
    )


def test_traceback_of_powertools_is_in_the_message() -> None:
    logged = {**POWERTOOLS, "exception": "Traceback…\nValueError: no", "stack_trace": {"type": "ValueError"}}
    line = read_line(json.dumps(logged))
    assert line.message == "answered\nTraceback…\nValueError: no"
    assert "stack_trace" not in line.fields


@pytest.mark.parametrize(
    ("raw", "level", "message", "kind"),
    [
        (f"START RequestId: {ID} Version: 3\n", "LAMBDA", f"START RequestId: {ID} Version: 3", "start"),
        (f"END RequestId: {ID}\n", "LAMBDA", f"END RequestId: {ID}", ""),
        (
            f"REPORT RequestId: {ID}\tDuration: 1.2 ms\t\n",
            "LAMBDA",
            f"REPORT RequestId: {ID}, Duration: 1.2 ms",
            "report",
        ),
        (f"REPORT RequestId: {ID}\tDuration: 3000.00 ms\tStatus: timeout\n", "ERROR", "REPORT ", "report"),
        (
            f"2026-03-01T10:00:03.004Z {ID} Task timed out after 3.00 seconds\n\n",
            "ERROR",
            "Task timed out",
            "",
        ),
        (f"RequestId: {ID} Error: Runtime exited with error: signal: killed\n", "ERROR", None, ""),
        (f"[WARNING]\t2026-03-01T10:00:00.123Z\t{ID}\tno answer\n", "WARNING", "no answer", ""),
        (
            json.dumps({"timestamp": "…", "level": "WARN", "message": "m", "requestId": ID}),
            "WARNING",
            "m",
            "",
        ),
        (json.dumps({"type": "platform.start", "record": {"requestId": ID}}), "LAMBDA", None, "start"),
        (
            json.dumps({"type": "platform.report", "record": {"requestId": ID, "status": "timeout"}}),
            "ERROR",
            None,
            "report",
        ),
    ],
)
def test_line_with_request_id_is_understood(raw: str, level: str, message: str | None, kind: str) -> None:
    line = read_line(raw)
    assert (line.level, line.request_id, line.kind) == (level, ID, kind)
    assert line.message.startswith(message or ("platform." if raw.startswith("{") else raw.strip()))


@pytest.mark.parametrize(
    ("raw", "level", "message"),
    [
        (
            "[ERROR] ValueError: no\nTraceback (most recent call last):\n  …\n",
            "ERROR",
            "ValueError: no\nTraceback",
        ),
        ("INIT_START Runtime Version: python:3.11.v36\n", "LAMBDA", "INIT_START"),
        ("plain text \x1b[31m\n", "", "plain text \x1b[31m"),
        ("{not json", "", "{not json"),
        ("[1, 2]", "", "[1, 2]"),
        ("{" * 100_000, "", "{{{"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "", '{"a":'),
        ("", "", ""),
    ],
)
def test_line_without_request_id_is_understood(raw: str, level: str, message: str) -> None:
    line = read_line(raw)
    assert (line.level, line.request_id, line.kind) == (level, None, "")
    assert line.message.startswith(message)


@pytest.mark.parametrize(
    "metrics",
    [
        [{"Metrics": [{"Name": "ReviewsStored", "Unit": "Count"}, {"Name": "FieldsCompared"}]}],
        [{"Metrics": [{"Name": "ReviewsStored"}]}, "?", {"Metrics": [{"Name": "FieldsCompared"}, 1, {}]}, {}],
    ],
)
def test_metrics_are_shown_with_their_values(metrics: Any) -> None:
    document = {"_aws": {"CloudWatchMetrics": metrics}, "ReviewsStored": [1.0], "FieldsCompared": [7, 8]}
    line = read_line(json.dumps(document))
    assert (line.level, line.message) == ("METRIC", "ReviewsStored: 1, FieldsCompared: [7, 8]")


@pytest.mark.parametrize("odd", [7, None, [], {}, True, "", 1.5])
def test_odd_value_costs_only_its_field(odd: Any) -> None:
    for key in POWERTOOLS:
        line = read_line(json.dumps({**POWERTOOLS, key: odd}))
        if key not in ("delivered", "humanLoopName"):
            assert line.fields.items() >= {"humanLoopName": "loop-1", "delivered": 1}.items(), key
        if key not in ("message", "level", "attempt"):
            assert (line.level, line.message) == ("INFO", "answered"), key


def test_state_of_a_line_without_execution_is_a_field_of_the_user() -> None:
    line = read_line(json.dumps({"message": "moved", "state": "Bavaria", "attempt": 3}))
    assert (line.state, line.attempt) == (None, None)
    assert line.fields == {"state": "Bavaria", "attempt": 3}
