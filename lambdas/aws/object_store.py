"""S3, as the reviews need it: read an object of bounded size, write one whole."""

from __future__ import annotations

from contextlib import closing, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.aws.transient import is_transient
from lambdas.reviews.errors import (
    OutputMissing,
    OutputNotAllowed,
    OutputTooLarge,
    TransientServiceError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client

    from lambdas.reviews.location import S3Location

__all__ = ["ObjectStore", "object_store"]

_MISSING = {"NoSuchKey", "NoSuchBucket", "404"}


@cache
def object_store() -> ObjectStore:
    """Returns the store of this process."""
    patience = Config(
        connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3}
    )
    # botocore's own client: what boto3 adds to it (transfers, resources) would be a tenth of a cold start.
    client = botocore.session.get_session().create_client("s3", config=patience)
    return ObjectStore(cast("S3Client", client))


class ObjectStore:
    """Objects in S3."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def read(self, location: S3Location, limit: int) -> bytes:
        """Returns an object's content.

        Args:
            location: Where it lies.
            limit: The size, in bytes, beyond which it is not read.

        Raises:
            OutputMissing: there is no such object, or no such bucket.
            OutputNotAllowed: S3 denies the access.
            OutputTooLarge: it is larger than `limit`.
            TransientServiceError: S3 was throttled or failed; try again.
        """
        with _told(location):
            answer = self._client.get_object(Bucket=location.bucket, Key=location.key)
            with closing(answer["Body"]) as body:
                if answer["ContentLength"] > limit:
                    raise OutputTooLarge(
                        f"{location}: {answer['ContentLength']:,} bytes, and the stage's limit is {limit:,}; "
                        "to accept it, raise max_output_bytes"
                    )
                # botocore checks that as much comes as was announced.
                return body.read()

    def write(self, location: S3Location, content: bytes) -> None:
        """Writes an object of JSON, whole or not at all. Writing the same again changes nothing.

        Raises:
            TransientServiceError: S3 was throttled or failed; try again.
        """
        with _told(location):
            self._client.put_object(
                Bucket=location.bucket, Key=location.key, Body=content, ContentType="application/json"
            )


@contextmanager
def _told(location: S3Location) -> Iterator[None]:
    """Tells S3's errors in the words of a review."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        response: Any = error.response if isinstance(error, ClientError) else {}
        code = response.get("Error", {}).get("Code", "")
        if code in _MISSING:
            what = "there is no such bucket" if code == "NoSuchBucket" else "there is no such object"
            raise OutputMissing(f"{location}: {what}") from error
        if is_transient(error):
            raise TransientServiceError(f"{location}: {code or error}") from error
        if response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 403:
            raise OutputNotAllowed(
                f"{location}: access denied; check the bucket's policy and the policy of its KMS key"
            ) from error
        raise
