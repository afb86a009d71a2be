"""The kinds of messages to people and programs, and the topic of each. Nothing else says which topic gets a message."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["UNKNOWN", "MessageKind"]

UNKNOWN = "unknown"
"""In a message, the flow definition of a loop of which nobody knows it."""


class MessageKind(StrEnum):
    """The field `kind` of a message."""

    topic: str
    """Logical ID of the topic that it is sent to."""

    def __new__(cls, kind: str, topic: str) -> MessageKind:
        """Makes a member from its value and its topic."""
        member = str.__new__(cls, kind)
        member._value_ = kind
        member.topic = topic
        return member

    LOOP_FAILED = "loop-failed", "EscalationTopic"
    STEP_FAILED = "step-failed", "EscalationTopic"
    EVENT_UNCLAIMED = "event-unclaimed", "AlarmTopic"
    EXECUTION_ENDED = "execution-ended", "EscalationTopic"
    LOOP_STOPPED = "loop-stopped", "NotificationTopic"

    @property
    def topic_if_unknown(self) -> str:
        """Logical ID of the topic if the flow definition is not known: whoever filters escalations by it gets none."""
        return "AlarmTopic" if self.topic == "EscalationTopic" else self.topic
