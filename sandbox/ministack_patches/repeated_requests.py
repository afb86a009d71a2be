"""Requests to CloudFormation that an SDK repeats, because it got no answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["correct"]

_TOKENS = {
    "CreateChangeSet": "ClientToken",
    "CreateStack": "ClientRequestToken",
    "DeleteStack": "ClientRequestToken",
    "ExecuteChangeSet": "ClientRequestToken",
    "UpdateStack": "ClientRequestToken",
}
"""Operation → parameter by which CloudFormation recognizes a repeated request."""


def correct() -> None:
    """Answers a request with the token of an earlier one as it answered that.

    AWS: "Specify this token if you plan to retry requests so that CloudFormation knows that you're not attempting to"
    do the same once more.
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ExecuteChangeSet.html, API_CreateChangeSet)
    MiniStack: refuses it with AlreadyExistsException, InvalidChangeSetStatus, or as an update of a stack that is being
    updated.
    """
    from ministack.services import cloudformation

    handlers = cloudformation._ACTION_HANDLERS
    once = {action: _once(handlers[action], parameter) for action, parameter in _TOKENS.items()}
    cloudformation._ACTION_HANDLERS = {**handlers, **once}


def _once(handler: Callable[[dict[str, Any]], Any], parameter: str) -> Any:
    from ministack.core.responses import get_account_id, get_region

    answers: dict[tuple[str, ...], Any] = {}

    def answer(request: dict[str, Any]) -> Any:
        token = request.get(parameter, [""])[0]
        names = (request.get(name, [""])[0] for name in ("StackName", "ChangeSetName"))
        key = (get_account_id(), get_region(), token, *names)
        if not token:
            return handler(request)
        if key not in answers:
            answered = handler(request)
            if answered[0] >= 400:
                return answered
            answers[key] = answered
        return answers[key]

    return answer
