"""Steps that write to the ledger: claim a status change, record its outcome, release the claim.

All are direct DynamoDB integrations: the workflow does its own bookkeeping without a function, so it works when
functions do not. The attributes are those of `lambdas.loops.ledger.Loop`. The stack fills in `${LedgerTable}`.

A status change is identified by (humanLoopName, creationTime, humanLoopStatus), the time in milliseconds. Its claim is
a map attribute of the loop's item, named after the time and the status: {state: working | done | released, execution,
at}. An execution gets the claim unless another execution is processing, or has processed, the status change. So a
second delivery of the event ends at once, and a failed execution can be run again. From the claim until the result is
recorded, the outcome of the loop is `processing`, so that an index of the table finds what is open.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow.asl.expressions import CLAIM_ID, is_loop_name, jsonata
from workflow.parts.answers import variables_from_row
from workflow.parts.failures import TRANSIENT, caught
from workflow.steps import Catch, Task

__all__ = ["claim_status_change", "give_claim_back", "record"]

_CLAIM = "claimAttribute"
"""The workflow variable that holds the name of the claim's attribute."""
_NOW = jsonata("$states.context.State.EnteredTime")
_EXECUTION = jsonata("$states.context.Execution.Id")
_NAME = jsonata("$states.input.detail.humanLoopName")
_INVALID_NAME = (
    "The name at $.detail.humanLoopName is not one that A2I allows: at most 63 letters and digits, with hyphens"
    " between them."
)


def claim_status_change(*, already_handled: Any, unreadable: Any) -> Task:
    """The first step: claim the status change, unless another execution has claimed it.

    Adds `$.claim`: `id` and `loop` (the ledger row as plain JSON, so that no later step has to read it). Sets three
    variables: whether a workflow waits for the loop, the name of its flow definition, and the name of the claim.

    Args:
        already_handled: The next step if another execution has claimed or handled the status change.
        unreadable: The next step if the event does not identify its status change, or if its loop has a name that A2I
            does not allow: other items of the table have such keys.
    """
    detail = "$states.input.detail"
    wanted = {
        field: f"$type({detail}.{field}) = 'string' and {detail}.{field} != '' ? {detail}.{field}"
        f" : $error('The event has no string at $.detail.{field}.')"
        for field in ("humanLoopName", "creationTime", "humanLoopStatus")
    }
    name = (
        f"($name := ({wanted['humanLoopName']}); {is_loop_name('$name')} ? $name : $error('{_INVALID_NAME}'))"
    )
    has_flow = f"$type({detail}.flowDefinitionArn) = 'string' and {detail}.flowDefinitionArn != ''"
    return Task(
        "Claim status change",
        comment="Conditional write: of several deliveries of one status change, only one execution continues.",
        resource="arn:aws:states:::dynamodb:updateItem",
        query_language="JSONata",
        arguments={
            "TableName": "${LedgerTable}",
            "Key": {"humanLoopName": {"S": jsonata(name)}},
            "UpdateExpression": jsonata(
                "'SET #claim = :claim, #status = :status, #execution = :execution, updatedAt = :now, '"
                " & 'outcome = :processing, createdAt = if_not_exists(createdAt, :created)'"
                f" & ({has_flow} ? ', flowDefinitionArn = :flow')"
                # It is the reason for an earlier outcome, such as the failure of an execution that was redriven.
                " & ' REMOVE reason'"
            ),
            "ConditionExpression": "attribute_not_exists(#claim) OR #claim.#state = :released "
            "OR #claim.#execution = :execution",
            "ExpressionAttributeNames": {
                "#claim": jsonata(
                    # Only the last value of a JSONata block counts; the first two raise an error if missing.
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
                "':processing': {'S': 'processing'},"
                "':execution': {'S': $states.context.Execution.Id},"
                f"':status': {{'S': {detail}.humanLoopStatus}},"
                f"':created': {{'S': {detail}.creationTime}},"
                "':now': {'S': $states.context.State.EnteredTime}},"
                f"{has_flow}"
                f" ? {{':flow': {{'S': {detail}.flowDefinitionArn}}}} : {{}}])"
            ),
            "ReturnValues": "ALL_NEW",
        },
        assign={**variables_from_row(), _CLAIM: jsonata(f"'claim ' & {CLAIM_ID}")},
        # The state carries the strings, numbers and flags of the row, which later steps use, but not its maps.
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
            # Not an error: another delivery of the same event was first.
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
            "Key": {"humanLoopName": {"S": _NAME}},
            "UpdateExpression": jsonata(f"'SET #claim.#state = :done{sets}'{optional_sets}"),
            "ConditionExpression": "#claim.#execution = :execution",
            "ExpressionAttributeNames": {
                "#claim": jsonata(f"${_CLAIM}"),
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
        assign=variables_from_row(),
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
