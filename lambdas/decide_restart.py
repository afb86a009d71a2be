"""Decides whether to restart or escalate a failed human loop, by the rules of the stage and the ledger."""

from __future__ import annotations

import functools
from typing import Any

from aws_lambda_powertools import Logger
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from lambdas.aws.clients import ledger, transient_errors
from lambdas.aws.environment import environment
from lambdas.loops.ledger import Loop, UnreadableRow
from lambdas.loops.restart_policy import Decision, RestartSettings

FUNCTION = {
    "memory": 256,
    "timeout": 30,
    "permissions": [{"actions": ["dynamodb:GetItem"], "resources": ["${LedgerTable.Arn}"]}],
}

logger = Logger()


class FailedDetail(BaseModel):
    """The part of a Failed status change that the decision needs."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")

    human_loop_name: str
    flow_definition_arn: str | None = None
    failure_code: str | None = None


@logger.inject_lambda_context
@transient_errors
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Decides.

    Args:
        event: `detail`: the detail of the status change; `ledgerKey`: the key of the loop's row.
        context: The Lambda context.

    Returns:
        `action` (restart or escalate), `waitSeconds`, `nextFlowDefinition`, `reason` in plain words, and
        `lineage`: the loops of the lineage, oldest first, each with name, attempt, status, createdAt and failure
        code.
    """
    detail = FailedDetail.model_validate(event["detail"])
    key = event["ledgerKey"]
    row = ledger().find(key) or Loop(human_loop_name=key)
    flow_definition = detail.flow_definition_arn or row.flow_definition_arn
    # More attempts that an operator allowed for this lineage take precedence over the rules of the stage.
    rules = settings()
    if row.max_attempts is not None:
        rules = rules.with_max_attempts(row.max_attempts)
    decision = rules.decide(
        failure_code=detail.failure_code,
        attempt=row.attempt,
        flow_definition=flow_definition,
        input_known=row.input_location is not None,
        loop_name=detail.human_loop_name,
    )
    if row.next_loop_name is not None and flow_definition is not None:
        # A person restarted the loop meanwhile. A restart that runs again starts nothing, and records that one.
        reason = f"The loop was already restarted, as {row.next_loop_name}."
        decision = Decision("restart", 0, _flow_definition_of(row.next_loop_name) or flow_definition, reason)
    logger.info(decision.reason, extra={"humanLoopName": detail.human_loop_name, "action": decision.action})
    lineage = [
        {
            "humanLoopName": loop.human_loop_name,
            "attempt": loop.attempt,
            "status": loop.status or "unknown",
            "createdAt": loop.created_at or "unknown",
            **({"failureCode": code} if (code := loop.failure_code) else {}),
        }
        # An earlier loop whose row is odd must not keep this one from its decision.
        for loop in ledger().lineage(row, lambda problem: logger.warning(str(problem)))
    ]
    # The row of this loop receives its failure code only after this decision, with the outcome.
    if detail.failure_code:
        lineage[-1]["failureCode"] = detail.failure_code
    return {
        "action": decision.action,
        "waitSeconds": decision.wait_seconds,
        "nextFlowDefinition": decision.next_flow_definition,
        "reason": decision.reason,
        "lineage": lineage,
    }


def _flow_definition_of(human_loop_name: str) -> str | None:
    """Returns the flow definition of a loop, if the ledger knows it. The settings may no longer have the old one."""
    try:
        row = ledger().find(human_loop_name)
    except UnreadableRow:
        return None
    return row.flow_definition_arn if row else None


@functools.cache
def settings() -> RestartSettings:
    """Returns the rules of the stage, parsed once per process."""
    return RestartSettings.model_validate_json(environment().restart_settings)
