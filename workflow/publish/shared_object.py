"""An object of the artifact bucket that several processes write: each only if no other did since it looked.

Source: "How to prevent object overwrites with conditional writes" in the user guide of S3,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from workflow.publish.aws_errors import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Found", "SharedObject", "Written"]

_REFUSED = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "404", "409", "412")
"""The object is not as expected (412, or 404 if there is none), or somebody else writes it at this moment (409)."""


@dataclass(frozen=True)
class Written:
    """A version of the object."""

    etag: str
    version: str | None
    """None if the bucket does not keep versions yet: it is being created."""


@dataclass(frozen=True)
class Found(Written):
    """The object as it is now."""

    content: bytes
    written: datetime
    """When it was written, by the clock of S3."""
    seconds: float
    """How long ago that was, by the clock of S3: clocks of the machines that write may be wrong."""


class SharedObject:
    """An object that several processes write.

    Args:
        client: for S3.
        bucket: the arguments of each call that name the bucket and its owner.
        key: the object's key.
    """

    def __init__(self, client: S3Client, bucket: Mapping[str, str], key: str) -> None:
        self._client, self.key = client, key
        self._place: Any = {**bucket, "Key": key}

    @property
    def url(self) -> str:
        """Where it is, for messages: s3://BUCKET/KEY."""
        return f"s3://{self._place['Bucket']}/{self.key}"

    def read(self) -> Found | None:
        """The object; None if it does not exist, or the bucket does not exist."""
        missing = self._client.exceptions.NoSuchKey, self._client.exceptions.NoSuchBucket
        try:
            answer = self._client.get_object(**self._place)
        except missing:
            return None
        written = answer["LastModified"]
        date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")  # A proxy may leave it out.
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return Found(
            answer["ETag"],
            answer.get("VersionId"),
            content=answer["Body"].read(),
            written=written,
            seconds=(now - written).total_seconds(),
        )

    def write(self, content: bytes, *, replaces: str | None) -> Written | None:
        """Writes the object, if nobody else did meanwhile.

        Args:
            content: what to write. It must differ from all earlier contents: the ETag follows from it.
            replaces: the ETag of the object that is replaced; None if there is none.

        Returns:
            What was written; None if the object is not what `replaces` says, or somebody else is writing it.

        Raises:
            ClientError: the bucket does not exist (`NoSuchBucket`), or the call is not permitted.
        """
        condition: Any = {"IfMatch": replaces} if replaces else {"IfNoneMatch": "*"}
        try:
            answer = self._client.put_object(**self._place, **condition, Body=content)
        except ClientError as error:
            code = error_code(error)
            if code in _REFUSED or (replaces and code == "NoSuchBucket"):
                return None
            raise
        return Written(answer["ETag"], answer.get("VersionId"))

    def remove(self, one: Written) -> None:
        """Deletes a version for good. What somebody else wrote stays."""
        which: Any = {"VersionId": one.version} if one.version else {"IfMatch": one.etag}
        try:
            self._client.delete_object(**self._place, **which)
        except ClientError as error:
            if error_code(error) not in _REFUSED:
                raise
