"""Who a publish subscribes and unsubscribes, and what the topics say about them before it starts."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from botocore.exceptions import ClientError

from workflow.errors import PublishError
from workflow.stack import FLOW_SEPARATOR, TOPICS
from workflow.stack.endpoints import protocol_of
from workflow.stack.subscriptions import (
    ALL_FLOWS,
    SLOTS,
    Slot,
    keeping_subscriptions,
    same_address,
    used_slots,
)

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

    from workflow.publish.account import Account
    from workflow.publish.package import Package
    from workflow.publish.stacks import Stack

__all__ = [
    "SUBSCRIPTION_PARAMETERS",
    "Subscribed",
    "SubscriptionChange",
    "Subscriptions",
    "changed_slots",
    "subscription_changes",
    "with_subscriptions",
]

PENDING = "PendingConfirmation"
"""In place of its ARN, what SNS lists for an address that has not confirmed. It cannot be unsubscribed, and is deleted
after 48 hours
(https://aws.amazon.com/about-aws/whats-new/2023/05/amazon-sns-automatic-deletion-unconfirmed-subscriptions/)."""

_PROTOCOLS = ("email", "https", "sqs")
"""The protocols of what the settings name. `email-json` and `http` are subscriptions of their own."""

SUBSCRIPTION_PARAMETERS = frozenset(name for slots in SLOTS for name in slots.parameters)
"""The parameters with addresses. A plan shows `SubscriptionChange` instead."""


@dataclass(frozen=True)
class SubscriptionChange:
    """An address or endpoint that is subscribed, unsubscribed, or gets messages about other flow definitions."""

    topic: str
    """The topic: `Notification`, `Escalation`, or `Alarm`, whose addresses get all messages."""
    address: str
    """The email address, HTTPS URL, or ARN of a queue."""
    change: Literal["added", "removed", "changed"]
    """How it changes. An address that is added gets an email with a link to confirm, and an HTTPS endpoint a request
    with one."""
    before: tuple[str, ...] | None = None
    """The flow definitions that it gets messages about now; `*` for all, null if it is not subscribed."""
    after: tuple[str, ...] | None = None
    """Those after the publish; null if it is not subscribed any more."""

    @property
    def protocol(self) -> str:
        """The protocol of SNS: `email`, `https` or `sqs`."""
        return protocol_of(self.address)


def subscription_changes(
    before: Mapping[str, str], after: Mapping[str, str], *, again: Collection[str] = ()
) -> list[SubscriptionChange]:
    """Returns the addresses that change.

    Args:
        before: Parameters of the stack; empty for a new stack.
        after: Parameters to publish.
        again: Logical IDs of subscriptions that CloudFormation creates again, such as that of a deleted topic.
    """
    old, new = used_slots(before), used_slots(after)
    unchanged = set(again) - changed_slots(before, after)
    created_again = [
        SubscriptionChange(topic, slot.address, "added", after=_flows(slot))
        for topic in TOPICS
        for slot in new[topic]
        if slot.id in unchanged
    ]
    return [
        *(change for topic in TOPICS for change in _changes(topic, old[topic], new[topic])),
        *created_again,
    ]


def _flows(slot: Slot) -> tuple[str, ...]:
    return tuple(slot.flows.split(FLOW_SEPARATOR))


def _changes(topic: str, before: Sequence[Slot], after: Sequence[Slot]) -> Iterator[SubscriptionChange]:
    old, new = ({same_address(slot.address): slot for slot in slots} for slots in (before, after))
    for key, slot in {**old, **new}.items():
        was, will = (_flows(found[key]) if key in found else None for found in (old, new))
        if was is None:
            yield SubscriptionChange(topic, slot.address, "added", after=will)
        elif will is None:
            yield SubscriptionChange(topic, slot.address, "removed", before=was)
        elif set(was) != set(will):
            yield SubscriptionChange(topic, slot.address, "changed", was, will)


def changed_slots(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """The logical IDs of the subscriptions that change."""
    old, new = (
        {slot.id: slot.value for slots in used_slots(parameters).values() for slot in slots}
        for parameters in (before, after)
    )
    return {name for name in {**old, **new} if old.get(name) != new.get(name)}


class Subscribed(NamedTuple):
    """A subscription, as SNS lists it."""

    protocol: str
    address: str
    """The email address, the URL or the ARN that it sends messages to."""
    arn: str

    @property
    def is_confirmed(self) -> bool:
        """Whether it gets messages."""
        return self.arn.startswith("arn:")


class Subscriptions:
    """The subscriptions of topics.

    Args:
        client: SNS.
    """

    def __init__(self, client: SNSClient) -> None:
        self._client = client

    def addresses(self, topic: str) -> dict[str, str]:
        """The addresses and endpoints that are subscribed to a topic, each with the ARN of its subscription.

        One that has not confirmed has `PendingConfirmation`, one that was unsubscribed not long ago `Deleted`.
        """
        pages = self._client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        return {
            same_address(one["Endpoint"]): one["SubscriptionArn"]
            for page in pages
            for one in page["Subscriptions"]
            if one["Protocol"] in _PROTOCOLS
        }

    def listed(self, topic: str, first: Mapping[str, Any] | None = None) -> list[Subscribed]:
        """The subscriptions of a topic; none if it does not exist.

        Args:
            topic: its ARN.
            first: the first page of the answer, if that is known already.
        """
        pages: Iterable[Mapping[str, Any]] = [first] if first else []
        if first is None or first.get("NextToken"):
            pages = self._client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        try:
            return [
                Subscribed(one["Protocol"], one["Endpoint"], one["SubscriptionArn"])
                for page in pages
                for one in page["Subscriptions"]
            ]
        except self._client.exceptions.NotFoundException:
            return []

    def filter_policy(self, subscription: str) -> dict[str, Any]:
        """The filter policy of a subscription; empty if it has none."""
        attributes = self._client.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
        policy: dict[str, Any] = json.loads(attributes.get("FilterPolicy") or "{}")
        return policy


def with_subscriptions(account: Account, stack: Stack, package: Package) -> tuple[Package, list[str]]:
    """Returns a package whose subscriptions CloudFormation can create and change, and what people should know.

    Only a change of addresses asks SNS, and nothing is asked if the credentials may not.

    Args:
        account: Where the stage is.
        stack: The stage's stack.
        package: What to publish, with each address in the slot that it has in the stack.

    Raises:
        PublishError: CloudFormation would fail: an address is subscribed already, with another filter; or a
            subscription that has to change no longer exists, and no slot is free.
    """
    if not changed_slots(stack.parameters, package.parameters):
        return package, []
    with suppress(ClientError):
        return _with_subscriptions(account, stack, package)
    return package, []


def _with_subscriptions(account: Account, stack: Stack, package: Package) -> tuple[Package, list[str]]:
    topics = {topic: arn for topic in TOPICS if (arn := stack.outputs.get(f"{topic}Topic"))}
    listed = {topic: account.subscriptions.addresses(arn) for topic, arn in topics.items()}
    changes = [
        (one, listed[one.topic].get(same_address(one.address), ""))
        for one in subscription_changes(stack.parameters, package.parameters)
        if one.topic in topics
    ]
    gone = _gone(account, stack, changes)
    if gone:
        parameters = keeping_subscriptions(package.parameters, stack.parameters, gone=gone)
        package = replace(package, parameters=parameters)
    notes = []
    for change, arn in changes:
        if change.change == "removed" and arn == PENDING:
            notes.append(
                f"{change.address} has not confirmed {_subscription(change)}, so SNS removes it within 48 "
                "hours, not now. Until then, it can still confirm."
            )
        if change in gone.values():
            _expect_moved(change, gone, package)
            notes.append(
                f"{change.address} is no longer subscribed. It is subscribed again, and gets an email to confirm."
            )
        if (change.change == "added" or change in gone.values()) and arn.startswith("arn:"):
            _expect_same_filter(account, change, arn)
            notes.append(
                f"{change.address} already has {_subscription(change)}, which somebody else created. It becomes the "
                "stage's: if the publish fails, or the address is removed later, it ends."
            )
    return package, notes


def _subscription(change: SubscriptionChange) -> str:
    return f"a subscription to {change.topic}Topic"


def _gone(
    account: Account, stack: Stack, changes: Sequence[tuple[SubscriptionChange, str]]
) -> dict[str, SubscriptionChange]:
    """The slots whose subscription has to change and no longer exists.

    Args:
        account: Where the stage is.
        stack: The stage's stack.
        changes: Each with what SNS lists as the ARN of its address.
    """
    changed = [(one, arn) for one, arn in changes if one.change == "changed" and arn != PENDING]
    if not changed:
        return {}
    names = {one["id"]: one["name"] for one in account.stacks.resources(stack.name)}
    return {slot: one for one, arn in changed if names.get(slot := _slot_of(stack.parameters, one)) != arn}


def _slot_of(parameters: Mapping[str, str], change: SubscriptionChange) -> str:
    """The logical ID of the subscription of an address."""
    address = same_address(change.address)
    return next(
        slot.id for slot in used_slots(parameters)[change.topic] if same_address(slot.address) == address
    )


def _expect_moved(change: SubscriptionChange, gone: Collection[str], package: Package) -> None:
    if _slot_of(package.parameters, change) in gone:
        raise PublishError(
            f"{change.address} is no longer subscribed to {change.topic}Topic, so its flow definitions cannot change: "
            "remove the address from the settings and publish, then add it again and publish"
        )


def _expect_same_filter(account: Account, change: SubscriptionChange, arn: str) -> None:
    flows = change.after or ()
    wanted = {} if ALL_FLOWS in flows else {"flowDefinition": list(flows)}
    if account.subscriptions.filter_policy(arn) != wanted:
        raise PublishError(
            f"{change.address} already has {_subscription(change)}, with another filter, which somebody else created: "
            f"end it with `aws sns unsubscribe --subscription-arn {arn}`, then publish again"
        )
