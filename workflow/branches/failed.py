"""Failed: the loop is started again with the same input, or a person is told."""

from __future__ import annotations

from typing import Any

from workflow.parts.failures import caught
from workflow.parts.invoke import invoke
from workflow.parts.messages import escalate_failed_loop
from workflow.parts.records import record
from workflow.steps import Chain, Choice, ChoiceRule, Wait

__all__ = ["failed_loop"]


def failed_loop(*, failed: Any, restarted: Any = None, escalated: Any = None) -> Chain:
    """**Restart or escalate?** by the stage's rules → **Back off** → **Restart loop** → **Record restart**,
    or **Escalate failed loop** → **Record escalation**.

    Args:
        failed: Where the workflow goes when a step fails.
        restarted: What comes after Record restart; nothing by default.
        escalated: What comes after Record escalation; nothing by default.
    """
    decide = invoke(
        "Restart or escalate?",
        "decide_restart",
        payload="{'detail': $states.input.detail}",
        adds="decision",
        failed=failed,
        comment="By failure code, attempts so far, and whether the input is known.",
    )
    back_off = Wait(
        "Back off",
        seconds_path="$.decision.waitSeconds",
        comment="Grows with the attempt; what failed together does not come back together.",
    )
    restart = invoke(
        "Restart loop",
        "restart_loop",
        payload="{'humanLoopName': $states.input.detail.humanLoopName,"
        " 'flowDefinitionArn': $states.input.decision.nextFlowDefinition}",
        adds="restart",
        failed=failed,
        comment="Same input, new name; the name follows from the first loop's and the attempt.",
    )
    record_restart = record(
        "Record restart",
        "restarted",
        values={
            "reason": "{'S': $states.input.decision.reason}",
            "nextLoopName": "{'S': $states.input.restart.humanLoopName}",
        },
        optional=_failure_values(),
        failed=failed,
        comment="Both ways: this loop names the next, the next names this.",
    )
    escalate = escalate_failed_loop(catch=[caught("Escalate failed loop", failed)])
    record_escalation = record(
        "Record escalation",
        "escalated",
        values={
            "reason": "{'S': $states.input.decision.reason}",
            "escalatedAt": "{'S': $states.context.State.EnteredTime}",
        },
        optional=_failure_values(),
        failed=failed,
        comment="The loop waits for a person: python deploy.py loops list --outcome escalated --stage ${Stage}",
    )
    choice = Choice("Restart?", comment="By the decision of the step before.")
    choice.add_choice(
        ChoiceRule.StringEquals(variable="$.decision.action", value="restart"),
        Chain([back_off, restart, record_restart, *([restarted] if restarted else [])]),
    )
    choice.default_choice(Chain([escalate, record_escalation, *([escalated] if escalated else [])]))
    return Chain([decide, choice])


def _failure_values() -> dict[str, str]:
    return {
        field: f"($type($states.input.detail.{field}) = 'string' and $states.input.detail.{field} != ''"
        f" ? {{'S': $states.input.detail.{field}}})"
        for field in ("failureCode", "failureReason")
    }
