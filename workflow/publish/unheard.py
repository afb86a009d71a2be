"""What nobody would hear about a stage: a sentence in the plan and the status, not an incident that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lambdas.loops.message_kinds import MessageKind
from workflow.publish.recipients import ALARM, KINDS, Recipients

if TYPE_CHECKING:
    from workflow.stack.stages import Stage

__all__ = ["unheard"]

_TO_ACT = tuple(kind for kind in KINDS if kind != MessageKind.LOOP_STOPPED)
"""The kinds of messages after which a person has to act."""

_TO_CONFIRM = "open the link in the email from AWS Notifications"

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
    add = f"add escalation_emails to the settings of stage {stage.name}, and publish it"
    found = [*_without_recipients(recipients), *_filtered(recipients, stage)]
    return [*(f"{sentence}: {add}" for sentence in dict.fromkeys(found)), *_silent(recipients, stage)]


def _without_recipients(recipients: Recipients) -> Iterator[str]:
    """Kinds without any recipient. Of one who is silent, `_silent` says what nobody gets."""
    kinds = [kind for kind in _TO_ACT if not recipients.of(kind).recipients]
    if len(kinds) == len(_TO_ACT):
        yield "nobody gets a message when a person has to act, or an alarm"
    elif ALARM in kinds and _ABOUT_ALARMS.issuperset(kinds):
        yield "nobody gets alarms, because each subscription has a filter or is to another topic"
    elif kinds:
        yield f"nobody gets messages of these kinds: {', '.join(kinds)}"


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
    for (status, protocol, address), topics in missed.items():
        messages = " and ".join(f"{topic.removesuffix('Topic').lower()}s" for topic in topics)
        if status == "unconfirmed":
            confirm = (
                _TO_CONFIRM if protocol == "email" else "it has to visit the SubscribeURL that SNS sent to it"
            )
            why, what = (
                "has not confirmed",
                f"{confirm} within 48 hours, after which SNS deletes the subscription",
            )
        else:
            why = "unsubscribed, or did not confirm within 48 hours"
            what = f"`python deploy.py publish --repair --stage {stage.name}` subscribes it again"
        alone = "" if any(map(recipients.reach, topics)) else "; nobody else gets them"
        yield f"{address} gets no {messages}, because it {why}{alone}: {what}"
