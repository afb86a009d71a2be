"""Change sets of packages: made from objects in the artifact bucket, and compared with what was sent."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from workflow.errors import PublishError
from workflow.publish.artifacts import plans_of
from workflow.publish.readback import restored
from workflow.publish.stacks import ChangeSet, Stack

if TYPE_CHECKING:
    from workflow.publish.account import Account
    from workflow.publish.package import Package
    from workflow.stack.stages import Stage

__all__ = ["change_set_of", "looked_at", "uploaded", "url_of"]


def uploaded(account: Account, package: Package, written: dict[str, str]) -> tuple[Package, str]:
    """The package with the versions of its bundles, and the URL of its template.

    Args:
        account: where the artifact bucket is.
        package: what to upload.
        written: gets the versions that were not there before, by key.
    """
    account.artifacts.ensure()
    account.artifacts.expire()
    versions = account.artifacts.upload(package.objects, package.bundle_versions, written=written)
    url = account.artifacts.url(package.template_key, versions[package.template_key])
    return package.uploaded(versions), url


def url_of(account: Account, package: Package, written: dict[str, str] | None = None) -> str:
    """The URL of the package's template in the artifact bucket, where it is written if it is missing.

    Args:
        account: where the artifact bucket is.
        package: the package.
        written: gets the version of the template if it was not there before.
    """
    key = package.template_key
    versions = account.artifacts.upload({key: package.template.encode()}, written=written)
    return account.artifacts.url(key, versions[key])


def looked_at(
    account: Account, stage: Stage, stack: Stack, package: Package, *, reverts_drift: bool
) -> ChangeSet:
    """A change set that nobody executes, from a template that only this plan reads."""
    account.artifacts.ensure()
    key = f"{plans_of(stage.name)}{uuid.uuid4().hex}.json"
    version = account.artifacts.write(key, package.template.encode())
    try:
        url = account.artifacts.url(key, version)
        return change_set_of(account, stack.name, package, url, reverts_drift=reverts_drift)
    finally:
        with suppress(ClientError):  # What stays is deleted after a day.
            account.artifacts.remove(key, version)


def change_set_of(
    account: Account,
    stack: str,
    package: Package,
    template_url: str,
    *,
    create: bool = False,
    reverts_drift: bool = False,
) -> ChangeSet:
    """A change set that has the template and the parameters of the package.

    A change set never changes. So what is shown of it, and executed later, is what was compared here.

    Raises:
        PublishError: CloudFormation rejects it, or has another template or other parameters in it.
    """
    change_set = account.stacks.create_change_set(
        stack,
        template_url=template_url,
        parameters=package.parameters,
        create=create,
        reverts_drift=reverts_drift,
        tags=package.tags,
        role=package.service_role,
    )
    if change_set.is_empty:
        return change_set
    sent, parameters = package.content
    template = restored(account.stacks.template_of(change_set), sent)
    if (template, dict(change_set.parameters)) != (sent, dict(parameters)):
        account.stacks.delete_change_set(change_set.id)
        raise PublishError(
            f"the change set {change_set.id} did not have the template and the parameters that were sent, so it was "
            f"deleted: find out who else writes to the bucket {account.artifact_bucket} and to the stack {stack}"
        )
    return change_set
