"""Who is subscribed to a topic: the email addresses of the settings, each in a slot of the template.

The template has the same number of subscriptions for every stage. Each is a slot: its address and its flow
definitions are at the same position of two parameters. Whoever gets escalations gets alarms, too, in slots of their
own: an address can lose one subscription and keep the other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from workflow.errors import SettingsError
from workflow.stack import EMAILS_PER_TOPIC, FLOW_SEPARATOR, NO_FLOW_DEFINITION, TOPICS

__all__ = [
    "ALL_FLOWS",
    "NO_ADDRESS",
    "keeping_subscriptions",
    "parameters_of_topic",
    "same_address",
    "slots",
    "subscription_parameters",
]

NO_ADDRESS = "-"
"""A slot without an email address."""

ALL_FLOWS = "*"
"""The flow definitions of an address that gets all messages."""

MAX_FILTER_VALUES = 150
"""Flow definitions in the filter of a subscription
(https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html)."""


def same_address(address: str) -> str:
    """What two spellings of one address share. Mail servers deliver to upper and lower case alike, and CloudFormation
    would replace the subscription for another spelling."""
    return address.strip().casefold()


def slots(parameters: Mapping[str, str], topic: str) -> list[tuple[str, str]]:
    """The slots of a topic: the address, or `-`, and its flow definitions, or `*`.

    Args:
        parameters: Those of a stack or of a package.
        topic: One of `TOPICS`.
    """
    addresses = [address.strip() for address in parameters.get(f"{topic}Emails", "").split(",")]
    flows = [flow.strip() for flow in parameters.get(f"{topic}EmailFlowDefinitions", "").split(",")]
    return [
        (address or NO_ADDRESS, flows[slot] if slot < len(flows) and flows[slot] else ALL_FLOWS)
        for slot, address in enumerate(addresses)
    ]


def keeping_subscriptions(
    parameters: Mapping[str, str], deployed: Mapping[str, str], *, gone: Collection[str] = ()
) -> dict[str, str]:
    """Returns the parameters with each email address in the slot that it has in the deployed stack.

    A slot is a subscription of the stack. If an address moved from one to another, it would be unsubscribed: SNS
    has one subscription for a topic and an address, so the new one is the old one, which CloudFormation then deletes.

    Args:
        parameters: The parameters to publish.
        deployed: The parameters of the stack; empty for a new stack.
        gone: Slots, such as `EscalationEmail2`, whose subscription no longer exists. CloudFormation cannot change
            it, so its address gets another slot, which creates a subscription.
    """
    kept = dict(parameters)
    for topic in TOPICS:
        if not all(name in parameters for name in parameters_of_topic(topic)):
            continue  # A template of an earlier version has no such parameter.
        before = [address for address, _ in slots(deployed, topic)][:EMAILS_PER_TOPIC]
        wanted = {
            same_address(address): (address, flows)
            for address, flows in slots(parameters, topic)
            if address != NO_ADDRESS
        }
        kept |= _written(topic, _placed(topic, wanted, before, gone))
    return kept


def _placed(
    topic: str, wanted: Mapping[str, tuple[str, str]], before: Sequence[str], gone: Collection[str]
) -> list[tuple[str, str]]:
    placed: dict[int, tuple[str, str]] = {}
    left = dict(wanted)
    for slot, address in enumerate(before):
        if f"{topic}Email{slot + 1}" not in gone and (found := left.pop(same_address(address), None)):
            placed[slot] = address, found[1]  # as it was spelled: another spelling is another subscription
    # First the slots that are free today, so that the plan shows no replacement.
    free = [slot for slot in range(EMAILS_PER_TOPIC) if slot not in placed]
    free.sort(key=lambda slot: before[slot : slot + 1] not in ([NO_ADDRESS], []))
    for key, found in left.items():
        others = [slot for slot in free if same_address("".join(before[slot : slot + 1])) != key]
        slot = next(iter(others or free))
        free.remove(slot)
        placed[slot] = found
    return [placed.get(slot, (NO_ADDRESS, ALL_FLOWS)) for slot in range(EMAILS_PER_TOPIC)]


def parameters_of_topic(topic: str) -> list[str]:
    """The names of the parameters with the subscriptions of a topic: its addresses, and their flow definitions."""
    return [f"{topic}Emails", *([f"{topic}EmailFlowDefinitions"] if topic != NO_FLOW_DEFINITION else [])]


def _written(topic: str, placed: Sequence[tuple[str, str]]) -> dict[str, str]:
    columns = (address for address, _ in placed), (flows for _, flows in placed)
    return {name: ",".join(column) for name, column in zip(parameters_of_topic(topic), columns, strict=False)}


def subscription_parameters(
    stage: str, topic: str, keys: str, for_all: Sequence[str], by_flow: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Returns the parameters of a topic, from the settings.

    Args:
        stage: The stage's name, for errors.
        topic: One of `TOPICS`.
        keys: The settings with the addresses, for errors.
        for_all: The addresses that get all messages.
        by_flow: Flow definition → the addresses that get messages about it.

    Raises:
        SettingsError: There are too many addresses, or one has too many flow definitions.
    """
    # SNS has one subscription for a topic and an address, so each address is there once.
    spelled: dict[str, str] = {}
    flows: dict[str, list[str]] = {}
    for flow, emails in (*((ALL_FLOWS, [email]) for email in for_all), *by_flow.items()):
        for email in emails:
            key = same_address(email)
            spelled.setdefault(key, email)
            if ALL_FLOWS not in (names := flows.setdefault(key, [])) and flow not in names:
                names.append(flow)
    if len(flows) > EMAILS_PER_TOPIC:
        raise SettingsError(
            f"stage {stage}: {keys}: {len(flows)} addresses in all, and the limit of a topic is {EMAILS_PER_TOPIC}: "
            f"{', '.join(spelled.values())}; remove some, or subscribe a mailing list"
        )
    for key, names in flows.items():
        if len(names) > MAX_FILTER_VALUES:
            raise SettingsError(
                f"stage {stage}: {keys}: {spelled[key]} is in {len(names)} flow definitions, and the limit of a filter "
                f"is {MAX_FILTER_VALUES}; give it all messages in escalation_emails"
            )
    placed = [(spelled[key], FLOW_SEPARATOR.join(names)) for key, names in flows.items()]
    # The template has the same number of subscriptions for every stage: "-" leaves one out.
    return _written(topic, [*placed, *[(NO_ADDRESS, ALL_FLOWS)] * (EMAILS_PER_TOPIC - len(placed))])
