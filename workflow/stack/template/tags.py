"""What all of the stack's resources have in common: its tag, and how long logs are kept."""

from __future__ import annotations

from typing import Any

from troposphere import Ref, Tags, logs

__all__ = ["kept_logs", "tags"]


def kept_logs(title: str, name: Any) -> logs.LogGroup:
    """A log group, kept as long as the stage's settings say."""
    return logs.LogGroup(title, LogGroupName=name, RetentionInDays=Ref("LogRetentionDays"), Tags=tags())


def tags(kind: Any = Tags) -> Any:
    """The stack's tag, in the form that the resource type takes."""
    if kind is Tags:
        return Tags({"afterloop:stage": Ref("Stage")})
    return [{"Key": "afterloop:stage", "Value": Ref("Stage")}]
