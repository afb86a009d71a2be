"""The executions that were shown last, so that their histories are not read again for each step that a reader chooses.

A history has up to 25,000 events, and GetExecutionHistory returns 1,000 of them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from workflow.operations.executions import ExecutionView, read_execution

__all__ = ["RecentExecutions"]

MAX_EVENTS = 30_000
"""Events that are kept, of all executions together. An event can have 256 KB, but few have more than some KB."""


class RecentExecutions:
    """Reads executions, and keeps those that were read last.

    Args:
        states: The client of Step Functions.
    """

    def __init__(self, states: Any) -> None:
        self._states = states
        self._kept: OrderedDict[str, ExecutionView] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, arn: str) -> ExecutionView:
        """Returns an execution as it is now. Raises the errors of `read_execution`."""
        with self._lock:
            known = self._kept.get(arn)
        execution = read_execution(self._states, arn, known)
        with self._lock:
            self._kept[arn] = execution
            self._kept.move_to_end(arn)
            while len(self._kept) > 1 and sum(len(one.events) for one in self._kept.values()) > MAX_EVENTS:
                self._kept.popitem(last=False)
        return execution
