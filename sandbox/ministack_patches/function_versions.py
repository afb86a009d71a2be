"""The numbers of a function's versions."""

from __future__ import annotations

from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Corrects versions of functions."""
    _never_reuse_numbers()


def _never_reuse_numbers() -> None:
    """Gives the versions of a function that is deleted and created again numbers that no version had before.

    AWS: version numbers are never reused, even for a function that was deleted and created again. So a definition that
    names a version of the first function fails, also once there is a second one.
    (https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html)
    MiniStack: starts again at 1.
    """
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import lambda_svc

    publish = lambda_svc._publish_version
    used: dict[tuple[str, str, str], int] = {}

    def publish_new(name: str, data: dict[str, Any]) -> Any:
        function = lambda_svc._functions.get(name)
        if function is None:
            return publish(name, data)
        key = (get_account_id(), get_region(), name)
        function["next_version"] = max(function["next_version"], used.get(key, 0))
        answer = publish(name, data)
        used[key] = function["next_version"]
        return answer

    lambda_svc._publish_version = publish_new
