"""Messages to people: SNS, by direct integration, so that the workflow can call for help when functions cannot run.

Each message has two bodies: text for e-mail, and one JSON document for machines (queues, functions, HTTPS). The message
attributes `kind`, `stage`, `flowDefinition`, `humanLoopStatus` and `failureCode` can be filtered by in
a subscription. SNS takes a subject of at most 100 ASCII characters, and no attribute that is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workflow.asl.expressions import (
    EVENTS_FLOW_DEFINITION,
    EXECUTION_LINK,
    FLOW_DEFINITION,
    LOOP_NAME,
    jsonata,
    lines,
)
from workflow.parts.answers import WAITING
from workflow.parts.failures import CAUSE, FAILED_STEP, TRANSIENT
from workflow.steps import Catch, SnsPublishStep

__all__ = ["escalate_failed_loop", "escalate_failed_step", "escalate_unreadable_event", "notify_stopped"]

_DETAIL = "$states.input.detail"
_LINEAGE = (
    "$join($states.input.decision.lineage.("
    "'  ' & $string(attempt) & '. ' & humanLoopName & ' — ' & status"
    " & ($exists(failureCode) ? ' (' & failureCode & ')') & ', started ' & createdAt), '\\n')"
)

_INPUT_KNOWN = "$exists($states.input.claim.loop.inputLocation)"
"""Without it there is no restart (`lambdas.loops.restart_policy`), and no message should ask for one."""
_RESTART = "'python deploy.py loops restart ' & $name & ' --stage ${Stage}'"
_CLOSE = "'python deploy.py loops close ' & $name & ' --stage ${Stage} --note \"...\"'"


def escalate_failed_loop(*, catch: Sequence[Any]) -> SnsPublishStep:
    """A loop failed and is not restarted: by the rules of the stage, or since its attempts are used up."""
    return _publish(
        "Escalate failed loop",
        topic="${EscalationTopic}",
        kind="loop-failed",
        subject="'failed loop ' & $name",
        text=lines(
            "'Human loop ' & $name & ' failed, and will not be restarted by itself.'",
            "''",
            "'Why:              ' & $states.input.decision.reason",
            f"'Failure code:     ' & ({_DETAIL}.failureCode ? {_DETAIL}.failureCode : 'none given')",
            f"'Failure reason:   ' & ({_DETAIL}.failureReason ? {_DETAIL}.failureReason : 'none given')",
            "'Flow definition:  ' & $flow",
            "'Execution:        ' & $link",
            "'Lineage:'",
            _LINEAGE,
            *_if_one_waits("A workflow waits for it, and is told now that it failed (HumanReview.Failed)."),
            "''",
            f"({_INPUT_KNOWN} ? 'To go on with one more attempt:')",
            f"({_INPUT_KNOWN} ? '  ' & {_RESTART})",
            "'To close it, with a note:'",
            f"'  ' & {_CLOSE}",
        ),
        document={
            "reason": "$states.input.decision.reason",
            "failureReason": f"{_DETAIL}.failureReason",
            "lineage": "$states.input.decision.lineage",
            "workflowWaiting": f"${WAITING}",
            "command": f"({_INPUT_KNOWN} ? {_RESTART} : {_CLOSE})",
        },
        output="$states.input",
        catch=catch,
    )


def escalate_failed_step(*, give_claim_back: Any) -> SnsPublishStep:
    """A step failed and its retries did not mend it. Adds `$.failure`: step, error, reason."""
    failure = "{'step': $" + FAILED_STEP + ", 'error': $states.input.failure.Error, 'reason': " + CAUSE + "}"
    merged = f"$merge([$states.input, {{'failure': {failure}}}])"
    return _publish(
        "Escalate",
        topic="${EscalationTopic}",
        kind="step-failed",
        subject="'step failed for ' & $name",
        text=lines(
            f"'Human loop ' & $name & ' ended as ' & {_DETAIL}.humanLoopStatus"
            " & ', and the workflow could not finish its work on it.'",
            "''",
            f"'Step that failed: ' & ${FAILED_STEP}",
            f"'Why:              ' & {CAUSE}",
            "'Flow definition:  ' & $flow",
            "'Execution:        ' & $link",
            *_if_one_waits(
                "A workflow waits for it, and does so until this is run again, or its own timeout."
            ),
            "''",
            "'Nothing is lost: the status change is the input of that execution. When the cause is mended, run it'",
            "'again:'",
            "'  python deploy.py loops redrive ' & $name & ' --stage ${Stage}'",
        ),
        document={
            "step": f"${FAILED_STEP}",
            "workflowWaiting": f"${WAITING}",
            "error": "$states.input.failure.Error",
            "reason": CAUSE,
            "command": "'python deploy.py loops redrive ' & $name & ' --stage ${Stage}'",
        },
        output=merged,
        catch=[Catch(error_equals=["States.ALL"], output=jsonata(merged), next_step=give_claim_back)],
    )


def escalate_unreadable_event(*, failed: Any) -> SnsPublishStep:
    """The event does not say which status change it is, or the ledger refused the claim. Adds `$.failure`."""
    redrive = (
        "'python deploy.py loops redrive --execution ' & $states.context.Execution.Id & ' --stage ${Stage}'"
    )
    failure = "{'step': $" + FAILED_STEP + ", 'error': $states.input.failure.Error, 'reason': " + CAUSE + "}"
    merged = f"$merge([$states.input, {{'failure': {failure}}}])"
    return _publish(
        "Escalate unclaimed event",
        topic="${EscalationTopic}",
        kind="event-unclaimed",
        subject="'a status change could not be taken'",
        text=lines(
            "'A status change of a human loop could not be taken into work.'",
            "''",
            f"'Why:              ' & {CAUSE}",
            "'Human loop:       ' & $name",
            "'Flow definition:  ' & $flow",
            "'Execution:        ' & $link",
            "''",
            "'Nothing is lost: the event is the input of that execution. When the cause is mended, run it again:'",
            f"'  ' & {redrive}",
        ),
        document={
            "error": "$states.input.failure.Error",
            "reason": CAUSE,
            "command": redrive,
        },
        flow=EVENTS_FLOW_DEFINITION,
        output=merged,
        catch=[Catch(error_equals=["States.ALL"], output=jsonata(merged), next_step=failed)],
    )


def notify_stopped(*, catch: Sequence[Any]) -> SnsPublishStep:
    """A loop was stopped: nobody has to act, somebody may want to know."""
    return _publish(
        "Notify stopped",
        topic="${NotificationTopic}",
        kind="loop-stopped",
        subject="'stopped loop ' & $name",
        text=lines(
            "'Human loop ' & $name & ' was stopped before the people had finished.'",
            "''",
            "'Answers kept:     ' & ($exists($states.input.review) ? $string($states.input.review.answers)"
            " & ', in ' & $states.input.review.location : 'none')",
            "'Flow definition:  ' & $flow",
            "'Execution:        ' & $link",
            *_if_one_waits("A workflow waits for it, and is told now of the stop (HumanReview.Stopped)."),
        ),
        document={"review": "$states.input.review", "workflowWaiting": f"${WAITING}"},
        output="$states.input",
        catch=catch,
    )


def _publish(
    name: str,
    *,
    topic: str,
    kind: str,
    subject: str,
    text: str,
    document: Mapping[str, str],
    output: str,
    catch: Sequence[Any],
    flow: str = f"${FLOW_DEFINITION}",
) -> SnsPublishStep:
    """An SNS step. The expressions may use $name, $flow, $link; parts of the document without a value are left out."""
    shared = (
        f"$name := $type({LOOP_NAME}) = 'string' and {LOOP_NAME} != '' ? {LOOP_NAME} : 'unknown';"
        f" $flow := {flow}; $link := {EXECUTION_LINK}; "
    )
    fields = {
        "kind": f"'{kind}'",
        "stage": "'${Stage}'",
        "humanLoopName": "$name",
        "humanLoopStatus": f"{_DETAIL}.humanLoopStatus",
        "flowDefinition": "$flow",
        "failureCode": f"{_DETAIL}.failureCode",
        "execution": "$link",
        **document,
    }
    body = "{" + ", ".join(f"'{field}': {expression}" for field, expression in fields.items()) + "}"
    attributes = ", ".join(
        f"{_filled(fields[field])} ? {{'{field}': {{'DataType': 'String', 'StringValue': {fields[field]}}}}} : {{}}"
        for field in ("kind", "stage", "flowDefinition", "humanLoopStatus", "failureCode")
    )
    step: SnsPublishStep = SnsPublishStep(
        name,
        query_language="JSONata",
        arguments={
            "TopicArn": topic,
            "Subject": jsonata(
                f"({shared}$substring($replace('Afterloop ${{Stage}}: ' & {subject}, /[^ -~]/, '?'), 0, 100))"
            ),
            "MessageStructure": "json",
            "Message": jsonata(
                f"({shared}$text := {text}; $body := $string({body});"
                " $string({'default': $text, 'email': $text, 'sqs': $body, 'lambda': $body, 'http': $body,"
                " 'https': $body}))"
            ),
            "MessageAttributes": jsonata(f"({shared}$merge([{attributes}]))"),
        },
        output=jsonata(output),
        timeout_seconds=30,
        retry=TRANSIENT,
        catch=list(catch),
    )
    return step


def _if_one_waits(sentence: str) -> tuple[str, str]:
    """A sentence after a blank line, if a workflow waits for the loop: lines without a value are left out."""
    return f"(${WAITING} ? '')", f"(${WAITING} ? '{sentence}')"


def _filled(expression: str) -> str:
    return f"($type({expression}) = 'string' and {expression} != '')"
