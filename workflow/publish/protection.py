"""Protection by AWS: what a publish sets for `protected = true`, and removes for `protected = false`.

    deletion protection      DynamoDB refuses to delete the tables; a parameter of the template
    stack policy             CloudFormation refuses to replace or delete what holds data, in an update
    termination protection   CloudFormation refuses to delete the stack

The last two are no part of a template. A publish sets them when it has succeeded, and compares them each time: somebody
may have switched them off. The first publish of a stage protects the tables after it created the stack: otherwise,
CloudFormation could not take the creation back.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from workflow.errors import PublishError
from workflow.publish.plan import HOLDS_DATA, Plan

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.package import Package
    from workflow.publish.progress import Progress
    from workflow.publish.stacks import Stack
    from workflow.stack.stages import Stage

__all__ = [
    "Protection",
    "expect_development",
    "expect_unprotected",
    "not_yet_protecting",
    "protect",
    "protecting",
    "protection_of",
    "refusal",
]

_PARAMETER = "DeletionProtection"

_ALLOW_ALL = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}

_DATA_STAYS = {
    "Effect": "Deny",
    "Action": ["Update:Replace", "Update:Delete"],
    "Principal": "*",
    "Resource": "*",
    "Condition": {"StringEquals": {"ResourceType": sorted(HOLDS_DATA)}},
}

POLICY = json.dumps({"Statement": [_ALLOW_ALL, _DATA_STAYS]})
"""The stack policy of a protected stage
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html)."""

NO_POLICY = json.dumps({"Statement": [_ALLOW_ALL]})
"""A stack policy cannot be deleted. This one has no effect."""


@dataclass(frozen=True)
class Protection:
    """What of a stage's protection differs from its settings."""

    stage: str
    is_wanted: bool
    termination: bool = False
    """Whether termination protection has to be switched."""
    policy: bool = False
    """Whether the stack policy has to be replaced."""
    tables: tuple[str, ...] = ()
    """Names of the tables whose deletion protection has to be switched."""

    @property
    def notes(self) -> list[str]:
        """What a publish changes, in a sentence each."""
        on, off = ("off", "on") if self.is_wanted else ("on", "off")
        found = []
        if self.termination:
            found.append(f"Termination protection of the stack is {on}; a publish turns it {off}.")
        if self.policy and self.is_wanted:
            found.append("No stack policy keeps data from being replaced or deleted; a publish sets one.")
        elif self.policy:
            found.append("A stack policy keeps data from being replaced or deleted; a publish lifts it.")
        found += [
            f"Deletion protection of the table {table} is {on}; a publish turns it {off}."
            for table in self.tables
        ]
        return found


def protection_of(account: Account, stage: Stage, stack: Stack) -> Protection:
    """What of the protection differs from the stage's settings, besides what the template changes."""
    wanted = stage.protected
    if not wanted and not stack.is_protected:
        return Protection(stage.name, wanted)
    policy = account.stacks.policy(stack.name)
    # Another policy is the team's own. It stays, unless the stage is to be protected.
    replaces_policy = not _is(policy, POLICY) if wanted else _is(policy, POLICY)
    tables = [stack.outputs[name] for name in ("LedgerTable", "TokenTable") if name in stack.outputs]
    follows_template = stack.parameters.get(_PARAMETER) == ("false" if wanted else "true")
    return Protection(
        stage.name,
        wanted,
        termination=stack.is_protected != wanted,
        policy=replaces_policy,
        tables=()
        if follows_template
        else tuple(table for table in tables if account.data.is_protected(table) != wanted),
    )


def protect(account: Account, stage: Stage, before: Stack | None, progress: Progress) -> None:
    """Makes the protection of a published stage follow its settings.

    Args:
        account: where the stage is.
        stage: which stage.
        before: the stack before the publish; None if there was none.
        progress: receives the progress.
    """
    if not stage.protected and not (before and before.is_protected):
        return
    stack = account.stacks.find(stage.stack_name)
    if stack is None:
        return
    differing = protection_of(account, stage, stack)
    if differing.notes:
        progress.step("Protecting the stage" if stage.protected else "Lifting the protection of the stage")
    if differing.policy:
        account.stacks.set_policy(stack.name, POLICY if stage.protected else NO_POLICY)
    for table in differing.tables:
        account.data.protect(table, on=stage.protected)
    # Last: until it is off, the next publish looks for the rest.
    if differing.termination:
        account.stacks.protect(stack.name, on=stage.protected)


def not_yet_protecting(package: Package) -> Package:
    """Returns the package for the creation of a stack: a protected table would stay if the creation is taken back."""
    if _PARAMETER not in package.parameters:
        return package
    return replace(package, parameters={**package.parameters, _PARAMETER: "false"})


def protecting(package: Package, stage: Stage) -> Package:
    """Returns the package of an earlier publish with the protection of the settings, which no rollback changes."""
    if _PARAMETER not in package.parameters:
        return package
    wanted = str(stage.protected).lower()
    return replace(package, parameters={**package.parameters, _PARAMETER: wanted})


def refusal(stage: Stage, stack: Stack, plan: Plan) -> str | None:
    """Why a plan cannot be published: it replaces or deletes data of a protected stage. None if it can."""
    if not (stage.protected or stack.is_protected):
        return None
    changes = {
        change.id: change.action
        for change in plan.resources
        if change.type in HOLDS_DATA and change.action in ("replace", "delete", "let go")
    }
    if not changes:
        return None
    return (
        f"stage {stage.name} is protected, and this would replace or remove {', '.join(changes)}, with the data: to do "
        "that, first publish only protected = false, then this change"
    )


def expect_unprotected(stage: Stage, stack: Stack) -> None:
    """Refuses to destroy a stage that is protected in the account, whatever its settings say.

    Raises:
        PublishError: termination protection is on.
    """
    if stack.is_protected:
        raise PublishError(
            f"stage {stage.name} is still protected in the account: publish it with protected = false first, or run "
            f"`aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name "
            f"{stack.name}`"
        )


def expect_development(stage: Stage) -> None:
    """Refuses to leave a failed publish as it is, on a stage that other people depend on.

    Raises:
        PublishError: the stage is protected, or new versions are shifted to it.
    """
    if stage.protected or stage.shift:
        why = "is protected" if stage.protected else "shifts executions to new versions gradually"
        raise PublishError(
            f"stage {stage.name} {why}, so what fails has to be rolled back: publish it without --no-rollback"
        )


def _is(policy: str | None, other: str) -> bool:
    """Whether two stack policies have the same statements. Other text than JSON is none of ours."""
    try:
        return bool(policy) and json.loads(policy or "") == json.loads(other)
    except ValueError:
        return False
