"""Replays archived status changes: EventBridge sends them to the stage's rule again, which starts executions.

That is harmless for what is processed: the claim of the status change is held, and the execution ends at once. What no
execution has claimed is processed now, also if A2I no longer has the loop; and what an execution failed to process runs
again.

An event is in the archive some time after it was sent: AWS recommends to wait for ten minutes
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-archive.html). A replay goes from minute to minute, and in
any order within one (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-replay-archived-event.html).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.loops.loop import Claim, Loop
from lambdas.loops.rows import UnreadableRow
from lambdas.reviews.times import in_utc, timestamp
from workflow.operations.replays import ACTIVE, Archive, Replay, ReplayError, ReplayPlan
from workflow.operations.several import Interruption, Result, Results, explained
from workflow.operations.stage_loops import StageLoops

__all__ = ["Replaying"]

ARCHIVED_AFTER = timedelta(minutes=10)
"""How long AWS recommends to wait until all events are in the archive."""

_MOMENT = timedelta(minutes=1)
"""From the time when `--since 30d` is calculated to the plan, for which the archive is a little older."""

_MAX_PAUSE_SECONDS = 10.0

SETTLE_SECONDS = 5
"""How long after the end of a replay its last events take to start executions."""

MAX_DESCRIPTION = 512
"""Characters of the description of a replay (StartReplay API page)."""

MAX_WAIT_SECONDS = 60
"""How long to wait for the end of executions. Most take seconds; your own steps can take hours."""


class Replaying:
    """Replays of a stage. Methods raise `botocore.exceptions.ClientError` for errors of AWS."""

    def __init__(self, loops: StageLoops) -> None:
        self._loops = loops
        self._events: Any = loops.session.client("events")
        resources = loops.resources
        self._place = f"arn:{resources.partition}:events:{resources.region}:{resources.account_id}"

    # Before

    def plan(
        self, since: datetime | None = None, until: datetime | None = None, now: datetime | None = None
    ) -> ReplayPlan:
        """Checks that a period can be replayed. Reads the whole ledger, and changes nothing.

        Args:
            since: The beginning of the period. By default, all that the archive has.
            until: Its end. By default, what is archived by now.
            now: The current time.

        Raises:
            ReplayError: There is no archive, the rule is off, the archive does not have all of the period, or another
                replay overlaps it.
        """
        now = now or datetime.now(UTC)
        # The archive of a local engine has an event at once.
        archived = now - ARCHIVED_AFTER if self._loops.account.is_aws else now
        archive = self._archive()
        self._check_rule()
        until = until or archived
        begin = archive.begin(now)
        if since is None or begin - _MOMENT < since < begin:
            since = begin
        self._check_period(archive, since, until, now)
        self._check_others(archive, since, until)
        return self._compared(archive, since, until, is_archived=until <= archived)

    def _archive(self) -> Archive:
        stage = self._loops.stage
        settings = f"set archive_days for stage {stage}, and publish"
        if self._loops.resources.parameter("ArchiveDays") == "0":
            raise ReplayError(f"stage {stage} has no archive (archive_days = 0): {settings}; it begins empty")
        name = f"afterloop-{stage}"
        try:
            found = self._events.describe_archive(ArchiveName=name)
        except self._events.exceptions.ResourceNotFoundException:
            raise ReplayError(
                f"the archive {name} does not exist, because somebody deleted it: publish stage {stage}, which creates "
                "it again, empty"
            ) from None
        return Archive(
            name,
            found.get("ArchiveArn", f"{self._place}:archive/{name}"),
            in_utc(found["CreationTime"]),
            found.get("RetentionDays", 0),
            found.get("EventCount", 0),
            found.get("SizeBytes", 0),
        )

    def _check_rule(self) -> None:
        """A replay sends events to rules that are on. To all others, they are lost once more."""
        rule = self._loops.resources.output("Rule")
        try:
            state = self._events.describe_rule(Name=rule).get("State", "ENABLED")
        except self._events.exceptions.ResourceNotFoundException:
            state = "gone"
        if not state.startswith("ENABLED"):
            raise ReplayError(
                f"the rule {rule} is {state}, so a replay would start nothing; to turn it on, run "
                f"`python deploy.py publish --repair --stage {self._loops.stage}`"
            )

    def _check_period(self, archive: Archive, since: datetime, until: datetime, now: datetime) -> None:
        begin = archive.begin(now)
        if since < begin:
            why = (
                "was created"
                if begin == archive.created
                else f"keeps events for {archive.days} days: it begins"
            )
            raise ReplayError(
                f"the period begins at {timestamp(since)}, and the archive {archive.name} {why} at {timestamp(begin)}; "
                "leave out --since to replay all that it has"
            )
        if until > now:
            raise ReplayError(f"the period ends in the future, at {timestamp(until)}; leave out --until")
        if since >= until:
            raise ReplayError(
                f"the period from {timestamp(since)} to {timestamp(until)} has no time in it: events are in the "
                "archive after about 10 minutes; wait, or specify another --since or --until"
            )

    def _check_others(self, archive: Archive, since: datetime, until: datetime) -> None:
        for name in self._active(archive):
            other = self._events.describe_replay(ReplayName=name)
            begin, end = in_utc(other["EventStartTime"]), in_utc(other["EventEndTime"])
            if begin < until and since < end:
                raise ReplayError(
                    f"the replay {name}, of {timestamp(begin)} to {timestamp(end)}, is {other['State']} and overlaps "
                    f"this period; wait until it has ended, or cancel it with `{_aws('cancel-replay', name)}`"
                )

    def _active(self, archive: Archive) -> Iterator[str]:
        more: dict[str, str] = {}
        while True:
            page = self._events.list_replays(EventSourceArn=archive.arn, **more)
            yield from (one["ReplayName"] for one in page["Replays"] if one["State"] in ACTIVE)
            if not page.get("NextToken"):
                return
            more = {"NextToken": page["NextToken"]}

    def _compared(
        self, archive: Archive, since: datetime, until: datetime, *, is_archived: bool
    ) -> ReplayPlan:
        unreadable: list[UnreadableRow] = []
        states = {"done": 0, "working": 0, "released": 0}
        again, is_open, (first, last) = [], 0, (timestamp(since), timestamp(until))
        for loop in self._loops.ledger.changed_since(first, unreadable.append):
            is_open += loop.status in ("Starting", "InProgress") and (loop.created_at or "") < last
            for claim, held in loop.claims.items():
                if first <= _received(loop, claim, held) < last:
                    states[held["state"]] += 1
                    if held["state"] == "released":
                        again.append(loop.human_loop_name)
        return ReplayPlan(
            archive,
            since,
            until,
            is_archived,
            processed=states["done"],
            busy=states["working"],
            again=list(dict.fromkeys(again)),
            open=is_open,
            unreadable=unreadable,
        )

    # The replay

    def start(self, plan: ReplayPlan) -> Replay:
        """Starts the replay of a plan, to the stage's rule only.

        Raises:
            ReplayError: The account has too many replays that have not ended.
        """
        name = f"{plan.archive.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
        try:
            self._events.start_replay(
                ReplayName=name,
                Description=f"Started by {self._loops.account.caller}"[:MAX_DESCRIPTION],
                EventSourceArn=plan.archive.arn,
                EventStartTime=plan.since,
                EventEndTime=plan.until,
                Destination={
                    "Arn": f"{self._place}:event-bus/default",
                    "FilterArns": [f"{self._place}:rule/{self._loops.resources.output('Rule')}"],
                },
            )
        except self._events.exceptions.LimitExceededException:
            raise ReplayError(
                "the account has ten replays that have not ended, which is the limit of EventBridge; wait until one has"
            ) from None
        except self._events.exceptions.ResourceAlreadyExistsException:
            pass  # The SDK repeated a request whose answer was lost. Nobody else makes this name.
        return self.describe(name)

    def describe(self, name: str) -> Replay:
        """Returns a replay as it is now."""
        found = self._events.describe_replay(ReplayName=name)
        last = found.get("EventLastReplayedTime")
        started = in_utc(found["ReplayStartTime"])
        return Replay(name, found["State"], found.get("StateReason", ""), started, last and in_utc(last))

    def follow(
        self,
        replay: Replay,
        interruption: Interruption,
        progress: Callable[[Replay], object] = lambda replay: None,
    ) -> Replay:
        """Waits for the end of a replay, and returns it then.

        Args:
            replay: The replay.
            interruption: Cancels it.
            progress: Called with what it is now, every few seconds.

        Raises:
            ReplayError: The replay goes on, and EventBridge does not say how far it is.
        """
        pause, cancelled = 0.2, False
        try:
            while replay.is_active:
                progress(replay)
                if interruption.requested and not cancelled:
                    self._cancel(replay.name)
                    cancelled, interruption = True, Interruption()
                interruption.pause(pause)
                pause = min(_MAX_PAUSE_SECONDS, pause * 1.5)
                replay = self.describe(replay.name)
        except (ClientError, BotoCoreError) as error:
            raise ReplayError(
                f"{self.goes_on(replay.name)}; it could not be followed: {explained(error)}"
            ) from None
        return replay

    def _cancel(self, name: str) -> None:
        with suppress(self._events.exceptions.IllegalStatusException):  # It has ended meanwhile.
            self._events.cancel_replay(ReplayName=name)

    def goes_on(self, name: str) -> str:
        """Says that a replay goes on without the command, and how to look at it and cancel it."""
        return (
            f"the replay goes on; see `{_aws('describe-replay', name)}`, or `{_aws('cancel-replay', name)}`"
        )

    # After

    def results(self, replay: Replay, interruption: Interruption) -> Results:
        """Returns what became of the status changes that executions claimed since the replay started.

        Those that A2I sent meanwhile are among them. Waits until the executions have ended, but not longer than
        `MAX_WAIT_SECONDS`.
        """
        self._settle(replay, interruption)
        found, start = Results(), timestamp(replay.started)
        for loop in self._loops.ledger.changed_since(
            start, lambda problem: found.results.append(_unreadable(problem))
        ):
            for claim, held in loop.claims.items():
                if held.get("at", "") >= start:
                    found.results.append(_result(loop, claim, held))
        return found

    def _settle(self, replay: Replay, interruption: Interruption) -> None:
        waited, pause = 0.0, float(SETTLE_SECONDS)
        while True:
            interruption.pause(pause)
            waited, pause = waited + pause, 1.0
            if interruption.requested or waited > MAX_WAIT_SECONDS or not self._is_running(replay.started):
                return

    def _is_running(self, since: datetime) -> bool:
        newest = self._loops.states.list_executions(
            stateMachineArn=self._loops.resources.state_machine_arn, statusFilter="RUNNING", maxResults=1
        )["executions"]
        return any(in_utc(one["startDate"]) >= since for one in newest)


def _received(loop: Loop, claim: str, held: Claim) -> str:
    """When an execution first got the event of a claim, which is about the time of the event."""
    times = [one.at for one in loop.executions.values() if one.claim == claim and one.at]
    return min([*times, held.get("at", "")])


def _result(loop: Loop, claim: str, held: Claim) -> Result:
    status = claim.rpartition(" ")[2]
    name, execution = loop.human_loop_name, held["execution"]
    if held["state"] == "working":
        return Result(name, "running", status, execution=execution)
    if held["state"] == "released":
        return Result(
            name, "failed", f"{status}: {loop.reason or 'the reason is unknown'}", execution=execution
        )
    return Result(name, "done", f"{status}: {loop.outcome}", execution=execution)


def _unreadable(problem: UnreadableRow) -> Result:
    return Result(problem.key, "error", str(problem))


def _aws(operation: str, name: str) -> str:
    return f"aws events {operation} --replay-name {name}"
