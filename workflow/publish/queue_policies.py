"""Whether the queues of the settings take messages of the stage's topics: SNS would drop them without a word."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from workflow.stack.endpoints import protocol_of
from workflow.stack.partition import partition_of

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.stack.stages import Stage

__all__ = ["deaf_queues"]

_SERVICE = "sns.amazonaws.com"

_AWS_KEY = "alias/aws/sqs"
"""The key of AWS for queues. Nobody can change its policy, so SNS may not use it
(https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html)."""


def deaf_queues(stage: Stage, account: Account, outputs: Mapping[str, str]) -> list[str]:
    """Returns a warning for each queue in the settings that refuses messages of the stage.

    Only queues of the account and its Region are looked at, and nothing is returned for one that the credentials may
    not read.

    Args:
        stage: The stage.
        account: Where it is.
        outputs: The outputs of its stack; empty if there is none.
    """
    found = []
    for setting, topics in (("escalation", ("Alarm", "Escalation")), ("notification", ("Notification",))):
        for queue in dict.fromkeys(getattr(stage, f"{setting}_endpoints")):
            if protocol_of(queue) == "sqs" and queue.split(":")[3:5] == [account.region, account.id]:
                arns = {f"{topic}Topic": _topic(stage, account, outputs, topic) for topic in topics}
                found += [
                    f"stage {stage.name}: {setting}_endpoints: {queue} {problem}"
                    for problem in _problems(account, queue, arns)
                ]
    return found


def _topic(stage: Stage, account: Account, outputs: Mapping[str, str], topic: str) -> str:
    """The ARN of a topic, or one as it will be: CloudFormation makes up its end."""
    place = f"arn:{partition_of(account.region).name}:sns:{account.region}:{account.id}"
    return outputs.get(f"{topic}Topic") or f"{place}:{stage.stack_name}-{topic}Topic-1"


def _problems(account: Account, queue: str, topics: Mapping[str, str]) -> Iterator[str]:
    try:
        attributes = account.queues.attributes(queue.rpartition(":")[2])
    except (ClientError, BotoCoreError):
        return
    if attributes is None:
        yield "does not exist; create it, or remove it from the settings"
        return
    if attributes.get("KmsMasterKeyId") == _AWS_KEY:
        yield "is encrypted with the key of AWS, which SNS may not use; use a key of your own, or SSE-SQS"
    policy = json.loads(attributes.get("Policy") or "{}")
    if refused := [name for name, arn in topics.items() if not _allows(policy, queue, arn)]:
        yield (
            f"refuses the messages of {' and '.join(refused)}; give the queue the policy of docs/how-to/messages.md"
        )


def _allows(policy: Mapping[str, Any], queue: str, topic: str) -> bool:
    """Whether a statement may allow the topic. A condition that is not known here may hold."""
    return any(
        statement.get("Effect") == "Allow"
        and _is_sns(statement.get("Principal"))
        and _matches(statement.get("Action", "*"), "sqs:SendMessage".casefold(), fold=True)
        and _matches(statement.get("Resource", "*"), queue)
        and _may_hold(statement.get("Condition", {}), topic)
        for statement in _listed(policy.get("Statement", []))
    )


def _is_sns(principal: Any) -> bool:
    if isinstance(principal, Mapping):
        return _matches(principal.get("Service", ()), _SERVICE) or "*" in _listed(principal.get("AWS", ()))
    return bool(principal == "*")


def _may_hold(conditions: Mapping[str, Mapping[str, Any]], topic: str) -> bool:
    known = {"aws:sourcearn": topic, "aws:sourceaccount": topic.split(":")[4]}
    return all(
        _matches(values, known[key.casefold()])
        for operator, keys in conditions.items()
        for key, values in keys.items()
        if key.casefold() in known and operator.startswith(("Arn", "String")) and "Not" not in operator
    )


def _matches(patterns: Any, value: str, *, fold: bool = False) -> bool:
    return any(fnmatchcase(value, one.casefold() if fold else one) for one in _listed(patterns))


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
