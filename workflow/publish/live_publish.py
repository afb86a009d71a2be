"""Which publish is live: what new executions run on, beside what the stack has and what was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workflow.publish.live import is_live
from workflow.publish.machines import number
from workflow.publish.readback import restored
from workflow.stack import ALIAS

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.history import Record, Smoke
    from workflow.publish.stacks import Stack

__all__ = ["Live", "find_live", "has_content", "publish_in_words", "smoke_in_words", "what_differs"]


PROCESS_ENDED = "its process ended"
"""How the reason of a publish begins that failed for no cause that has to be fixed."""


@dataclass(frozen=True)
class Live:
    """What new executions run on."""

    weights: Mapping[str, int]
    """The versions of the state machine, with percentages."""
    record: Record | None
    """The publish that made it live, the earlier one during a shift; None if no publish did, but a hot swap or a person
    in a console."""
    is_in_place: bool
    """Whether the stack has what this publish published, and all new executions run on it."""


def find_live(account: Account, stack: Stack | None, records: Sequence[Record]) -> Live:
    """What is live in a stage.

    Args:
        account: where the stage is.
        stack: the stage's stack.
        records: its publishes, oldest first.
    """
    machine = stack.outputs.get("StateMachine") if stack else None
    if stack is None or machine is None:
        return Live({}, None, is_in_place=False)
    weights = account.machines.weights(machine, ALIAS) or {}
    version = min(weights, key=number, default="")
    published = [one for one in records if one.outcome == "published" and one.version == version]
    # Several publishes have the same version if they changed neither the definition nor a function. The stack says
    # which of them it is: a rollback may have routed new executions and then failed.
    deployed = [one for one in published if _has_parameters(stack, one)]
    record = next(reversed(deployed or published), None)
    in_place = bool(deployed) and is_live(account.machines, stack.outputs, weights)
    return Live(weights, record, in_place)


def _has_parameters(stack: Stack, record: Record) -> bool:
    """Whether a stack has the parameters of a publish. What it keeps for running executions has more."""
    return all(stack.parameters.get(name) == value for name, value in record.parameters.items())


def has_content(account: Account, stack: Stack, record: Record) -> bool:
    """Whether a stack has the parameters and the template of a publish."""
    template = account.artifacts.read(record.template_key)
    if template is None or not _has_parameters(stack, record):
        return False
    sent = json.loads(template)
    return bool(restored(account.stacks.template(stack.name), sent) == sent)


def what_differs(live: Live, records: Sequence[Record], *, stage: str) -> Iterator[str]:
    """Says in sentences in what way what is live is not what was published, and what to do.

    Args:
        live: what is live.
        records: the publishes of the stage, oldest first.
        stage: the name of the stage.
    """
    if not records:  # They were deleted, or no publish has begun.
        return
    publish = f"`python deploy.py publish --stage {stage}`"
    rollback = f"`python deploy.py rollback --stage {stage}`"
    last = records[-1] if records else None
    if last and last.outcome != "published":
        yield f"{_became(last)}; {_remedy(last, publish)}"
    if last and last.outcome == "started":  # What is live now is on its way, and no remedy is needed yet.
        return
    if live.is_in_place or not live.weights:
        return
    if live.record is None:
        yield (
            f"new executions run on {_versions(live)}, which no publish made live: "
            f"{publish} makes live what you have, {rollback} the last publish"
        )
    elif len(live.weights) == 1:
        yield (
            f"new executions run on {_versions(live)}, of {publish_in_words(live.record)}, but the stack has something "
            f"else: {publish} makes live what you have, {rollback} makes the stack what is live"
        )
    else:
        yield (
            f"new executions run on {_versions(live)}: unless a shift is in progress, {publish} makes live what you "
            f"have, {rollback} goes back to publish {live.record.number}"
        )


def publish_in_words(record: Record) -> str:
    """A publish, for people: `publish 7 of 2026-11-27 14:03 by WHO (commit 0123abc)`."""
    commit = f" ({record.commit})" if record.commit else ""
    return f"publish {record.number} of {record.at.astimezone():%Y-%m-%d %H:%M} by {record.by}{commit}"


def smoke_in_words(smoke: Smoke | None) -> str:
    """The last smoke test of a publish, for people."""
    if smoke is None:
        return "smoke not run"
    return "smoke passed" if smoke.passed else f"smoke failed ({'; '.join(smoke.failed)})"


def _became(record: Record) -> str:
    words = publish_in_words(record)
    match record.outcome:
        case "started":
            return f"{words} has not ended"
        case "taken back" | "failed" | "interrupted" as outcome:
            was = "failed" if outcome == "failed" else f"was {outcome}"
            return f"{words} {was}" + (f" ({record.reason})" if record.reason else "")
    return words


def _remedy(record: Record, publish: str) -> str:
    match record.outcome:
        case "started":
            return "wait until it has"
        case "interrupted":
            return f"{publish} finishes it"
    if record.reason.startswith(PROCESS_ENDED):
        return f"{publish} publishes what you have"
    return f"fix the cause, then {publish}"


def _versions(live: Live) -> str:
    versions = sorted(live.weights.items(), key=lambda item: number(item[0]))
    if len(versions) == 1:
        return f"version {number(versions[0][0])}"
    return " and ".join(f"version {number(arn)} ({weight} %)" for arn, weight in versions)
