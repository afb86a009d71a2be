"""The service integration of a Task, parsed from `arn:aws:states:::sns:publish.waitForTaskToken`, and its arguments.

Source: Integrating services with Step Functions, Step Functions developer guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["FORMS", "PARTITION", "Integration", "arguments_of", "integration_of"]

PARTITION = r"(?:[\w-]+|\$\{[\w:]+\})"
"""A pattern for the partition in an ARN: `aws`, `aws-cn`, or a placeholder for it."""


FORMS = ("", ".sync", ".sync:2", ".waitForTaskToken")
"""What a Task waits for: the response, the end of a job (two forms), or the task token."""


class Integration(NamedTuple):
    """A service integration of a Task.

    Attributes:
        service: The service as Step Functions writes it: `sns`, `sagemakera2iruntime`.
        action: The action in camelCase: `publish`, `startHumanLoop`.
        form: What the Task waits for: one of `FORMS`, or an unknown suffix as written.
        is_sdk: Whether it is an AWS SDK integration, not an optimized one.
    """

    service: str
    action: str
    form: str
    is_sdk: bool


def integration_of(state: Mapping[str, Any]) -> Integration | None:
    """The service integration of a state.

    Returns:
        None if it has none: a Task with the ARN of a function or an activity, or a state of another type.
    """
    match = _RESOURCE.fullmatch(str(state.get("Resource")))
    return match and Integration(match["service"], match["action"], match["form"] or "", bool(match["sdk"]))


_RESOURCE = re.compile(
    rf"arn:{PARTITION}:states:::(?P<sdk>aws-sdk:)?(?P<service>[\w-]+):(?P<action>\w+)(?P<form>\.\w+(?::\w+)?)?"
)


def arguments_of(part: Mapping[str, Any], default: Any = None) -> Any:
    """The arguments of a Task, or of a Map's reader or writer: an object, or an expression for one."""
    return part.get("Arguments", part.get("Parameters", default))
