"""The alias `live`: which version new executions run on, and which one is published."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest

from workflow.publish.functions import Functions
from workflow.publish.live import is_live, settle
from workflow.publish.machines import routed
from workflow.publish.pruning import KEPT_VERSIONS, prune, prune_functions
from workflow.publish.stacks import Stack

OUTPUTS = {"StateMachine": "m", "LiveVersion": "m:2"}
STACK = Stack("s", "arn", "UPDATE_COMPLETE", outputs=OUTPUTS)


class Machines:
    """Keeps the versions and the alias of one state machine."""

    def __init__(self, weights: dict[str, int] | None, current: str = "m:2") -> None:
        self._weights, self._current = weights, current
        self.routes: list[dict[str, int]] = []
        self.all_versions = [current]

    def publish_version(self, machine: str, description: str) -> str:
        return self._current

    def is_current(self, machine: str, version: str) -> bool:
        return version == self._current

    def weights(self, machine: str, alias: str) -> dict[str, int] | None:
        return self._weights

    def route(self, machine: str, alias: str, weights: dict[str, int]) -> None:
        self.routes.append(weights)

    def versions(self, machine: str) -> list[str]:
        return list(self.all_versions)

    def delete_version(self, version: str) -> None:
        self.all_versions.remove(version)


def test_alias_that_cloudformation_has_moved_stays() -> None:
    machines: Any = Machines({"m:2": 100})
    assert settle(machines, STACK) == "m:2"
    assert machines.routes == []


@pytest.mark.parametrize("weights", [{"m:1": 100}, {"m:1": 90, "m:2": 10}, {"m:3": 100}, None])
def test_alias_that_somebody_moved_is_set_right(weights: dict[str, int] | None) -> None:
    machines: Any = Machines(weights, "m:3")
    assert settle(machines, STACK) == "m:2"
    assert machines.routes == [{"m:2": 100}]


def test_stack_of_an_earlier_afterloop_gets_a_version() -> None:
    machines: Any = Machines({"m:1": 100}, "m:3")
    assert settle(machines, replace(STACK, outputs={"StateMachine": "m"})) == "m:3"
    assert machines.routes == [{"m:3": 100}]


@pytest.mark.parametrize(
    ("outputs", "weights", "live"),
    [
        (OUTPUTS, {"m:2": 100}, True),
        (OUTPUTS, {"m:1": 90, "m:2": 10}, False),
        (OUTPUTS, {"m:3": 100}, False),
        (OUTPUTS, {}, False),
        ({"StateMachine": "m"}, {"m:3": 100}, True),
        ({"StateMachine": "m"}, {"m:2": 100}, False),
        ({"StateMachine": "m"}, {"m:2": 10, "m:3": 90}, False),
    ],
)
def test_published_version_is_live_if_it_gets_all_new_executions(
    outputs: dict[str, str], weights: dict[str, int], live: bool
) -> None:
    machines: Any = Machines(weights, "m:3")
    assert is_live(machines, outputs, weights) == live


def test_versions_are_named_in_order() -> None:
    assert routed({"m:10": 10, "m:9": 90}) == "version 9 (90 %) and version 10 (10 %)"
    assert routed({}) == "no version"


def test_old_versions_are_deleted_but_never_the_live_one() -> None:
    machines: Any = Machines({"m:2": 100})
    machines.all_versions = [f"m:{number}" for number in range(KEPT_VERSIONS + 3, 0, -1)]
    prune(machines, "m:2")
    assert machines.all_versions[-3:] == ["m:5", "m:4", "m:2"]


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
