"""The account that must own a bucket. Names are global: a bucket that was deleted can be somebody else's today."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["expecting_owner"]


def expecting_owner(client: S3Client, account: str, *, others: Collection[str] = ()) -> S3Client:
    """Lets each call of a client say which account must own the bucket. S3 refuses it if another account does.

    A call can name one account (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html).

    Args:
        client: The client. It is changed.
        account: The account.
        others: Buckets that another account may own.

    Returns:
        The client.
    """

    def name_owner(params: dict[str, Any], model: Any, **_: object) -> None:
        takes_owner = "ExpectedBucketOwner" in model.input_shape.members
        if takes_owner and params.get("Bucket") not in others:
            params.setdefault("ExpectedBucketOwner", account)

    client.meta.events.register("provide-client-params.s3", name_owner, unique_id="afterloop-owner")
    return client
