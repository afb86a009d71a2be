"""The failed end: the row says whether a person was told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.workflow.parts.test_sizes import STATES, VARIABLES, filled

STATE = {"detail": {"humanLoopName": "loop"}, "failure": {"step": "Collect review", "reason": "no output"}}


def test_escalation_notes_whether_the_message_was_accepted() -> None:
    escalate = STATES["Escalate"]
    assert escalate["Assign"] == {"escalated": True}
    assert [catch["Assign"] for catch in escalate["Catch"]] == [{"escalated": False}]


@pytest.mark.parametrize(
    ("escalated", "written"), [(True, ", escalatedAt = :now"), (False, " REMOVE escalatedAt")]
)
def test_row_has_the_time_of_a_message_only_if_one_was_sent(escalated: bool, written: str) -> None:
    # Without it, lambdas/loops/abandoned.py sends the message.
    variables: dict[str, Any] = {**VARIABLES, "escalated": escalated}
    arguments = filled(STATES["Give claim back"]["Arguments"], variables, input=STATE)
    assert arguments["UpdateExpression"].endswith(written)
