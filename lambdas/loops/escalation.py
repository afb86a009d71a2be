"""Messages that functions send to people who have to act. The state machine sends its own.

Both have the same form: text for email, one JSON document for programs, a notification for HTTPS endpoints and chats
(`lambdas/loops/notification.py`), and the attributes that subscriptions filter by (`workflow/parts/messages.py`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambdas.loops.bounded import MAX_CODE, MAX_NAME, MAX_REASON, bounded
from lambdas.loops.message_kinds import UNKNOWN, MessageKind
from lambdas.loops.notification import https_copy
from lambdas.loops.visible import quoted, visible

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

__all__ = ["ATTRIBUTES", "FOR_PEOPLE", "FOR_PROGRAMS", "EndedExecution", "Escalation", "Message"]

ATTRIBUTES = ("kind", "stage", "flowDefinition", "humanLoopStatus", "failureCode")
"""The fields of the JSON document that are also message attributes."""
FOR_PEOPLE = ("default", "email")
"""The protocols that get the text."""
FOR_PROGRAMS = ("sqs", "lambda", "http")
"""The protocols that get the JSON document. `https` gets it in a custom notification, which chats show."""

MAX_SUBJECT = 100
"""Characters of a subject, all of them printable ASCII (SNS API reference, Publish)."""

MAX_KEY = 500
"""Characters of a row's key in a command. A key is a name of at most 63, and a time."""


@dataclass(frozen=True)
class Message:
    """A message: for people (subject and text), and for programs (document)."""

    subject: str
    text: str
    document: dict[str, Any]

    def as_request(self, topic: str) -> dict[str, Any]:
        """Returns the arguments of SNS's Publish."""
        body = json.dumps(self.document, ensure_ascii=False)
        notification = https_copy(self.subject, self.text, self.document, body)
        copies = {
            **dict.fromkeys(FOR_PEOPLE, self.text),
            **dict.fromkeys(FOR_PROGRAMS, body),
            "https": json.dumps(notification, ensure_ascii=False),
        }
        return {
            "TopicArn": topic,
            "Subject": re.sub("[^ -~]", "?", self.subject)[:MAX_SUBJECT],
            "MessageStructure": "json",
            "Message": json.dumps(copies, ensure_ascii=False),
            # SNS refuses an attribute without a value.
            "MessageAttributes": {
                name: {"DataType": "String", "StringValue": value}
                for name in ATTRIBUTES
                if (value := self.document.get(name))
            },
        }


@dataclass(frozen=True)
class EndedExecution:
    """An execution that ended before it had processed its status change, for the message about it.

    Attributes:
        execution: Its ARN.
        status: Its status: ABORTED, TIMED_OUT, FAILED, or `gone`.
        reason: Why it ended, and how far it came, in words.
        human_loop_name: The loop, as the ledger names it. None if the event has no name.
        human_loop_status: The loop's status in the event.
        flow_definition_arn: The loop's flow definition.
        failure_code: A2I's failure code.
        claimed: Whether it had claimed its status change, so that the ledger shows it.
        workflow_waiting: Whether a workflow waits for the loop.
    """

    execution: str
    status: str
    reason: str
    human_loop_name: str | None
    human_loop_status: str | None
    flow_definition_arn: str | None
    failure_code: str | None
    claimed: bool
    workflow_waiting: bool

    def message(self, stage: str) -> Message:
        """Returns the message, for the stage with that name."""
        name = visible(self.human_loop_name or "unknown", MAX_NAME)
        status = _shown(self.human_loop_status, MAX_NAME)
        flow = visible((self.flow_definition_arn or "").rpartition("/")[2] or UNKNOWN, MAX_NAME)
        reason = visible(self.reason, MAX_REASON)
        link = visible(_link(self.execution))
        by_name = self.claimed and self.human_loop_name
        which = quoted(by_name[:MAX_KEY]) if by_name else f"--execution {quoted(self.execution)}"
        command = f"python deploy.py loops redrive {which} --stage {stage}"
        waits = (
            "A workflow is waiting for this loop. It waits until you run the status change again, or until it"
            " times out."
        )
        text = [
            f"Human loop {name} ended{f' as {status}' if status else ''}, but the execution that was processing it"
            " ended first.",
            "",
            f"Reason:           {reason}",
            f"Flow definition:  {flow}",
            f"Execution:        {link}",
            *(["", waits] if self.workflow_waiting else []),
            "",
            "The status change is not lost. After you fix the cause, run it again:",
            f"  {command}",
        ]
        return Message(
            subject=f"Afterloop {stage}: execution ended early for {name}",
            text="\n".join(text),
            document={
                "kind": MessageKind.EXECUTION_ENDED,
                "stage": stage,
                "humanLoopName": name,
                "humanLoopStatus": status,
                "flowDefinition": flow,
                "failureCode": _shown(self.failure_code, MAX_CODE),
                "execution": link,
                "executionStatus": self.status,
                "reason": reason,
                "workflowWaiting": self.workflow_waiting,
                "command": command,
            },
        )


@dataclass(frozen=True)
class Escalation:
    """The topics of a stage for people who have to act. Methods raise `ClientError` if SNS refuses a message.

    Attributes:
        topic: The ARN of the topic for messages about a flow definition.
        alarms: The ARN of the topic for the others, which nobody filters.
        stage: The stage's name, for the commands in messages.
    """

    sns: SNSClient
    topic: str
    alarms: str
    stage: str

    def execution_ended(self, ended: EndedExecution) -> None:
        """Reports an execution that ended before it had processed its status change."""
        message = ended.message(self.stage)
        is_known = message.document["flowDefinition"] != UNKNOWN
        self.sns.publish(**message.as_request(self.topic if is_known else self.alarms))


def _shown(value: Any, limit: int) -> str | None:
    """A value of an event as a text on one line, or None if it is empty."""
    return visible(bounded(value, limit), limit) if value else None


def _link(execution: str) -> str:
    """Returns the link to an execution in the Step Functions console."""
    region = execution.split(":")[3]
    home = f"https://{region}.console.aws.amazon.com/states/home?region={region}"
    return f"{home}#/v2/executions/details/{execution}"
