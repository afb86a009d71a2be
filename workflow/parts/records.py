"""Steps that write to the ledger: record an outcome, release the claim. For the claim itself, see `claim.py`.

Like the claim, they are direct DynamoDB integrations, so they work when functions do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow.asl.expressions import LEDGER_KEY, jsonata
from workflow.parts.answers import variables_from_row
from workflow.parts.claim import CLAIM, RECORDED
from workflow.parts.failures import ESCALATED, TRANSIENT, caught
from workflow.steps import Catch, Task

__all__ = ["give_claim_back", "record"]

_NOW = jsonata("$states.context.State.EnteredTime")
_EXECUTION = jsonata("$states.context.Execution.Id")
_KEY = jsonata(f"${LEDGER_KEY}")
_IS_LAST = "#claim.#execution = :execution AND #execution = :execution"
"""The execution has the claim, and none has claimed in the row after it. A2I's own event claims after that of the
reconciler was processed, while steps after the outcome may still be running."""


_UNDECIDED = " AND (NOT #claim.#state = :done OR outcome = :{own})"
"""Nobody has closed or restarted the loop since this execution recorded the outcome, `:{own}`. A step that is repeated
because its answer was lost, or that fails after the outcome, must not undo what a person has decided."""


def record(
    name: str,
    outcome: str,
    *,
    values: Mapping[str, str] = {},
    optional: Mapping[str, str] = {},
    failed: Any,
    comment: str,
) -> Task:
    """A step that writes the outcome to the ledger row and marks the claim as done.

    After this write, a workflow that starts to wait for the loop gets the result at once (`lambdas.loops.waiting`). So
    the workflows waiting now are all that need an answer, and the step sets the variable for that again.

    Args:
        name: The state's name.
        outcome: stored, restarted, escalated or notified.
        values: Further attributes: name → a JSONata expression that yields a DynamoDB AttributeValue.
        optional: Like `values`, for expressions that may yield nothing; the attribute is then not written.
        failed: The next step if the ledger cannot be written.
        comment: A comment for operators, shown in the Step Functions console.
    """
    plain = {"outcome": f"{{'S': '{outcome}'}}", "updatedAt": "{'S': $states.context.State.EnteredTime}"}
    certain = {**plain, **values}
    sets = "".join(f", #{attribute} = :{attribute}" for attribute in certain)
    optional_sets = "".join(
        f" & ($exists({value}) ? ', {attribute} = :{attribute}')" for attribute, value in optional.items()
    )
    pairs = ", ".join(f"':{attribute}': {value}" for attribute, value in certain.items())
    optional_pairs = "".join(
        f", $exists({value}) ? {{':{attribute}': {value}}} : {{}}" for attribute, value in optional.items()
    )
    return Task(
        name,
        comment=comment,
        resource="arn:aws:states:::dynamodb:updateItem",
        query_language="JSONata",
        arguments={
            "TableName": "${LedgerTable}",
            "Key": {"humanLoopName": {"S": _KEY}},
            "UpdateExpression": jsonata(f"'SET #claim.#state = :done{sets}'{optional_sets}"),
            "ConditionExpression": _IS_LAST + _UNDECIDED.format(own="outcome"),
            "ExpressionAttributeNames": {
                "#claim": jsonata(f"${CLAIM}"),
                "#state": "state",
                "#execution": "execution",
                **{f"#{attribute}": attribute for attribute in certain},
            },
            "ExpressionAttributeValues": jsonata(
                "$merge([{':done': {'S': 'done'}, ':execution': {'S': $states.context.Execution.Id}, "
                f"{pairs}}}{optional_pairs}])"
            ),
            "ReturnValues": "ALL_NEW",
        },
        assign={**variables_from_row(), RECORDED: outcome},
        output=jsonata("$states.input"),
        timeout_seconds=30,
        retry=TRANSIENT,
        catch=[caught(name, failed)],
    )


def give_claim_back(*, after: Any) -> Task:
    """The step before a failed end. It releases the claim, so that a redrive or a replay can claim the status change.

    It must not hide the failure before it: if this write fails too, the execution ends with the first error.
    """
    return Task(
        "Give claim back",
        comment="Releases the claim, so that python deploy.py loops redrive can run the status change again.",
        resource="arn:aws:states:::dynamodb:updateItem",
        query_language="JSONata",
        arguments={
            "TableName": "${LedgerTable}",
            "Key": {"humanLoopName": {"S": _KEY}},
            # Without the time of a message, the function ReleaseClaim sends one (lambdas/loops/abandoned.py).
            "UpdateExpression": jsonata(
                "'SET #claim.#state = :released, outcome = :outcome, reason = :reason, updatedAt = :now'"
                f" & (${ESCALATED} ? ', escalatedAt = :now' : ' REMOVE escalatedAt')"
            ),
            "ConditionExpression": _IS_LAST + _UNDECIDED.format(own="recorded"),
            "ExpressionAttributeNames": {
                "#claim": jsonata(f"${CLAIM}"),
                "#state": "state",
                "#execution": "execution",
            },
            "ExpressionAttributeValues": {
                ":released": {"S": "released"},
                ":done": {"S": "done"},
                ":recorded": {"S": jsonata(f"${RECORDED}")},
                ":outcome": {"S": "failed"},
                ":reason": {"S": jsonata("$states.input.failure.step & ': ' & $states.input.failure.reason")},
                ":execution": {"S": _EXECUTION},
                ":now": {"S": _NOW},
            },
        },
        output=jsonata("$states.input"),
        timeout_seconds=30,
        retry=TRANSIENT,
        catch=[Catch(error_equals=["States.ALL"], output=jsonata("$states.input"), next_step=after)],
    )
