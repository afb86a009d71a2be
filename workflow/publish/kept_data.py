"""The data of a stage that no stack has: what earlier, destroyed stacks of the stage kept.

It is found by the tag `afterloop:stage`, which all resources of a stage have. Those of CloudFormation, which a retained
resource keeps, say to which stack it belonged.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import datetime

from workflow.publish.account import Account

__all__ = ["Generation", "Kept", "kept_data", "names_of"]

BUCKET, TABLE = "AWS::S3::Bucket", "AWS::DynamoDB::Table"
_TYPES = {"dynamodb": TABLE, "s3": BUCKET}
_DATA = ("LedgerTable", "TokenTable", "ReviewBucket")


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
class Generation:
    """The data that one stack kept. A part of it can be gone."""

    stack_id: str
    """ARN of the stack, which does not exist any more; empty if the tags do not say it."""
    created: datetime | None
    """When its tables were created; None if there are none."""
    resources: Sequence[Kept]

    @property
    def text(self) -> str:
        """The data in a few words, for messages."""
        since = f" of {self.created:%Y-%m-%d}" if self.created else ""
        return f"{names_of(self.resources)}{since}"


def names_of(resources: Sequence[Kept]) -> str:
    """Resources with their names and how much they hold, for messages."""
    return ", ".join(
        f"{one.id} {one.name} (about {one.holds:,} {'object versions' if one.type == BUCKET else 'items'})"
        for one in resources
    )


def kept_data(account: Account, stage: str, *, but: Container[str] = ()) -> list[Generation]:
    """The kept data of a stage, newest first.

    Args:
        account: where it is.
        stage: the stage's name.
        but: names of tables and buckets that are left out, because they belong to the stage's stack.
    """
    found: list[_Found] = []
    for arn, tags in account.tagged.find("afterloop:stage", stage, ("dynamodb:table", "s3")).items():
        service, resource = arn.split(":", 5)[2], arn.split(":", 5)[5]
        kind, name = _TYPES[service], resource.removeprefix("table/")
        stack = tags.get("aws:cloudformation:stack-id", "")
        # What a stack of another name has taken over is not this stage's to adopt or delete.
        if name in but or (stack and f":stack/afterloop-{stage}/" not in stack):
            continue
        table = account.data.table(name) if kind == TABLE else None
        if not (table or (kind == BUCKET and account.data.bucket_exists(name))):
            continue
        logical_id = tags.get("aws:cloudformation:logical-id") or _logical_id(stage, name)
        kept = Kept(logical_id, kind, name, account.data.count(kind, name))
        created = table["CreationDateTime"] if table else None
        found.append(_Found(stack, created, kept))
    return _generations(found)


@dataclass(frozen=True)
class _Found:
    stack_id: str
    created: datetime | None
    kept: Kept

    @property
    def age(self) -> float:
        """A number by which the newest come first, and those of unknown age last."""
        return -self.created.timestamp() if self.created else 0


def _generations(found: Sequence[_Found]) -> list[Generation]:
    """Puts together what belonged to one stack at a time: an update can have replaced a table, and kept it."""
    groups: list[list[_Found]] = []
    for one in sorted(found, key=lambda one: one.age):
        for group in groups:
            if group[0].stack_id == one.stack_id and one.kept.id not in [other.kept.id for other in group]:
                group.append(one)
                break
        else:
            groups.append([one])
    return [
        Generation(
            group[0].stack_id,
            next((one.created for one in group if one.created), None),
            sorted((one.kept for one in group), key=lambda kept: kept.id),
        )
        for group in groups
    ]


def _logical_id(stage: str, name: str) -> str:
    """The logical ID in a name that CloudFormation made (STACK-ID-RANDOM, for buckets in lowercase), or the name."""
    start = f"afterloop-{stage}-"
    found = (one for one in _DATA if name.lower().startswith(f"{start}{one}-".lower()))
    return next(found, name)
