"""What a Task calls, and with what: `arn:aws:states:::sns:publish.waitForTaskToken` taken apart, and the arguments.

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
"""What a Task waits for: the response, the end of what it starts (two ways to say it), somebody with its token."""


class Integration(NamedTuple):
    """A service integration of a Task.

    Attributes:
        service: as Step Functions writes it: `sns`, `sagemakera2iruntime`.
        action: in camelCase: `publish`, `startHumanLoop`.
        form: what the Task waits for, one of `FORMS`; one that Step Functions does not know is as it is written.
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


def arguments_of(part: Mapping[str, Any], default: Any = None) -> Any:
    """What a Task hands to a service, or a reader or writer of a Map to S3: an object, or an expression for one."""
    return part.get("Arguments", part.get("Parameters", default))
