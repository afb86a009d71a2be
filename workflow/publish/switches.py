"""EventBridge rules and the actions of CloudWatch alarms, which can be turned off and on again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

__all__ = ["Switches"]

MAX_ALARMS = 100
"""The most alarms that one call takes."""


class Switches:
    """The rules and the alarms of an account and Region. What does not exist is left out."""

    def __init__(self, events: EventBridgeClient, cloudwatch: Any) -> None:
        self._events, self._cloudwatch = events, cloudwatch

    def turn_off(self, rules: Sequence[str], alarms: Sequence[str]) -> None:
        """Lets rules match no events, and alarms send no messages."""
        for rule in rules:
            with suppress(self._events.exceptions.ResourceNotFoundException):
                self._events.disable_rule(Name=rule)
        for first in range(0, len(alarms), MAX_ALARMS):
            self._cloudwatch.disable_alarm_actions(AlarmNames=list(alarms[first : first + MAX_ALARMS]))

    def turn_on(self, rules: Sequence[str], alarms: Sequence[str]) -> None:
        """Lets rules match events again, and alarms send messages."""
        for first in range(0, len(alarms), MAX_ALARMS):
            self._cloudwatch.enable_alarm_actions(AlarmNames=list(alarms[first : first + MAX_ALARMS]))
        for rule in rules:
            with suppress(self._events.exceptions.ResourceNotFoundException):
                self._events.enable_rule(Name=rule)
