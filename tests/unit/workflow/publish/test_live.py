"""The alias `live`: which version new executions run on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest

from workflow.errors import PublishError
from workflow.publish.functions import Functions
from workflow.publish.live import KEPT_VERSIONS, make_live, prune_functions
from workflow.stack.stages import Shift


class Machines:
    """Keeps the versions and the alias of one state machine."""

    def __init__(
        self, weights: dict[str, int] | None, version: str, failed: dict[str, list[str]] | None = None
    ) -> None:
        self._weights, self._version, self._failed = weights, version, failed or {}
        self.routes: list[dict[str, int]] = []
        self.all_versions = [version]

    def publish_version(self, machine: str, description: str) -> str:
        return self._version

    def weights(self, machine: str, alias: str) -> dict[str, int] | None:
        return self._weights

    def route(self, machine: str, alias: str, weights: dict[str, int]) -> None:
        self.routes.append(weights)

    def executions(self, machine: str, status: str, since: datetime | None = None) -> list[str]:
        return self._failed.get(machine, [])

    def versions(self, machine: str) -> list[str]:
        return list(self.all_versions)

    def delete_version(self, version: str) -> None:
        self.all_versions.remove(version)


class Clock:
    """Time that passes only in `sleep`."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += timedelta(seconds=seconds)


def test_first_publish_creates_the_alias() -> None:
    machines = Machines(None, "m:1")
    assert make_live(machines, "m", "first") == "m:1"
    assert machines.routes == [{"m:1": 100}]


def test_publish_without_new_revision_keeps_the_alias() -> None:
    machines = Machines({"m:1": 100}, "m:1")
    assert make_live(machines, "m", "again") == "m:1"
    assert machines.routes == []


def test_new_version_gets_all_new_executions_at_once() -> None:
    machines = Machines({"m:1": 100}, "m:2")
    assert make_live(machines, "m", "next") == "m:2"
    assert machines.routes == [{"m:2": 100}]


def test_shift_routes_a_part_first_then_the_rest() -> None:
    machines, clock, reports = Machines({"m:1": 100}, "m:2"), Clock(), list[str]()
    shift = Shift(first_percent=20, minutes=3)

    make_live(machines, "m", "next", shift=shift, report=reports.append, clock=clock, sleep=clock.sleep)

    assert machines.routes == [{"m:2": 20, "m:1": 80}, {"m:2": 100}]
    assert clock.now == datetime(2026, 1, 1, 0, 3, tzinfo=UTC)
    assert reports[0] == "Version 2 gets 20 % of new executions; all of them in 3 min"
    assert reports[-1] == "Version 2 gets 20 % of new executions; all of them in 15 s"


@pytest.mark.parametrize(
    ("failed", "count"), [(["e1"], "1 execution"), (["e2", "e1"], "2 executions")], ids=["one", "two"]
)
def test_shift_is_reversed_when_only_the_new_version_fails(failed: list[str], count: str) -> None:
    machines, clock = Machines({"m:1": 100}, "m:2", {"m:2": failed}), Clock()
    message = (
        f"{count} failed on version 2, none on version 1; version 1 gets all new executions again; "
        "first failure: e1"
    )
    with pytest.raises(PublishError, match=message):
        make_live(machines, "m", "next", shift=Shift(), clock=clock, sleep=clock.sleep)
    assert machines.routes == [{"m:2": 10, "m:1": 90}, {"m:1": 100}]


def test_shift_continues_when_both_versions_fail() -> None:
    machines, clock = Machines({"m:1": 100}, "m:2", {"m:2": ["b"], "m:1": ["a"]}), Clock()
    make_live(machines, "m", "next", shift=Shift(), clock=clock, sleep=clock.sleep)
    assert machines.routes[-1] == {"m:2": 100}


def test_interrupted_shift_is_repeated() -> None:
    machines, clock = Machines({"m:1": 90, "m:2": 10}, "m:2"), Clock()
    make_live(machines, "m", "next", shift=Shift(), clock=clock, sleep=clock.sleep)
    assert machines.routes == [{"m:2": 10, "m:1": 90}, {"m:2": 100}]


def test_old_versions_are_deleted_but_not_the_one_before() -> None:
    machines = Machines({"m:1": 100}, "m:150")
    machines.all_versions = [f"m:{number}" for number in range(150, 0, -1)]

    make_live(machines, "m", "next")

    kept = [f"m:{number}" for number in range(150, 150 - KEPT_VERSIONS, -1)]
    assert machines.all_versions == [*kept, "m:1"]


FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function"


@pytest.mark.parametrize(
    ("running", "deleted"),
    [
        ([], ["a:2", "a:1", "b:2", "b:1"]),
        ([f'{{"Resource": "{FUNCTION}:a:1"}}'], ["a:2", "b:2", "b:1"]),
        ([f'{{"Resource": "{FUNCTION}:a:19"}}'], ["a:2", "a:1", "b:2", "b:1"]),
        ([None], []),
    ],
    ids=["nothing runs", "one is needed", "one with a longer number is needed", "it is not known"],
)
def test_old_function_versions_are_deleted_unless_executions_need_them(
    running: list[str | None], deleted: list[str]
) -> None:
    functions = Mock(spec=Functions)
    functions.versions.side_effect = lambda name: [
        f"{FUNCTION}:{name}:{number}" for number in range(KEPT_VERSIONS + 2, 0, -1)
    ]
    prune_functions(functions, ["a", "b"], lambda: running)
    calls = [call.args[0] for call in functions.delete_version.call_args_list]
    assert calls == [f"{FUNCTION}:{version}" for version in deleted]
