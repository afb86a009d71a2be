"""Failed: restart the loop with the same input, or notify a person."""

from __future__ import annotations

from typing import Any

from lambdas.loops.bounded import MAX_A2I_REASON, MAX_CODE
from workflow.asl.expressions import LEDGER_KEY, bounded
from workflow.parts.failures import caught
from workflow.parts.invoke import invoke
from workflow.parts.messages import escalate_failed_loop
from workflow.parts.records import record
from workflow.steps import Chain, Choice, ChoiceRule, Wait

__all__ = ["failed_loop"]


def failed_loop(*, failed: Any, escalated: Any) -> Chain:
    """**Restart or escalate?** → **Back off** → **Restart loop** → **Record restart**, or **Escalate failed loop** →
    **Record escalation**. The stage's rules decide which.

    Args:
        failed: The next step if a step fails.
        escalated: The steps after Record escalation.
    """
    decide = invoke(
        "Restart or escalate?",
        "decide_restart",
        payload=f"{{'detail': $states.input.detail, 'ledgerKey': ${LEDGER_KEY}}}",
        adds="decision",
        failed=failed,
        comment="Decides by failure code, attempts so far, and whether the input is known.",
    )
    back_off = Wait(
        "Back off",
        seconds_path="$.decision.waitSeconds",
        comment="Grows with each attempt. Jitter spreads the restarts of loops that failed together.",
    )
    restart = invoke(
        "Restart loop",
        "restart_loop",
        payload=f"{{'humanLoopName': ${LEDGER_KEY},"
        " 'flowDefinitionArn': $states.input.decision.nextFlowDefinition}",
        adds="restart",
        failed=failed,
        comment="Same input, new name: the name of the first loop and the number of the attempt.",
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
        comment="Links both loops: this one names the next attempt, and the next names this one.",
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
        comment="The loop needs a person: python deploy.py loops list --outcome escalated --stage ${Stage}",
    )
    choice = Choice("Restart?", comment="Follows the decision of the previous step.")
    choice.add_choice(
        ChoiceRule.StringEquals(variable="$.decision.action", value="restart"),
        Chain([back_off, restart, record_restart]),
    )
    choice.default_choice(Chain([escalate, record_escalation, escalated]))
    return Chain([decide, choice])


def _failure_values() -> dict[str, str]:
    return {
        field: f"($type($states.input.detail.{field}) = 'string' and $states.input.detail.{field} != ''"
        f" ? {{'S': {bounded(f'$states.input.detail.{field}', limit)}}})"
        for field, limit in (("failureCode", MAX_CODE), ("failureReason", MAX_A2I_REASON))
    }
