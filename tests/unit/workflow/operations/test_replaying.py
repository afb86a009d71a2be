"""Tests of replays: what is refused, what the ledger says before and after, and how a replay is followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.loops.loop import ClaimedIn, Loop
from lambdas.reviews.times import timestamp
from workflow.operations import replaying
from workflow.operations.replaying import Replaying
from workflow.operations.replays import Replay, ReplayError
from workflow.operations.several import Interruption
from workflow.operations.stage_resources import StageResources

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
CREATED = NOW - timedelta(days=3)
RULE = "arn:aws:events:us-east-1:123456789012:rule/afterloop-dev"


class Events:
    """EventBridge with an archive, a rule, and replays. `replays` has the states that a replay goes through."""

    class exceptions:  # noqa: N801
        ResourceNotFoundException = type("ResourceNotFoundException", (Exception,), {})
        IllegalStatusException = type("IllegalStatusException", (Exception,), {})
        LimitExceededException = type("LimitExceededException", (Exception,), {})
        ResourceAlreadyExistsException = type("ResourceAlreadyExistsException", (Exception,), {})

    def __init__(self) -> None:
        self.archive: dict[str, Any] | None = {"CreationTime": CREATED, "RetentionDays": 30, "EventCount": 5}
        self.rule = "ENABLED"
        self.others: list[dict[str, Any]] = []
        self.states = ["COMPLETED"]
        self.started: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        self.refuse_start: type[Exception] | None = None

    def describe_archive(self, *, ArchiveName: str) -> dict[str, Any]:  # noqa: N803
        if self.archive is None:
            raise self.exceptions.ResourceNotFoundException
        return self.archive

    def describe_rule(self, *, Name: str) -> dict[str, Any]:  # noqa: N803
        if self.rule == "gone":
            raise self.exceptions.ResourceNotFoundException
        return {"State": self.rule}

    def list_replays(self, *, EventSourceArn: str, NextToken: str = "") -> dict[str, Any]:  # noqa: N803
        if self.others and not NextToken:
            return {"Replays": [], "NextToken": "2"}
        return {"Replays": self.others}

    def describe_replay(self, *, ReplayName: str) -> dict[str, Any]:  # noqa: N803
        if found := [one for one in self.others if one["ReplayName"] == ReplayName]:
            return found[0]
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if state == "expired":
            raise ClientError(
                {"Error": {"Code": "ExpiredTokenException", "Message": "expired"}}, "DescribeReplay"
            )
        return {"State": state, "ReplayStartTime": NOW, "EventLastReplayedTime": NOW}

    def start_replay(self, **given: Any) -> None:
        self.started.append(given)
        if self.refuse_start:
            raise self.refuse_start

    def cancel_replay(self, *, ReplayName: str) -> None:  # noqa: N803
        self.cancelled.append(ReplayName)
        if self.states == ["COMPLETED"]:
            raise self.exceptions.IllegalStatusException


class Stage:
    """A stage with rows in its ledger."""

    def __init__(self) -> None:
        self.events, self.rows = Events(), list[Loop]()
        self.is_aws, self.archive_days, self.running = True, "30", [0]

    @property
    def replaying(self) -> Replaying:
        resources = StageResources(
            "dev", "aws", "us-east-1", "123456789012",
            {"Rule": "afterloop-dev", "StateMachine": "arn:machine"}, {"ArchiveDays": self.archive_days},
        )  # fmt: skip
        loops: Any = SimpleNamespace(
            stage="dev",
            resources=resources,
            session=SimpleNamespace(client=lambda _: self.events),
            account=SimpleNamespace(is_aws=self.is_aws, caller="arn:ada"),
            ledger=SimpleNamespace(changed_since=self._changed_since),
            states=SimpleNamespace(list_executions=self._running),
        )
        return Replaying(loops)

    def _changed_since(self, time: str, unreadable: Callable[..., object]) -> Iterator[Loop]:
        yield from self.rows

    def _running(self, **_: Any) -> dict[str, Any]:
        number = self.running.pop(0) if len(self.running) > 1 else self.running[0]
        return {"executions": [{"startDate": NOW}] * number}

    def claimed(
        self, name: str, state: str, at: datetime, *, first: datetime | None = None, **more: Any
    ) -> None:
        """Adds a row with a claim. An execution before may have had it first."""
        claim = "2026-03-30T00:00:00.000Z Completed"
        executions = {"arn:first": ClaimedIn(claim=claim, at=timestamp(first))} if first else {}
        held: Any = {"state": state, "execution": f"arn:{name}", "at": timestamp(at)}
        row = Loop(
            human_loop_name=name, status="Completed", claims={claim: held}, executions=executions, **more
        )
        self.rows.append(row)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setattr(Interruption, "pause", lambda self, seconds: self.requested)
    return Stage()


HOUR = timedelta(hours=1)


def test_period_as_long_as_the_retention_begins_where_the_archive_does(stage: Stage) -> None:
    """The time of `--since 3d` was calculated a moment before."""
    assert stage.events.archive
    stage.events.archive["RetentionDays"] = 2
    days_ago = NOW - timedelta(days=2, seconds=2)
    assert stage.replaying.plan(days_ago, now=NOW).since == NOW - timedelta(days=2)


def test_period_is_by_default_all_that_is_archived(stage: Stage) -> None:
    plan = stage.replaying.plan(now=NOW)
    assert (plan.since, plan.until, plan.is_archived) == (CREATED, NOW - timedelta(minutes=10), True)
    stage.events.archive = {"CreationTime": CREATED, "RetentionDays": 1}
    assert stage.replaying.plan(now=NOW).since == NOW - timedelta(days=1)
    stage.is_aws = False  # The local engine archives at once.
    assert stage.replaying.plan(now=NOW).until == NOW


def test_period_of_the_last_minutes_may_not_be_archived(stage: Stage) -> None:
    assert not stage.replaying.plan(NOW - HOUR, NOW - timedelta(minutes=9), NOW).is_archived


OTHER = {
    "ReplayName": "other",
    "State": "RUNNING",
    "EventStartTime": NOW - 3 * HOUR,
    "EventEndTime": NOW - HOUR,
}


@pytest.mark.parametrize(
    ("change", "since", "until", "message"),
    [
        ({"archive_days": "0"}, None, None, r"has no archive \(archive_days = 0\): set archive_days for stage"),
        ({"archive": None}, None, None, "afterloop-dev does not exist, because somebody deleted it: publish stage dev"),
        ({"rule": "DISABLED"}, None, None, "rule afterloop-dev is DISABLED, so .* `python deploy.py publish --repair"),
        ({"rule": "gone"}, None, None, "rule afterloop-dev is gone, so a replay would start nothing"),
        ({}, CREATED - HOUR, None, "afterloop-dev was created at 2026-03-28T12:00:00.000Z; leave out --since"),
        ({"archive": {"CreationTime": CREATED, "RetentionDays": 1}}, CREATED, None, "keeps events for 1 days: it"),
        ({}, None, NOW + HOUR, "ends in the future, at .*; leave out --until"),
        ({}, NOW - timedelta(minutes=5), None, "has no time in it: events are in the archive after about 10 minutes"),
        ({"others": [OTHER]}, NOW - 2 * HOUR, None, "the replay other, of .*, is RUNNING and overlaps .*cancel-replay"),
    ],
)  # fmt: skip
def test_impossible_replay_is_refused(
    stage: Stage, change: dict[str, Any], since: datetime | None, until: datetime | None, message: str
) -> None:
    for name, value in change.items():
        setattr(stage if name == "archive_days" else stage.events, name, value)
    with pytest.raises(ReplayError, match=message):
        stage.replaying.plan(since, until, NOW)


@pytest.mark.parametrize("other", [OTHER | {"EventEndTime": NOW - 2 * HOUR}, OTHER | {"State": "COMPLETED"}])
def test_replay_of_another_period_or_that_has_ended_is_in_nobodys_way(stage: Stage, other: Any) -> None:
    stage.events.others = [other]
    assert stage.replaying.plan(NOW - 2 * HOUR, now=NOW)


def test_plan_counts_status_changes_by_when_they_were_received(stage: Stage) -> None:
    stage.claimed("done", "done", NOW - HOUR)
    stage.claimed("before", "done", NOW - 9 * HOUR)
    stage.claimed("redriven later", "released", NOW, first=NOW - HOUR)
    stage.claimed("redriven in the period", "released", NOW - HOUR, first=NOW - 9 * HOUR)
    stage.claimed("busy", "working", NOW - HOUR)
    stage.rows.append(Loop(human_loop_name="open", status="InProgress", created_at=timestamp(NOW - 9 * HOUR)))
    stage.rows.append(Loop(human_loop_name="new", status="Starting", created_at=timestamp(NOW)))
    plan = stage.replaying.plan(NOW - 2 * HOUR, now=NOW)
    assert (plan.processed, plan.busy, plan.again, plan.open) == (1, 1, ["redriven later"], 1)


def test_replay_goes_to_the_rule_of_the_stage_only(stage: Stage) -> None:
    plan = stage.replaying.plan(NOW - HOUR, now=NOW)
    stage.events.refuse_start = Events.exceptions.ResourceAlreadyExistsException  # a repeated request
    replay = stage.replaying.start(plan)
    (given,) = stage.events.started
    assert given["Destination"] == {
        "Arn": "arn:aws:events:us-east-1:123456789012:event-bus/default",
        "FilterArns": [RULE],
    }
    assert (given["EventStartTime"], given["EventEndTime"]) == (plan.since, plan.until)
    assert (given["ReplayName"], len(replay.name) <= 64) == (replay.name, True)
    assert given["Description"] == "Started by arn:ada"


def test_eleventh_replay_of_the_account_is_refused(stage: Stage) -> None:
    stage.events.refuse_start = Events.exceptions.LimitExceededException
    with pytest.raises(ReplayError, match="ten replays that have not ended"):
        stage.replaying.start(stage.replaying.plan(now=NOW))


RUNNING = Replay("again", "RUNNING", "", NOW, None)


@pytest.mark.parametrize("states", [["RUNNING", "CANCELLING", "CANCELLED"], ["COMPLETED"]])
def test_interruption_cancels_the_replay_once_and_waits_for_its_end(stage: Stage, states: list[str]) -> None:
    stage.events.states = list(states)
    interruption = Interruption()
    interruption.request()
    assert stage.replaying.follow(RUNNING, interruption).state == states[-1]
    assert stage.events.cancelled == ["again"]


def test_replay_that_cannot_be_followed_goes_on(stage: Stage) -> None:
    stage.events.states = ["RUNNING", "expired"]
    with pytest.raises(
        ReplayError, match="the replay goes on; see `aws events describe-replay --replay-name again`"
    ):
        stage.replaying.follow(RUNNING, Interruption())


def test_results_are_those_of_claims_since_the_start(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.claimed("before", "done", NOW - HOUR, outcome="stored")
    stage.claimed("stored", "done", NOW + HOUR, outcome="stored")
    stage.claimed("failed", "released", NOW + HOUR, outcome="failed", reason="Collect review: OutputMissing")
    stage.claimed("long", "working", NOW + HOUR, outcome="processing")
    stage.running = [1, 1, 0]
    found = stage.replaying.results(RUNNING, Interruption())
    assert [(one.name, one.result, one.detail) for one in found.results] == [
        ("stored", "done", "Completed: stored"),
        ("failed", "failed", "Completed: Collect review: OutputMissing"),
        ("long", "running", "Completed"),
    ]
    assert stage.running == [0]
    stage.running = [1]  # an execution that does not end in time
    monkeypatch.setattr(replaying, "MAX_WAIT_SECONDS", 9)
    assert stage.replaying.results(RUNNING, Interruption()).count("done") == 1
