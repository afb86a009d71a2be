"""Tests of the commands for all human loops that match filters. tests/engine has one against the local engine."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from lambdas.reviews.event import DETAIL_TYPE, SOURCE
from tests.command_line import Answers, printed_json, run
from tests.unit.doubles import REGION, StepFunctions, StubbedSession, add_red_loop
from tests.unit.workflow.cli.test_loops import CREATED, FLOW, MACHINE, add_function_response, add_loop
from workflow.operations.stage_resources import StageResources


@pytest.fixture
def states(session: StubbedSession) -> StepFunctions:
    states = StepFunctions(MACHINE)
    session.use("stepfunctions", states)
    return states


@pytest.fixture
def red(session: StubbedSession, states: StepFunctions) -> list[str]:
    """Three loops that the workflow failed to process."""
    names = [f"loop-{number}" for number in range(3)]
    for name in names:
        add_red_loop(session.client("dynamodb"), states, name, flowDefinitionArn=FLOW)
    return names


def rows(session: StubbedSession) -> dict[str, Any]:
    items = session.resource("dynamodb").Table("ledger").scan()["Items"]
    return {item["humanLoopName"]: item for item in items}


def test_redrive_processes_all_loops_that_match(
    red: list[str], states: StepFunctions, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = Answers(monkeypatch, True)
    states.outcome = lambda name: "FAILED" if "loop-1" in name else "SUCCEEDED"
    states.refuse = [("StartExecution", "ThrottlingException"), ("DescribeExecution", "ThrottlingException")]
    monkeypatch.setattr("workflow.operations.several.Interruption.pause", lambda *_: False)

    status, out, err = run("loops", "redrive", "--outcome", "failed", "--at-once", "1", capsys=capsys)

    assert answers.questions == ["Process 3 human loops again?"]
    assert status == 1
    assert out.splitlines() == [
        "Human loops that match: 3",
        "       3  triage  Completed  Collect review: OutputMissing",
        "processed: loop-0",
        "processed: loop-2",
        "Human loops: 3; 2 processed, 1 failed again.",
        "To see what needs action: python deploy.py loops list --stage dev",
    ]
    assert err == "error: loop-1: failed again: FAILED\n"
    assert len(states.started) == 3


def test_redrive_without_waiting_says_what_is_being_processed(
    red: list[str], states: StepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    states.outcome = lambda name: "RUNNING"
    options = ("--flow-definition", "triage", "--no-wait", "--yes")
    status, out, err = run("loops", "redrive", *options, capsys=capsys)
    assert (status, err) == (0, "")
    assert "being processed: loop-0: arn:aws:states:" in out
    assert "Human loops: 3; 3 being processed.\n" in out
    # The same command again starts nothing.
    status, out, err = run("loops", "redrive", *options, "-o", "json", capsys=capsys)
    document = printed_json("loops redrive", out, several=True)
    assert (status, err, {one["result"] for one in document["results"]}) == (0, "", {"skipped"})
    assert len(states.started) == 3


@pytest.mark.parametrize("name", [None, "loop-1"])
def test_dry_run_shows_what_would_be_done_and_changes_nothing(
    name: str | None,
    session: StubbedSession,
    red: list[str],
    states: StepFunctions,
    capsys: pytest.CaptureFixture[str],
) -> None:
    running = states.add("busy", "RUNNING")
    add_red_loop(session.client("dynamodb"), states, "busy", state="working")
    before = rows(session)
    given = [name] if name else ["--outcome", "failed"]

    status, out, err = run("loops", "redrive", *given, "--dry-run", capsys=capsys)

    assert (status, err) == (0, "")
    assert "would be redriven: loop-1: 2026-03-04T05:06:07.890Z Completed, which arn:aws:states:" in out
    assert out.endswith(
        f"Human loops: {1 if name else 4}; {1 if name else 4} would be redriven.\nNothing was changed.\n"
    )
    assert (rows(session), states.started) == (before, [])
    assert running in states.executions


def test_dry_run_of_an_execution_changes_nothing(
    states: StepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    arn = states.add("unclaimed", input=json.dumps({"detail": {"humanLoopName": "nobody"}}))
    status, out, err = run("loops", "redrive", "--execution", arn, "--dry-run", capsys=capsys)
    assert (status, err, states.started) == (0, "", [])
    assert out.startswith(f"would be redriven: nobody: the event of {arn}\n")
    status, out, err = run("loops", "redrive", "--execution", f"{arn}-2", "--dry-run", capsys=capsys)
    assert (status, out) == (1, "")
    assert (
        err
        == f"error: execution {arn}-2 is no longer in Step Functions; only a failed execution can run again\n"
    )


def test_close_closes_all_with_one_note(
    session: StubbedSession, states: StepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        add_loop(
            session, name, status="Failed", outcome="escalated", failureCode="Expired", waiting=name == "a"
        )
    add_loop(session, "c", status="Failed", outcome="escalated", failureCode="InternalError")
    add_function_response(session, "AnswerWorkflow", {"delivered": 1})

    status, out, err = run(
        "loops", "close", "--failure-code", "Expired", "--note", " too late ", "--yes", capsys=capsys
    )

    assert (status, err) == (0, "")
    assert "closed: a: waiting workflows notified: 1\n" in out
    assert out.endswith("Human loops: 2; 2 closed.\n")
    assert {name: row.get("note") for name, row in rows(session).items()} == {
        "a": "too late", "b": "too late", "c": None,
    }  # fmt: skip
    assert run("loops", "close", "--failure-code", "Expired", "--note", "x", "-y", capsys=capsys)[1] == (
        "No human loops match: outcome escalated or failed, failure code Expired.\n"
    )


@pytest.mark.parametrize(("known", "work"), [(True, "6 tasks"), (False, "an unknown number of tasks")])
def test_restart_says_how_many_tasks_workers_get(
    known: bool,
    work: str,
    session: StubbedSession,
    states: StepFunctions,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("a", "b"):
        add_loop(session, name, status="Failed", outcome="escalated")
    stub = Stubber(boto3.client("sagemaker", region_name=REGION))
    session.use("sagemaker", stub.client)
    if known:
        config = {
            "WorkteamArn": f"{FLOW}-team", "HumanTaskUiArn": f"{FLOW}-ui", "TaskTitle": "t", "TaskDescription": "d",
            "TaskCount": 3,
        }  # fmt: skip
        answer = {
            "FlowDefinitionArn": FLOW, "FlowDefinitionName": "triage", "FlowDefinitionStatus": "Active",
            "CreationTime": 0, "HumanLoopConfig": config, "OutputConfig": {"S3OutputPath": "s3://b"},
            "RoleArn": FLOW,
        }  # fmt: skip
        stub.add_response("describe_flow_definition", answer, {"FlowDefinitionName": "triage"})
    else:
        stub.add_client_error("describe_flow_definition", "AccessDeniedException")
    answers = Answers(monkeypatch, False)
    with stub:
        status, out, _ = run("loops", "restart", "--since", "2026-01-31", capsys=capsys)
    assert answers.questions == [f"Restart 2 human loops? Workers get {work}."]
    assert (status, out.splitlines()[-1]) == (1, "Nothing was changed.")


def test_restart_names_the_loops_that_it_started(
    session: StubbedSession, states: StepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    add_loop(session, "loop-1", status="Failed", outcome="escalated")
    add_function_response(session, "RestartLoop", {"humanLoopName": "loop-1-attempt-2"})
    # One loop needs no confirmation.
    status, out, err = run("loops", "restart", "--outcome", "escalated", "-o", "json", capsys=capsys)
    assert (status, err) == (0, "")
    (result,) = printed_json("loops restart", out, several=True)["results"]
    assert (result["result"], result["nextLoopName"]) == ("done", "loop-1-attempt-2")


def test_run_stops_if_the_cause_is_not_fixed(
    session: StubbedSession, states: StepFunctions, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(9):
        add_red_loop(session.client("dynamodb"), states, f"loop-{number}")
    states.outcome = lambda name: "FAILED"
    options = ("--outcome", "failed", "--at-once", "1", "--yes")
    status, out, err = run("loops", "redrive", *options, capsys=capsys)
    assert status == 1
    assert "Human loops: 9; 5 failed again, 4 not begun.\n" in out
    assert err.splitlines()[-1].startswith(
        "error: stopped because 5 failed and none succeeded: fix the cause"
    )
    assert len(states.started) == 5
    out = run("loops", "redrive", *options, "--keep-going", "-o", "json", capsys=capsys)[1]
    document = printed_json("loops redrive", out, several=True)
    assert (document["matched"], document["left"], document["stopped"]) == (9, 0, None)


def test_many_loops_need_a_confirmation(
    red: list[str], states: StepFunctions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    for output, message in (
        (
            "text",
            "standard input is not a terminal: run it with --dry-run to see the human loops, then pass --yes",
        ),
        ("json", "--output json does not ask for confirmation: run it with --dry-run"),
    ):
        status, _, err = run("loops", "redrive", "--outcome", "failed", "-o", output, capsys=capsys)
        assert status == 1
        assert err.startswith(f"error: {message}")
    assert states.started == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["redrive", "a", "--outcome", "failed"], "--outcome: cannot be combined with a name; see"),
        (["redrive", "a", "--at-once", "3"], "--at-once: cannot be combined with a name; see"),
        (["restart", "a", "--flow-definition", "f"], "use --new-flow-definition; see"),
        (
            ["redrive", "--execution", "arn", "--since", "2h"],
            "--since: cannot be combined with --execution; see",
        ),
        (
            ["redrive", "--undelivered", "--since", "2h"],
            "--since: cannot be combined with --undelivered; see",
        ),
        (["redrive", "a", "--undelivered"], "NAME: cannot be combined with --undelivered; see"),
        (["close", "--note", "x"], "specify the name of a human loop, or filters"),
        (["redrive", "--dry-run"], "specify the name of a human loop, or filters"),
        (
            ["redrive", "--outcome", "stored"],
            "loops redrive is not possible for the outcome stored, only for failed",
        ),
        (["restart", "--outcome", "closed"], "only for escalated, failed, notified"),
        (["close", "--outcome", "restarted", "--note", "x"], "only for escalated, failed"),
        (["redrive", "--since", "soon"], "invalid time 'soon'"),
        (["redrive", "--since", "2999-01-01"], "2999-01-01 is in the future"),
        (["redrive", "--outcome", "failed", "--at-once", "0"], "should be greater than or equal to 1"),
        (["redrive", "--outcome", "failed", "--at-once", "51"], "should be less than or equal to 50"),
    ],
)
def test_filters_that_make_no_sense_are_one_line_errors(
    arguments: list[str], message: str, resources: object, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run("loops", *arguments, capsys=capsys)
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("error: ")
    assert message in err


class TestUndelivered:
    @pytest.fixture
    def queue(
        self,
        session: StubbedSession,
        resources: StageResources,
        states: StepFunctions,
        monkeypatch: pytest.MonkeyPatch,
    ) -> str:
        """The queue, with an event of the stage and a message that is none."""
        monkeypatch.setattr("workflow.operations.undelivered.POLL_SECONDS", 0)
        sqs = session.client("sqs")
        queue = str(sqs.create_queue(QueueName="undelivered")["QueueUrl"])
        outputs = {**resources.outputs, "UndeliveredEvents": queue, "Rule": "afterloop-dev"}
        monkeypatch.setattr(
            "workflow.cli.options.StageOptions.resources", lambda *_: replace(resources, outputs=outputs)
        )
        detail = {"humanLoopName": "loop-1", "humanLoopStatus": "Completed", "creationTime": CREATED}
        for body in (
            json.dumps({"source": SOURCE, "detail-type": DETAIL_TYPE, "detail": detail}),
            "not JSON",
        ):
            sqs.send_message(QueueUrl=queue, MessageBody=body)
        return queue

    def test_undelivered_events_are_processed_after_a_question(
        self,
        queue: str,
        states: StepFunctions,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        out = run("loops", "redrive", "--undelivered", "--dry-run", capsys=capsys)[1]
        assert "would be redriven: loop-1 (message " in out
        assert "Undelivered events: 2; 1 would be redriven, 1 skipped.\n" in out
        assert out.endswith("Nothing was changed.\n")

        answers = Answers(monkeypatch, True)
        status, out, err = run("loops", "redrive", "--undelivered", capsys=capsys)
        assert answers.questions == ["Process about 2 undelivered events?"]
        assert (status, err) == (0, "")
        first, second, summary, _ = out.splitlines()
        assert first.startswith("processed: loop-1 (message ")
        assert second.startswith("skipped: unknown (message ")
        assert "): its body is not a JSON object: 'not JSON'; it was not delivered: unknown" in second
        assert summary == "Undelivered events: 2; 1 processed, 1 skipped."
        assert len(states.started) == 1

    def test_undelivered_events_as_json(
        self, session: StubbedSession, queue: str, states: StepFunctions, capsys: pytest.CaptureFixture[str]
    ) -> None:
        session.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=1)
        status, out, err = run("loops", "redrive", "--undelivered", "-o", "json", capsys=capsys)
        document = printed_json("loops redrive", out, several=True)
        assert (status, document["matched"], document["left"]) == (0, 1, 0)
        assert err.startswith("About 1 messages are hidden because somebody has just read them.")

    def test_empty_queue_is_not_an_error(
        self, session: StubbedSession, queue: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        session.client("sqs").purge_queue(QueueUrl=queue)
        assert run("loops", "redrive", "--undelivered", capsys=capsys) == (
            0,
            "There are no undelivered events.\n",
            "",
        )
