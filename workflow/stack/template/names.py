"""What `${…}` in a step stands for."""

from __future__ import annotations

from workflow.stack.functions import Function

__all__ = ["NAMES_IN_STEPS", "placeholder", "version_of"]

NAMES_IN_STEPS = {
    "EscalationTopic": "EscalationTopic",
    "LedgerTable": "LedgerTable",
    "NotificationTopic": "NotificationTopic",
    "ReviewBucket": "ReviewBucket",
    "Region": "AWS::Region",
    "Stage": "Stage",
}
"""What `${…}` in a step may stand for, beside the functions: name → what it refers to."""


def placeholder(function: Function) -> str:
    """What stands for the function in the definition."""
    return f"${{{function.name}Arn}}"


def version_of(function: Function) -> str:
    """The logical id of the version of a function that executions run."""
    return f"{function.name}Version"
