"""The whole state machine."""

from __future__ import annotations

from lambdas.reviews.event import TERMINAL_STATUSES
from workflow.machine import build_definition


def test_every_status_that_ends_a_loop_has_a_branch() -> None:
    route = build_definition()["States"]["Route by status"]
    assert [rule["StringEquals"] for rule in route["Choices"]] == list(TERMINAL_STATUSES)
    assert route["Default"] == "Unknown status"
