"""Messages to people and programs: SNS, as a direct integration, so that they are sent even if no function can run.

Each message has three bodies: text for email, one JSON document for programs (queues, functions), and a notification
for HTTPS endpoints and chats, which has both (`lambdas.loops.notification`). Subscriptions can filter by the message
attributes `kind`, `stage`, `flowDefinition`, `humanLoopStatus` and `failureCode`. SNS accepts a subject of at most 100
ASCII characters, and rejects empty attributes.

Each value is on one line, with escapes for what cannot be seen: a failure reason could otherwise hold a newline and
a command of its own. A name in a command is one word for a shell. Only `review`, which programs read, is as it was
stored.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from lambdas.loops.bounded import MAX_A2I_REASON, MAX_CODE, MAX_NAME, MAX_REASON
from lambdas.loops.escalation import ATTRIBUTES, FOR_PEOPLE, FOR_PROGRAMS
from lambdas.loops.message_kinds import UNKNOWN, MessageKind
from lambdas.loops.notification import MAX_SHOWN, NOT_IN_CHAT, custom_notification
from workflow.asl.expressions import (
    EVENTS_FLOW_DEFINITION,
    EXECUTION_LINK,
    FLOW_DEFINITION,
    LEDGER_KEY,
    LOOP_NAME,
    QUOTED,
    VISIBLE,
    jsonata,
    lines,
)
from workflow.parts.answers import WAITING
from workflow.parts.failures import CAUSE, ESCALATED, FAILED_STEP, TRANSIENT
from workflow.steps import Catch, SnsPublishStep

__all__ = ["escalate_failed_loop", "escalate_failed_step", "escalate_unreadable_event", "notify_stopped"]

_DETAIL = "$states.input.detail"
_FAILURE_REASON = f"$outside({_DETAIL}.failureReason, {MAX_A2I_REASON})"
_LINEAGE = (
    "$join($states.input.decision.lineage.("
    f"'  ' & $string(attempt) & '. ' & $visible(humanLoopName, {MAX_NAME}) & ' — ' & $visible(status, {MAX_CODE})"
    f" & ($exists(failureCode) ? ' (' & $visible(failureCode, {MAX_CODE}) & ')')"
    f" & ', started ' & $visible(createdAt, {MAX_NAME})), '\\n')"
)

_ATTEMPTS = (
    "[$states.input.decision.lineage.$merge($each($, function($value, $field)"
    f" {{{{$field: $type($value) = 'string' ? $visible($value, {MAX_NAME}) : $value}}}}))]"
)
_DECISION = f"$visible($states.input.decision.reason, {MAX_REASON})"
_CAUSE = f"$visible({CAUSE}, {MAX_REASON})"
_STEP = f"$visible(${FAILED_STEP}, {MAX_NAME})"

_WITH_FAILURE = (
    f"$merge([$states.input, {{'failure': {{'step': ${FAILED_STEP}, "
    f"'error': $states.input.failure.Error, 'reason': {CAUSE}}}}}])"
)
"""The state with the caught error as `$.failure`: step, error, reason."""

_INPUT_KNOWN = "$exists($states.input.claim.loop.inputLocation)"
"""A loop without a known input cannot be restarted (`lambdas.loops.restart_policy`), so no message suggests it."""
_RESTART = f"'python deploy.py loops restart ' & $quoted(${LEDGER_KEY}) & ' --stage ${{Stage}}'"
_CLOSE = f"'python deploy.py loops close ' & $quoted(${LEDGER_KEY}) & ' --stage ${{Stage}} --note \"...\"'"
_REDRIVE = f"'python deploy.py loops redrive ' & $quoted(${LEDGER_KEY}) & ' --stage ${{Stage}}'"


def escalate_failed_loop(*, catch: Sequence[Any]) -> SnsPublishStep:
    """A loop failed and is not restarted: by the stage's rules, or because its attempts are used up."""
    return _publish(
        "Escalate failed loop",
        comment="A human loop failed and is not restarted. A person restarts or closes it.",
        kind=MessageKind.LOOP_FAILED,
        subject="'failed loop ' & $name",
        text=lines(
            "'Human loop ' & $name & ' failed and will not be restarted automatically.'",
            "''",
            f"'Reason:           ' & {_DECISION}",
            "'Failure code:     ' & ($code ? $code : 'none')",
            f"'Failure reason:   ' & ({_FAILURE_REASON} ? {_FAILURE_REASON} : 'none')",
            "'Flow definition:  ' & $flow",
            "'Execution:        ' & $link",
            "'Attempts:'",
            _LINEAGE,
            *_if_workflow_waits(
                "A workflow is waiting for this loop and is now notified (HumanReview.Failed)."
            ),
            "''",
            f"({_INPUT_KNOWN} ? 'To restart the loop:')",
            f"({_INPUT_KNOWN} ? '  ' & {_RESTART})",
            "'To close the loop with a note:'",
            f"'  ' & {_CLOSE}",
        ),
        document={
            "reason": _DECISION,
            "failureReason": _FAILURE_REASON,
            "lineage": _ATTEMPTS,
            "workflowWaiting": f"${WAITING}",
            "command": f"({_INPUT_KNOWN} ? {_RESTART} : {_CLOSE})",
        },
        output="$states.input",
        catch=catch,
    )


def escalate_failed_step(*, give_claim_back: Any) -> SnsPublishStep:
    """A step failed, and its error remains after the retries. Adds `$.failure`: step, error, reason."""
    return _publish(
        "Escalate",
        comment="A step failed, even after its retries. A person fixes the cause and runs the status change again.",
        kind=MessageKind.STEP_FAILED,
        subject="'step failed for ' & $name",
        text=lines(
            "'Human loop ' & $name & ' ended as ' & $status"
            " & ', but the workflow could not finish processing it.'",
            "''",
            f"'Failed step:      ' & {_STEP}",
            f"'Reason:           ' & {_CAUSE}",
            "'Flow definition:  ' & $flow",
            "'Execution:        ' & $link",
            *_if_workflow_waits(
                "A workflow is waiting for this loop. It waits until you run the status change again,"
                " or until it times out."
            ),
            "''",
            "'The status change is not lost. After you fix the cause, run it again:'",
            f"'  ' & {_REDRIVE}",
        ),
        document={
            "step": _STEP,
            "workflowWaiting": f"${WAITING}",
            "error": f"$visible($states.input.failure.Error, {MAX_NAME})",
            "reason": _CAUSE,
            "command": _REDRIVE,
        },
        output=_WITH_FAILURE,
        assign={ESCALATED: True},
        # If even the message fails, the execution still ends as failed, with the first error.
        catch=[
            Catch(
                error_equals=["States.ALL"],
                assign={ESCALATED: False},
                output=jsonata(_WITH_FAILURE),
                next_step=give_claim_back,
            )
        ],
    )


def escalate_unreadable_event(*, failed: Any) -> SnsPublishStep:
    """The event does not identify its status change, or the ledger refused the claim. Adds `$.failure`."""
    redrive = (
        "'python deploy.py loops redrive --execution ' & $quoted($states.context.Execution.Id)"
        " & ' --stage ${Stage}'"
    )
    return _publish(
        "Escalate unclaimed event",
        comment="The event does not identify a status change, or the claim could not be written to the ledger.",
        kind=MessageKind.EVENT_UNCLAIMED,
        subject="'a status change could not be processed'",
        text=lines(
            "'A status change of a human loop could not be processed.'",
            "''",
            f"'Reason:           ' & {_CAUSE}",
            "'Human loop:       ' & $name",
            "'Flow definition:  ' & $flow",
            "'Execution:        ' & $link",
            "''",
            "'The event is not lost. After you fix the cause, run it again:'",
            f"'  ' & {redrive}",
        ),
        document={
            "error": f"$visible($states.input.failure.Error, {MAX_NAME})",
            "reason": _CAUSE,
            "command": redrive,
        },
        flow=EVENTS_FLOW_DEFINITION,
        output=_WITH_FAILURE,
        # If even the message fails, the execution still ends as failed, with the first error.
        catch=[Catch(error_equals=["States.ALL"], output=jsonata(_WITH_FAILURE), next_step=failed)],
    )


def notify_stopped(*, catch: Sequence[Any]) -> SnsPublishStep:
    """A loop was stopped. The message is for information; no action is needed."""
    return _publish(
        "Notify stopped",
        comment="A human loop was stopped. No action is needed.",
        kind=MessageKind.LOOP_STOPPED,
        subject="'stopped loop ' & $name",
        text=lines(
            "'Human loop ' & $name & ' was stopped before the review was complete.'",
            "''",
            "'Answers saved:    ' & ($exists($states.input.review) ? $string($states.input.review.answers)"
            " & ', in ' & $visible($states.input.review.location, 1100) : 'none')",
            "'Flow definition:  ' & $flow",
            "'Execution:        ' & $link",
            *_if_workflow_waits(
                "A workflow is waiting for this loop and is now notified (HumanReview.Stopped)."
            ),
        ),
        document={"review": "$states.input.review", "workflowWaiting": f"${WAITING}"},
        output="$states.input",
        catch=catch,
    )


def _publish(
    name: str,
    *,
    comment: str,
    kind: MessageKind,
    subject: str,
    text: str,
    document: Mapping[str, str],
    output: str,
    catch: Sequence[Any],
    flow: str = f"${FLOW_DEFINITION}",
    assign: Mapping[str, Any] | None = None,
) -> SnsPublishStep:
    """An SNS step. Expressions can use $name, $status, $code, $flow, $link, and $outside for other values of the event.
    The subject can use $name.

    Fields of the document without a value are omitted. The event can hold anything, so each of its values is made
    visible and bounded: a message has at most 262,144 bytes with its attributes, and a text stands in it eight times.
    """
    fields = {
        "kind": f"'{kind}'",
        "stage": "'${Stage}'",
        "humanLoopName": "$name",
        "humanLoopStatus": "$status",
        "flowDefinition": "$flow",
        "failureCode": "$code",
        "execution": "$link",
        **document,
    }
    title = f"'Afterloop ${{Stage}}: ' & {subject}"
    copies = {
        **dict.fromkeys(FOR_PEOPLE, _Expression("$text")),
        **dict.fromkeys(FOR_PROGRAMS, _Expression("$body")),
        "https": _Expression(f"$string({_written(_NOTIFICATION)})"),
    }
    message = (
        f"{_values(flow)} $title := {title}; $text := {text};"
        f" $document := {_written({field: _Expression(value) for field, value in fields.items()})};"
        f" $body := $string($document); {_IN_CHAT} $string({_written(copies)})"
    )
    return SnsPublishStep(
        name,
        comment=comment,
        query_language="JSONata",
        arguments={
            "TopicArn": _topic(kind),
            "Subject": jsonata(f"({_PLAIN} $name := {_NAME}; $plain({title}))"),
            "MessageStructure": "json",
            "Message": jsonata(f"({message})"),
            "MessageAttributes": jsonata(f"({_PLAIN} {_attributes(kind, flow)})"),
        },
        output=jsonata(output),
        **({"assign": dict(assign)} if assign else {}),
        timeout_seconds=30,
        retry=TRANSIENT,
        catch=list(catch),
    )


def _topic(kind: MessageKind) -> str:
    known, unknown = (f"${{{topic}}}" for topic in (kind.topic, kind.topic_if_unknown))
    if known == unknown:
        return known
    return jsonata(f"${FLOW_DEFINITION} in ['', '{UNKNOWN}'] ? '{unknown}' : '{known}'")


def _if_workflow_waits(sentence: str) -> tuple[str, str]:
    """A blank line and a sentence if a workflow waits for the loop; `$join` skips expressions without a value."""
    return f"(${WAITING} ? '')", f"(${WAITING} ? '{sentence}')"


class _Expression(str):
    """A JSONata expression, where other texts stand for themselves."""


def _written(value: Any) -> str:
    """Returns a value as a JSONata expression."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"'{name}': {_written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    return str(value) if isinstance(value, _Expression) else f"'{value}'"


# Each field of the Task is a separate expression. Only the message needs all of these: the definition has room for a
# few of them.
def _values(flow: str) -> str:
    """Defines $name, $status, $code, $flow and $link, each visible and bounded, and $outside for other values."""
    return (
        f"{VISIBLE} {QUOTED} $outside := function($value, $limit)"
        " {$value = null ? null : $exists($value) ? $visible($value, $limit)};"
        f" $name := $visible({_NAME}, {MAX_NAME});"
        f" $status := $outside({_DETAIL}.humanLoopStatus, {MAX_CODE});"
        f" $code := $outside({_DETAIL}.failureCode, {MAX_CODE});"
        f" $flow := $visible({flow}, {MAX_NAME}); $link := $visible({EXECUTION_LINK}, {MAX_REASON});"
    )


_NAME = f"($type({LOOP_NAME}) = 'string' and {LOOP_NAME} != '' ? {LOOP_NAME} : 'unknown')"
_PLAIN = "$plain := function($text) {$substring($replace($substring($text, 0, 200), /[^ -~]/, '?'), 0, 100)};"
"""Defines `$plain($text)`: at most 100 characters of ASCII, for a subject or an attribute."""


def _attributes(kind: str, flow: str) -> str:
    """An expression for the message attributes. SNS refuses an attribute without a value."""
    values = {
        "kind": f"'{kind}'",
        "stage": "'${Stage}'",
        "flowDefinition": flow,
        "humanLoopStatus": f"{_DETAIL}.humanLoopStatus",
        "failureCode": f"{_DETAIL}.failureCode",
    }
    return (
        "$merge($each({"
        + ", ".join(f"'{name}': {values[name]}" for name in ATTRIBUTES)
        + "}, function($value, $name) {$type($value) = 'string' and $value != ''"
        " ? {$name: {'DataType': 'String', 'StringValue': $plain($value)}}}))"
    )


_IN_CHAT = (
    "$chat := function($text) {"
    + functools.reduce(
        lambda text, pair: f"$replace({text}, '{pair[0]}', \"{pair[1]}\")", NOT_IN_CHAT.items(), "$text"
    )
    + "};"
)
"""Defines `$chat($text)`: a text in which a chat finds nothing to act on."""

_NOTIFICATION = custom_notification(
    title=_Expression("$chat($title)"),
    text=_Expression(f"'```\\n' & $chat($substring($text, 0, {MAX_SHOWN})) & '\\n```'"),
    steps=[_Expression("($document.command ? '`' & $chat($document.command) & '`')"), _Expression("$link")],
    thread=_Expression("($name != 'unknown' ? $name)"),
    kind=_Expression("$document.kind"),
    context=_Expression(
        "$merge([$sift($document, function($value) {$type($value) = 'string'}), {'document': $body}])"
    ),
)
"""The copy for HTTPS endpoints, as `lambdas.loops.notification.https_copy` makes it; a test compares both."""
