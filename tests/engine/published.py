"""A stage that is published to the sandbox, with methods for what tests read from it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from lambdas.loops.tokens import Tokens
from lambdas.reviews.times import timestamp
from sandbox.engine import Sandbox
from sandbox.local import subscribed_queue
from workflow.stack.stages import Stage


@dataclass
class PublishedStage:
    """The stage `local`. All methods read its resources through boto3."""

    sandbox: Sandbox
    stage: Stage
    outputs: dict[str, str]
    eventually: Callable[..., Any]
    _messages: list[dict[str, Any]] = field(default_factory=list)
    _inputs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.sandbox.client("dynamodb"), self.outputs["LedgerTable"])
        self.states = self.sandbox.client("stepfunctions")
        self.s3 = self.sandbox.client("s3")
        self.a2i = self.sandbox.client("sagemaker-a2i-runtime")
        self._sqs = self.sandbox.client("sqs")
        self._queue = subscribed_queue(self.sandbox, self.outputs)

    @property
    def tokens(self) -> Tokens:
        """The tokens of workflows that wait for loops of the stage."""
        tables = (self.outputs[name] for name in ("TokenTable", "LedgerTable"))
        return Tokens(self.sandbox.client("dynamodb"), *tables)

    def name(self, what: str = "loop") -> str:
        """Returns a loop name that no other test uses."""
        return f"{what}-{uuid.uuid4().hex[:10]}"

    def flow_definition_arn(self, name: str) -> str:
        base = f"arn:aws:sagemaker:{self.sandbox.region}:{self.sandbox.account_id}"
        return f"{base}:flow-definition/{name}"

    def flow_definition(self, task_count: int = 1, **more: Any) -> str:
        """Creates a flow definition and returns its ARN."""
        return self.sandbox.flow_definitions.create(
            self.name("flow"), self.stage.output_buckets[0], task_count=task_count, **more
        )

    def invoke(self, function: str, payload: Any) -> Any:
        """Calls a function of the stage, by the name of its output or its ARN. Raises its error as RuntimeError."""
        arn = self.outputs.get(function, function)
        answer = self.sandbox.client("lambda").invoke(FunctionName=arn, Payload=json.dumps(payload))
        body = json.load(answer["Payload"])
        if "FunctionError" in answer:
            raise RuntimeError(f"{body['errorType']}: {body['errorMessage']}")
        return body

    def start(self, name: str, flow_definition_arn: str, content: dict[str, Any], **more: Any) -> Any:
        """Starts a custom loop through the stage."""
        return self.invoke(
            "StartLoop",
            {
                "humanLoopName": name,
                "flowDefinitionArn": flow_definition_arn,
                "task": {"type": "custom", "inputContent": content},
                **more,
            },
        )

    def created(self, name: str) -> str:
        """Returns the creation time of a loop, as its event has it."""
        return timestamp(self.sandbox.loops.get(name).created_at)

    def event(self, name: str, status: str, **detail: Any) -> dict[str, Any]:
        """Returns the detail of a status change, as A2I sends it."""
        return {
            "creationTime": "2026-03-04T05:06:07.890Z",
            "failureCode": None,
            "failureReason": None,
            "flowDefinitionArn": self.flow_definition_arn("support-messages"),
            "humanLoopArn": f"arn:aws:sagemaker:us-east-1:{self.sandbox.account_id}:human-loop/{name}",
            "humanLoopName": name,
            "humanLoopOutput": None,
            "humanLoopStatus": status,
            **detail,
        }

    def executions(self, marker: str) -> list[dict[str, Any]]:
        """Returns the executions with a text in their input, oldest first. `states` are the names of entered states."""
        found = []
        self._read_new_inputs()
        for arn, given in self._inputs.items():
            if marker in given:
                # Before its history: the history of an execution that has ended is complete.
                execution = self.states.describe_execution(executionArn=arn)
                history = self.states.get_execution_history(executionArn=arn, maxResults=1000)["events"]
                states = [
                    event["stateEnteredEventDetails"]["name"]
                    for event in history
                    if "stateEnteredEventDetails" in event
                ]
                found.append({**execution, "states": states})
        return sorted(found, key=lambda execution: execution["startDate"])

    def _read_new_inputs(self) -> None:
        """The tests of a process share the stage, so most of its executions are known, and of other tests."""
        pages = self.states.get_paginator("list_executions").paginate(
            stateMachineArn=self.outputs["StateMachine"], PaginationConfig={"PageSize": 20}
        )
        new: list[str] = []
        for page in pages:  # the newest first
            arns = [one["executionArn"] for one in page["executions"]]
            unknown = [arn for arn in arns if arn not in self._inputs]
            if not unknown:
                break
            new += unknown
        for arn in reversed(new):  # If a call fails, what is unknown is still newer than what is known.
            self._inputs[arn] = self.states.describe_execution(executionArn=arn)["input"]

    def ended(self, marker: str, count: int = 1) -> list[dict[str, Any]]:
        """Waits until a number of executions with the text in their input have ended, and returns them."""

        def all_ended() -> list[dict[str, Any]]:
            found = self.executions(marker)
            running = [one for one in found if one["status"] == "RUNNING"]
            return found if len(found) >= count and not running else []

        return self.eventually(all_ended, timeout=60, message=f"{count} ended executions about {marker}")

    def redrive_in_console(self, execution: str) -> dict[str, Any]:
        """Does what *Redrive* in the console of Step Functions does. Returns the execution when it has ended again."""
        before = self.states.describe_execution(executionArn=execution)["redriveCount"]
        self.states.redrive_execution(executionArn=execution)

        def ended_again() -> Any:
            found = self.states.describe_execution(executionArn=execution)
            assert found["redriveCount"] == before + 1
            return found if found["status"] != "RUNNING" else None

        return dict(self.eventually(ended_again, timeout=60, message=f"{execution} has ended again"))

    def row(self, name: str) -> Loop:
        loop = self.ledger.find(name)
        assert loop is not None, f"the ledger has no row {name}"
        return loop

    def messages(self, name: str, kind: str | None = None) -> list[dict[str, Any]]:
        """Returns the messages about a loop so far: the document, and `subject`, `attributes` and `topic`."""
        # Alarms, which are about no loop, also send messages to the queue.
        return [
            one
            for one in self.all_messages()
            if one.get("humanLoopName") == name and kind in (None, one["kind"])
        ]

    def all_messages(self) -> list[dict[str, Any]]:
        """Returns all messages so far, as `messages` does, with those of alarms."""
        while batch := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in batch:
                envelope = json.loads(message["Body"])
                self._messages.append(
                    {
                        **json.loads(envelope["Message"]),
                        "subject": envelope["Subject"],
                        "topic": envelope["TopicArn"],
                        "attributes": {
                            key: value["Value"]
                            for key, value in envelope.get("MessageAttributes", {}).items()
                        },
                    }
                )
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return self._messages

    def went_off(self, alarm: str) -> None:
        """Checks that an alarm is on, and that it has called. An earlier test may have set it off.

        Args:
            alarm: The name of the alarm in the template.
        """
        name = f"afterloop-{self.stage.name}-{alarm}"
        alarms = self.sandbox.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        assert [one["StateValue"] for one in alarms] == ["ALARM"]

        def message() -> Any:
            self.messages("")
            called = [one for one in self._messages if one.get("AlarmName") == name]
            return next((one for one in called if one["NewStateValue"] == "ALARM"), None)

        found = self.eventually(message, message=f"a message of {name}")
        assert found["topic"] == self.outputs["AlarmTopic"]
        assert found["AlarmDescription"].endswith(f" --stage {self.stage.name}")

    def message(self, name: str, kind: str | None = None) -> dict[str, Any]:
        """Waits for the only message about a loop."""
        found = self.eventually(lambda: self.messages(name, kind), message=f"a message about {name}")
        assert len(found) == 1, found
        return found[0]

    def record(self, location: str) -> dict[str, Any]:
        """Returns the parsed object at an S3 URI."""
        bucket, key = location.removeprefix("s3://").split("/", 1)
        return json.loads(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
