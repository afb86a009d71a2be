"""The sign of each status."""

from __future__ import annotations

from typing import get_args

from console.signs import sign_of
from lambdas.loops.loop import LoopStatus, Outcome
from workflow.asl.graph import StateStatus


def test_each_status_has_a_sign_of_its_own() -> None:
    quiet = sign_of("no such status")
    without = {"NotNeeded", "closed"}
    statuses = {*get_args(LoopStatus), *get_args(Outcome), *StateStatus} - without
    assert [status for status in statuses if sign_of(status) == quiet] == []
