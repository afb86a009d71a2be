"""The artifact bucket: templates, bundles of functions, and records of publishes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from workflow.publish.aws_errors import error_code
from workflow.stack.partition import partition_of

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

__all__ = ["ArtifactBucket", "bucket_policy"]


class ArtifactBucket:
    """The bucket that all stages of an account and Region share.

    Args:
        client: for S3.
        name: the bucket's name.
        owner: ID of the account that must own it. Bucket names are global and this one can be guessed: without the
            check, a bucket of that name in another account would receive the code, and provide it.
        region: where the bucket is.
        is_aws: whether it is on AWS, not on a local engine.
    """

    def __init__(self, client: S3Client, name: str, *, owner: str, region: str, is_aws: bool) -> None:
        self._client, self.name, self.region, self._is_aws = client, name, region, is_aws
        self._bucket: Any = {"Bucket": name, "ExpectedBucketOwner": owner}

    def ensure(self) -> None:
        """Creates the bucket on first use: private, encrypted, TLS only, versioned."""
        exists = _exists(lambda: self._client.head_bucket(**self._bucket))
        # Versioning is enabled last: if it is on, an earlier call did not stop halfway.
        if exists and self._client.get_bucket_versioning(**self._bucket).get("Status") == "Enabled":
            return
        if not exists:
            # S3 rejects us-east-1 as a location constraint: it is the default.
            location: Any = {"CreateBucketConfiguration": {"LocationConstraint": self.region}}
            self._client.create_bucket(
                Bucket=self.name,
                ObjectOwnership="BucketOwnerEnforced",
                **({} if self.region == "us-east-1" else location),
            )
        self._client.put_public_access_block(
            **self._bucket,
            PublicAccessBlockConfiguration={
                "BlockPublicAcls": True,
                "IgnorePublicAcls": True,
                "BlockPublicPolicy": True,
                "RestrictPublicBuckets": True,
            },
        )
        self._client.put_bucket_encryption(
            **self._bucket,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            },
        )
        self._client.put_bucket_policy(
            **self._bucket, Policy=json.dumps(bucket_policy(self.name, self.region))
        )
        self._client.put_bucket_versioning(**self._bucket, VersioningConfiguration={"Status": "Enabled"})

    def upload(self, objects: Mapping[str, bytes | Path]) -> list[str]:
        """Uploads the objects that are not in the bucket yet; returns their keys.

        A key contains a hash of the content, so an object that exists is up to date.
        """

        def put(item: tuple[str, bytes | Path]) -> str | None:
            key, content = item
            if _exists(lambda: self._client.head_object(Key=key, **self._bucket)):
                return None
            self.write(key, content if isinstance(content, bytes) else content.read_bytes())
            return key

        with ThreadPoolExecutor(8) as pool:
            return [key for key in pool.map(put, objects.items()) if key]

    def write(self, key: str, content: bytes) -> None:
        """Writes an object, and replaces an existing one."""
        self._client.put_object(Key=key, Body=content, **self._bucket)

    def read(self, key: str) -> bytes | None:
        """The content of an object; None if there is no such object, or no bucket yet."""
        missing = self._client.exceptions.NoSuchKey, self._client.exceptions.NoSuchBucket
        try:
            return self._client.get_object(Key=key, **self._bucket)["Body"].read()
        except missing:
            return None

    def keys(self, prefix: str) -> list[str]:
        """The keys with a prefix, in order; none if there is no bucket yet."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Prefix=prefix, **self._bucket)
        try:
            return [found["Key"] for page in pages for found in page.get("Contents", [])]
        except self._client.exceptions.NoSuchBucket:
            return []

    def remove(self, key: str) -> None:
        """Deletes an object; its earlier versions remain."""
        self._client.delete_object(Key=key, **self._bucket)

    def url(self, key: str) -> str:
        """The URL of an object, for CloudFormation."""
        if self._is_aws:
            return f"https://{self.name}.s3.{self.region}.{partition_of(self.region).domain}/{key}"
        return f"{self._client.meta.endpoint_url}/{self.name}/{key}"


def bucket_policy(bucket: str, region: str) -> dict[str, Any]:
    """Returns the policy of the artifact bucket, which denies access without TLS."""
    arn = f"arn:{partition_of(region).name}:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [arn, f"{arn}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }


def _exists(head: Callable[[], object]) -> bool:
    try:
        head()
    except ClientError as error:
        if error_code(error) == "404":  # A HEAD response has no body, so no other code than its status.
            return False
        raise
    return True
