"""The updates of a publish: the first one adds and changes, and a second one removes what running executions needed.

The second one is part of the same publish if nothing runs any more that needs what is removed. Otherwise it is left to
a later publish. A rollback has one before: it adds the permissions of what it restores.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from workflow.publish.content import Content
from workflow.publish.keeping import Joined, joined
from workflow.publish.needs import NOTHING, Needs, Runs, StillNeeded, needs, running, still_needed
from workflow.publish.readback import restored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workflow.publish.account import Account
    from workflow.publish.package import Package
    from workflow.publish.stacks import Stack

__all__ = [
    "Updates",
    "deployed_content",
    "removal",
    "running_definitions",
    "still_kept",
    "updates",
    "widening",
]


@dataclass(frozen=True)
class Updates:
    """What the updates of a publish make of a stack."""

    first: Package
    """The package with all that executions may need during the update."""
    after: Content
    """What is deployed at the end, as far as that is known before."""
    needed: Needs = NOTHING
    """What stays in any case, because it was needed when the publish began."""
    still_needed: Sequence[StillNeeded] = ()
    """What stays, and on what it waits."""
    warnings: Sequence[str] = ()

    @property
    def removals(self) -> list[dict[str, Any]]:
        """What the second update removes, as the change set of the first one would list it."""
        return [
            {
                "Action": "Remove",
                "LogicalResourceId": name,
                "ResourceType": one["Type"],
                "PolicyAction": one.get("DeletionPolicy", "Delete"),
            }
            for name, one in Content(*self.first.content).resources.items()
            if name not in self.after.resources
        ]


def updates(account: Account, stack: Stack, deployed: Content, package: Package) -> Updates:
    """The updates that a publish of a package takes.

    Args:
        account: Where the stage is.
        stack: Its stack.
        deployed: What the stack has now.
        package: What to publish.
    """
    new, published = Content(*package.content), deployed.without_kept()
    if new == deployed and not deployed.keeps:
        return Updates(package, new)  # Most plans.
    lost = joined(new, published, functions=published.functions_of_machine, permissions=True)
    if lost.content is new and not lost.problems and not deployed.keeps:
        return Updates(package, new)
    since, is_another = deployed.kept_since, _is_another_machine(published, new)
    if lost.content is not new and not is_another:
        since = datetime.now(UTC).replace(microsecond=0)  # What runs now runs the definition that stays.
    runs = _runs(account, stack, since)
    if is_another:
        runs = [replace(one, are_older=True) for one in runs]
    needed = needs(deployed, [one for one in runs if one.executions])
    # New executions start until the update has ended: on what is published, or on what a rollback has routed them to.
    during = needs(deployed, runs)
    if lost.content is not new:
        during |= Needs(frozenset(published.functions_of_machine), permissions=True)
    after, first = (
        joined(new, deployed, functions=one.functions, permissions=one.permissions, since=since)
        for one in (needed, during)
    )
    return Updates(
        _of(package, first.content, new),
        after.content,
        needed,
        still_needed(after.content, runs),
        _warnings(after, runs),
    )


def removal(
    account: Account, stack: Stack, planned: Updates, package: Package
) -> tuple[Package, list[StillNeeded]]:
    """The update that removes what nothing needs any more, and what stays after it.

    Args:
        account: Where the stage is.
        stack: Its stack, after the first update.
        planned: The updates that were planned. What they do not remove stays.
        package: What is published.
    """
    first = Content(*planned.first.content)
    if not first.keeps:
        return planned.first, []
    runs = _runs(account, stack, first.kept_since)
    needed = needs(first, runs) | planned.needed
    new = Content(*package.content)
    end = joined(
        new,
        first,
        functions=needed.functions,
        permissions=needed.permissions,
        since=first.kept_since,
    ).content
    left = planned.first if end.template == first.template else _of(package, end, new)
    return left, still_needed(end, runs)


def widening(account: Account, stack: Stack, target: Package) -> Package | None:
    """What is deployed, with the permissions that executions of another package need; None if it has them all."""
    template = restored(account.stacks.template(stack.name), target.content[0])
    deployed = Content(template, stack.parameters)
    found = joined(deployed, Content(*target.content), functions=(), permissions=True).content
    return None if found is deployed else _of(target, found, deployed)


def still_kept(account: Account, stack: Stack) -> list[StillNeeded]:
    """What the stack keeps for running executions."""
    if "StateMachine" not in stack.outputs:  # The first publish failed.
        return []
    deployed = Content(account.stacks.template(stack.name), stack.parameters)
    if not deployed.keeps:
        return []
    return still_needed(deployed, _runs(account, stack, deployed.kept_since))


def running_definitions(account: Account, stack: Stack) -> list[str | None]:
    """The definitions of running executions, and of new ones; None for one that is not known."""
    return [one.definition for one in _runs(account, stack, None)]


def deployed_content(account: Account, stage: str, stack: Stack, sent: Mapping[str, Any]) -> Content:
    """What the stack has, with the characters that CloudFormation does not return.

    Args:
        account: Where the stage is.
        stage: The stage's name.
        stack: Its stack.
        sent: The template that is about to be published. What it does not have was in one of the last publishes.
    """
    template = restored(account.stacks.template(stack.name), sent)
    if not _may_have_lost(template, sent):
        return Content(template, stack.parameters)
    from workflow.publish.history import history  # Most plans do not need it.

    for record in history(account, stage)[: -MAX_READ - 1 : -1]:
        if text := account.artifacts.read(record.template_key):
            template = restored(template, json.loads(text))
    return Content(template, stack.parameters)


MAX_READ = 10
"""Templates that are read for the characters of what is removed."""


def _may_have_lost(template: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    removed = [one for name, one in template["Resources"].items() if name not in sent["Resources"]]
    return "?" in json.dumps(removed)


def _of(package: Package, content: Content, own: Content) -> Package:
    """A package with this content; itself if that is its own."""
    if content is own:
        return package
    template = json.dumps(content.template, separators=(",", ":"), sort_keys=True)
    return replace(package, template=template, parameters=content.parameters)


def _runs(account: Account, stack: Stack, since: datetime | None) -> list[Runs]:
    machine = stack.outputs.get("StateMachine", "")
    definition = account.machines.current_definition(machine) if machine else None
    return running(account.machines, machine, definition, since=since) if definition else []


def _is_another_machine(old: Content, new: Content) -> bool:
    """Whether the definition changes, with the versions of functions that it names."""
    kinds = ("AWS::StepFunctions::StateMachine", "AWS::Lambda::Version")
    before, after = (
        {name: one for kind in kinds for name in content.of_type(kind) if (one := content.resolved[name])}
        for content in (old, new)
    )
    return before != after


def _warnings(joined: Joined, runs: Sequence[Runs]) -> list[str]:
    count = sum(one.executions for one in runs if one.are_older)
    if not count:
        return []
    executions = "1 running execution" if count == 1 else f"{count:,} running executions"
    return [f"{problem} cannot be kept for {executions}, which may fail" for problem in joined.problems]
