"""What nobody would hear about a stage: a sentence in the plan and the status, not an incident that shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from lambdas.loops.message_kinds import MessageKind
from workflow.publish.recipients import ALARM, KINDS, Recipients

if TYPE_CHECKING:
    from workflow.stack.stages import Stage

__all__ = ["unheard"]

_TO_ACT = tuple(kind for kind in KINDS if kind != MessageKind.LOOP_STOPPED)
"""The kinds of messages after which a person has to act."""

_AFTER = "within 48 hours, after which SNS deletes the subscription"
_TO_CONFIRM = {
    "email": f"open the link in the email from AWS Notifications {_AFTER}",
    "": f"it has to visit the SubscribeURL that SNS sent to it {_AFTER}",
}
"""Protocol → how to confirm."""

_ABOUT_ALARMS = {ALARM, MessageKind.EVENT_UNCLAIMED}


def unheard(recipients: Recipients, stage: Stage) -> list[str]:
    """Returns a sentence about each message that nobody gets, and each address that gets none, with what to do.

    Args:
        recipients: Who gets messages.
        stage: The stage.
    """
    if recipients.problem:
        return [recipients.problem]
    if not recipients.topics:  # What a first publish left that failed.
        return []
    add = f"add escalation_emails, escalation_endpoints or chat to the settings of stage {stage.name}, and publish it"
    filtered = dict.fromkeys(_filtered(recipients, stage))
    return [
        *_without_recipients(recipients, stage, add),
        *(f"{sentence}: {add}" for sentence in filtered),
        *_silent(recipients, stage),
    ]


def _without_recipients(recipients: Recipients, stage: Stage, add: str) -> Iterator[str]:
    """Kinds without any recipient. Of one who is silent, `_silent` says what nobody gets."""
    kinds = [kind for kind in _TO_ACT if not recipients.of(kind).recipients]
    if len(kinds) == len(_TO_ACT):
        yield f"nobody gets a message when a person has to act, or an alarm: {add}"
    elif ALARM in kinds and _ABOUT_ALARMS.issuperset(kinds):
        topic = recipients.of(ALARM).topic
        # A stack of an earlier version sends alarms to the topic of the escalations.
        is_earlier = topic == MessageKind.LOOP_FAILED.topic
        more = f"publish stage {stage.name}, which makes a topic for alarms" if is_earlier else add
        yield f"nobody gets alarms, because {topic} has no subscription without a filter: {more}"
    elif kinds:
        yield f"nobody gets messages of these kinds: {', '.join(kinds)}: {add}"


def _filtered(recipients: Recipients, stage: Stage) -> Iterator[str]:
    """Flow definitions that nobody gets messages about, because everybody named others."""
    heard = [name.rpartition("/")[2] for name in stage.flow_definitions]
    for kind in _TO_ACT:
        found = [one.flow_definitions for one in recipients.of(kind).recipients]
        if not found or None in found:
            continue
        flows = {name for names in found for name in names or ()}
        if not heard:
            yield f"nobody gets a message about a flow definition other than {', '.join(sorted(flows))}"
        elif others := [name for name in heard if name not in flows]:
            yield f"nobody gets a message about {', '.join(others)}"


def _silent(recipients: Recipients, stage: Stage) -> Iterator[str]:
    """Those who should get messages, and do not."""
    missed: dict[tuple[str, str, str], list[str]] = {}
    for topic, subscribers in recipients.topics.items():
        for one in subscribers:
            if one.status in ("unconfirmed", "missing"):
                missed.setdefault((one.status, one.protocol, one.address), []).append(topic)
    repair = f"`python deploy.py publish --repair --stage {stage.name}` subscribes it again"
    for (status, protocol, address), topics in missed.items():
        if status == "unconfirmed":
            why, what = "has not confirmed", _TO_CONFIRM.get(protocol, _TO_CONFIRM[""])
        elif protocol in ("email", "https", "http"):
            why, what = "unsubscribed, or did not confirm within 48 hours", repair
        else:
            why, what = "is no longer subscribed", repair
        alone = [topic for topic in topics if not recipients.reach(topic)]
        nobody = f"; nobody else gets {_words(alone)}" if alone else ""
        who = address if protocol in ("email", "https", "http") else f"{protocol} {address}"
        yield f"{who} gets no {_words(topics)}, because it {why}{nobody}: {what}"


def _words(topics: Sequence[str]) -> str:
    return " and ".join(f"{topic.removesuffix('Topic').lower()}s" for topic in topics)
