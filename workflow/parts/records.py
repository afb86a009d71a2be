"""Steps that write to the ledger: the claim of a status change, its outcome, and the claim given back.

All are direct DynamoDB integrations: the workflow's own bookkeeping needs no function, so it works
when functions do not. The attributes are those of `lambdas.loops.ledger.Loop`; `${LedgerTable}` is filled in by
the stack.

A status change is (humanLoopName, creationTime, humanLoopStatus), the time to the millisecond. Its claim is
a map attribute of the loop's item, named after the other two: {state: working | done | released, execution, at}. It
is taken unless another execution works on it or has done with it, so a second delivery of the event ends at
once, and an execution that failed can be run again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow.asl.expressions import CLAIM_ID, jsonata
from workflow.parts.answers import told_by_the_row
from workflow.parts.failures import TRANSIENT, caught
from workflow.steps import Catch, Task

__all__ = ["claim_status_change", "give_claim_back", "record"]

_CLAIM = "claimAttribute"
"""The workflow variable that holds the name of the claim's attribute."""
_NOW = jsonata("$states.context.State.EnteredTime")
_EXECUTION = jsonata("$states.context.Execution.Id")
_NAME = jsonata("$states.input.detail.humanLoopName")


def claim_status_change(*, already_handled: Any, unreadable: Any) -> Task:
    """The first step: take the status change, or learn that somebody has it.

    Adds `$.claim`: `id` and `loop` (the ledger row as plain JSON, so that no later step has to read it). Sets the
    variables that tell whether a workflow waits for the loop, which flow definition it is of, and the claim's name.

    Args:
        already_handled: Where a status change goes that another execution holds or has handled.
        unreadable: Where an event goes that does not say which status change it is.
    """
    detail = "$states.input.detail"
    wanted = {
        field: f"$type({detail}.{field}) = 'string' and {detail}.{field} != '' ? {detail}.{field}"
        f" : $error('The event has no text at $.detail.{field}.')"
        for field in ("humanLoopName", "creationTime", "humanLoopStatus")
    }
    flow_is_told = f"$type({detail}.flowDefinitionArn) = 'string' and {detail}.flowDefinitionArn != ''"
    return Task(
        "Claim status change",
        comment="A conditional write: of several deliveries of one status change, one execution goes on.",
        resource="arn:aws:states:::dynamodb:updateItem",
        query_language="JSONata",
        arguments={
            "TableName": "${LedgerTable}",
            "Key": {"humanLoopName": {"S": jsonata(wanted["humanLoopName"])}},
            "UpdateExpression": jsonata(
                "'SET #claim = :claim, #status = :status, #execution = :execution, updatedAt = :now, '"
                " & 'createdAt = if_not_exists(createdAt, :created)'"
                f" & ({flow_is_told} ? ', flowDefinitionArn = :flow')"
            ),
            "ConditionExpression": "attribute_not_exists(#claim) OR #claim.#state = :released "
            "OR #claim.#execution = :execution",
            "ExpressionAttributeNames": {
                "#claim": jsonata(
                    f"({wanted['creationTime']}; {wanted['humanLoopStatus']}; 'claim ' & {CLAIM_ID})"
                ),
                "#state": "state",
                "#status": "status",
                "#execution": "execution",
            },
            "ExpressionAttributeValues": jsonata(
                "$merge([{"
                "':claim': {'M': {'state': {'S': 'working'}, 'execution': {'S': $states.context.Execution.Id},"
                " 'at': {'S': $states.context.State.EnteredTime}}},"
                "':released': {'S': 'released'},"
                "':execution': {'S': $states.context.Execution.Id},"
                f"':status': {{'S': {detail}.humanLoopStatus}},"
                f"':created': {{'S': {detail}.creationTime}},"
                "':now': {'S': $states.context.State.EnteredTime}},"
                f"{flow_is_told}"
                f" ? {{':flow': {{'S': {detail}.flowDefinitionArn}}}} : {{}}])"
            ),
            "ReturnValues": "ALL_NEW",
        },
        assign={**told_by_the_row(), _CLAIM: jsonata(f"'claim ' & {CLAIM_ID}")},
        # Of the row, the state carries what later steps decide by: texts, numbers and flags, not the maps.
        output=jsonata(
            "$merge([$states.input, {'claim': {"
            f"'id': {CLAIM_ID},"
            "'loop': $merge($each($states.result.Attributes, function($value, $name) {"
            " $exists($value.S) ? {$name: $value.S} : $exists($value.N) ? {$name: $number($value.N)}"
            " : $exists($value.BOOL) ? {$name: $value.BOOL} : {}"
            "}))}}])"
        ),
        timeout_seconds=30,
        retry=TRANSIENT,
        catch=[
            Catch(
                error_equals=["DynamoDB.ConditionalCheckFailedException"],
                output=jsonata("$states.input"),
                next_step=already_handled,
            ),
            caught("Claim status change", unreadable),
        ],
    )


def record(
    name: str,
    outcome: str,
    *,
    values: Mapping[str, str] = {},
    optional: Mapping[str, str] = {},
    failed: Any,
    comment: str,
) -> Task:
    """A step that writes the outcome into the ledger row and marks the claim as done.

    From here on nobody can begin to wait for the loop without learning its end at once (`lambdas.loops.waiting`): who
    waits now is all who are to be answered, and the variable that tells so is set anew.

    Args:
        name: The state's name.
        outcome: stored, restarted, escalated or notified.
        values: Further attributes: name → a JSONata expression that yields a DynamoDB AttributeValue.
        optional: As `values`, for expressions that yield nothing when there is nothing to write.
        failed: Where the workflow goes when the ledger does not take it.
        comment: What an operator should know about the step.
    """
    plain = {"outcome": f"{{'S': '{outcome}'}}", "updatedAt": "{'S': $states.context.State.EnteredTime}"}
    certain = {**plain, **values}
    sets = "".join(f", #{attribute} = :{attribute}" for attribute in certain)
    maybe_sets = "".join(
        f" & ($exists({value}) ? ', {attribute} = :{attribute}')" for attribute, value in optional.items()
    )
    pairs = ", ".join(f"':{attribute}': {value}" for attribute, value in certain.items())
    maybe_pairs = "".join(
        f", $exists({value}) ? {{':{attribute}': {value}}} : {{}}" for attribute, value in optional.items()
    )
    return Task(
        name,
        comment=comment,
        resource="arn:aws:states:::dynamodb:updateItem",
        query_language="JSONata",
        arguments={
            "TableName": "${LedgerTable}",
            "Key": {"humanLoopName": {"S": _NAME}},
            "UpdateExpression": jsonata(f"'SET #claim.#state = :done{sets}'{maybe_sets}"),
            "ConditionExpression": "#claim.#execution = :execution",
            "ExpressionAttributeNames": {
                "#claim": jsonata(f"${_CLAIM}"),
                "#state": "state",
                "#execution": "execution",
                **{f"#{attribute}": attribute for attribute in certain},
            },
            "ExpressionAttributeValues": jsonata(
                "$merge([{':done': {'S': 'done'}, ':execution': {'S': $states.context.Execution.Id}, "
                f"{pairs}}}{maybe_pairs}])"
            ),
            "ReturnValues": "ALL_NEW",
        },
        assign=told_by_the_row(),
        output=jsonata("$states.input"),
        timeout_seconds=30,
        retry=TRANSIENT,
        catch=[caught(name, failed)],
    )


def give_claim_back(*, after: Any) -> Task:
    """The step before a red end: the status change can be taken again by a redrive or a replay.

    It must not hide the failure it follows, so whatever goes wrong here leads to the same end.
    """
    return Task(
        "Give claim back",
        comment="So that this status change can be run again: python deploy.py loops redrive.",
        resource="arn:aws:states:::dynamodb:updateItem",
        query_language="JSONata",
        arguments={
            "TableName": "${LedgerTable}",
            "Key": {"humanLoopName": {"S": _NAME}},
            "UpdateExpression": "SET #claim.#state = :released, outcome = :outcome, reason = :reason, "
            "updatedAt = :now, escalatedAt = :now",
            "ConditionExpression": "#claim.#execution = :execution",
            "ExpressionAttributeNames": {
                "#claim": jsonata(f"${_CLAIM}"),
                "#state": "state",
                "#execution": "execution",
            },
            "ExpressionAttributeValues": {
                ":released": {"S": "released"},
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
