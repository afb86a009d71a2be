"""What a Task calls, and with what: `arn:aws:states:::sns:publish.waitForTaskToken` taken apart, and the arguments.

Source: Integrating services with Step Functions, Step Functions developer guide.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["PARTITION", "Integration", "arguments_of", "integration_of"]

PARTITION = r"(?:[\w-]+|\$\{[\w:]+\})"
"""A pattern for the partition in an ARN: `aws`, `aws-cn`, or a placeholder for it."""


class Integration(NamedTuple):
    """A service integration of a Task.

    Attributes:
        service: as Step Functions writes it: `sns`, `sagemakera2iruntime`.
        action: in camelCase: `publish`, `startHumanLoop`.
        form: what the Task waits for: empty (for the response), `.sync`, `.sync:2` or `.waitForTaskToken`. One that
            Step Functions does not know is here as it is written.
        is_sdk: whether it is an AWS SDK integration, not one that Step Functions has optimized.
    """

    service: str
    action: str
    form: str
    is_sdk: bool


def integration_of(state: Mapping[str, Any]) -> Integration | None:
    """Take a Task's Resource apart.

    Returns:
        None if it is no service integration: the ARN of a function or an activity, a state of another type.
    """
    match = _RESOURCE.fullmatch(str(state.get("Resource")))
    return match and Integration(match["service"], match["action"], match["form"] or "", bool(match["sdk"]))


_RESOURCE = re.compile(
    rf"arn:{PARTITION}:states:::(?P<sdk>aws-sdk:)?(?P<service>[\w-]+):(?P<action>\w+)(?P<form>\.\w+(?::2)?)?"
)


def arguments_of(part: Mapping[str, Any]) -> Any:
    """What a Task hands to a service, or a reader or writer of a Map to S3: an object, an expression, or None."""
    return part.get("Arguments", part.get("Parameters"))
