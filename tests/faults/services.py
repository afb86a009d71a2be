"""The services of the simulation, in memory. Their methods take and return what boto3's clients do.

DynamoDB is the local engine's: real tables, indexes and conditional expressions. The others are small models of what
Afterloop uses.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from ministack.services import dynamodb as engine

from lambdas.loops.missed_events import missed_event
from tests.faults.clock import Clock
from workflow import ROOT

__all__ = [
    "A2I",
    "ACCOUNT",
    "FLOWS",
    "REGION",
    "TABLE",
    "A2iLoop",
    "Buckets",
    "Ledger",
    "Message",
    "Queue",
    "Topics",
    "refusal",
]

REGION = "us-east-1"
ACCOUNT = "111122223333"
TABLE = "ledger"
TOKEN_TABLE = "tokens"
_TOKENS = "tokens "
"""What the key of an item of that table begins with here, where both tables are one mapping."""
FLOWS = tuple(
    f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:flow-definition/{name}" for name in ("triage", "seniors")
)


def refusal(code: str, operation: str, status: int = 400, message: str = "") -> ClientError:
    """Returns the error of a refused call."""
    answer: Any = {
        "Error": {"Code": code, "Message": message or f"{operation} refuses: {code}"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, operation)


class Ledger:
    """DynamoDB, with the ledger's table as the stack creates it.

    Args:
        clock: For the time at which the table was created.
        written: Called after each write with the item's key, and the item before and after it.
    """

    def __init__(self, clock: Clock, written: Callable[[str, Any, Any], None]) -> None:
        self.created = clock.now
        self._clock, self._written = clock, written
        self._history: list[tuple[datetime, str, Any]] = []
        # An empty table again: creating one takes longer than a schedule.
        for table in list(engine._tables.values()):
            table["items"].clear()
            table["ItemCount"] = 0
        if TABLE not in engine._tables:
            resources = json.loads((ROOT / "definitions" / "template.json").read_text())["Resources"]
            fields = ("BillingMode", "KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")
            for table, resource in ((TABLE, "LedgerTable"), (TOKEN_TABLE, "TokenTable")):
                given = resources[resource]["Properties"]
                properties = {name: given[name] for name in fields if name in given}
                engine._create_table({"TableName": table, **properties})

    def call(self, operation: str, request: dict[str, Any]) -> Any:
        """Makes a call. Raises ClientError."""
        if operation == "DescribeTable":
            return {"Table": {"TableName": TABLE, "CreationDateTime": self.created}}
        request = _copy(request)
        write = _OPERATIONS[operation]
        if operation in ("UpdateItem", "PutItem", "DeleteItem"):
            key = (request.get("Key") or request["Item"])["humanLoopName"]["S"]
            key = _TOKENS * (request["TableName"] == TOKEN_TABLE) + key
            before = self.item(key)
            answer = _answered(operation, write(request))
            after = self.item(key)
            if before != after:
                self._history.append((self._clock.now, key, after))
                self._written(key, before, after)
            return answer
        return _answered(operation, write(request))

    def lose(self, key: str) -> None:
        """Somebody deletes an item by accident."""
        engine._delete_item({"TableName": TABLE, "Key": {"humanLoopName": {"S": key}}})

    def put_back(self, moment: datetime) -> list[str]:
        """Puts the items of that time back that the table lacks. Returns their keys."""
        then = {
            key: item for when, key, item in self._history if when <= moment and not key.startswith(_TOKENS)
        }
        missing = {key: item for key, item in then.items() if item is not None and self.item(key) is None}
        for item in missing.values():
            engine._put_item({"TableName": TABLE, "Item": _copy(item)})
        return list(missing)

    def item(self, key: str) -> dict[str, Any] | None:
        """Returns an item, without a call. That with tokens has `tokens ` before its key."""
        table = TOKEN_TABLE if key.startswith(_TOKENS) else TABLE
        item = engine._tables[table]["items"].get(key.removeprefix(_TOKENS), {})
        found: dict[str, Any] | None = _copy(next(iter(item.values()), None))
        return found

    def items(self) -> dict[str, dict[str, Any]]:
        """Returns all items by key, without a call."""
        keys = [
            *engine._tables[TABLE]["items"],
            *(_TOKENS + key for key in engine._tables[TOKEN_TABLE]["items"]),
        ]
        return {key: item for key in keys if (item := self.item(key))}


_OPERATIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "UpdateItem": engine._update_item,
    "PutItem": engine._put_item,
    "DeleteItem": engine._delete_item,
    "GetItem": engine._get_item,
    "BatchGetItem": engine._batch_get_item,
    "Query": engine._query,
    "Scan": engine._scan,
}


def _copy(value: Any) -> Any:
    """Returns a deep copy of a document. `copy.deepcopy` takes a tenth of the time of a schedule."""
    if isinstance(value, dict):
        return {name: _copy(one) for name, one in value.items()}
    return [_copy(one) for one in value] if isinstance(value, list) else value


def _answered(operation: str, answer: Any) -> Any:
    status, _, body = answer
    document = json.loads(body)
    if status >= 400:
        code = document["__type"].rpartition("#")[2]
        raise refusal(code, operation, status, document.get("message") or document.get("Message", ""))
    return document


class Buckets:
    """S3."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def call(self, operation: str, request: Mapping[str, Any]) -> Any:
        """Makes a call. Raises ClientError."""
        place = (request["Bucket"], request["Key"])
        if operation == "PutObject":
            body = request["Body"]
            self.objects[place] = body if isinstance(body, bytes) else str(body).encode()
            return {}
        if operation == "GetObject":
            if place not in self.objects:
                raise refusal("NoSuchKey", operation, 404)
            body = self.objects[place]
            return {"Body": io.BytesIO(body), "ContentLength": len(body)}
        raise NotImplementedError(operation)


@dataclass
class Topics:
    """SNS: the messages that were published, as documents for programs."""

    messages: list[dict[str, Any]] = field(default_factory=list)

    def publish(self, request: Mapping[str, Any], moment: datetime) -> dict[str, str]:
        """Publish."""
        text = request["Message"]
        if request.get("MessageStructure") == "json":
            bodies = json.loads(text)
            text = bodies.get("sqs", bodies["default"])
        try:
            document = json.loads(text)
        except ValueError:
            document = {"text": text}
        self.messages.append({"topic": request["TopicArn"], "at": moment, **document})
        return {"MessageId": str(len(self.messages))}


@dataclass(eq=False)
class Message:
    """A message in a queue."""

    id: str
    body: str
    attributes: dict[str, str]
    visible: datetime
    receipt: str = ""


class Queue:
    """SQS: the queue of undelivered events.

    Attributes:
        messages: The messages that were not deleted.
        deleting: Called with each message before it is deleted.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock, self._number = clock, 0
        self.messages: list[Message] = []
        self.deleting: Callable[[Message], None] = lambda message: None

    def add(self, event: Any, **attributes: str) -> Message:
        """Adds a message. A text is its body, anything else is written as JSON."""
        body = event if isinstance(event, str) else json.dumps(event)
        message = Message(f"message-{self._new_number()}", body, attributes, self._clock.now)
        self.messages.append(message)
        return message

    def call(self, operation: str, request: Mapping[str, Any]) -> Any:
        """Makes a call."""
        if operation == "ReceiveMessage":
            return self._receive(request["MaxNumberOfMessages"], request["VisibilityTimeout"])
        if operation == "DeleteMessage":
            # Only the newest receipt of a message counts.
            for message in [one for one in self.messages if one.receipt == request["ReceiptHandle"]]:
                self.deleting(message)
                self.messages.remove(message)
            return {}
        if operation == "ChangeMessageVisibilityBatch":
            for entry in request["Entries"]:
                self._hide(entry["ReceiptHandle"], entry["VisibilityTimeout"])
            return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]], "Failed": []}
        if operation == "GetQueueAttributes":
            visible = sum(one.visible <= self._clock.now for one in self.messages)
            names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
            numbers = (visible, len(self.messages) - visible)
            return {"Attributes": {name: str(number) for name, number in zip(names, numbers, strict=True)}}
        raise NotImplementedError(operation)

    def _receive(self, number: int, seconds: int) -> Any:
        received = [one for one in self.messages if one.visible <= self._clock.now][:number]
        for message in received:
            message.receipt = f"{message.id}-{self._new_number()}"
            self._hide(message.receipt, seconds)
        return {"Messages": [_received(one) for one in received]} if received else {}

    def _hide(self, receipt: str, seconds: int) -> None:
        for message in self.messages:
            if message.receipt == receipt:
                message.visible = self._clock.now + timedelta(seconds=seconds)

    def _new_number(self) -> int:
        self._number += 1
        return self._number


def _received(message: Message) -> dict[str, Any]:
    attributes = {
        name: {"DataType": "String", "StringValue": text} for name, text in message.attributes.items()
    }
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt,
        "Body": message.body,
        "MessageAttributes": attributes,
    }


@dataclass(eq=False)
class A2iLoop:
    """A human loop in A2I. A name that is used again is another loop."""

    name: str
    flow: str
    created: datetime
    text: str
    status: str = "InProgress"
    failure_code: str | None = None
    failure_reason: str | None = None
    deleted: bool = False
    ours: bool = False
    """Whether Afterloop started it."""
    answers: int = 0
    known: bool = False
    """Whether Afterloop knows of it: it started it, or an event was delivered."""
    seen_by: list[Any] = field(default_factory=list)
    """The actors that A2I's list showed it to."""

    @property
    def arn(self) -> str:
        """The ARN."""
        return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:human-loop/{self.name}"

    @property
    def key(self) -> str:
        """The key of its output."""
        return f"triage/{self.created:%Y/%m/%d/%H/%M/%S}/{self.name}/output.json"

    def described(self) -> dict[str, Any]:
        """As DescribeHumanLoop returns it."""
        loop: dict[str, Any] = {
            "CreationTime": self.created,
            "FlowDefinitionArn": self.flow,
            "HumanLoopArn": self.arn,
            "HumanLoopName": self.name,
            "HumanLoopOutput": {"OutputS3Uri": f"s3://outputs/{self.key}"},
            "HumanLoopStatus": self.status,
        }
        if self.failure_code:
            loop |= {"FailureCode": self.failure_code, "FailureReason": self.failure_reason}
        return loop

    def event(self, time_format: str) -> dict[str, Any]:
        """The event of its end, with the time to the second or the millisecond."""
        event = missed_event(self.described())
        if time_format == "seconds":
            event["detail"]["creationTime"] = f"{self.created:%Y-%m-%dT%H:%M:%SZ}"
        return event

    def output(self) -> bytes:
        """Its output.json."""
        content = json.loads(self.text)
        answer = {
            "answerContent": {"guess": {"label": "yes"}},
            "submissionTime": f"{self.created:%Y-%m-%dT%H:%M:%SZ}",
            "workerId": "w1",
        }
        document = {
            "flowDefinitionArn": self.flow,
            "humanAnswers": [answer] * self.answers,
            "humanLoopName": self.name,
            "inputContent": content,
        }
        return json.dumps(document).encode()

    def __str__(self) -> str:
        return f"{self.name} of {(self.created):%d %H:%M:%S.%f}"[:-3]


class A2I:
    """A2I: its runtime API, and what happens to loops."""

    def __init__(self, clock: Clock, page: int) -> None:
        self._clock, self._page = clock, page
        self.loops: dict[str, A2iLoop] = {}
        self.all: list[A2iLoop] = []
        self.starting: Callable[[A2iLoop], None] = lambda loop: None
        self.stopping: Callable[[A2iLoop], None] = lambda loop: None
        self.seen: Callable[[A2iLoop], None] = lambda loop: None

    def call(self, operation: str, request: Mapping[str, Any]) -> Any:
        """Makes a call. Raises ClientError."""
        if operation == "StartHumanLoop":
            return self._start(request)
        if operation == "ListHumanLoops":
            return self._list(request)
        loop = self.loops.get(request["HumanLoopName"])
        if loop is None:
            raise refusal("ResourceNotFoundException", operation, 404)
        if operation == "DescribeHumanLoop":
            return loop.described()
        if operation == "StopHumanLoop":
            if loop.status not in ("InProgress", "Stopping"):
                raise refusal("ValidationException", operation)
            if loop.status == "InProgress":
                loop.status = "Stopping"
                self.stopping(loop)
            return {}
        if operation == "DeleteHumanLoop":
            if loop.status in ("InProgress", "Stopping"):
                raise refusal("ValidationException", operation)
            self.delete(loop)
            return {}
        raise NotImplementedError(operation)

    def delete(self, loop: A2iLoop) -> None:
        """Deletes a loop that has ended. Its name can be used again."""
        loop.deleted = True
        del self.loops[loop.name]

    def _start(self, request: Mapping[str, Any]) -> Any:
        name, flow, text = (
            request["HumanLoopName"],
            request["FlowDefinitionArn"],
            request["HumanLoopInput"]["InputContent"],
        )
        if flow not in FLOWS:
            raise refusal("ValidationException", "StartHumanLoop")
        there = self.loops.get(name)
        if there is not None:
            if (there.flow, there.text) == (flow, text):
                return {"HumanLoopArn": there.arn}
            raise refusal("ConflictException", "StartHumanLoop", 409)
        moment = self._clock.now.replace(microsecond=self._clock.now.microsecond // 1000 * 1000)
        loop = A2iLoop(name, flow, moment, text)
        self.loops[name] = loop
        self.all.append(loop)
        self.starting(loop)
        return {"HumanLoopArn": loop.arn}

    def _list(self, request: Mapping[str, Any]) -> Any:
        after, before = request.get("CreationTimeAfter"), request.get("CreationTimeBefore")
        descending = request.get("SortOrder") == "Descending"
        loops = [
            loop
            for loop in self.loops.values()
            if loop.flow == request["FlowDefinitionArn"]
            and (after is None or loop.created >= after)
            and (before is None or loop.created < before)
        ]
        loops.sort(key=_position, reverse=descending)
        if "NextToken" in request:
            last = tuple(json.loads(base64.b64decode(request["NextToken"])))
            loops = [one for one in loops if (_position(one) < last if descending else _position(one) > last)]
        page, rest = loops[: self._page], loops[self._page :]
        for loop in page:
            self.seen(loop)
        answer: dict[str, Any] = {
            "HumanLoopSummaries": [
                {
                    "HumanLoopName": loop.name,
                    "HumanLoopStatus": loop.status,
                    "CreationTime": loop.created,
                    "FlowDefinitionArn": loop.flow,
                }
                for loop in page
            ]
        }
        if rest:
            answer["NextToken"] = base64.b64encode(json.dumps(_position(page[-1])).encode()).decode()
        return answer


def _position(loop: A2iLoop) -> tuple[str, str]:
    return loop.created.isoformat(timespec="microseconds"), loop.name
