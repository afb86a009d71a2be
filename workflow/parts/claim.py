"""The claim of a status change: of several deliveries of its event, only one execution continues.

All steps are direct DynamoDB integrations, so claims work when functions do not. The attributes are those of
`lambdas.loops.loop.Loop`. The stack fills in `${LedgerTable}`.

A status change is identified by (humanLoopName, creationTime, humanLoopStatus). Its claim is a map attribute of the
loop's item, named after the creation time and the status: {state: working | done | released, execution, at}. An
execution gets the claim unless another execution is processing, or has processed, the status change. So a second
delivery of the event ends at once, and a failed execution can be run again. From the claim until the result is
recorded, the outcome of the loop is `processing`, so that an index of the table finds what is open.

The same write records the execution in an attribute of its own, `execution <ARN>`: {claim, at}. The claim has only the
last execution, and operators look for those before a redrive, too. An attribute for each execution, and not one set
for all, because a write to a set fails if somebody has put another type there: that must not cost the claim.

A loop is identified by its name and its creation time (`lambdas.loops.identity`): the row with the name as its key can
be about another loop of that name. The first step claims in that row if it is new, or certainly about this loop:

    **Claim status change** → (refused) → **Read the row** → **Whose row is it?** ┬ claimed: **Already handled**
                                              ↑                                   ├ busy: **Wait for the row**
                                              │                                   ├ this loop's: **Claim again**
                                              └──────── (refused) ────────────────┴ another loop's: **Claim again**, in
                                                                                    an item of the loop's own

**Claim again** is for the rest: another loop has the row, clocks differ, or the event writes the creation time
differently from A2I's API. It uses the creation time that the row has, so that both spellings have one claim. It is
refused again if another execution was faster. Then the row is read again, which ends: a claim stays, and so does the
creation time of a row.

A loop ends once, so it has one status change. The exception is a loop that A2I no longer has: the reconciler makes an
event for it (`loop_deleted_event`), and A2I's own event may still arrive. That one knows what became of the loop:

- After A2I's event has claimed, the reconciler's does nothing (**Already handled**).
- After the reconciler's event was processed, A2I's is processed too, and its outcome replaces the escalation. If A2I
  says Failed as well, it changes nothing: a person knows, and the waiting workflow has been answered.
- While the reconciler's event is being processed, A2I's waits. Only the last execution that claimed can write the
  outcome (`records.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.loops.bounded import MAX_CODE
from lambdas.loops.loop import EXECUTION, Loop
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
from workflow.steps import Catch, Choice, ChoiceRule, Pass, Task, Wait

__all__ = ["CLAIM", "RECORDED", "claim_status_change"]

CLAIM = "claimAttribute"
"""The workflow variable with the name of the claim's attribute."""
RECORDED = "recordedOutcome"
"""The workflow variable with the outcome that the execution has recorded; empty before that."""
_LOOP_TIME = "loopCreatedAt"
"""The workflow variable with the loop's creation time as the row has it. Only for a claim in a second try."""
_HELD = "claimIsHeld"
_THIS_LOOPS = "rowIsThisLoops"
_BUSY = "rowIsBusy"
_WAITS = "waits"
"""The workflow variable that counts the waits for a row that is busy."""
MAX_WAITS = 180
"""Three hours: the reconciler, which runs every hour, releases the claims of executions that have ended."""

_DETAIL = "$states.input.detail"
_EXECUTION = "$states.context.Execution.Id"
_STATUS = f"{_DETAIL}.humanLoopStatus"
_INVALID_NAME = (
    "The name at $.detail.humanLoopName is not one that A2I allows: at most 63 letters and digits, with hyphens"
    " between them."
)
_NOT_FROM_EVENTS = ("Starting", "InProgress", "NotNeeded", "Refused")
"""Statuses that only a function writes. In a row, they say that a loop is yet to start, or has an answer already: an
event with such a status could make a function start a loop again, or hand over an answer that nobody gave."""
_MAX_TEXT = 1100
"""Characters of each text of the row in the state. The location of an input has at most 1,092."""
_MAPS = ("claims", "executions", "operator_actions", "review")
_ROW = [str(field.alias) for name, field in Loop.model_fields.items() if name not in _MAPS]
_FREE = (
    "(#claim.#state = :released OR (#claim.#state = :working AND #claim.#execution = :execution)"
    " OR (attribute_not_exists(#claim) AND ({row})))"
)
"""A claim that can be taken. One that is there shows that the row is about this loop; otherwise `row` has to.

An execution has its claim already if the answer of the write was lost, or if it is redriven in the console. A person
may have closed or restarted the loop before that: then the claim is done.
"""
_NEW = "attribute_not_exists(outcome)"
"""Nothing has claimed in the row. If something has, the row is read first."""
_ANSWERED = ("stored", "notified", "escalated")
"""The outcomes after which a waiting workflow gets its answer."""
_IDLE = (
    "NOT (outcome = :processing OR (waiting = :true AND outcome IN"
    f" ({', '.join(f':{outcome}' for outcome in _ANSWERED)})))"
)
"""No other status change of the loop is being processed: its outcome is recorded, and its workflow was answered."""
_IS_DELETED = f"{_DETAIL}.failureCode = '{LOOP_DELETED}'"
"""Whether the reconciler made the event, because A2I no longer has the loop."""
_NOT_SUPERSEDED = (
    f" AND ({_NEW} OR (#status = :status AND (outcome = :failed"
    " OR (outcome = :processing AND #execution = :execution))))"
)
"""The further condition for such an event: A2I's own has not claimed, neither before it nor after it had failed."""


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
        f" {wanted['creationTime']}; {wanted['humanLoopStatus']}; $not({_STATUS} in {list(_NOT_FROM_EVENTS)}) ? true"
        " : $error('No event of A2I has the status at $.detail.humanLoopStatus: the loop has not ended.');"
        f" {short} ? true"
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
        row=f"{_NEW} AND (loopCreatedAt = :loopTime OR (attribute_not_exists(loopCreatedAt)"
        " AND (attribute_not_exists(#status) OR (#status IN (:starting, :inProgress) AND createdAt <= :latest"
        " AND (#status = :starting OR startedAt >= :earliest"
        " OR (attribute_not_exists(startedAt) AND updatedAt >= :earliest))))))",
        values={
            ":starting": "'Starting'",
            ":inProgress": "'InProgress'",
            # Text, not arithmetic: no time makes this fail. A time in another form is no evidence of another loop.
            ":earliest": f"{IS_TIME} ? {second} & '.000Z' : ' '",
            ":latest": f"{IS_TIME} ? {second} & '.999Z' : '~'",
        },
        refused=_refused(read, {LEDGER_KEY: LOOP_NAME, CLAIM: f"'claim ' & {CLAIM_ID}", _WAITS: "0"}),
        unreadable=unreadable,
    )
    again = _claim(
        "Claim again",
        comment="Like Claim status change, in the row and with the time that the previous steps found.",
        key=f"${LEDGER_KEY}",
        claim=f"${CLAIM}",
        loop_time=f"${_LOOP_TIME}",
        row=f"(attribute_not_exists(loopCreatedAt) OR loopCreatedAt = :loopTime) AND {_IDLE}",
        values={f":{outcome}": f"'{outcome}'" for outcome in _ANSWERED},
        more="{':true': {'BOOL': true}}",
        refused=_refused(read, {}),
        unreadable=unreadable,
    )
    read.next(_whose_row(already_handled=already_handled, read=read, again=again, unreadable=unreadable))
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
    more: str = "{}",
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
        ":working": "'working'",
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
                # The first time, if the execution claims again after a redrive in the console.
                " & '#claimedIn = if_not_exists(#claimedIn, :claimedIn), '"
                " & 'outcome = :processing, createdAt = if_not_exists(createdAt, :created)'"
                f" & ({has_flow} ? ', flowDefinitionArn = :flow')"
                # The reconciler may not know when the loop was created. A2I's own event does.
                f" & ({_IS_DELETED} ? ', failureCode = :deleted'"
                " : ', loopCreatedAt = if_not_exists(loopCreatedAt, :loopTime)')"
                # They are about an earlier outcome, such as the failure of an execution that was redriven.
                f" & ' REMOVE reason' & ({_STATUS} = 'Failed' ? '' : ', failureCode, failureReason')"
            ),
            "ConditionExpression": jsonata(
                f"'{_FREE.format(row=row)}' & ({_IS_DELETED} ? '{_NOT_SUPERSEDED}')"
            ),
            "ExpressionAttributeNames": {
                "#claim": jsonata(claim),
                "#state": "state",
                "#status": "status",
                "#execution": "execution",
                "#claimedIn": jsonata(f"'{EXECUTION}' & {_EXECUTION}"),
            },
            "ExpressionAttributeValues": jsonata(
                f"$merge([{{':claim': {{'M': {{'state': {{'S': 'working'}}, 'execution': {{'S': {_EXECUTION}}},"
                " 'at': {'S': $states.context.State.EnteredTime}}},"
                f" ':claimedIn': {{'M': {{'claim': {{'S': {loop_time} & ' ' & {_STATUS}}},"
                f" 'at': {{'S': $states.context.State.EnteredTime}}}}}}{pairs}}},"
                f" {has_flow} ? {{':flow': {{'S': {_DETAIL}.flowDefinitionArn}}}} : {{}},"
                f" {_IS_DELETED} ? {{':failed': {{'S': 'failed'}}, ':deleted': {{'S': '{LOOP_DELETED}'}}}}"
                f" : {{}}, {more}])"
            ),
            "ReturnValues": "ALL_NEW",
        },
        assign={**variables_from_row(), LEDGER_KEY: jsonata(key), CLAIM: jsonata(claim), RECORDED: ""},
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
        # The claim of the reconciler's event for a deleted loop is no evidence if it did not know the time.
        f" $isGuess := $row.failureCode.S = '{LOOP_DELETED}' and $exists($row.startedAt)"
        " and $not($exists($row.loopCreatedAt));"
        " $isStart := (($isOpen and $count($known) = 0) or $isGuess)"
        " and ($exists($began) ? $began - 5000 <= $moment : true)"
        " and ($exists($accepted) ? $moment <= $accepted + 5000 : true);"
        # A time that cannot be read is no evidence of another loop. It can be that of a second delivery, too.
        " $isUnclear := $not($exists($moment)) and ($isOpen"
        f" or $exists($lookup($row, 'claim ' & $row.loopCreatedAt.S & ' ' & {_STATUS})));"
        " $isThis := $exists($found) or ($exists($moment) ? $isStart : $isUnclear) or $not($exists($row.status))"
        f" or $exists($lookup($row, ${CLAIM})) or ({_IS_DELETED} and $row.createdAt.S = {_DETAIL}.creationTime); "
    )
    loop_time = (
        "$exists($found) ? $found : $isThis and $exists($row.loopCreatedAt.S) ? $row.loopCreatedAt.S : $time"
    )
    own = f"$lookup($row, 'claim ' & ({loop_time}) & ' ' & {_STATUS})"
    # Spelled like the event's time before the row was read the first time.
    held = (
        f"({compared}$held := $lookup($row, ${CLAIM}).M;"
        f" $isMine := $held.state.S = 'working' and $held.execution.S = {_EXECUTION};"
        f" ($exists($held) and $not($held.state.S = 'released') and $not($isMine))"
        f" or ($isThis and ({_IS_DELETED} ? $exists($row.outcome) and $not($exists($held)"
        " and $row.status.S = 'Failed' and ($row.outcome.S = 'failed'"
        f" or ($row.outcome.S = 'processing' and $row.execution.S = {_EXECUTION})))"
        f" : $not($exists($held)) and {_STATUS} = 'Failed' and $row.status.S = 'Failed'"
        f" and $row.failureCode.S = '{LOOP_DELETED}' and $not($row.outcome.S = 'failed'))))"
    )
    busy = (
        f"({compared}$isThis and $not($exists({own})) and ($row.outcome.S = 'processing'"
        f" or ($row.waiting.BOOL = true and $row.outcome.S in {list(_ANSWERED)})))"
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
            _BUSY: jsonata(busy),
            _LOOP_TIME: jsonata(f"({compared}{loop_time})"),
            CLAIM: jsonata(f"({compared}'claim ' & ({loop_time}) & ' ' & {_STATUS})"),
        },
        output=jsonata("$states.input"),
        timeout_seconds=30,
        retry=TRANSIENT,
        catch=[_unclaimed("Read the row", unreadable)],
    )


def _whose_row(*, already_handled: Any, read: Task, again: Task, unreadable: Any) -> Choice:
    choice = Choice(
        "Whose row is it?",
        comment="A loop is its name and its creation time: A2I lets the name of a deleted loop be used again.",
        query_language="JSONata",
    )
    choice.add_choice(
        ChoiceRule.Condition(jsonata(f"${_HELD}")), already_handled, comment="claimed by another execution"
    )
    wait = Wait(
        "Wait for the row",
        comment="Another status change of the loop is being processed. A2I's event and the reconciler's do not agree.",
        seconds=60,
    )
    wait.next(read)
    choice.add_choice(
        ChoiceRule.Condition(jsonata(f"${_BUSY} and ${_WAITS} < {MAX_WAITS}")),
        wait,
        assign={_WAITS: jsonata(f"${_WAITS} + 1")},
        comment="this loop's, busy",
    )
    choice.add_choice(
        ChoiceRule.Condition(jsonata(f"${_THIS_LOOPS} and $not(${_BUSY})")), again, comment="this loop's"
    )
    choice.add_choice(
        ChoiceRule.Condition(jsonata(f"${LEDGER_KEY} = {LOOP_NAME} and $not(${_BUSY})")),
        again,
        assign={LEDGER_KEY: jsonata(OWN_KEY)},
        comment="another loop's",
    )
    unclear = Pass(
        "Row cannot be claimed",
        comment="Another status change of the loop is not done after hours, or somebody edited the loop's own item.",
        query_language="JSONata",
        assign={FAILED_STEP: "Whose row is it?"},
        output=jsonata(
            f"$merge([{documented_fields('$states.input')}, {{'failure': ${_BUSY}"
            f" ? {{'Error': 'LoopBusy', 'Cause': 'Another status change of the loop is still being processed: see'"
            f" & ' the row ' & ${LEDGER_KEY} & ' of the ledger.'}}"
            f" : {{'Error': 'LoopUnclear', 'Cause': 'The row ' & ${LEDGER_KEY}"
            " & ' of the ledger has another creation time than its key.'}}])"
        ),
    )
    unclear.next(unreadable)
    choice.default_choice(unclear)
    return choice
