"""Archives and replays of events. Each test fails without the correction."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.ministack_patches import archives

ARN = "arn:aws:events:us-east-1:000000000000:{}"
BUS = ARN.format("event-bus/default")
DAY = 24 * 3600


class Bus:
    """The default bus with an archive and two rules, and what the rules deliver: (rule, replay, number)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]) -> None:
        from ministack.services import eventbridge

        archives.correct()
        self.delivered: list[tuple[str, str | None, int]] = []
        self._eventually = eventually
        monkeypatch.setattr(eventbridge, "_invoke_target", self._deliver)
        eventbridge._ensure_default_bus()
        self.call("create_archive", ArchiveName="kept", EventSourceArn=BUS, RetentionDays=30)
        for name in ("one", "two"):
            self.call("put_rule", Name=name, EventPattern='{"source": ["test"]}')
            self.call("put_targets", Rule=name, Targets=[{"Id": "t", "Arn": ARN.format("event-bus/other")}])

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        from ministack.services import eventbridge

        answer: dict[str, Any] = json.loads(getattr(eventbridge, f"_{operation}")(parameters)[2])
        return answer

    def put(self, number: int, *, ago: int) -> None:
        """Sends an event, and makes it one of some seconds ago."""
        from ministack.services import eventbridge

        entry = {"Source": "test", "DetailType": "test", "Detail": json.dumps({"number": number})}
        self.call("put_events", Entries=[entry])
        eventbridge._archives["kept"]["Events"][-1]["Time"] = int(time.time()) - ago
        self.delivered.clear()

    def start(self, name: str = "again", *, since: float = 2 * DAY, until: float = 0, rules: Any = ()) -> Any:
        destination = {"Arn": BUS} | (
            {"FilterArns": [ARN.format(f"rule/{one}") for one in rules]} if rules else {}
        )
        return self.call(
            "start_replay",
            ReplayName=name,
            EventSourceArn=ARN.format("archive/kept"),
            EventStartTime=time.time() - since,
            EventEndTime=time.time() - until,
            Destination=destination,
        )

    def state(self, name: str = "again") -> Any:
        return self.call("describe_replay", ReplayName=name)["State"]

    def replay(self, **more: Any) -> list[tuple[str, str | None, int]]:
        """Replays, and returns what was delivered."""
        assert self.start(**more)["State"] == "STARTING"
        self._eventually(lambda: self.state() == "COMPLETED")
        return self.delivered

    def _deliver(self, target: Any, event: Any, rule: Any, view: Any) -> None:
        document = view.event_with_detail()
        self.delivered.append((rule["Name"], document.get("replay-name"), document["detail"]["number"]))


@pytest.fixture
def bus(ministack: None, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., None]) -> Bus:
    return Bus(monkeypatch, eventually)


def test_replay_delivers_to_the_named_rules_only(bus):
    bus.put(1, ago=60)
    assert bus.replay(rules=["two"]) == [("two", "again", 1)]


def test_replay_goes_from_minute_to_minute_in_any_order_within_one(bus):
    start = int(time.time()) % 60 + 60  # seconds since the beginning of the last minute
    for number, ago in enumerate([start, start - 1, start + 60]):
        bus.put(number, ago=ago)
    assert [number for _, _, number in bus.replay(rules=["one"])] == [2, 1, 0]


def test_replayed_events_are_not_archived_again(bus):
    bus.put(1, ago=60)
    bus.replay()
    assert bus.call("describe_archive", ArchiveName="kept")["EventCount"] == 1


def test_expired_events_are_not_replayed(bus):
    bus.put(1, ago=31 * DAY)
    bus.put(2, ago=29 * DAY)
    assert bus.replay(since=40 * DAY, rules=["one"]) == [("one", "again", 2)]


def test_description_of_an_archive_has_figures_and_no_events(bus):
    bus.put(1, ago=31 * DAY)
    bus.put(2, ago=1)
    found = bus.call("describe_archive", ArchiveName="kept")
    assert ("Events" in found, found["EventCount"], found["SizeBytes"] > 100) == (False, 1, True)


def test_description_of_a_replay_says_how_far_it_is(bus):
    from ministack.services import eventbridge

    bus.put(1, ago=60)
    bus.replay()
    last = eventbridge._archives["kept"]["Events"][0]["Time"]
    assert bus.call("describe_replay", ReplayName="again")["EventLastReplayedTime"] == last


def test_cancelled_replay_delivers_no_more(bus, monkeypatch):
    from ministack.services import eventbridge

    bus.put(1, ago=120)
    bus.put(2, ago=60)
    deliver = eventbridge._invoke_target

    def cancel_then_deliver(*given: Any) -> None:
        if not bus.delivered:
            assert bus.call("cancel_replay", ReplayName="again")["State"] == "CANCELLING"
        deliver(*given)

    monkeypatch.setattr(eventbridge, "_invoke_target", cancel_then_deliver)
    bus.start(rules=["one"])
    bus._eventually(lambda: bus.state() == "CANCELLED")
    assert [number for _, _, number in bus.delivered] == [1]


def test_replay_that_has_ended_cannot_be_cancelled(bus):
    bus.replay()
    assert bus.call("cancel_replay", ReplayName="again")["__type"] == "IllegalStatusException"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"since": 0, "until": 60}, "ValidationException"),
        ({"name": "done"}, "ResourceAlreadyExistsException"),
    ],
)
def test_impossible_replay_is_refused(bus, given, code):
    bus.start("done")
    assert bus.start(**given)["__type"] == code


def test_eleventh_active_replay_is_refused(bus, monkeypatch):
    monkeypatch.setattr(archives, "_run", lambda replay, events: None)
    started = [bus.start(f"r{number}") for number in range(11)]
    assert [one.get("__type") for one in started] == [None] * 10 + ["LimitExceededException"]
