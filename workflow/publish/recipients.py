"""Who gets the messages of each kind, by the subscriptions to a stage's topics and their filters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lambdas.loops.message_kinds import MessageKind

__all__ = [
    "ALARM",
    "KINDS",
    "TOPICS_OF_KINDS",
    "KindRecipients",
    "Recipient",
    "Recipients",
    "Status",
    "Subscriber",
]

ALARM = "alarm"
"""What CloudWatch sends about the stage's alarms. It has neither a kind nor other message attributes."""

KINDS = (*MessageKind, ALARM)

_ALARM_TOPIC = "AlarmTopic"
_ESCALATION_TOPIC = MessageKind.LOOP_FAILED.topic
TOPICS_OF_KINDS = (*dict.fromkeys(kind.topic for kind in MessageKind), _ALARM_TOPIC)
"""Logical IDs of the topics."""

Status = Literal["confirmed", "unconfirmed", "missing", "new"]


@dataclass(frozen=True)
class Recipient:
    """Somebody who gets messages of a kind, or would if they confirmed."""

    protocol: str
    """How the messages come: `email`, `https`, `sqs`, or another protocol of SNS; `slack` or `teams` for a channel."""
    address: str
    """The email address, the URL, the ARN of the queue or function, or the ID of the channel."""
    status: Status
    """`confirmed`; `unconfirmed`: gets nothing yet; `missing`: the settings name the address, and it is no longer
    subscribed; `new`: a publish subscribes it."""
    flow_definitions: tuple[str, ...] | None = None
    """The flow definitions that it gets messages about; null for all."""
    filter: str | None = None
    """The filter policy of its subscription, if that filters by something else; null if it does not."""


@dataclass(frozen=True)
class KindRecipients:
    """Who gets the messages of one kind."""

    kind: str
    """The kind, as on the page of messages; `alarm` for alarms."""
    topic: str
    """Logical ID of the topic that they are sent to."""
    recipients: list[Recipient]
    """Who gets them."""


@dataclass(frozen=True)
class Subscriber:
    """Somebody who is subscribed to a topic, or whom the settings name for it."""

    protocol: str
    address: str
    status: Status
    policy: Mapping[str, Any] = field(default_factory=dict)
    """The filter policy of the subscription; empty if it has none."""

    def gets(self, kind: str) -> Recipient | None:
        """This subscriber as a recipient of messages of a kind; None if the filter lets none of them through."""
        rules = dict(self.policy)
        if kind == ALARM and rules:
            return None
        kinds, flows = (_values(rules.get(name)) for name in ("kind", "flowDefinition"))
        if kinds is not None and kind not in kinds:
            return None
        for name, values in (("kind", kinds), ("flowDefinition", flows)):
            if values is not None:
                del rules[name]
        filtered = json.dumps(rules, ensure_ascii=False) if rules else None
        return Recipient(self.protocol, self.address, self.status, flows, filtered)


def _values(rule: Any) -> tuple[str, ...] | None:
    """The values that a rule of a filter policy lets through; None without a rule, or with another one."""
    if isinstance(rule, list) and all(isinstance(value, str) for value in rule):
        return tuple(rule)
    return None


@dataclass(frozen=True)
class Recipients:
    """The subscribers of a stage's topics."""

    topics: Mapping[str, Sequence[Subscriber]] = field(default_factory=dict)
    """Logical ID → subscribers. A stack of an earlier version has no topic for alarms."""
    problem: str | None = None
    """Why they could not be read; None if they were."""

    def of(self, kind: str) -> KindRecipients:
        """Who gets the messages of a kind."""
        topic = kind.topic if isinstance(kind, MessageKind) else _ALARM_TOPIC
        if topic not in self.topics and topic == _ALARM_TOPIC:
            topic = _ESCALATION_TOPIC
        found = (one.gets(kind) for one in self.topics.get(topic, ()))
        return KindRecipients(kind, topic, [one for one in found if one])

    def reach(self, topic: str) -> bool:
        """Whether anybody gets what is sent to a topic."""
        return any(one.status == "confirmed" for one in self.topics.get(topic, ()))
