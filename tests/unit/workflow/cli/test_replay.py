"""Tests of `loops replay`: what it shows, asks, and says after Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.command_line import Answers, printed_json, run
from tests.unit.doubles import StubbedSession
from workflow.operations.replaying import Replaying
from workflow.operations.replays import Archive, Replay, ReplayPlan
from workflow.operations.several import Interruption, Result, Results

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
PLAN = ReplayPlan(
    Archive("afterloop-dev", "arn:archive", BEGIN, 30, 1234, 98765),
    BEGIN,
    BEGIN + timedelta(hours=2),
    is_archived=False,
    processed=7,
    busy=1,
    again=["loop-1", "loop-2"],
    open=3,
)
STARTED = Replay("again", "RUNNING", "", BEGIN, None)


@pytest.fixture
def ends(session: StubbedSession, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets how the replay ends, and what came of it."""

    def ends(state: str, *results: Result, interrupt: bool = False) -> None:
        def follow(self: Any, replay: Any, interruption: Interruption, progress: Any) -> Replay:
            if interrupt:
                signal.raise_signal(signal.SIGINT)
                assert interruption.requested
            return Replay("again", state, "", BEGIN, BEGIN + timedelta(minutes=61, seconds=7))

        monkeypatch.setattr(Replaying, "plan", lambda self, since, until: PLAN)
        monkeypatch.setattr(Replaying, "start", lambda self, plan: STARTED)
        monkeypatch.setattr(Replaying, "follow", follow)
        monkeypatch.setattr(Replaying, "results", lambda self, replay, interruption: Results(list(results)))

    return ends


def test_dry_run_shows_the_archive_and_what_the_ledger_says(ends, capsys) -> None:
    ends("COMPLETED")
    status, out, err = run("loops", "replay", "--dry-run", capsys=capsys)
    assert status == 0
    assert out.splitlines() == [
        "Archive afterloop-dev: since 2026-03-01T00:00:00.000Z, keeps events for 30 days; about 1,234 events, "
        "98,765 bytes (AWS updates both figures once a day).",
        "Events from 2026-03-01T00:00:00.000Z until 2026-03-01T02:00:00.000Z are sent to the workflow again.",
        "What the ledger says about this period:",
        "  7 status changes are processed, and stay as they are",
        "  1 are being processed, and stay as they are",
        "  2 human loops failed in the workflow, which processes them again: loop-1, loop-2",
        "  3 human loops are open; if an event says that one ended, it is processed",
        "Events of human loops that the ledger does not have are processed, too.",
        "Nothing was changed.",
    ]
    assert err.startswith("warning: events of the last 10 minutes may not be in the archive yet")


def test_declined_replay_changes_nothing(ends, capsys, monkeypatch) -> None:
    ends("COMPLETED")
    answers = Answers(monkeypatch, False)
    status, out, _ = run("loops", "replay", capsys=capsys)
    assert (status, answers.questions) == (1, ["Replay these events in stage dev?"])
    assert out.endswith("Nothing was changed.\n")


def test_replay_says_what_became_of_the_loops(ends, capsys) -> None:
    done, failed = (
        Result("loop-1", "done", "Completed: stored"),
        Result("loop-2", "failed", "Completed: a\nreason"),
    )
    ends("COMPLETED", done, failed)
    status, out, err = run("loops", "replay", "--yes", capsys=capsys)
    assert out.splitlines()[-3:] == [
        "The replay again is COMPLETED.",
        "processed: loop-1: Completed: stored",
        "Status changes since the replay began: 1 processed, 0 being processed, 1 failed. All others were processed "
        "before.",
    ]
    assert (status, err.splitlines()[-1]) == (1, "error: loop-2: Completed: a reason")
    document = printed_json(
        "loops replay", run("loops", "replay", "--yes", "--output", "json", capsys=capsys)[1]
    )
    assert [one["result"] for one in document["results"]] == ["done", "failed"]
    assert document["replay"]["state"] == "COMPLETED"


def test_ctrl_c_cancels_the_replay_and_says_how_to_replay_the_rest(ends, capsys) -> None:
    ends("CANCELLED", interrupt=True)
    status, _, err = run("loops", "replay", "--yes", capsys=capsys)
    assert status == 130
    assert err.splitlines()[-1] == (
        "error: interrupted: the replay was cancelled; events until 2026-03-01T01:01:00.000Z were replayed; for the "
        "rest, pass --since 2026-03-01T01:01:00.000Z --until 2026-03-01T02:00:00.000Z"
    )


def test_second_ctrl_c_says_that_the_replay_goes_on(ends, capsys, monkeypatch) -> None:
    ends("COMPLETED")

    def interrupt_twice(*_: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Replaying, "follow", interrupt_twice)
    status, _, err = run("loops", "replay", "--yes", capsys=capsys)
    assert (status, "interrupted: the replay goes on; see `aws events describe-replay" in err) == (130, True)
