"""Tests of `outputs`, `status` and `destroy`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NoReturn
from unittest import mock

import pytest

from tests.command_line import Answers, interrupted, printed_json, run
from workflow.operations.attention import Alarm, Attention, FailedExecution, WaitingLoop
from workflow.operations.stage_resources import NotPublishedError, StageResources
from workflow.operations.story import NextStep
from workflow.publish.destroying import Destruction, Kept, Lost
from workflow.publish.history import Record
from workflow.publish.needs import StillNeeded
from workflow.publish.recipients import KindRecipients, Recipient
from workflow.publish.status import Status

MACHINE = "arn:aws:states:us-east-1:111122223333:stateMachine:afterloop-dev"


def test_outputs_and_links(account: mock.Mock, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run("outputs", capsys=capsys)
    assert (status, err) == (0, "")
    assert "  StateMachine  arn:machine\n" in out
    assert "In the AWS console:" in out
    document = printed_json("outputs", run("outputs", "-o", "json", capsys=capsys)[1])
    assert document["outputs"] == {"StateMachine": "arn:machine"}
    assert all(link.startswith("https://") for link in document["links"].values())


@pytest.mark.parametrize("output", ["text", "json"])
def test_unpublished_stage_is_one_error(
    output: str,
    account: mock.Mock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    account.stacks.find.return_value = None
    monkeypatch.setattr("workflow.publish.status.status", lambda *_, **__: None)
    for command in ("outputs", "status"):
        assert run(command, "--output", output, capsys=capsys) == (
            1,
            "",
            "error: stage dev is not published: run `python deploy.py publish --stage dev`\n",
        )


def record(number: int, restores: int | None = None) -> Record:
    return Record(
        number=number,
        at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        by="arn:aws:sts::111122223333:assumed-role/Admin/me",
        template_key="template",
        parameters={"Secret": "not shown"},
        version=f"{MACHINE}:{number}",
        restores=restores,
    )


@pytest.fixture(autouse=True)
def without_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stage has no ledger yet, unless a test has the fixture `resources`, too."""

    def missing(*_: object) -> NoReturn:
        raise NotPublishedError("no ledger")

    monkeypatch.setattr("workflow.cli.options.StageOptions.resources", missing)
    monkeypatch.setattr("workflow.cli.options.StageOptions.session", lambda _: None)


def stage_status(**more: Any) -> Status:
    facts: dict[str, Any] = {
        "stage": "dev",
        "stack": "afterloop-dev",
        "state": "UPDATE_COMPLETE",
        "updated": datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        "live": {3: 100},
        "running": 2,
        "failed": 0,
        "still_needed": [],
        "swapped": [],
        "drifts": [],
        "publishes": [record(1), record(2), record(3, restores=1)],
    }
    return Status(**facts | more)


RECIPIENTS = [
    Recipient("email", "a@example.com", "confirmed"),
    Recipient("email", "b@example.com", "unconfirmed", ("x", "y")),
    Recipient("sqs", "arn:aws:sqs:us-east-1:111122223333:queue", "confirmed", filter="{}"),
]

DRIFT = {
    "id": "Rule",
    "type": "AWS::Events::Rule",
    "name": "afterloop-dev",
    "status": "MODIFIED",
    "differences": [{"property": "/State", "expected": "ENABLED", "actual": "x" * 300}],
}


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (
            stage_status(),
            [
                "afterloop-dev: UPDATE_COMPLETE, updated 2026-03-0",
                "  new executions run on version 3",
                "  2 executions are running; none failed in the last 24 hours",
                "  no drift: all resources match the template",
                "Publishes",
                "    3  2026-03-0",
            ],
        ),
        (
            stage_status(
                live={3: 90, 4: 10},
                failed=7,
                drifts=[DRIFT],
                swapped=["definition"],
                still_needed=[StillNeeded("Score", 1_200, (1, 2))],
            ),
            [
                "  new executions run on version 4 (10 %) and version 3 (90 %)",
                "  2 executions are running; 7 failed in the last 24 hours",
                "  Score stays until 1,200 executions on versions 1 and 2 have ended; publish again afterwards.",
                "  hot-swapped since the last publish: definition",
                "  drift: Rule (AWS::Events::Rule) modified",
                f"      /State: ENABLED → {'x' * 200}…",
            ],
        ),
        (
            stage_status(
                recipients=[
                    KindRecipients("step-failed", "EscalationTopic", RECIPIENTS),
                    KindRecipients("alarm", "AlarmTopic", []),
                ],
                warnings=["nobody gets alarms: do something"],
            ),
            [
                "Who gets messages",
                "  step-failed  a@example.com, b@example.com (about x, y) has not confirmed, sqs queue (if {})",
                "  alarm        nobody",
                "  ! nobody gets alarms: do something",
            ],
        ),
        (
            stage_status(live={}, drifts=None, publishes=[], updated=None, state="ROLLBACK_COMPLETE"),
            ["afterloop-dev: ROLLBACK_COMPLETE", "  new executions run on no version: publish again"],
        ),
    ],
)
def test_status(
    found: Status,
    lines: list[str],
    account: mock.Mock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("workflow.publish.status.status", lambda *_, **__: found)

    status, out, err = run("status", capsys=capsys)

    assert (status, err) == (0, "")
    printed = iter(out.splitlines())
    for line in lines:
        assert any(one.startswith(line) for one in printed), line
    document = printed_json("status", run("status", "-o", "json", capsys=capsys)[1])
    assert document["live"] == {str(version): weight for version, weight in found.live.items()}
    assert document["drifts"] == found.drifts
    assert [one["number"] for one in document["publishes"]] == [one.number for one in found.publishes]
    assert "not shown" not in str(document)
    assert document["updated"] in ("2026-03-04T05:06:07+00:00", None)


ATTENTION = Attention(
    alarms=[
        Alarm("afterloop-dev-ExecutionsFailed", datetime(2026, 3, 4, tzinfo=UTC), "An execution\x1b failed.")
    ],
    executions=[
        FailedExecution("arn:e:run-1", "TIMED_OUT", datetime(2026, 3, 4, tzinfo=UTC), None, None, None, None),
        FailedExecution(
            "arn:e:run-2", "FAILED", datetime(2026, 3, 4, tzinfo=UTC), "loop-[2]", "Oops", "x" * 300, "stored"
        ),
    ],
    loops=[WaitingLoop("loop-1", "failed", "Collect review: OutputMissing")],
    waiting={"failed": 1200, "escalated": 1},
    next=[NextStep("See what happened to a loop", "python deploy.py loops show loop-1 --stage dev")],
    problems=["cannot read the alarms: DescribeAlarms failed (AccessDenied): no"],
)


def test_status_names_what_failed_and_the_next_command(
    account: mock.Mock,
    resources: StageResources,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("workflow.publish.status.status", lambda *_, **__: stage_status(failed=2))
    monkeypatch.setattr("workflow.operations.attention.read_attention", lambda *_: ATTENTION)
    status, out, err = run("status", capsys=capsys)
    assert (status, err) == (0, f"warning: {ATTENTION.problems[0]}\n")
    printed = iter(out.splitlines())
    for line in (
        "Alarms",
        "  afterloop-dev-ExecutionsFailed for ",
        "Failed executions, the newest of the last 24 hours",
        "  TIMED_OUT ",
        "    run-1",
        "  FAILED ",
        f"    run-2  Oops: {'x' * 194}…",
        "Human loops that need a person: 1,200 failed and 1 escalated",
        "  loop-1  failed: Collect review: OutputMissing",
        "What you can do next",
        "  See what happened to a loop:",
        "    python deploy.py loops show loop-1 --stage dev",
    ):
        assert any(one.startswith(line) for one in printed), line
    assert "ago: loop-[2] (the loop is now stored)\n" in out
    assert ": An execution\\x1B failed.\n" in out
    document = printed_json("status", run("status", "-o", "json", capsys=capsys)[1])
    assert document["attention"]["waiting"] == {"failed": 1200, "escalated": 1}
    assert document["attention"]["executions"][1]["human_loop_name"] == "loop-[2]"


def test_status_without_drift_does_not_detect_it(
    account: mock.Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find_status = mock.Mock(return_value=stage_status(drifts=None))
    monkeypatch.setattr("workflow.publish.status.status", find_status)
    document = printed_json("status", run("status", "--no-drift", "-o", "json", capsys=capsys)[1])
    assert document["drifts"] is None
    assert find_status.call_args.kwargs == {"drift": False}


KEPT = [
    Kept("LedgerTable", "AWS::DynamoDB::Table", "ledger", 1234),
    Kept("ReviewBucket", "AWS::S3::Bucket", "reviews", 1000),
]


LOST = [Lost("undelivered events", 3), Lost("subscriptions", 1, ["a@example.com"])]


@pytest.fixture
def destruction(account: mock.Mock, monkeypatch: pytest.MonkeyPatch) -> mock.Mock:
    """What `destroy` would delete; what it deletes is in `destroyed`."""
    found = mock.Mock(destroyed=[])
    found.destruction = lambda _, __, *, delete_data: Destruction(
        "afterloop-dev", "arn:stack", 40, 2, KEPT, ["inputs"], delete_data, 1000, LOST
    )
    monkeypatch.setattr("workflow.publish.destroying.destruction", lambda *a, **k: found.destruction(*a, **k))
    monkeypatch.setattr(
        "workflow.publish.destroying.destroy",
        lambda *given, wait, **_: found.destroyed.append((given[2], wait)),
    )
    return found


def test_destroy_shows_what_is_deleted_and_what_is_kept(
    destruction: mock.Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    person = Answers(monkeypatch, True, False)
    status, out, _ = run("destroy", capsys=capsys)
    assert status == 0
    assert out.splitlines() == [
        "afterloop-dev (account 111122223333, us-east-1) would be deleted: 40 resources.",
        "  2 executions running",
        "  1,000 human loops or more in progress: people can go on, but nothing processes what they answer",
        "  3 undelivered events deleted",
        "  1 subscriptions deleted: a@example.com",
        "  LedgerTable ledger (about 1,234 items) is kept",
        "  ReviewBucket reviews (about 1,000 object versions or more) is kept",
        "  inputs is emptied",
        "",
        "afterloop-dev was deleted. Kept in the account: ledger, reviews",
    ]
    status, out, err = run("destroy", "--delete-data", capsys=capsys)
    assert (status, err) == (1, "")
    assert "  LedgerTable ledger (about 1,234 items) is DELETED with its data\n" in out
    assert out.endswith("\nNothing was changed.\n")
    assert person.questions == [
        "Stop 2 running executions, and delete afterloop-dev?",
        "Stop 2 running executions, and delete afterloop-dev with its data?",
    ]
    assert [wait for _, wait in destruction.destroyed] == [False]


def test_destroy_stops_nothing_with_yes_alone(
    destruction: mock.Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, err = run("destroy", "--yes", capsys=capsys)
    assert (status, destruction.destroyed) == (1, [])
    assert err == (
        "error: 2 running executions: to stop what runs, pass --stop-running; to wait until it has ended, "
        "pass --wait\n"
    )
    for option in ("--stop-running", "--wait"):
        assert run("destroy", "--yes", option, capsys=capsys)[0] == 0
    assert [wait for _, wait in destruction.destroyed] == [False, True]
    assert run("destroy", "--wait", "--stop-running", capsys=capsys)[0] == 1
    person = Answers(monkeypatch, False)
    assert run("destroy", "--wait", capsys=capsys)[0] == 1
    assert person.questions == ["Wait for 2 running executions, then delete afterloop-dev?"]


def test_destroy_as_json_has_the_same_keys_for_an_unpublished_stage(
    destruction: mock.Mock, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("destroy", "--yes", "--stop-running", "--delete-data", "-o", "json")
    deleted = printed_json("destroy", run(*arguments, capsys=capsys)[1])
    assert (deleted["destroyed"], deleted["deletes_data"]) == (True, True)
    assert [one["name"] for one in deleted["kept"]] == ["ledger", "reviews"]

    destruction.destruction = lambda *_, **__: None
    nothing = printed_json("destroy", run(*arguments, capsys=capsys)[1])
    assert nothing.keys() == deleted.keys()
    assert (nothing["destroyed"], nothing["stack"], nothing["stack_id"]) == (False, "afterloop-dev", None)
    assert run("destroy", "--yes", capsys=capsys) == (
        0,
        "afterloop-dev (account 111122223333, us-east-1) does not exist: nothing to delete\n",
        "",
    )


def test_interrupted_destroy_reports_what_continues(
    destruction: mock.Mock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted_later(*_: Any, on_deletion: Any, **__: Any) -> NoReturn:
        on_deletion()
        interrupted()

    for destroy, message in (
        (interrupted, "nothing was deleted, and stage dev works; executions may have been stopped"),
        (
            interrupted_later,
            "CloudFormation continues its operation; check `python deploy.py status --stage dev`",
        ),
    ):
        monkeypatch.setattr("workflow.publish.destroying.destroy", destroy)
        status, _, err = run("destroy", "--yes", "--stop-running", capsys=capsys)
        assert (status, err) == (130, f"error: interrupted: {message}\n")
