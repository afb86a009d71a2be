"""The step that called a function: its execution, its state and the attempt are in each line that the function logs.

`loops logs` and the console's page of an execution find the lines by these. A step passes them beside its own payload::

    "step": {
        "execution.$": "$$.Execution.Id",
        "state.$": "$$.State.Name",
        "retryCount.$": "$$.State.RetryCount",
    }

Source: "Accessing execution data from the Context object" in the Step Functions developer guide.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from aws_lambda_powertools import Logger

__all__ = ["logs_step"]

R = TypeVar("R")

_STEP = "step"


def logs_step(logger: Logger) -> Callable[[Callable[[Any, Any], R]], Callable[[Any, Any], R]]:
    """Decorates a handler: each line of `logger` has `execution`, `state` and `attempt` (1 for the first), if known.

    It logs a line before the function begins, so that these are known even if the function fails or times out. The
    handler gets its event without the key `step`. Keys that a handler appends to the logger end with the call. Use it
    instead of `logger.inject_lambda_context`, whose keys the lines have, too.
    """

    def decorate(handler: Callable[[Any, Any], R]) -> Callable[[Any, Any], R]:
        @functools.wraps(handler)
        def call(event: Any, context: Any) -> R:
            if isinstance(event, dict) and _STEP in event:
                keys = _keys(event[_STEP])
                event = {name: value for name, value in event.items() if name != _STEP}
                if keys:
                    logger.append_keys(**keys)
                    logger.info("called")
            return handler(event, context)

        return logger.inject_lambda_context(call, clear_state=True)

    return decorate


def _keys(step: object) -> dict[str, str | int]:
    """Returns what is to be logged. An odd value is left out: it must not keep the function from its work."""
    if not isinstance(step, dict):
        return {}
    keys: dict[str, str | int] = {
        name: step[name] for name in ("execution", "state") if isinstance(step.get(name), str)
    }
    retries = step.get("retryCount")
    if isinstance(retries, int) and not isinstance(retries, bool):
        keys["attempt"] = retries + 1
    return keys
