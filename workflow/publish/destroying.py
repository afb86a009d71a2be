"""Destroying a stage: its stack, and its data only on request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.artifacts import plans_of
from workflow.publish.following import follow
from workflow.publish.progress import NoProgress, Progress
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
    """Running executions, which are stopped."""
    kept: Sequence[Kept]
    """Resources with data that stay in the account, unless `deletes_data`."""
    emptied: Sequence[str]
    """Buckets that are emptied, because they are deleted with the stack."""
    deletes_data: bool


def destruction(account: Account, stage: Stage, *, delete_data: bool = False) -> Destruction | None:
    """What `destroy` would do; None if the stage is not published.

    Raises:
        PublishError: the stage is protected, or another operation is in progress.
    """
    if stage.protected:
        raise PublishError(
            f"stage {stage.name} is protected: to destroy it, set protected = false in its settings first"
        )
    stack = account.stacks.find(stage.stack_name)
    if stack is None:
        return None
    if stack.status.endswith("IN_PROGRESS") and stack.status != "REVIEW_IN_PROGRESS":
        raise PublishError(
            f"stack {stack.name} is in {stack.status}: another operation is in progress; try again when it has ended"
        )
    resources = account.stacks.resources(stack.name)
    # A stack without resources is only the shell of a change set, and has no template yet.
    declared = account.stacks.template(stack.name).get("Resources", {}) if resources else {}
    retained = [one for one in resources if declared.get(one["id"], {}).get("DeletionPolicy") == "Retain"]
    machine = stack.outputs.get("StateMachine")
    return Destruction(
        stack=stack.name,
        stack_id=stack.id,
        resources=len(resources),
        running=len(account.machines.executions(machine, "RUNNING")) if machine else 0,
        kept=[
            Kept(one["id"], one["type"], one["name"], _count(account, one))
            for one in retained
            # A bucket policy stays with its bucket; a version is deleted with its function.
            if one["type"] not in ("AWS::S3::BucketPolicy", "AWS::Lambda::Version")
        ],
        emptied=[
            one["name"]
            for one in resources
            if one["type"] == "AWS::S3::Bucket" and one not in retained and one["name"]
        ],
        deletes_data=delete_data,
    )


def destroy(account: Account, stage: Stage, plan: Destruction, progress: Progress | None = None) -> None:
    """Destroys a stage.

    Args:
        account: where the stage is.
        stage: which stage.
        plan: what to delete, from `destruction`.
        progress: receives the progress.

    Raises:
        DeploymentError: CloudFormation could not delete something.
    """
    progress = progress or NoProgress()
    for bucket in plan.emptied:  # CloudFormation does not delete a bucket that has objects.
        progress.step(f"Emptying {bucket}")
        account.data.empty_bucket(bucket)
    progress.step("Deleting the stack")
    follow(account.stacks, plan.stack_id, account.stacks.delete(plan.stack_id), progress.event)
    if plan.deletes_data:
        # After the stack: no execution can write to these any more.
        for kept in plan.kept:
            progress.step(f"Deleting {kept.name}")
            if kept.type == "AWS::S3::Bucket":
                account.data.delete_bucket(kept.name)
            elif kept.type == "AWS::DynamoDB::Table":
                account.data.delete_table(kept.name)
    progress.step("Removing the stage from the artifact bucket")
    if account.stacks.names("afterloop-"):
        for prefix in (f"stages/{stage.name}/", plans_of(stage.name)):
            for key in account.artifacts.keys(prefix):
                account.artifacts.remove(key)
    else:
        account.data.delete_bucket(account.artifact_bucket)


def _count(account: Account, resource: dict[str, str]) -> int:
    match resource["type"]:
        case "AWS::S3::Bucket":
            return account.data.object_versions(resource["name"])
        case "AWS::DynamoDB::Table":
            return account.data.items(resource["name"])
    return 0
