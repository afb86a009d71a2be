"""Taking a stage away: its stack, and its data only when told so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.following import follow
from workflow.publish.publishing import Progress, Silent
from workflow.stack.stages import Stage

__all__ = ["Destruction", "Kept", "destroy", "destruction"]


@dataclass(frozen=True)
class Kept:
    """A resource with data, which stays in the account when its stack is deleted."""

    id: str
    """Logical ID of the resource."""
    type: str
    """Type of the resource."""
    name: str
    """Physical ID of the resource."""
    holds: int
    """Approximate number of items or object versions."""


@dataclass(frozen=True)
class Destruction:
    """What destroying a stage would do."""

    stack: str
    stack_id: str
    resources: int
    running: int
    """Executions that run now, and are stopped."""
    kept: Sequence[Kept]
    """Data that stays in the account, unless it is deleted too."""
    emptied: Sequence[str]
    """Buckets that go with the stack, and are emptied for it."""
    deletes_data: bool


def destruction(account: Account, stage: Stage, *, delete_data: bool = False) -> Destruction | None:
    """What `destroy` would do; None when the stage is not published.

    Raises:
        PublishError: the stage is protected, or something else is under way.
    """
    if stage.protected:
        raise PublishError(
            f"stage {stage.name} is protected: to destroy it, set protected = false in its settings first"
        )
    stack = account.stack(stage.stack_name)
    if stack is None:
        return None
    if stack.status.endswith("IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
        raise PublishError(f"the stack {stack.name} is in {stack.status}: wait for the end of that first")
    resources = account.resources(stack.name)
    declared = account.template(stack.name).get("Resources", {}) if resources else {}
    retained = [one for one in resources if declared.get(one["id"], {}).get("DeletionPolicy") == "Retain"]
    machine = stack.outputs.get("StateMachine")
    return Destruction(
        stack=stack.name,
        stack_id=stack.id,
        resources=len(resources),
        running=len(account.executions(machine, "RUNNING")) if machine else 0,
        kept=[
            Kept(one["id"], one["type"], one["name"], _content(account, one))
            for one in retained
            # The former stays with its bucket, the latter goes with its function.
            if one["type"] not in ("AWS::S3::BucketPolicy", "AWS::Lambda::Version")
        ],
        emptied=[
            one["name"]
            for one in resources
            if one["type"] == "AWS::S3::Bucket" and one not in retained and one["name"]
        ],
        deletes_data=delete_data,
    )


def destroy(account: Account, stage: Stage, doomed: Destruction, progress: Progress | None = None) -> None:
    """Takes a stage away, as described by `destruction`.

    Raises:
        DeploymentError: CloudFormation could not delete something.
    """
    progress = progress or Silent()
    for bucket in doomed.emptied:
        progress.step(f"Emptying {bucket}")
        account.empty_bucket(bucket)
    progress.step("Deleting the stack")
    follow(account, doomed.stack_id, account.delete_stack(doomed.stack_id), progress.event)
    if doomed.deletes_data:
        for kept in doomed.kept:
            progress.step(f"Deleting {kept.name}")
            if kept.type == "AWS::S3::Bucket":
                account.empty_bucket(kept.name, and_delete=True)
            elif kept.type == "AWS::DynamoDB::Table":
                account.delete_table(kept.name)
    progress.step("Clearing the artifact bucket")
    if account.stack_names("afterloop-"):
        for key in account.keys(f"stages/{stage.name}/"):
            account.remove(key)
    else:
        account.empty_bucket(account.artifact_bucket, and_delete=True)


def _content(account: Account, resource: dict[str, str]) -> int:
    match resource["type"]:
        case "AWS::S3::Bucket":
            return account.object_versions(resource["name"])
        case "AWS::DynamoDB::Table":
            return account.items(resource["name"])
    return 0
