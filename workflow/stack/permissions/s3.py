"""What calls of S3 need, on a bucket or on objects in it.

Source: Required permissions for Amazon S3 API operations,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from workflow.stack.permissions.actions import iam_action, unknown
from workflow.stack.permissions.call import Call, Grant, Resource, Unknown, bucket_arn, joined

__all__ = ["object_at", "s3"]

_OF_BUCKET = re.compile(
    r"s3:(GetBucket(Acl|CORS|Location|Policy|Tagging|Versioning)|ListBucketMultipartUploads)"
)

_OF_OBJECT = re.compile(
    r"(abort|complete|create)MultipartUpload|uploadPart|listParts|restoreObject|getObjectAttributes"
    r"|(copy|delete|get|head|put)Object(Tagging|Acl)?"
)

_OF_VERSION = {
    "s3:DeleteObject": "s3:DeleteObjectVersion",
    "s3:DeleteObjectTagging": "s3:DeleteObjectVersionTagging",
    "s3:GetObject": "s3:GetObjectVersion",
    "s3:GetObjectAcl": "s3:GetObjectVersionAcl",
    "s3:GetObjectTagging": "s3:GetObjectVersionTagging",
    "s3:PutObjectTagging": "s3:PutObjectVersionTagging",
}
"""The IAM action of a call that names a version of the object."""


def s3(call: Call) -> Iterator[Grant]:
    """Yields what a call of S3 needs, on a bucket or on objects in it."""
    action = iam_action(call)
    if call.action == "listBuckets":
        yield [action], "*", {}
        return
    bucket = bucket_arn(call.text("Bucket", "the bucket"))
    if action in ("s3:ListBucket", "s3:ListBucketVersions") and call.has("Prefix"):
        prefix = call.pattern("Prefix", "the prefix")
        if isinstance(prefix, Unknown):
            yield [action], prefix, {}
        else:
            yield [action], bucket, {"StringLike": {"s3:prefix": f"{prefix.rstrip('*')}*"}}
    elif action in ("s3:ListBucket", "s3:ListBucketVersions") or _OF_BUCKET.fullmatch(action):
        yield [action], bucket, {}
    elif call.action == "deleteObjects":
        yield from _delete(call, bucket)
    elif call.has("Key") and _OF_OBJECT.fullmatch(call.action):
        yield from _object(call, bucket)
    else:
        yield from unknown(call)


def _object(call: Call, bucket: Resource) -> Iterator[Grant]:
    action = iam_action(call)
    it = joined(bucket, "/", call.pattern("Key", "the object"))
    yield [_OF_VERSION.get(action, action) if call.has("VersionId") else action], it, {}
    if call.action == "getObjectAttributes":
        yield ["s3:GetObject"], it, {}
    for field, more in (
        ("Tagging", "s3:PutObjectTagging"),
        ("ACL", "s3:PutObjectAcl"),
        ("Acl", "s3:PutObjectAcl"),
    ):
        if call.has(field) and action == "s3:PutObject":
            yield [more], it, {}
    if call.action == "copyObject":
        source = call.pattern("CopySource", "the object that is copied")
        if isinstance(source, str):
            source = bucket_arn(source.removeprefix("/"))
        yield ["s3:GetObject"], source, {}


def _delete(call: Call, bucket: Resource) -> Iterator[Grant]:
    delete = call.arguments.get("Delete")
    listed = delete.get("Objects") if isinstance(delete, Mapping) else None
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        yield ["s3:DeleteObject"], Unknown("Delete.Objects are known only at run time", "these objects"), {}
        return
    for one in listed:
        single = Call("s3", "deleteObject", False, one)
        yield from _object(single, bucket)


def object_at(call: Call, path: str, what: str) -> Resource:
    """Returns the ARN of the object, or the objects, in an argument of the form `s3://bucket/key`."""
    uri = call.pattern(path, what)
    if isinstance(uri, Unknown):
        return uri
    bucket, slash, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or "*" in bucket or not slash:
        return Unknown(f"{path} names no bucket", what)
    return bucket_arn(f"{bucket}/{key}")
