"""The tag that all resources have, and log groups."""

from __future__ import annotations

from typing import Any

from troposphere import Ref, Tags, logs

__all__ = ["log_group", "tags"]


def log_group(title: str, name: Any) -> logs.LogGroup:
    """Returns a log group with the retention of the stage's settings."""
    return logs.LogGroup(title, LogGroupName=name, RetentionInDays=Ref("LogRetentionDays"), Tags=tags())


def tags() -> Tags:
    """Returns the tag of all resources."""
    return Tags({"afterloop:stage": Ref("Stage")})
