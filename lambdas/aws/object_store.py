"""S3 for reviews: reads objects up to a size limit and writes JSON objects."""

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
    config = Config(connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3})
    # botocore's client, not boto3's: loading what boto3 adds (transfers, resources) takes a tenth of a cold start.
    client = botocore.session.get_session().create_client("s3", config=config)
    return ObjectStore(cast("S3Client", client))


class ObjectStore:
    """Objects in S3."""

    def __init__(self, client: S3Client) -> None:
        self._client = client

    def read(self, location: S3Location, limit: int) -> bytes:
        """Returns an object's content.

        Args:
            location: The object's location.
            limit: The maximum size in bytes.

        Raises:
            OutputMissing: The object or the bucket does not exist.
            OutputNotAllowed: S3 denies access.
            OutputTooLarge: The object is larger than `limit`.
            TransientServiceError: S3 throttled the call or failed; retry.
        """
        with _review_errors(location):
            answer = self._client.get_object(Bucket=location.bucket, Key=location.key)
            with closing(answer["Body"]) as body:
                if answer["ContentLength"] > limit:
                    raise OutputTooLarge(
                        f"{location}: {answer['ContentLength']:,} bytes exceed the stage's limit of {limit:,}; "
                        "to accept the output, increase max_output_bytes"
                    )
                # botocore raises IncompleteReadError if fewer bytes arrive than ContentLength says.
                return body.read()

    def write(self, location: S3Location, content: bytes) -> None:
        """Writes a JSON object. S3 stores an object completely or not at all, so a retry is safe.

        Raises:
            TransientServiceError: S3 throttled the call or failed; retry.
        """
        with _review_errors(location):
            self._client.put_object(
                Bucket=location.bucket, Key=location.key, Body=content, ContentType="application/json"
            )


@contextmanager
def _review_errors(location: S3Location) -> Iterator[None]:
    """Raises errors of S3 as errors of a review."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        response: Any = error.response if isinstance(error, ClientError) else {}
        code = response.get("Error", {}).get("Code", "")
        if code in _MISSING:
            what = "bucket" if code == "NoSuchBucket" else "object"
            raise OutputMissing(f"{location}: the {what} does not exist") from error
        if is_transient(error):
            raise TransientServiceError(f"{location}: {code or error}") from error
        if response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 403:
            raise OutputNotAllowed(
                f"{location}: access denied; check the bucket policy and the policy of its KMS key, and, if another "
                "account owns the bucket, that the account is in bucket_accounts"
            ) from error
        raise
