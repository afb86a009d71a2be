"""What each role was allowed, by which permission: the proof that its permissions are not wider than their use."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

__all__ = ["correct", "recorded"]

MAX_RESOURCES = 1_000
"""Resources that are kept of one permission. More say nothing new about how wide it has to be."""

_Permission = tuple[str, str, str]
"""The role's name, the action that was allowed, and the resource of the statement that allowed it."""

_recorded: dict[_Permission, dict[str, None]] = defaultdict(dict)


def correct() -> None:
    """Records what IAM allows to roles.

    AWS: CloudTrail has the calls of a role, from which IAM Access Analyzer generates a policy.
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-policy-generation.html)
    MiniStack: has no such record.
    """
    from ministack.core import iam_evaluator

    evaluate = iam_evaluator.evaluate

    def evaluate_and_record(context: Any, policies: Any, *limits: Any) -> Any:
        result = evaluate(context, policies, *limits)
        if result.decision == "Allow" and context.principal_type == "AssumedRole":
            for statements in policies:
                for statement in statements:
                    _record(context, statement)
        return result

    iam_evaluator.evaluate = evaluate_and_record


def recorded() -> list[dict[str, Any]]:
    """Returns the permissions that were used.

    Each is a dict of `role` (its name), `action`, `permitted` (a resource of the statement that allowed the action,
    which can have wildcards), and `resources` (those on which it was allowed, at most `MAX_RESOURCES`). A statement
    counts for each call that it allows, also if another one allows the same.
    """
    found = list(_recorded.items())  # at once: other threads go on to record
    return [
        {"role": role, "action": action, "permitted": permitted, "resources": list(resources)}
        for (role, action, permitted), resources in sorted(found)
    ]


def _record(context: Any, statement: Any) -> None:
    from ministack.core import iam_evaluator

    if iam_evaluator._first_match(context, [statement], "Allow") is None:
        return
    role = context.principal_arn.split("/")[1]
    for permitted in statement.resources:
        if iam_evaluator._resource_matches(context.resource_arn, [permitted], []):
            resources = _recorded[role, context.action, permitted]
            if len(resources) < MAX_RESOURCES:
                resources[context.resource_arn] = None
