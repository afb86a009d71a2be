"""Decides whether to restart or escalate a failed human loop, by the rules of the stage and the ledger."""

from __future__ import annotations

import functools
import re
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.alias_generators import to_camel

from lambdas.aws.clients import ledger, transient_errors
from lambdas.aws.environment import environment
from lambdas.aws.step import logs_step
from lambdas.loops.bounded import MAX_CODE, MAX_NAME, bounded
from lambdas.loops.loop import Loop
from lambdas.loops.restart_policy import Decision, RestartSettings
from lambdas.loops.rows import UnreadableRow

FUNCTION = {
    "memory": 256,
    "timeout": 30,
    "permissions": [{"actions": ["dynamodb:GetItem"], "resources": ["${LedgerTable.Arn}"]}],
}

logger = Logger()


MAX_LISTED = 20
"""The newest attempts that a message lists. Restart rules allow no more."""
MAX_LISTED_CODE = 40
"""Characters of each of their failure codes. The codes of A2I have at most 15."""
MAX_DECISION_REASON = 300
"""Characters of the reason, which quotes the failure code."""


def _code(value: object) -> str | None:
    return bounded(value, MAX_CODE) if value else None


def _text(value: object) -> str | None:
    """Returns a text, or None: an odd value in the event costs this value, not the decision."""
    return value if isinstance(value, str) else None


class FailedDetail(BaseModel):
    """The part of a Failed status change that the decision needs."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore")

    human_loop_name: str
    flow_definition_arn: Annotated[str | None, BeforeValidator(_text)] = None
    failure_code: Annotated[str | None, BeforeValidator(_code)] = None


@logs_step(logger)
@transient_errors
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Decides.

    Args:
        event: `detail`: the detail of the status change; `ledgerKey`: the key of the loop's row.
        context: The Lambda context.

    Returns:
        `action` (restart or escalate), `waitSeconds`, `nextFlowDefinition`, `reason` in plain words, and
        `lineage`: the newest 20 loops of the lineage, oldest first, each with name, attempt, status, createdAt and
        failure code.
    """
    detail = FailedDetail.model_validate(event["detail"])
    logger.append_keys(humanLoopName=detail.human_loop_name)
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
    logger.info(decision.reason, extra={"action": decision.action})
    lineage = [
        _listed(loop)
        # An earlier loop whose row is odd must not keep this one from its decision.
        for loop in ledger().lineage(row, lambda problem: logger.warning(str(problem)))
    ]
    # The row of this loop receives its failure code only after this decision, with the outcome.
    if detail.failure_code:
        lineage[-1]["failureCode"] = bounded(detail.failure_code, MAX_LISTED_CODE)
    return {
        "action": decision.action,
        "waitSeconds": decision.wait_seconds,
        "nextFlowDefinition": decision.next_flow_definition,
        "reason": bounded(decision.reason, MAX_DECISION_REASON),
        "lineage": lineage[-MAX_LISTED:],
    }


def _flow_definition_of(human_loop_name: str) -> str | None:
    """Returns the flow definition of a loop, if the ledger knows it. The settings may no longer have the old one."""
    try:
        row = ledger().find(human_loop_name)
    except UnreadableRow:
        return None
    return row.flow_definition_arn if row else None


def _listed(loop: Loop) -> dict[str, Any]:
    """Returns an attempt as messages list it. Anybody can edit a row, so only the code can have special characters."""
    listed = {
        "humanLoopName": _ascii(loop.human_loop_name),
        "attempt": loop.attempt,
        "status": _ascii(loop.status or "unknown"),
        "createdAt": _ascii(loop.created_at or "unknown"),
    }
    return listed | (
        {"failureCode": bounded(loop.failure_code, MAX_LISTED_CODE)} if loop.failure_code else {}
    )


def _ascii(text: str) -> str:
    return re.sub(r"[^ !#-\[\]-~]", "?", text[:MAX_NAME])


@functools.cache
def settings() -> RestartSettings:
    """Returns the rules of the stage, parsed once per process."""
    return RestartSettings.model_validate_json(environment().restart_settings)
