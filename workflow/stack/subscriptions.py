"""Who is subscribed to a topic: the addresses and endpoints of the settings, each in a slot of the template.

The template has the same number of subscriptions for every stage. Each is a slot: the address and its flow definitions
are at the same position of two parameters. Whoever gets escalations gets alarms, too. An address has a slot of its own
for them: it can lose one subscription and keep the other. Endpoints have no filter, so theirs never have to move.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from workflow.errors import SettingsError
from workflow.stack import (
    EMAILS_PER_TOPIC,
    ENDPOINT_SEPARATOR,
    ENDPOINTS_PER_TOPIC,
    FLOW_SEPARATOR,
    NO_FLOW_DEFINITION,
    TOPICS,
)
from workflow.stack.endpoints import protocol_of

__all__ = [
    "ALL_FLOWS",
    "NO_ADDRESS",
    "SLOTS",
    "Slot",
    "Slots",
    "endpoint_parameters",
    "keeping_subscriptions",
    "same_address",
    "subscription_parameters",
    "used_slots",
]

NO_ADDRESS = "-"
"""A slot without an address."""

ALL_FLOWS = "*"
"""The flow definitions of an address that gets all messages."""

MAX_FILTER_VALUES = 150
"""Flow definitions in the filter of a subscription
(https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html)."""


@dataclass(frozen=True)
class Slot:
    """A subscription that the template has."""

    id: str
    """Its logical ID."""
    address: str = NO_ADDRESS
    """The email address, URL or ARN; `-` for none."""
    flows: str = ALL_FLOWS
    """The flow definitions that it gets messages about, with `|` between them; `*` for all."""

    @property
    def protocol(self) -> str:
        """The protocol of SNS: `email`, `https` or `sqs`."""
        return protocol_of(self.address)

    @property
    def value(self) -> tuple[str, str]:
        """What a publish can change."""
        return self.address, self.flows


@dataclass(frozen=True)
class Slots:
    """The slots of one kind that a topic has."""

    topic: str
    """One of `TOPICS`."""
    kind: Literal["Email", "Endpoint"]

    @property
    def size(self) -> int:
        """How many there are."""
        return EMAILS_PER_TOPIC if self.kind == "Email" else ENDPOINTS_PER_TOPIC

    @property
    def parameter(self) -> str:
        """The name of the parameter with the addresses."""
        is_shared = self.kind == "Endpoint" and self.topic == NO_FLOW_DEFINITION
        return f"{'Escalation' if is_shared else self.topic}{self.kind}s"

    @property
    def flows_parameter(self) -> str | None:
        """The name of the parameter with their flow definitions; None if none has a filter."""
        is_filtered = self.kind == "Email" and self.topic != NO_FLOW_DEFINITION
        return f"{self.topic}EmailFlowDefinitions" if is_filtered else None

    @property
    def parameters(self) -> list[str]:
        """The names of both parameters."""
        return [name for name in (self.parameter, self.flows_parameter) if name]

    @property
    def none(self) -> str:
        """How the parameter writes that a slot is not used."""
        return NO_ADDRESS if self.kind == "Email" else f"{NO_ADDRESS}{ENDPOINT_SEPARATOR}{NO_ADDRESS}"

    def id(self, position: int) -> str:
        """Returns the logical ID of the slot at a position, from 0."""
        return f"{self.topic}{self.kind}{position + 1}"

    def read(self, parameters: Mapping[str, str]) -> list[Slot]:
        """Returns the slots, from the parameters of a stack or of a package; none if it has no such parameters."""
        text = parameters.get(self.parameter, "")
        addresses = [one.strip() or self.none for one in text.split(",")] if text else []
        flows = [one.strip() for one in parameters.get(self.flows_parameter or "", "").split(",")]
        return [
            Slot(
                self.id(position),
                self._address(address),
                flows[position] if position < len(flows) and flows[position] else ALL_FLOWS,
            )
            for position, address in enumerate(addresses)
        ]

    def write(self, placed: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Returns the parameters, from the addresses and flow definitions of the first slots."""
        addresses = [self._written(address) for address, _ in placed]
        written = {self.parameter: ",".join([*addresses, *[self.none] * (self.size - len(placed))])}
        if self.flows_parameter:
            flows = [flows for _, flows in placed]
            written[self.flows_parameter] = ",".join([*flows, *[ALL_FLOWS] * (self.size - len(placed))])
        return written

    def _address(self, written: str) -> str:
        return written if self.kind == "Email" else written.partition(ENDPOINT_SEPARATOR)[2]

    def _written(self, address: str) -> str:
        if self.kind == "Email":
            return address
        return self.none if address == NO_ADDRESS else f"{protocol_of(address)}{ENDPOINT_SEPARATOR}{address}"


SLOTS = [Slots(topic, kind) for topic in TOPICS for kind in ("Email", "Endpoint")]
"""All slots of the template."""


def used_slots(parameters: Mapping[str, str]) -> dict[str, list[Slot]]:
    """Returns the slots with an address, by topic, from the parameters of a stack or of a package."""
    return {
        topic: [
            slot
            for slots in SLOTS
            if slots.topic == topic
            for slot in slots.read(parameters)
            if slot.address != NO_ADDRESS
        ]
        for topic in TOPICS
    }


def same_address(address: str) -> str:
    """What two spellings of one address share. Mail servers deliver to upper and lower case alike, and CloudFormation
    would replace the subscription for another spelling. A URL or an ARN has one spelling."""
    address = address.strip()
    return address.casefold() if protocol_of(address) == "email" else address


def keeping_subscriptions(
    parameters: Mapping[str, str], deployed: Mapping[str, str], *, gone: Collection[str] = ()
) -> dict[str, str]:
    """Returns the parameters with each address in the slot that it has in the deployed stack.

    A slot is a subscription of the stack. If an address moved from one to another, it would be unsubscribed: SNS
    has one subscription for a topic and an address, so the new one is the old one, which CloudFormation then deletes.

    Args:
        parameters: The parameters to publish.
        deployed: The parameters of the stack; empty for a new stack.
        gone: Slots, such as `EscalationEmail2`, whose subscription no longer exists. CloudFormation cannot change
            it, so its address gets another slot, which creates a subscription.
    """
    kept = dict(parameters)
    for slots in SLOTS:
        if all(name in parameters for name in slots.parameters):  # An earlier version has not all of them.
            wanted = {
                same_address(slot.address): slot.value
                for slot in slots.read(parameters)
                if slot.address != NO_ADDRESS
            }
            before = [slot.address for slot in slots.read(deployed)][: slots.size]
            kept |= slots.write(list(_placed(slots, wanted, before, gone)))
    return kept


def _placed(
    slots: Slots, wanted: Mapping[str, tuple[str, str]], before: Sequence[str], gone: Collection[str]
) -> Iterator[tuple[str, str]]:
    placed: dict[int, tuple[str, str]] = {}
    left = dict(wanted)
    for slot, address in enumerate(before):
        if slots.id(slot) not in gone and (found := left.pop(same_address(address), None)):
            placed[slot] = address, found[1]  # as it was spelled: another spelling is another subscription
    # First the slots that are free today, so that the plan shows no replacement.
    free = [slot for slot in range(slots.size) if slot not in placed]
    free.sort(key=lambda slot: before[slot : slot + 1] not in ([NO_ADDRESS], []))
    for key, found in left.items():
        others = [slot for slot in free if same_address("".join(before[slot : slot + 1])) != key]
        slot = next(iter(others or free))
        free.remove(slot)
        placed[slot] = found
    return (placed.get(slot, (NO_ADDRESS, ALL_FLOWS)) for slot in range(slots.size))


def endpoint_parameters(topic: str, endpoints: Sequence[str]) -> dict[str, str]:
    """Returns the parameter of a topic with the endpoints of the settings, each of them once."""
    return Slots(topic, "Endpoint").write([(endpoint, ALL_FLOWS) for endpoint in dict.fromkeys(endpoints)])


def subscription_parameters(
    stage: str, topic: str, keys: str, for_all: Sequence[str], by_flow: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Returns the parameters of a topic with the email addresses of the settings.

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
    return Slots(topic, "Email").write(
        [(spelled[key], FLOW_SEPARATOR.join(names)) for key, names in flows.items()]
    )
