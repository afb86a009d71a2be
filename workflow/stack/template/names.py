"""What `${…}` in a step refers to."""

from __future__ import annotations

from workflow.stack.functions import Function

__all__ = ["NAMES_IN_STEPS", "ids_of", "placeholder", "version_of"]

NAMES_IN_STEPS = {
    "AlarmTopic": "AlarmTopic",
    "EscalationTopic": "EscalationTopic",
    "LedgerTable": "LedgerTable",
    "NotificationTopic": "NotificationTopic",
    "Partition": "AWS::Partition",
    "ReviewBucket": "ReviewBucket",
    "ReviewDatabase": "ReviewDatabase",
    "ReviewWorkgroup": "ReviewWorkgroup",
    "Region": "AWS::Region",
    "Stage": "Stage",
}
"""The names that a step can use in `${…}`, in addition to functions, and what they are in the template."""


def placeholder(function: Function) -> str:
    """Returns the placeholder for the function in the definition."""
    return f"${{{function.name}Arn}}"


def version_of(function: Function) -> str:
    """Returns the logical ID of the version that executions run."""
    return f"{function.name}Version"


def ids_of(function: Function) -> list[str]:
    """Returns the logical IDs that a function takes in the template."""
    name = function.name
    return [
        name,
        f"{name}Logs",
        f"{name}Role",
        version_of(function),
        function.key_parameter,
        function.revision_parameter,
    ]
