"""The artifact bucket: templates, bundles of functions, and records of publishes."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from workflow.publish.aws_errors import error_code
from workflow.publish.shared_object import SharedObject
from workflow.stack.partition import partition_of

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

__all__ = ["ArtifactBucket", "bucket_policy", "plans_of"]

PLANS = "plans/"

_MAX_DELETED = 1000
"""Objects in one call of DeleteObjects (S3 API reference)."""

_EXPIRY = (
    {
        "ID": "plans",
        "Filter": {"Prefix": PLANS},
        "Status": "Enabled",
        "Expiration": {"Days": 1},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
    },
    {
        "ID": "replaced documents",
        "Filter": {"Prefix": "stages/"},
        "Status": "Enabled",
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    },
)
"""Deletes what an interrupted plan left behind, and versions of records, locks and the like that were replaced. Bundles
and templates are not deleted by age: see `cleaning.py`."""

REUSED = timedelta(days=7)
"""How old a version may be that a publish uses although its stack does not: older ones may be about to be removed."""


def plans_of(stage: str) -> str:
    """Where plans of a stage put templates. A role that may write here, and nowhere else, cannot change a publish."""
    return f"{PLANS}{stage}/"


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
        self._listed: tuple[str, frozenset[str]] | None = None

    def ensure(self) -> None:
        """Creates the bucket on first use: private, encrypted, TLS only, versioned."""
        versioning = self._versioning()
        # Versioning is enabled last: if it is on, an earlier call did not stop halfway.
        if versioning == "Enabled":
            return
        if versioning is None:
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

    def _versioning(self) -> str | None:
        """The status of versioning, empty if it was never enabled; None if there is no bucket."""
        try:
            return self._client.get_bucket_versioning(**self._bucket).get("Status", "")
        except ClientError as error:
            if error_code(error) == "NoSuchBucket":
                return None
            raise

    def expire(self) -> None:
        """Adds the rules that delete templates of plans and replaced documents; other rules stay."""
        try:
            rules = self._client.get_bucket_lifecycle_configuration(**self._bucket)["Rules"]
        except ClientError as error:
            if error_code(error) != "NoSuchLifecycleConfiguration":
                raise
            rules = []
        known = {rule.get("ID") for rule in rules}
        if missing := [rule for rule in _EXPIRY if rule["ID"] not in known]:
            expiring: Any = {"Rules": [*rules, *missing]}
            self._client.put_bucket_lifecycle_configuration(**self._bucket, LifecycleConfiguration=expiring)

    def upload(
        self,
        objects: Mapping[str, bytes | Path],
        used: Mapping[str, str] | None = None,
        *,
        written: dict[str, str] | None = None,
    ) -> dict[str, str]:
        """Makes sure that objects are in the bucket with exactly this content; returns their versions.

        An object with the same key is used only if S3's checksum of it is that of the content: somebody else may have
        written it. A version never changes, so nobody can replace what is used after that.

        Args:
            objects: content by key.
            used: versions by key that are preferred to the latest ones.
            written: gets the versions that were not there before, by key.
        """

        def version(item: tuple[str, bytes | Path]) -> tuple[str, str]:
            key, given = item
            content = given if isinstance(given, bytes) else given.read_bytes()
            checksum = _checksum(content)
            before = (used or {}).get(key)
            known = self._verified(key, checksum, before) if before else None
            if found := known or self._verified(key, checksum):
                return key, found
            new = self.write(key, content)
            if written is not None:
                written[key] = new
            return key, new

        with ThreadPoolExecutor(8) as pool:
            return dict(pool.map(version, objects.items()))

    def _verified(self, key: str, checksum: str, version: str | None = None) -> str | None:
        """A version of an object, by default the latest unless it is old, if its content has this checksum."""
        found = self._head(key, ChecksumMode="ENABLED", **({"VersionId": version} if version else {}))
        # The checksum of an object that was uploaded in parts is one of their checksums.
        is_whole = found.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"
        if not is_whole or found.get("ChecksumSHA256") != checksum:
            return None
        is_old = version is None and _moment(found) - found["LastModified"] > REUSED
        return None if is_old else found.get("VersionId")

    def _head(self, key: str, **more: Any) -> Mapping[str, Any]:
        """What S3 knows about an object; nothing if there is none."""
        try:
            return self._client.head_object(Key=key, **self._bucket, **more)
        except ClientError as error:
            # A HEAD response has no body, so no other code than its status: 400 for what is no version, 405 for the
            # version of a deletion.
            if error_code(error) in ("400", "404", "405"):
                return {}
            raise

    def write(self, key: str, content: bytes) -> str:
        """Writes an object, and replaces an existing one; returns its version."""
        # S3 keeps the checksum, and refuses the upload if the content has another.
        checksum: Any = {"ChecksumAlgorithm": "SHA256", "ChecksumSHA256": _checksum(content)}
        return self._client.put_object(Key=key, Body=content, **checksum, **self._bucket)["VersionId"]

    def written_at(self, key: str) -> datetime | None:
        """When an object was last written; None if there is no such object."""
        return self._head(key).get("LastModified")

    def read(self, key: str) -> bytes | None:
        """The content of an object; None if there is no such object, or no bucket yet."""
        if self.is_missing(key):
            return None
        missing = self._client.exceptions.NoSuchKey, self._client.exceptions.NoSuchBucket
        try:
            return self._client.get_object(Key=key, **self._bucket)["Body"].read()
        except missing:
            return None

    @contextmanager
    def listed(self, folder: str) -> Iterator[None]:
        """Lists a folder, so that no call is needed during the block to know that an object in it does not exist.

        Only for what looks: an object that somebody writes during the block is not seen.
        """
        self._listed = folder, frozenset()
        with suppress(self._client.exceptions.NoSuchBucket):
            found = self._client.list_objects_v2(Prefix=folder, Delimiter="/", **self._bucket)
            self._listed = folder, frozenset(one["Key"] for one in found.get("Contents", ()))
        try:
            yield
        finally:
            self._listed = None

    def is_missing(self, key: str) -> bool:
        """Whether an object is known not to exist, because its folder was listed."""
        folder, keys = self._listed or ("", frozenset())
        return bool(folder) and f"{key.rpartition('/')[0]}/" == folder and key not in keys

    def shared(self, key: str) -> SharedObject:
        """An object that several processes write, each only if no other did meanwhile."""
        return SharedObject(self._client, self._bucket, key)

    def keys(self, prefix: str) -> list[str]:
        """The keys with a prefix, in order; none if there is no bucket yet."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Prefix=prefix, **self._bucket)
        try:
            return [found["Key"] for page in pages for found in page.get("Contents", [])]
        except self._client.exceptions.NoSuchBucket:
            return []

    def remove(self, key: str, version: str | None = None) -> None:
        """Deletes an object, of which earlier versions remain; or a version of it for good."""
        one: Any = {"VersionId": version} if version else {}
        self._client.delete_object(Key=key, **self._bucket, **one)

    def versions(self, prefix: str, *, older_than: timedelta) -> list[tuple[str, str]]:
        """Key and version of what was written that long ago, by the clock of S3, under a prefix."""
        pages = self._client.get_paginator("list_object_versions").paginate(Prefix=prefix, **self._bucket)
        return [
            (one["Key"], one["VersionId"])
            for page in pages
            for one in page.get("Versions", [])
            if _moment(page) - one["LastModified"] >= older_than
        ]

    def remove_versions(self, versions: Iterable[tuple[str, str]]) -> None:
        """Deletes versions of objects for good, each given as key and version."""
        rest = iter(versions)
        while batch := list(islice(rest, _MAX_DELETED)):
            objects: Any = [{"Key": key, "VersionId": version} for key, version in batch]
            self._client.delete_objects(Delete={"Objects": objects, "Quiet": True}, **self._bucket)

    def url(self, key: str, version: str) -> str:
        """The URL of a version of an object, for CloudFormation."""
        place = f"{self._client.meta.endpoint_url}/{self.name}"
        if self._is_aws:
            place = f"https://{self.name}.s3.{self.region}.{partition_of(self.region).domain}"
        return f"{place}/{key}?{urlencode({'versionId': version})}"


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


def _moment(answer: Mapping[str, Any]) -> datetime:
    """When S3 gave an answer. The clock of this machine may be wrong."""
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)


def _checksum(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()
