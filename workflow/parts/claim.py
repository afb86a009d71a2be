"""The claim of a status change: of several deliveries of its event, only one execution continues.

All steps are direct DynamoDB integrations, so claims work when functions do not. The attributes are those of
`lambdas.loops.loop.Loop`. The stack fills in `${LedgerTable}`.

A status change is identified by (humanLoopName, creationTime, humanLoopStatus). Its claim is a map attribute of the
loop's item, named after the creation time and the status: {state: working | done | released, execution, at}. An
execution gets the claim unless another execution is processing, or has processed, the status change. So a second
delivery of the event ends at once, and a failed execution can be run again. From the claim until the result is
recorded, the outcome of the loop is `processing`, so that an index of the table finds what is open.

A loop is identified by its name and its creation time (`lambdas.loops.identity`): the row with the name as its key can
be about another loop of that name. The first step claims in that row if it is new, or certainly about this loop:

    **Claim status change** → (refused) → **Read the row** → **Whose row is it?** ┬ claimed: **Already handled**
                                              ↑                                   ├ this loop's: **Claim again**
                                              └──────── (refused) ────────────────┴ another loop's: **Claim again**, in
                                                                                    an item of the loop's own

**Claim again** is for the rest: another loop has the row, clocks differ, or the event writes the creation time
differently from A2I's API. It uses the creation time that the row has, so that both spellings have one claim. It is
refused again if another execution was faster. Then the row is read again, which ends: a claim stays, and so does the
creation time of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.loops.bounded import MAX_CODE
from lambdas.loops.loop import Loop
from lambdas.loops.restart_policy import LOOP_DELETED
from workflow.asl.expressions import (
    CLAIM_ID,
    IS_TIME,
    LEDGER_KEY,
    LOOP_NAME,
    LOOP_TIME,
    OWN_KEY,
    documented_fields,
    event_that_fits,
    is_loop_name,
    jsonata,
)
from workflow.parts.answers import variables_from_row
from workflow.parts.failures import FAILED_STEP, TRANSIENT, caught
from workflow.steps import Catch, Choice, ChoiceRule, Pass, Task

__all__ = ["CLAIM", "claim_status_change"]

CLAIM = "claimAttribute"
"""The workflow variable with the name of the claim's attribute."""
_LOOP_TIME = "loopCreatedAt"
"""The workflow variable with the loop's creation time as the row has it. Only for a claim in a second try."""
_HELD = "claimIsHeld"
_THIS_LOOPS = "rowIsThisLoops"

_DETAIL = "$states.input.detail"
_EXECUTION = "$states.context.Execution.Id"
_STATUS = f"{_DETAIL}.humanLoopStatus"
_INVALID_NAME = (
    "The name at $.detail.humanLoopName is not one that A2I allows: at most 63 letters and digits, with hyphens"
    " between them."
)
_MAX_TEXT = 1100
"""Characters of each text of the row in the state. The location of an input has at most 1,092."""
_ROW = [str(field.alias) for name, field in Loop.model_fields.items() if name not in ("claims", "review")]
_FREE = (
    "#claim.#state = :released OR #claim.#execution = :execution OR (attribute_not_exists(#claim) AND ({row})"
)
"""A claim that can be taken. One that is there shows that the row is about this loop; otherwise `row` has to."""
_IS_DELETED = f"{_DETAIL}.failureCode = '{LOOP_DELETED}'"
"""Whether the reconciler made the event, because A2I no longer has the loop. Such an event knows less than A2I's own,
which may be late. So it claims nothing if one of those has."""


def claim_status_change(*, claimed: Any, already_handled: Any, unreadable: Any) -> Task:
    """The first step of the machine, and those that follow if its claim is refused.

    Adds `$.claim`: `id` and `loop` (the ledger row as plain JSON, so that no later step has to read it). Sets
    variables: the key of the row, the name of the claim, whether a workflow waits for the loop, and the name of its
    flow definition.

    Args:
        claimed: The next step after the claim.
        already_handled: The next step if another execution has claimed or handled the status change.
        unreadable: The next step if the event does not identify its status change, or if its loop has a name that A2I
            does not allow: other items of the table have such keys.
    """
    wanted = {
        field: f"$type({_DETAIL}.{field}) = 'string' and {_DETAIL}.{field} != '' ? {_DETAIL}.{field}"
        f" : $error('The event has no string at $.detail.{field}.')"
        for field in ("humanLoopName", "creationTime", "humanLoopStatus")
    }
    # Only the last value of a JSONata block counts; those before it raise an error if something is wrong. A path goes
    # through arrays, but the steps after the claim need objects. Both texts are part of the name of an attribute.
    objects = f"$type($states.input) = 'object' and $type({_DETAIL}) = 'object'"
    short = " and ".join(
        f"$length({_DETAIL}.{field}) <= {MAX_CODE}" for field in ("creationTime", "humanLoopStatus")
    )
    checked = (
        f"{objects} ? true : $error('The input is not an event: it has no object at $.detail.');"
        f" {wanted['creationTime']}; {wanted['humanLoopStatus']}; {short} ? true"
        f" : $error('creationTime or humanLoopStatus of the event has more than {MAX_CODE} characters.')"
    )
    name = (
        f"($name := ({wanted['humanLoopName']}); {is_loop_name('$name')} ? $name : $error('{_INVALID_NAME}'))"
    )
    second = f"$substring({_DETAIL}.creationTime, 0, 19)"
    read = _read_row(unreadable)
    first = _claim(
        "Claim status change",
        comment="Conditional write: of several deliveries of one status change, only one execution continues.",
        key=name,
        claim=f"({checked}; 'claim ' & {CLAIM_ID})",
        loop_time=LOOP_TIME,
        # A row about this loop; no row; or one of a loop that was started, and created at that time by our own clock.
        row="loopCreatedAt = :loopTime OR (attribute_not_exists(loopCreatedAt) AND (attribute_not_exists(#status)"
        " OR (#status IN (:starting, :inProgress) AND createdAt <= :latest AND (#status = :starting"
        " OR startedAt >= :earliest OR (attribute_not_exists(startedAt) AND updatedAt >= :earliest)))))",
        values={
            ":starting": "'Starting'",
            ":inProgress": "'InProgress'",
            # Text, not arithmetic: no time makes this fail. A time in another form is no evidence of another loop.
            ":earliest": f"{IS_TIME} ? {second} & '.000Z' : ' '",
            ":latest": f"{IS_TIME} ? {second} & '.999Z' : '~'",
        },
        refused=_refused(read, {LEDGER_KEY: LOOP_NAME, CLAIM: f"'claim ' & {CLAIM_ID}"}),
        unreadable=unreadable,
    )
    again = _claim(
        "Claim again",
        comment="Like Claim status change, in the row and with the time that the previous steps found.",
        key=f"${LEDGER_KEY}",
        claim=f"${CLAIM}",
        loop_time=f"${_LOOP_TIME}",
        row="attribute_not_exists(loopCreatedAt) OR loopCreatedAt = :loopTime",
        values={},
        refused=_refused(read, {}),
        unreadable=unreadable,
    )
    read.next(_whose_row(already_handled=already_handled, again=again, unreadable=unreadable))
    for claim in (first, again):
        claim.next(claimed)
    return first


def _claim(
    name: str,
    *,
    comment: str,
    key: str,
    claim: str,
    loop_time: str,
    row: str,
    values: Mapping[str, str],
    refused: Catch,
    unreadable: Any,
) -> Task:
    # A longer text cannot be the key of an index. An odd flow definition must not cost the review.
    has_flow = (
        f"($type({_DETAIL}.flowDefinitionArn) = 'string'"
        f" and $contains({_DETAIL}.flowDefinitionArn, /^[ -~]{{1,1024}}$/))"
    )
    texts = {
        ":released": "'released'",
        ":processing": "'processing'",
        ":execution": _EXECUTION,
        ":status": _STATUS,
        ":created": f"{_DETAIL}.creationTime",
        ":loopTime": loop_time,
        ":now": "$states.context.State.EnteredTime",
        **values,
    }
    pairs = "".join(f", '{place}': {{'S': {text}}}" for place, text in texts.items())
    return Task(
        name,
        comment=comment,
        resource="arn:aws:states:::dynamodb:updateItem",
        query_language="JSONata",
        arguments={
            "TableName": "${LedgerTable}",
            "Key": {"humanLoopName": {"S": jsonata(key)}},
            "UpdateExpression": jsonata(
                "'SET #claim = :claim, #status = :status, #execution = :execution, updatedAt = :now, '"
                " & 'outcome = :processing, createdAt = if_not_exists(createdAt, :created), '"
                " & 'loopCreatedAt = if_not_exists(loopCreatedAt, :loopTime)'"
                f" & ({has_flow} ? ', flowDefinitionArn = :flow')"
                # It is the reason for an earlier outcome, such as the failure of an execution that was redriven.
                " & ' REMOVE reason'"
            ),
            "ConditionExpression": jsonata(
                f"'{_FREE.format(row=row)}' & ({_IS_DELETED} ? ' AND attribute_not_exists(outcome)') & ')'"
            ),
            "ExpressionAttributeNames": {
                "#claim": jsonata(claim),
                "#state": "state",
                "#status": "status",
                "#execution": "execution",
            },
            "ExpressionAttributeValues": jsonata(
                f"$merge([{{':claim': {{'M': {{'state': {{'S': 'working'}}, 'execution': {{'S': {_EXECUTION}}},"
                f" 'at': {{'S': $states.context.State.EnteredTime}}}}}}{pairs}}},"
                f" {has_flow} ? {{':flow': {{'S': {_DETAIL}.flowDefinitionArn}}}} : {{}}])"
            ),
            "ReturnValues": "ALL_NEW",
        },
        assign={**variables_from_row(), LEDGER_KEY: jsonata(key), CLAIM: jsonata(claim)},
        # The state carries the texts, numbers and flags of the row, which later steps use, but not its maps. It leaves
        # room for what these steps add, whatever somebody wrote into the row.
        output=jsonata(
            f"$merge([{event_that_fits('$states.input')}, {{'claim': {{"
            f"'id': {loop_time} & ' ' & {_STATUS},"
            " 'loop': $merge($each($states.result.Attributes, function($value, $name) {"
            f" $not($name in {_ROW}) ? {{}}"
            f" : $exists($value.S) ? {{$name: $substring($value.S, 0, {_MAX_TEXT})}}"
            " : $exists($value.N) ? {$name: $number($value.N)}"
            " : $exists($value.BOOL) ? {$name: $value.BOOL} : {}"
            "}))}}])"
        ),
        timeout_seconds=30,
        retry=TRANSIENT,
        catch=[refused, _unclaimed(name, unreadable)],
    )


def _unclaimed(name: str, unreadable: Any) -> Catch:
    """The input can be anything, of any size, so the state keeps only what is known."""
    return caught(name, unreadable, state=documented_fields("$states.input"))


def _refused(read: Task, variables: Mapping[str, str]) -> Catch:
    """Not an error: the claim is held, or the row may be about another loop of the name."""
    return Catch(
        error_equals=["DynamoDB.ConditionalCheckFailedException"],
        assign={name: jsonata(value) for name, value in variables.items()},
        output=jsonata("$states.input"),
        next_step=read,
    )


def _read_row(unreadable: Any) -> Task:
    """Reads the row and compares it with the event, as `lambdas.loops.identity.is_about` does in Python.

    The comparison is here and not in the Choice, because a Choice cannot catch an error.
    """
    moment = (
        "/^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9][.][0-9]{3}Z$/"
    )
    compared = (
        "$row := $states.result.Item;"
        f" $time := {LOOP_TIME};"
        f" $millis := function($text) {{ $type($text) = 'string' and $contains($text, {moment})"
        " ? $toMillis($text) };"
        " $moment := $millis($time);"
        " $isSame := function($other) { $other = $time or ($exists($moment) and $exists($millis($other))"
        " ? $abs($millis($other) - $moment) < 1000 : false) };"
        # Rows from before the creation time was kept have it in their claims.
        " $known := $exists($row.loopCreatedAt.S) ? [$row.loopCreatedAt.S]"
        " : [$keys($row)[$substring($, 0, 6) = 'claim '].$replace($substring($, 6), / [^ ]*$/, '')];"
        " $found := $filter($known, $isSame)[0];"
        " $began := $millis($row.createdAt.S);"
        " $accepted := $millis($exists($row.startedAt.S) ? $row.startedAt.S"
        " : $row.status.S = 'InProgress' ? $row.updatedAt.S);"
        " $isOpen := $row.status.S in ['Starting', 'InProgress'];"
        " $isStart := $isOpen and $count($known) = 0"
        " and ($exists($began) ? $began - 5000 <= $moment : true)"
        " and ($exists($accepted) ? $moment <= $accepted + 5000 : true);"
        # A time that cannot be read is no evidence of another loop. It can be that of a second delivery, too.
        " $isUnclear := $not($exists($moment)) and ($isOpen"
        f" or $exists($lookup($row, 'claim ' & $row.loopCreatedAt.S & ' ' & {_STATUS})));"
        " $isThis := $exists($found) or ($exists($moment) ? $isStart : $isUnclear) or $not($exists($row.status)); "
    )
    loop_time = (
        "$exists($found) ? $found : $isThis and $exists($row.loopCreatedAt.S) ? $row.loopCreatedAt.S : $time"
    )
    held = (
        f"({compared}$held := $lookup($row, ${CLAIM}).M;"
        f" $exists($lookup($row, ${CLAIM})) ? $not($held.state.S = 'released')"
        f" and $not($held.execution.S = {_EXECUTION})"
        f" : {_IS_DELETED} and $isThis and $exists($row.outcome))"
    )
    return Task(
        "Read the row",
        comment="The claim was refused: reads the row, to see whether it is claimed, and which loop it is about.",
        resource="arn:aws:states:::dynamodb:getItem",
        query_language="JSONata",
        arguments={
            "TableName": "${LedgerTable}",
            "Key": {"humanLoopName": {"S": jsonata(f"${LEDGER_KEY}")}},
            "ConsistentRead": True,
        },
        assign={
            _HELD: jsonata(held),
            _THIS_LOOPS: jsonata(f"({compared}$isThis)"),
            _LOOP_TIME: jsonata(f"({compared}{loop_time})"),
            CLAIM: jsonata(f"({compared}'claim ' & ({loop_time}) & ' ' & {_STATUS})"),
        },
        output=jsonata("$states.input"),
        timeout_seconds=30,
        retry=TRANSIENT,
        catch=[_unclaimed("Read the row", unreadable)],
    )


def _whose_row(*, already_handled: Any, again: Task, unreadable: Any) -> Choice:
    choice = Choice(
        "Whose row is it?",
        comment="A loop is its name and its creation time: A2I lets the name of a deleted loop be used again.",
        query_language="JSONata",
    )
    choice.add_choice(
        ChoiceRule.Condition(jsonata(f"${_HELD}")), already_handled, comment="claimed by another execution"
    )
    choice.add_choice(ChoiceRule.Condition(jsonata(f"${_THIS_LOOPS}")), again, comment="this loop's")
    choice.add_choice(
        ChoiceRule.Condition(jsonata(f"${LEDGER_KEY} = {LOOP_NAME}")),
        again,
        assign={LEDGER_KEY: jsonata(OWN_KEY)},
        comment="another loop's",
    )
    # An item of the loop's own is about this loop, unless somebody edited it.
    edited = Pass(
        "Row was edited",
        comment="The item of the loop's own has another creation time than its key says.",
        query_language="JSONata",
        assign={FAILED_STEP: "Whose row is it?"},
        output=jsonata(
            f"$merge([{documented_fields('$states.input')}, {{'failure': {{'Error': 'LoopUnclear', 'Cause':"
            f" 'The row ' & ${LEDGER_KEY} & ' of the ledger has another creation time than its key.'}}}}])"
        ),
    )
    edited.next(unreadable)
    choice.default_choice(edited)
    return choice
