"""What is sent to people and to programs: the steps' own expressions, evaluated for a sample."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from docs.generate import sample
from docs.generate.markdown import code, fenced, table

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
        {"errorMessage": "s3://human-review-outputs/…/output.json: the object does not exist"}
    ),
}
_WHEN = {
    "Escalate failed loop": (
        "A human loop failed, and is not started again by itself. Somebody restarts it, or closes it.",
        lambda: {**sample.event("Failed", **_FAILED), "claim": _CLAIM, "decision": _DECISION},
    ),
    "Escalate": (
        "A step failed, and its retries did not mend it. Somebody mends the cause, and runs it again.",
        lambda: {**sample.event(), "failure": _FAILURE},
    ),
    "Escalate unclaimed event": (
        "An event does not say which status change it is, or the ledger cannot be written to.",
        lambda: {
            **sample.event(humanLoopName=None),
            "failure": {
                "Error": "States.QueryEvaluationError",
                "Cause": "The event has no string at $.detail.humanLoopName.",
            },
        },
    ),
    "Notify stopped": (
        "A human loop was stopped. Nobody has to act.",
        lambda: {**sample.event("Stopped"), "review": {**sample.summary(), "answers": 1}},
    ),
}  # fmt: skip
"""Step → when it is sent, and a state that it is sent with."""


def messages(definition: Mapping[str, Any]) -> str:
    """The page.

    Args:
        definition: The machine in Amazon States Language.
    """
    parts = [
        "# Messages",
        "The workflow sends them to two SNS topics: `EscalationTopic` calls a person, `NotificationTopic` tells of what"
        " needs no action. `python deploy.py outputs` has their ARNs. Subscribers by e-mail get a text; queues,"
        " functions and HTTPS endpoints get one JSON document. Parts without a value are left out.",
        "The message attributes can be filtered by in a subscription: `kind`, `stage`, `flowDefinition`,"
        " `humanLoopStatus`, `failureCode`.",
    ]
    for step, (when, state) in _WHEN.items():
        arguments = definition["States"][step]["Arguments"]
        message = json.loads(_evaluated(arguments["Message"], state()))
        attributes = _evaluated(arguments["MessageAttributes"], state())
        document = json.loads(message["sqs"])
        topic = arguments["TopicArn"].strip("${}")
        parts += [
            f"## `{document['kind']}`",
            f"{when} By **{step}**, to `{topic}`.",
            fenced(f"Subject: {_evaluated(arguments['Subject'], state())}\n\n{message['email']}", "text"),
            "For programs:",
            fenced(document),
            table(
                ["Attribute", "Value here"],
                ((code(name), code(value["StringValue"])) for name, value in attributes.items()),
            ),
        ]
    return "\n\n".join(parts)


def _evaluated(expression: str, state: Mapping[str, Any]) -> Any:
    """The value of a JSONata expression `{% … %}` of a step, as Step Functions would have it."""
    from jsonata import Jsonata  # type: ignore[import-untyped]

    plain = expression.removeprefix("{%").removesuffix("%}")
    plain = plain.replace("${Stage}", sample.STAGE).replace("${Region}", sample.REGION)
    program = Jsonata(plain)
    program.assign("states", {"input": state, "context": {"Execution": {"Id": sample.EXECUTION}}})
    program.assign("workflowWaiting", False)
    program.assign("flowDefinitionName", sample.FLOW_DEFINITION)
    program.assign("failedStep", "Collect review")
    program.register_lambda("parse", json.loads)  # Step Functions' own addition to JSONata
    return program.evaluate(state)
