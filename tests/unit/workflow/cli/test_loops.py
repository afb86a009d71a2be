"""Tests of the `loops` commands. tests/engine has more, against the local engine."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.exceptions import EndpointConnectionError
from botocore.response import StreamingBody
from botocore.stub import ANY

from lambdas.loops.reconciliation import Reconciliation
from tests.command_line import printed_json, run
from tests.unit.doubles import StepFunctions, StubbedSession, add_red_loop
from tests.unit.workflow.operations.executions.doubles import Executions
from tests.unit.workflow.operations.executions.histories import History
from workflow.operations.stage_resources import StageResources

FLOW = "arn:aws:sagemaker:us-east-1:123456789012:flow-definition/triage"
MACHINE = "arn:aws:states:us-east-1:123456789012:stateMachine:afterloop-dev"
EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:afterloop-dev:one"
CREATED = "2026-03-04T05:06:07.890Z"
CLAIM = f"{CREATED} Failed"
SECOND = EXECUTION.replace(":one", ":two")


def add_loop(session: StubbedSession, name: str, **attributes: Any) -> None:
    """Writes a row to the ledger."""
    row = {"humanLoopName": name, "flowDefinitionArn": FLOW, "createdAt": CREATED, "attempt": 1}
    item = {name: TypeSerializer().serialize(value) for name, value in (row | attributes).items()}
    session.client("dynamodb").put_item(TableName="ledger", Item=item)


def add_abandoned_loop(session: StubbedSession) -> None:
    """Writes a row whose status change an execution claimed and released."""
    claim = {"state": "released", "execution": EXECUTION, "at": "2026-03-04T06:00:00.000Z"}
    add_loop(session, "loop-1", status="Failed", outcome="failed", **{f"claim {CLAIM}": claim})


def add_function_response(
    session: StubbedSession, function: str, response: Any, **more: Any
) -> dict[str, Any]:
    """Adds a response of a function of the stage. Returns the call that is expected; tests may add the payload."""
    body = json.dumps(response).encode()
    expected = {"FunctionName": f"afterloop-dev-{function}", "Payload": ANY}
    session.stubs["lambda"].add_response(
        "invoke",
        {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(body), len(body)), **more},
        expected,
    )
    return expected


def test_loops_without_a_command_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("loops", capsys=capsys)
    assert (status, err) == (1, "")
    assert "Usage: python deploy.py loops" in out


def test_list_prints_loops_that_need_action_first(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    review = {"fields": 7, "changed": 2, "added": 1, "removed": 0}
    add_loop(session, "stored", status="Completed", outcome="stored", review=review)
    add_loop(session, "running", status="InProgress")
    add_loop(session, "failed", status="Completed", outcome="failed", reason="OutputMissing:\nno object")
    add_loop(session, "closed", status="Failed", outcome="closed", note="withdrawn")
    add_loop(session, "restarted", status="Failed", outcome="restarted", nextLoopName="restarted-attempt-2")
    add_loop(session, "expired", status="Failed", failureCode="Expired")

    status, out, err = run("loops", "list", capsys=capsys)

    assert (status, err) == (0, "")
    header, *rows = out.splitlines()
    assert header.split()[:3] == ["Human", "loop", "Flow"]
    assert [row.split()[0] for row in rows[:2]] == ["failed", "running"]
    reasons = {row.split()[0]: row for row in rows}
    assert reasons["failed"].endswith(r"OutputMissing:\nno object")
    assert reasons["closed"].endswith("withdrawn")
    assert reasons["stored"].endswith("3 of 7 fields overruled")
    assert reasons["restarted"].endswith("restarted as restarted-attempt-2")
    assert reasons["expired"].endswith("Expired")


def test_list_on_a_terminal_wraps_names_and_has_two_lines_a_loop(
    session: StubbedSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a-long-name-" + "y" * 40
    add_loop(session, name, status="Failed", outcome="escalated", reason="All attempts are used.")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")  # 80 columns, no colors

    _, out, _ = run("loops", "list", capsys=capsys)

    lines = [line for line in out.splitlines() if line.strip() and "─" not in line]
    assert max(map(len, lines)) <= 80
    assert "".join(line[:36].split()[0] for line in lines[1:3]).startswith("a-long-name-yyy")
    assert "escalated" in out
    assert "All attempts are used." in out


def test_list_as_json_has_the_attributes_of_the_ledger(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_abandoned_loop(session)
    add_loop(session, "loop-2", status="InProgress")

    status, out, err = run("loops", "list", "--limit", "1", "--output", "json", capsys=capsys)

    assert status == 0
    assert err == "More than 1 human loops match: raise --limit (0 for all), or add a filter.\n"
    (row,) = printed_json("loops list", out)
    assert row["humanLoopName"] == "loop-1"
    assert row["claims"] == {
        CLAIM: {"state": "released", "execution": EXECUTION, "at": "2026-03-04T06:00:00.000Z"}
    }
    assert "note" not in row


def test_list_filters(session: StubbedSession, capsys: pytest.CaptureFixture[str]) -> None:
    add_loop(session, "loop-1", status="Failed", outcome="escalated")
    add_loop(session, "loop-2", status="Completed", outcome="stored")
    for filters in (["--status", "completed"], ["--outcome", "STORED"]):
        out = run("loops", "list", *filters, "-o", "json", capsys=capsys)[1]
        assert [row["humanLoopName"] for row in printed_json("loops list", out)] == ["loop-2"], filters
    assert run("loops", "list", "--flow-definition", "without-loops", capsys=capsys) == (
        0,
        "No human loops found.\n",
        "",
    )


def test_list_orders_and_limits(session: StubbedSession, capsys: pytest.CaptureFixture[str]) -> None:
    for day in (1, 3, 2):
        add_loop(session, f"loop-{day}", status="Completed", createdAt=f"2026-03-0{day}T00:00:00.000Z")

    def names(*options: str) -> list[str]:
        out = run("loops", "list", "--status", "completed", *options, "-o", "json", capsys=capsys)[1]
        return [row["humanLoopName"] for row in printed_json("loops list", out)]

    assert names() == names("--limit", "0") == ["loop-3", "loop-2", "loop-1"]
    assert names("--newest-first", "--limit", "2") == ["loop-3", "loop-2"]
    assert names("--since", "2026-03-02") == ["loop-3", "loop-2"]
    assert names("--since", "2026-03-02", "--until", "2026-03-03") == ["loop-2"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--flow-definition", "traige"],
        ["start", "--flow-definition", "traige", "--name", "a", "--image", "s3://b/c"],
        ["restart", "a", "--new-flow-definition", "traige"],
        ["restart", "--flow-definition", "traige", "--yes"],
        ["redrive", "--flow-definition", "traige", "--dry-run"],
        ["close", "--flow-definition", "traige", "--note", "done"],
        ["reconcile", "--flow-definition", "traige"],
    ],
)
def test_unknown_flow_definition_is_an_error_and_nothing_is_done(
    arguments: list[str], session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    # The session has no answers to calls of functions, of A2I or of Step Functions.
    status, out, err = run("loops", *arguments, capsys=capsys)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert "flow definition 'traige'" in err or "flow-definition/traige'" in err
    assert err.endswith("; did you mean 'triage'?\n")
    assert session.client("dynamodb").scan(TableName="ledger")["Items"] == []


def test_list_refuses_a_period_without_any_time(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run("loops", "list", "--since", "1h", "--until", "2h", capsys=capsys)
    assert (status, out) == (1, "")
    assert err.startswith("error: no loop can match: it would have to be created since ")


def test_watch_shows_changes_until_it_is_interrupted(
    session: StubbedSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_loop(session, "first", status="InProgress")
    waits = iter(["change", "lose the connection", "end"])

    def wait(seconds: float) -> None:
        step = next(waits)
        if step == "change":
            add_loop(session, "second", status="Failed", outcome="escalated", reason="used \x1b up")
        elif step == "lose the connection":
            client = session.client("dynamodb")
            lost = EndpointConnectionError(endpoint_url="https://dynamodb")
            monkeypatch.setattr(client, "query", mock.Mock(side_effect=lost))
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr("workflow.cli.watching.sleep", wait)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("LINES", "40")
    monkeypatch.setenv("NO_COLOR", "1")

    status, out, err = run("loops", "list", "--watch", capsys=capsys)

    assert (status, err) == (0, "")
    first, *later = out.split("every 2 s until Ctrl-C")[1:]
    assert "first" in first
    assert "second" not in first
    assert r"used \x1B up" in later[0]
    assert 'Could not connect to the endpoint URL: "https://dynamodb"; trying again' in " ".join(
        later[1].split()
    )
    assert "second" in later[1]


@pytest.mark.parametrize("options", [[], ["--output", "json"]])
def test_watch_needs_a_terminal(
    session: StubbedSession, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    status, out, err = run("loops", "list", "--watch", *options, capsys=capsys)
    assert (status, out) == (1, "")
    assert "--watch: shows the list on a terminal only: leave it out for JSON, a file or a pipe" in err


def add_odd_row(session: StubbedSession) -> None:
    item = {"humanLoopName": {"S": "odd"}, "attempt": {"S": "three"}, "createdAt": {"S": "2026"}}
    session.client("dynamodb").put_item(TableName="ledger", Item=item | {"status": {"S": "InProgress"}})


ODD = (
    "human loop 'odd': its item in the ledger's table cannot be read: attempt: Input should be a valid integer, unable "
    "to parse string as an integer; correct the item, or delete it\n"
)


def test_list_names_rows_that_cannot_be_read(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_odd_row(session)
    add_loop(session, "good", status="InProgress")
    status, out, err = run("loops", "list", capsys=capsys)
    assert (status, err) == (0, f"warning: {ODD}")
    assert [line.split()[0] for line in out.splitlines()] == ["Human", "good"]
    good, odd = printed_json("loops list", run("loops", "list", "-o", "json", capsys=capsys)[1])
    assert good["humanLoopName"] == "good"
    assert odd["humanLoopName"] == "odd"
    assert odd["unreadable"].startswith("attempt: Input should be a valid integer")


def test_row_that_cannot_be_read_is_a_one_line_error(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_odd_row(session)
    for command in (["show", "odd"], ["close", "odd", "--note", "x"], ["redrive", "odd"]):
        assert run("loops", *command, capsys=capsys) == (1, "", f"error: {ODD}")


def test_show_ends_the_lineage_before_an_odd_row(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_odd_row(session)
    add_loop(session, "good", status="Completed", previousLoopName="odd")
    status, out, err = run("loops", "show", "good", capsys=capsys)
    assert (status, err) == (0, f"warning: {ODD}")
    assert out.startswith("good")
    shown = printed_json("loops show", run("loops", "show", "good", "-o", "json", capsys=capsys)[1])
    assert [row["humanLoopName"] for row in shown["unreadable"]] == ["odd"]


STOPPED = {"action": "stop", "by": "arn:ada", "at": "2026-03-05T01:00:00.000Z"}
REDRIVEN = {"action": "redrive", "by": "arn:grace", "at": "2026-03-05T02:00:00.000Z"}


def test_show_prints_the_history_of_a_loop(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_loop(
        session,
        "order-1-attempt-2",
        status="Completed",
        outcome="stored",
        attempt=2,
        rootLoopName="order-1",
        previousLoopName="order-1",
        inputLocation="s3://reviews/inputs/1",
        outputLocation="s3://reviewed/1/output.json",
        reviewLocation="s3://reviews/1.json",
        taskType="custom",
        review={"answers": 1, "fields": 2, "changed": 1, "overruled": True},
        answer="delivered",
        answeredAt="2026-03-04T07:00:00.000Z",
        **{f"claim {CREATED} Completed": {"state": "done", "execution": EXECUTION, "at": CREATED}},
        **{f"operator {one['at']}": one for one in (STOPPED, REDRIVEN)},
    )
    add_loop(
        session,
        "order-1",
        status="Failed",
        outcome="restarted",
        nextLoopName="order-1-attempt-2",
        failureCode="InternalError",
    )
    executions = Executions()
    executions.add(EXECUTION, "SUCCEEDED")
    session.use("stepfunctions", executions)

    status, out, err = run("loops", "show", "order-1-attempt-2", capsys=capsys)

    assert (status, err) == (0, "")
    assert out.startswith("order-1-attempt-2  Completed  stored\n")
    for text in (
        FLOW,
        "s3://reviewed/1/output.json",
        "s3://reviews/1.json",
        "2. order-1-attempt-2 (this one)",
    ):
        assert text in out
    assert f"Completed, claimed {CREATED}, done\n" in out
    assert f"SUCCEEDED, {CREATED} (" in out
    assert f"states/home?region=us-east-1#/v2/executions/details/{EXECUTION}" in out
    assert "1 answer, 2 fields, 1 changed: the model was overruled" in out
    assert "Operators        2026-03-05T01:00:00.000Z  loops stop, run by arn:ada\n" in out
    assert "                 2026-03-05T02:00:00.000Z  loops redrive, run by arn:grace\n" in out

    document = printed_json(
        "loops show", run("loops", "show", "order-1-attempt-2", "-o", "json", capsys=capsys)[1]
    )
    assert [loop["humanLoopName"] for loop in document["lineage"]] == ["order-1", "order-1-attempt-2"]
    assert document["statusChanges"][0]["executionStatus"] == "SUCCEEDED"
    assert document["a2iStatus"] is None
    assert document["loop"]["operatorActions"] == [STOPPED, REDRIVEN]


def add_redriven_loop(session: StubbedSession) -> None:
    """Adds a loop that was redriven, and whose second execution is at your step."""
    claim = {"state": "done", "execution": SECOND, "at": "2026-03-04T07:00:00.000Z"}
    ran = {EXECUTION: "2026-03-04T06:00:00.000Z", SECOND: "2026-03-04T07:00:00.000Z"}
    rows = {f"execution {arn}": {"claim": f"{CREATED} Completed", "at": at} for arn, at in ran.items()}
    add_loop(
        session,
        "loop-1",
        status="Completed",
        outcome="stored",
        **rows,
        **{f"claim {CREATED} Completed": claim},
    )
    executions = Executions(
        {
            "States": {
                "Record review": {"Next": "Tell the shop"},
                "Tell the shop": {"Next": "Workflow waiting?"},
            }
        }
    )
    failed, running = History(), History()
    failed.entered("Collect review")
    at = failed.tried("OutputMissing")
    failed.left("Collect review", after=at)
    failed.entered("Escalate")
    topic = {"resourceType": "sns", "resource": "publish"}
    message = {
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:escalations",
        "Subject": "step failed for loop-1",
    }
    failed.add("TaskScheduled", **topic, parameters=json.dumps(message))
    failed.add("TaskSucceeded", **topic, output='{"MessageId": "m-1"}')
    failed.left("Escalate")
    running.entered("Tell the shop")
    running.tried("Shop.Closed")
    running.add("TaskScheduled", resourceType="lambda", resource="invoke", parameters="{}")
    executions.add(EXECUTION, "FAILED", failed, error="OutputMissing", cause="no object")
    executions.add(SECOND, "RUNNING", running)
    session.use("stepfunctions", executions)


def test_show_prints_each_execution_and_message_and_the_step_that_runs(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    add_redriven_loop(session)
    out = run("loops", "show", "loop-1", capsys=capsys)[1]
    lines = out.splitlines()
    assert lines[1] == 'The review is stored; your step "Tell the shop" is running, attempt 2.'
    at = next(number for number, line in enumerate(lines) if line.startswith("Executions"))
    assert lines[at].startswith("Executions       FAILED, 2026-03-04T06:00:00.000Z (")
    assert lines[at].endswith(' ago): step "Collect review" failed with OutputMissing')
    assert lines[at + 1].strip() == "OutputMissing: no object"
    assert lines[at + 2].strip().endswith(EXECUTION)
    assert lines[at + 3].strip().endswith('): your step "Tell the shop" is running, attempt 2')
    assert lines[at + 4].strip().endswith(SECOND)
    assert (
        lines[at + 5] == "Messages         2026-03-04T12:00:08.000Z  step failed for loop-1, to escalations"
    )

    document = printed_json("loops show", run("loops", "show", "loop-1", "-o", "json", capsys=capsys)[1])
    assert document["running"] == 'your step "Tell the shop" is running, attempt 2'
    assert [(one["status"], one["claim"], one["step"]) for one in document["executions"]] == [
        ("FAILED", "replaced", "Collect review"),
        ("RUNNING", "done", "Tell the shop"),
    ]
    assert document["messages"][0]["messageId"] == "m-1"


def test_show_never_breaks_what_people_copy_on_a_terminal(
    session: StubbedSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_redriven_loop(session)
    location = f"s3://reviews/{'long/' * 30}review.json"
    add_loop(session, "stored", status="Completed", outcome="stored", reviewLocation=location)
    for name, value in {"FORCE_COLOR": "1", "COLUMNS": "40", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name, texts in {"loop-1": (EXECUTION, SECOND, FLOW), "stored": (location,)}.items():
        out = run("loops", "show", name, capsys=capsys)[1]
        for text in texts:
            assert text in out
        assert any(len(line) <= 40 for line in out.splitlines() if line.startswith("Started"))


def test_show_prints_commands_to_run(session: StubbedSession, capsys: pytest.CaptureFixture[str]) -> None:
    add_loop(session, "loop-1", status="Failed", outcome="escalated", waiting=True, failureCode="Expired")
    out = run("loops", "show", "loop-1", capsys=capsys)[1]
    assert '  python deploy.py loops close loop-1 --stage dev --note "..."\n' in out
    assert "Expired" in out
    assert "a workflow waits for this loop" in out


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ({"humanLoopName": "message-1", "status": "InProgress"}, "message-1 was started.\n"),
        (
            {"humanLoopName": "message-1", "status": "Completed", "already": True},
            "message-1 was already started. Its status is Completed.\n",
        ),
        (
            {"humanLoopName": "message-1", "needed": False, "predictionLocation": "s3://reviews/p"},
            "message-1: no human review is needed. The prediction is stored in s3://reviews/p\n",
        ),
    ],
)
def test_start_prints_the_result(
    response: dict[str, Any],
    text: str,
    session: StubbedSession,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"a": 1}')
    arguments = ["loops", "start", "--flow-definition", "triage", "--name", "message-1", "--input", str(file)]
    for _ in range(2):
        add_function_response(session, "StartLoop", response)

    status, out, err = run(*arguments, capsys=capsys)

    assert (status, err) == (0, "")
    assert out == f"{text}To check its status: python deploy.py loops show message-1 --stage dev\n"
    document = printed_json("loops start", run(*arguments, "--output", "json", capsys=capsys)[1])
    assert document == {"needed": True, "already": False, "status": "InProgress"} | response


@pytest.mark.parametrize(
    ("options", "task"),
    [
        (["--input", "-"], {"type": "custom", "inputContent": {"a": 1}}),
        (
            ["--document", "s3://b/form.png"],
            {
                "type": "textract",
                "request": {
                    "Document": {"S3Object": {"Bucket": "b", "Name": "form.png"}},
                    "FeatureTypes": ["FORMS"],
                },
            },
        ),
        (
            ["--image", "s3://b/cat.png"],
            {"type": "rekognition", "request": {"Image": {"S3Object": {"Bucket": "b", "Name": "cat.png"}}}},
        ),
        (["--request", "-"], {"type": "custom", "inputContent": {}}),
    ],
)
def test_start_sends_the_request_to_the_function(
    options: list[str],
    task: dict[str, Any],
    session: StubbedSession,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    expected = add_function_response(session, "StartLoop", {"humanLoopName": "order-17"})
    sent: list[Any] = []
    expected["Payload"] = Recorded(sent)
    request = {"key": "order 17", "flowDefinitionArn": FLOW, "task": task}
    whole = options[0] == "--request"
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(request if whole else {"a": 1})))
    given = options if whole else ["--flow-definition", "triage", "--key", "order 17", *options]

    assert run("loops", "start", *given, capsys=capsys)[0] == 0

    (payload,) = map(json.loads, sent)
    assert {key: payload[key] for key in request} == request


class Recorded:
    """Equal to every payload, which it records."""

    def __init__(self, sent: list[Any]) -> None:
        self.sent = sent

    def __eq__(self, other: object) -> bool:
        self.sent.append(other)
        return True

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("InvalidLoopName", "error: 'Order 17' is invalid\n"),
        ("StartRefused", "error: 'Order 17' is invalid\n"),
        ("TransientServiceError", "error: 'Order 17' is invalid; run the same command again later\n"),
    ],
)
def test_errors_of_the_function_are_one_line(
    kind: str,
    message: str,
    session: StubbedSession,
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = {"errorType": kind, "errorMessage": "'Order 17' is invalid"}
    add_function_response(session, "StartLoop", error, FunctionError="Unhandled")
    arguments = ("--flow-definition", "triage", "--name", "a", "--image", "s3://b/c")
    assert run("loops", "start", *arguments, capsys=capsys) == (1, "", message)


def test_restart_starts_the_next_attempt(session: StubbedSession, capsys: pytest.CaptureFixture[str]) -> None:
    add_loop(session, "loop-1", status="Failed", outcome="escalated", inputLocation="s3://reviews/i")
    expected = add_function_response(session, "RestartLoop", {"humanLoopName": "loop-1-attempt-2"})
    sent: list[Any] = []
    expected["Payload"] = Recorded(sent)

    options = ("--attempts", "3", "--new-flow-definition", "experts", "-o", "json")
    status, out, _ = run("loops", "restart", "loop-1", *options, capsys=capsys)

    assert status == 0
    assert printed_json("loops restart", out)["humanLoopName"] == "loop-1-attempt-2"
    row = session.resource("dynamodb").Table("ledger").get_item(Key={"humanLoopName": "loop-1"})["Item"]
    assert (row["outcome"], row["maxAttempts"]) == ("restarted", 4)
    assert json.loads(sent[0])["flowDefinitionArn"] == FLOW.replace("triage", "experts")


def test_stop(session: StubbedSession, capsys: pytest.CaptureFixture[str]) -> None:
    stub = session.stubs["sagemaker-a2i-runtime"]
    for _ in range(2):
        stub.add_client_error("describe_human_loop", "ResourceNotFoundException")
        stub.add_response("stop_human_loop", {}, {"HumanLoopName": "loop-1"})
    assert run("loops", "stop", "loop-1", capsys=capsys)[1].startswith("loop-1 is stopping.\n")
    out = run("loops", "stop", "loop-1", "-o", "json", capsys=capsys)[1]
    assert printed_json("loops stop", out) == {"humanLoopName": "loop-1", "a2iStatus": "Stopping"}


def test_close_records_the_note(session: StubbedSession, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("loop-1", "loop-2"):
        add_loop(session, name, status="Failed", outcome="escalated", waiting=True)
        add_function_response(session, "AnswerWorkflow", {"delivered": 1})

    status, out, _ = run("loops", "close", "loop-1", "--note", " withdrawn ", capsys=capsys)
    assert status == 0
    assert out.startswith("loop-1 was closed by ")
    assert out.endswith(". Waiting workflows that were notified: 1.\n")
    out = run("loops", "close", "loop-2", "--note", "withdrawn", "-o", "json", capsys=capsys)[1]
    row = printed_json("loops close", out)
    assert (row["outcome"], row["note"]) == ("closed", "withdrawn")


def test_redrive_processes_the_event_again(
    session: StubbedSession, capsys: pytest.CaptureFixture[str]
) -> None:
    states = StepFunctions(MACHINE)
    session.use("stepfunctions", states)
    for output in ("text", "json"):
        states.executions.clear()
        before = add_red_loop(session.client("dynamodb"), states, "loop-1")
        status, out, err = run("loops", "redrive", "loop-1", "--output", output, capsys=capsys)
        assert (status, err) == (0, "")
        if output == "text":
            assert out.startswith(
                "loop-1 is being processed again: https://us-east-1.console.aws.amazon.com/states/"
            )
            assert out.endswith("To check its status: python deploy.py loops show loop-1 --stage dev\n")
        else:
            document = printed_json("loops redrive", out)
            assert document.pop("execution").rpartition(":")[2] == states.started[-1]
            assert document == {
                "humanLoopName": "loop-1", "statusChange": f"{CREATED} Completed", "before": before,
            }  # fmt: skip


calls: list[dict[str, Any]] = []
"""The arguments of each reconciliation."""


@pytest.fixture
def reconciliation(session: StubbedSession, monkeypatch: pytest.MonkeyPatch) -> Reconciliation:
    """What `loops reconcile` finds."""
    found = Reconciliation(looked_at=1200)

    def reconcile(_: object, **given: Any) -> Reconciliation:
        given["progress"](FLOW, found)
        calls.append(given)
        return found

    calls.clear()

    monkeypatch.setattr("workflow.operations.loops.Loops.reconcile", reconcile)
    return found


def test_reconcile_prints_what_it_fixed(
    reconciliation: Reconciliation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("loops", "reconcile", capsys=capsys)[1] == (
        "Human loops checked: 1,200; nothing was missed.\n"
    )
    reconciliation.missed = {"loop-1 Completed": "arn:1"}
    reconciliation.resumed = ["loop-2"]
    reconciliation.refused = {"loop-3": "arn:3"}
    reconciliation.released = {"loop-4 claim": "arn:4"}
    reconciliation.answered = ["loop-5"]
    reconciliation.deleted = {"loop-6": "arn:6"}
    reconciliation.adopted = ["loop-7"]
    reconciliation.reported = ["arn:8"]
    reconciliation.earlier = ["loop-9"]
    reconciliation.overdue = ["loop-10"]

    status, out, err = run("loops", "reconcile", "--since", "2026-01-31", capsys=capsys)

    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "missed: loop-1 Completed: arn:1",
        "deleted in A2I, and escalated: loop-6: arn:6",
        "in progress without a row: loop-7",
        "start resumed: loop-2",
        "start refused, and escalated: loop-3: arn:3",
        "abandoned by its execution: loop-4 claim: redrive or close it",
        "ended before it had a claim, and reported: arn:8",
        "notified the waiting workflow: loop-5",
        "open longer than its flow definition allows: loop-10",
        "ended before the ledger was created: loop-9",
        "1 human loops ended, and were created before the ledger, so that nobody knows whether they were processed. "
        "--since processes them.",
        "Human loops checked: 1,200; 8 fixed.",
    ]
    assert [call["since"] for call in calls] == [None, datetime(2026, 1, 31, tzinfo=UTC)]
    out = run("loops", "reconcile", "--since", "2h", "-o", "json", capsys=capsys)[1]
    assert printed_json("loops reconcile", out)["missed"] == {"loop-1 Completed": "arn:1"}


def test_reconcile_reports_problems_of_aws(
    reconciliation: Reconciliation, capsys: pytest.CaptureFixture[str]
) -> None:
    call = "An error occurred ({}) when calling the {} operation (reached max retries: 4): {}"
    reconciliation.problems = [
        f"{FLOW}: {call.format('ResourceNotFoundException', 'ListHumanLoops', 'x')}",
        f"loop-1: {call.format('AccessDenied', 'StartExecution', 'not allowed')}",
        "loop-2: its workflow has ended",
    ]
    status, out, err = run("loops", "reconcile", "-o", "json", capsys=capsys)
    assert status == 1
    assert err.splitlines() == [
        f"error: {FLOW}: this flow definition does not exist: create it, remove it from flow_definitions in the "
        "stage's settings, or choose another with --flow-definition",
        "error: loop-1: StartExecution failed (AccessDenied): not allowed",
        "error: loop-2: its workflow has ended",
    ]
    assert printed_json("loops reconcile", out)["problems"] == [
        line.removeprefix("error: ") for line in err.splitlines()
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", ""], "specify the name of a human loop"),
        (["list", "--status", "Done"], "'Done' is not one of 'starting', 'inprogress', 'completed'"),
        (["list", "--outcome", "lost"], "'lost' is not one of 'processing', 'stored'"),
        (["list", "--older-than", "soon"], "'--older-than': invalid time 'soon': use 30m, 2h, 3d or 1w "),
        (["list", "--limit", "-1"], "should be greater than or equal to 0"),
        (["start", "--name", "a", "--input", "-"], "--flow-definition: is required"),
        (["start", "--flow-definition", "f", "--name", "a"], "one of --input, --document and --image, not 0"),
        (
            ["start", "--flow-definition", "f", "--name", "a", "--input", "-"],
            "standard input is not valid JSON",
        ),
        (
            ["start", "--flow-definition", "f", "--key", "a", "--input", "/no/such"],
            "--input: cannot read /no/such",
        ),
        (["start", "--flow-definition", "f", "--name", "a", "--image", "b/c"], "'b/c' is "),
        (["start", "--flow-definition", "f", "--input", "-"], "specify either --name or --key; see"),
        (
            ["start", "--flow-definition", "f", "--name", "a", "--key", "b", "--input", "-"],
            "specify either --name or --key, not both",
        ),
        (["start", "--request", "-", "--key", "a"], "cannot be combined with the options that it replaces"),
        (["close", "nobody"], "Missing option '--note'"),
        (["close", "nobody", "--note", " "], "say why the loop needs no more action"),
        (["close", "nobody", "--note", "x" * 2001], "has 2,001 characters; the maximum is 2,000"),
        (["redrive"], "specify the name of a human loop, or filters: --outcome, --since"),
        (["redrive", "a", "--execution", "b"], "NAME: cannot be combined with --execution"),
        (["redrive", "--execution", "b"], "of stage dev"),
        (["restart", "nobody", "--attempts", "0"], "should be greater than or equal to 1"),
        (["reconcile", "--since", "yesterday"], "invalid time 'yesterday'"),
    ],
)
def test_mistakes_are_one_line_errors(
    arguments: list[str],
    message: str,
    resources: StageResources,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    status, out, err = run("loops", *arguments, capsys=capsys)
    assert (status, out) == (1, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("document", ["[1]", "null"])
def test_json_that_is_not_an_object_is_an_error(
    document: str,
    resources: StageResources,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "input.json"
    file.write_text(document)
    for arguments in (["--flow-definition", "f", "--name", "a", "--input"], ["--request"]):
        status, _, err = run("loops", "start", *arguments, str(file), capsys=capsys)
        assert status == 1
        assert err == f"error: {arguments[-1]}: {file} must contain one JSON object, {{…}}\n"
