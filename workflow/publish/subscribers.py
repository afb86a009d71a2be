"""Who is subscribed to a stage's topics: what its settings say, beside what SNS says.

Only SNS knows who has confirmed, who has unsubscribed, and whom somebody subscribed by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.loops.message_kinds import MessageKind
from workflow.publish.aws_errors import explained
from workflow.publish.missing import THREADS, CheckedStack
from workflow.publish.recipients import TOPICS_OF_KINDS, Recipients, Status, Subscriber
from workflow.publish.subscriptions import PENDING, Subscribed, Subscriptions
from workflow.stack import FLOW_SEPARATOR
from workflow.stack.chat_settings import CHAT_ENDPOINT, channels
from workflow.stack.subscriptions import ALL_FLOWS, Slot, same_address, used_slots

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.stacks import Stack

__all__ = ["read_recipients", "recipients_in", "unconfirmed"]

T = TypeVar("T")


class _Named(NamedTuple):
    """A subscription of the settings."""

    slot: str
    """Logical ID of the subscription."""
    protocol: str
    address: str
    policy: Mapping[str, Any]
    subscription: tuple[str, str]
    """What SNS lists for it: the protocol and the address."""


def recipients_in(parameters: Mapping[str, str]) -> Recipients:
    """Those whom a new stack subscribes."""
    return Recipients(
        {
            topic: [Subscriber(one.protocol, one.address, "new", one.policy) for one in named]
            for topic, named in _named(parameters).items()
        }
    )


def read_recipients(
    account: Account,
    stack: Stack,
    checked: CheckedStack,
    parameters: Mapping[str, str] | None = None,
    *,
    repair: bool = False,
) -> Recipients:
    """Those of a stack that exists, now or after a publish.

    Args:
        account: where the stack is.
        stack: the stack.
        checked: its resources, and what is already known about its topics.
        parameters: those that are about to be published; by default, those that the stack has.
        repair: whether the publish creates again what no longer exists.
    """
    topics = {one["id"]: one["name"] for one in checked.resources if one["id"] in TOPICS_OF_KINDS}
    own = {one["name"] for one in checked.resources if one["type"] == "AWS::SNS::Subscription"}
    try:
        listed = _listed(account.subscriptions, topics, checked.answers)
        by_hand = {
            one.arn for some in listed.values() for one in some if one.is_confirmed and not _is_chat(one)
        }
        policies = _in_threads(account.subscriptions.filter_policy, by_hand - own)
    except (ClientError, BotoCoreError) as error:
        return Recipients(problem=f"cannot read who gets messages: {explained(error) or error}")
    before = _named(stack.parameters)
    after = before if parameters is None else _named(parameters)
    # A publish can create topics, which have the subscribers of the settings, and a rollback can delete one.
    ids = topics if parameters is None else after
    return Recipients(
        {
            topic: list(
                _subscribers(
                    listed.get(topic, ()),
                    before.get(topic, ()),
                    after.get(topic, ()),
                    own,
                    policies,
                    repair=repair,
                )
            )
            for topic in TOPICS_OF_KINDS
            if topic in ids
        }
    )


def unconfirmed(account: Account, outputs: Mapping[str, str]) -> list[str]:
    """The addresses that get nothing yet; none if the caller may not see them.

    Args:
        account: where the stack is.
        outputs: the stack's outputs.
    """
    listed: Mapping[str, Sequence[Subscribed]] = {}
    with suppress(ClientError, BotoCoreError):
        listed = _listed(
            account.subscriptions, {topic: outputs[topic] for topic in TOPICS_OF_KINDS if topic in outputs}
        )
    found = (one.address for some in listed.values() for one in some if one.arn == PENDING)
    return list(dict.fromkeys(found))


def _listed(
    subscriptions: Subscriptions, topics: Mapping[str, str], pages: Mapping[str, Mapping[str, Any]] = {}
) -> dict[str, list[Subscribed]]:
    """Who is subscribed to topics. Most plans have read that already, as the first page of each topic."""
    found = _in_threads(lambda arn: subscriptions.listed(arn, pages.get(arn)), topics.values())
    return {topic: found[arn] for topic, arn in topics.items()}


def _in_threads(ask: Callable[[str], T], arns: Collection[str]) -> dict[str, T]:
    if not arns:
        return {}
    with ThreadPoolExecutor(THREADS) as threads:
        return dict(zip(arns, threads.map(ask, arns), strict=True))


def _subscribers(
    listed: Sequence[Subscribed],
    before: Sequence[_Named],
    after: Sequence[_Named],
    own: Container[str],
    policies: Mapping[str, Mapping[str, Any]],
    *,
    repair: bool,
) -> Iterator[Subscriber]:
    subscribed = {_key(one.protocol, one.address): one for one in listed if one.arn != "Deleted"}
    slots_before = set() if repair else {(one.slot, one.subscription) for one in before}
    for one in after:
        found = subscribed.get(one.subscription)
        policy = policies.get(found.arn, one.policy) if found else one.policy
        # CloudFormation does not notice that a subscription is gone, as long as its slot stays the same.
        missing: Status = "missing" if (one.slot, one.subscription) in slots_before else "new"
        yield Subscriber(one.protocol, one.address, _status(found) if found else missing, policy)
    were, are = ({one.subscription for one in some} for some in (before, after))
    for key, found in subscribed.items():
        is_own = found.arn in own or _is_chat(found) or not found.is_confirmed
        is_removed = key in were and is_own
        if key not in are and not is_removed:
            yield Subscriber(found.protocol, found.address, _status(found), policies.get(found.arn, {}))


def _status(subscribed: Subscribed) -> Status:
    return "confirmed" if subscribed.is_confirmed else "unconfirmed"


def _is_chat(subscribed: Subscribed) -> bool:
    """Whether AWS's chat integration made a subscription. It has no filter."""
    return subscribed.address == CHAT_ENDPOINT


def _named(parameters: Mapping[str, str]) -> dict[str, list[_Named]]:
    """The subscriptions of the settings, by the logical ID of their topic."""
    found = {
        f"{topic}Topic": [_in_slot(slot) for slot in slots]
        for topic, slots in used_slots(parameters).items()
        if f"{topic}Emails" in parameters
    }
    notifies = parameters.get("ChatNotifications") == "true"
    for kind, channel in channels(parameters).items():
        chat = _Named(kind, kind, channel, {}, ("https", CHAT_ENDPOINT))
        for topic in found:
            if notifies or topic != MessageKind.LOOP_STOPPED.topic:
                found[topic].append(chat)
    return found


def _in_slot(slot: Slot) -> _Named:
    return _Named(
        slot.id, slot.protocol, slot.address, _policy(slot.flows), _key(slot.protocol, slot.address)
    )


def _policy(flows: str) -> dict[str, Any]:
    return {} if flows == ALL_FLOWS else {"flowDefinition": flows.split(FLOW_SEPARATOR)}


def _key(protocol: str, address: str) -> tuple[str, str]:
    return protocol, same_address(address) if protocol == "email" else address
