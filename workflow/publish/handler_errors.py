"""What to do about a resource that CloudFormation could not create, change or delete, by the code in its reason.

Source: https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract-errors.html
"""

from __future__ import annotations

import re

from workflow.publish.aws_errors import QUOTA

__all__ = ["advice"]

_LATER = "this often passes by itself: publish again"

_ENDED_BY_SOMEBODY = "somebody ended it, as a rollback during a shift does: to try once more, publish again"

_CHATS = {
    "is not authorized with AWS account": (
        "a person has to authorize it once: in the AWS console, open Amazon Q Developer in chat applications and "
        "choose Configure new client, then publish again"
    ),
    "has already been configured for AWS account": (
        "an account can use a channel once: choose another channel in the setting chat, or delete the other "
        "configuration"
    ),
}
"""What AWS's chat integration refuses without a code of its own: part of the message → what to do."""

_ADVICE = {
    "AccessDenied": "whoever publishes, or CloudFormation's role, needs this permission",
    "AlreadyExists": "delete the other resource of that name, or give the stage another name",
    "InternalFailure": _LATER,
    "NetworkFailure": _LATER,
    "NotFound": "it was deleted outside of CloudFormation: publish again with --repair, which creates it",
    "NotStabilized": _LATER,
    "ResourceConflict": _LATER,
    "ServiceInternalError": _LATER,
    "ServiceLimitExceeded": QUOTA,
    "ServiceTimeout": _LATER,
    "Throttling": _LATER,
}


def advice(reason: str) -> str | None:
    """What to do about the reason of a failure; None if it says so itself, or nobody knows."""
    if "update cancelled" in reason or "drift detected" in reason:
        return _ENDED_BY_SOMEBODY
    if chats := next((what for text, what in _CHATS.items() if text in reason), None):
        return chats
    found = re.search(r"HandlerErrorCode: (\w+)", reason)
    return _ADVICE.get(found[1]) if found else None
