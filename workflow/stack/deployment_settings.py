"""Settings for what an organisation asks of every stack: tags, boundaries of roles, networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from workflow.stack.partition import partition_of

__all__ = ["BoundaryArn", "STAGE_TAG", "RoleArn", "Tags", "Vpc", "expect_in_account"]

STAGE_TAG = "afterloop:stage"
"""The key of the tag with the stage's name."""

MAX_TAGS = 49
"""CloudFormation takes 50 tags of a stack, and one is `afterloop:stage`
(https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-add-tags.html)."""

_TEXT = r"[\p{L}\p{Z}\p{N}_.:/=+@-]"

TagKey = Annotated[str, Field(pattern=rf"^{_TEXT}+$", max_length=128)]

TagValue = Annotated[str, Field(pattern=rf"^{_TEXT}+$", max_length=256)]

BoundaryArn = Annotated[
    str, Field(pattern=r"^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9_+=,.@/-]{1,512}$")
]

RoleArn = Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}$")]


def _allowed(tags: dict[str, str]) -> dict[str, str]:
    """Refuses keys that AWS or Afterloop sets, and those that IAM takes for one.

    IAM ignores capitals in the keys of the tags of a role
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html#id_tags_rules_creating).
    """
    seen: dict[str, str] = {}
    for key in tags:
        folded = key.casefold()
        if folded.startswith(("aws:", "afterloop:")):
            raise ValueError(f"{key!r}: keys that begin with {folded.partition(':')[0]}: are reserved")
        if folded in seen:
            raise ValueError(
                f"{seen[folded]!r} and {key!r} differ only in capitals; IAM takes them for one key"
            )
        seen[folded] = key
    return tags


Tags = Annotated[dict[TagKey, TagValue], Field(max_length=MAX_TAGS), AfterValidator(_allowed)]


class Vpc(BaseModel):
    """The network that all functions of the stage are connected to. Without this table, they are in none.

    The functions then reach AWS only through endpoints, or a NAT gateway, of that network.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    subnets: tuple[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]{8,17}$")], ...] = Field(
        min_length=1, max_length=16
    )
    """The IDs of private subnets, at best in several Availability Zones; at most 16."""
    security_groups: tuple[Annotated[str, Field(pattern=r"^sg-[0-9a-f]{8,17}$")], ...] = Field(
        min_length=1, max_length=5
    )
    """The IDs of security groups, at most five. They must allow HTTPS to the endpoints."""


def expect_in_account(arns: Mapping[str, str | None], *, region: str, account: str | None) -> None:
    """Refuses ARNs of another partition or account: a role is bound only by a policy of its own account.

    Args:
        arns: The ARNs by the key of their setting; None if there is none.
        region: The stage's Region.
        account: The stage's account, if the settings name it.

    Raises:
        ValueError: An ARN is of another partition or account.
    """
    partition = partition_of(region).name
    for key, arn in arns.items():
        if arn is None:
            continue
        _, given, _, _, owner, _ = arn.split(":", 5)
        if given != partition:
            raise ValueError(f"{key}: {arn} is in the partition {given}, and {region} is in {partition}")
        if account and owner not in (account, "aws"):
            raise ValueError(f"{key}: {arn} is in another account than the stage, {account}")
