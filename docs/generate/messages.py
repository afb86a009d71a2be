"""The page of messages to people and programs, from the expressions of the steps, evaluated for a sample."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from docs.generate.markdown import code, fenced, table
from lambdas.loops.escalation import EndedExecution
from lambdas.loops.message_kinds import MessageKind
from lambdas.loops.notification import MAX_SHOWN
from workflow.operations import sample

__all__ = ["messages"]

_FAILED = {
    "failureCode": "ValidationError",
    "failureReason": "The input content could not be rendered by the worker task template.",
}
_CLAIM = {
    "id": "2026-03-04T05:06:07.890Z Failed",
    "loop": {
        "humanLoopName": "message-3301",
        "inputLocation": "s3://reviews/inputs/message-3301-7f814d2e.json",
    },
}
_DECISION = {
    "action": "escalate",
    "reason": "A2I rejected the input of the loop (ValidationError): the same input would fail again.",
    "lineage": [
        {
            "humanLoopName": "message-3301",
            "attempt": 1,
            "status": "Failed",
            "createdAt": "2026-03-04T05:06:07.890Z",
            "failureCode": "ValidationError",
        }
    ],
}
_FAILURE = {
    "Error": "OutputMissing",
    "Cause": json.dumps(
        {"errorMessage": "s3://human-review-outputs/…/output.json: the object does not exist"},
        ensure_ascii=False,  # as Lambda does since Python 3.12
    ),
}
_STATES: dict[str, Callable[[], dict[str, Any]]] = {
    "Escalate failed loop": lambda: {
        **sample.event("Failed", **_FAILED),
        "claim": _CLAIM,
        "decision": _DECISION,
    },
    "Escalate": lambda: {**sample.event(), "failure": _FAILURE},
    "Escalate unclaimed event": lambda: {
        **sample.event(humanLoopName=None),
        "failure": {
            "Error": "States.QueryEvaluationError",
            "Cause": "The event has no string at $.detail.humanLoopName.",
        },
    },
    "Notify stopped": lambda: {**sample.event("Stopped"), "review": {**sample.summary(), "answers": 1}},
}
"""Step → a state in which it sends its message."""
_ENDED = EndedExecution(
    execution=sample.EXECUTION,
    status="ABORTED",
    reason="The execution was stopped (ABORTED) before it had processed the status change: stopped by Ana",
    human_loop_name="message-3301",
    human_loop_status="Failed",
    flow_definition_arn=sample.event()["detail"]["flowDefinitionArn"],
    failure_code=None,
    claimed=True,
    workflow_waiting=False,
)


def messages(definition: Mapping[str, Any]) -> str:
    """Returns the page.

    Args:
        definition: The state machine in Amazon States Language.
    """
    parts = [
        "# Messages",
        "The workflow sends messages to three SNS topics. `python deploy.py outputs` shows their ARNs.",
        table(
            ["Topic", "Messages", "Email addresses of"],
            (
                [code("EscalationTopic"), "A person has to act.", "`escalation_emails`, `escalate_to`"],
                [
                    code("AlarmTopic"),
                    "A person has to act, and the flow definition is not known; alarms of CloudWatch.",
                    "the same, all without a filter",
                ],
                [code("NotificationTopic"), "No action is needed.", "`notification_emails`"],
            ),
        ),
        "Email subscribers get a text. Queues and functions get a JSON document. HTTPS endpoints and chats get both, in"
        " a [notification](#https-endpoints-and-chats). Parts without a value are omitted. The messages of alarms are"
        " those of CloudWatch.",
        "Subscriptions can filter by these message attributes: `kind`, `stage`, `flowDefinition`,"
        " `humanLoopStatus`, `failureCode`. Alarms have no attributes, so a subscription with such a filter never gets"
        " them.",
        "Each message is sent at least once. It comes twice if SNS accepted it and the answer was lost, because no"
        " message is worse than two.",
    ]
    for step, make_state in _STATES.items():
        state = make_state()
        arguments = definition["States"][step]["Arguments"]
        request = {
            name: _evaluated(arguments[name], state) for name in ("Subject", "Message", "MessageAttributes")
        }
        parts += _section(
            f"{definition['States'][step]['Comment']} Sent by **{step}** to {{topic}}.", request
        )
    parts += _section(
        "An execution ended before it had processed its status change: somebody stopped it, it timed out, or it failed"
        " with an error that no step could catch. Its claim is released. Sent by the function **ReleaseClaim** to"
        " {topic}, and by **Reconcile** if the event about the execution was lost.",
        _ENDED.message(sample.STAGE).as_request(""),
    )
    parts += _notification(_ENDED.message(sample.STAGE).as_request(""))
    return "\n\n".join(parts)


def _notification(request: Mapping[str, Any]) -> list[str]:
    """Returns the section about the copy for HTTPS endpoints and chats, with that of one message."""
    return [
        "## HTTPS endpoints and chats",
        "The copy for HTTPS endpoints is a custom notification"
        " (https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html), which is what AWS's chat"
        f" integration shows in Slack and Microsoft Teams: the subject, the first {MAX_SHOWN:,} characters of the text,"
        " the command, and the link to the execution. `<` and backticks are replaced in it, so that a value from"
        " outside cannot mention anybody. Messages about the same loop are in one thread, if the channel's preferences"
        " allow threads. `additionalContext`, which is not shown, has the texts of the document, for custom actions of"
        " the chat, and in `document` the whole document as JSON. That of the last message:",
        fenced(json.loads(json.loads(request["Message"])["https"])),
    ]


def _topics(kind: MessageKind) -> str:
    unknown = f", or to {code(kind.topic_if_unknown)} if the flow definition is not known"
    return code(kind.topic) + (unknown if kind.topic_if_unknown != kind.topic else "")


def _section(description: str, request: Mapping[str, Any]) -> list[str]:
    """Returns the paragraphs about one message, from the arguments of SNS's Publish."""
    message = json.loads(request["Message"])
    document = json.loads(message["sqs"])
    kind = next(one for one in MessageKind if one == document["kind"])
    return [
        f"## `{kind}`",
        description.format(topic=_topics(kind)),
        fenced(f"Subject: {request['Subject']}\n\n{message['email']}", "text"),
        "For programs:",
        fenced(document),
        table(
            ["Attribute", "Value in this example"],
            (
                (code(name), code(value["StringValue"]))
                for name, value in request["MessageAttributes"].items()
            ),
        ),
    ]


def _evaluated(expression: str, state: Mapping[str, Any]) -> Any:
    """Returns the value of a JSONata expression `{% … %}` of a step, as in Step Functions."""
    from jsonata import Jsonata  # type: ignore[import-untyped]

    plain = expression.removeprefix("{%").removesuffix("%}")
    plain = plain.replace("${Stage}", sample.STAGE).replace("${Region}", sample.REGION)
    program = Jsonata(plain)
    program.assign("states", {"input": state, "context": {"Execution": {"Id": sample.EXECUTION}}})
    program.assign("workflowWaiting", False)
    program.assign("flowDefinitionName", sample.FLOW_DEFINITION)
    program.assign("failedStep", "Collect review")
    program.assign("ledgerKey", "message-3301")
    return program.evaluate(state)
