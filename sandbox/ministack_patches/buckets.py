"""Whose bucket a request is for, and what S3 says about objects that do not exist."""

from __future__ import annotations

from typing import Any

__all__ = ["correct"]

_BUCKET_ARN = "arn:aws:s3:::"


def correct() -> None:
    """Corrects S3."""
    _expect_owner()
    _know_owner_in_conditions()
    _hide_missing_objects()


def _expect_owner() -> None:
    """Refuses a request for a bucket of another account than the expected one.

    AWS: a request with `x-amz-expected-bucket-owner` fails with 403 if another account owns the bucket, and a copy with
    `x-amz-source-expected-bucket-owner` if another one owns the source.
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html)
    MiniStack: ignores both headers.
    """
    from ministack.services import s3

    dispatch = s3._dispatch

    def dispatch_to_owner(
        method: str, bucket: str, key: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        source = headers.get("x-amz-copy-source", "").lstrip("/").partition("/")[0]
        for name, header in (
            (bucket, "x-amz-expected-bucket-owner"),
            (source, "x-amz-source-expected-bucket-owner"),
        ):
            expected, owner = headers.get(header), _owner(name)
            if expected and owner and expected != owner:
                return s3._error("AccessDenied", "Access Denied", 403, f"/{name}")
        return dispatch(method, bucket, key, headers, body, query)

    s3._dispatch = dispatch_to_owner


def _know_owner_in_conditions() -> None:
    """Compares `aws:ResourceAccount` in conditions with the account that owns the bucket.

    AWS: the key is the account of the resource. (https://docs.aws.amazon.com/IAM/latest/UserGuide/
    reference_policies_condition-keys.html#condition-keys-resourceaccount)
    MiniStack: the ARN of a bucket has no account, so it takes that of the caller.
    """
    from ministack.core import iam_evaluator

    resolve = iam_evaluator._resolve_condition_key

    def resolve_with_owner(key: str, context: Any) -> Any:
        if key.lower() in ("aws:resourceaccount", "s3:resourceaccount"):
            arn = context.resource_arn
            bucket = arn.removeprefix(_BUCKET_ARN).partition("/")[0] if arn.startswith(_BUCKET_ARN) else ""
            if owner := _owner(bucket):
                return owner
        return resolve(key, context)

    iam_evaluator._resolve_condition_key = resolve_with_owner


def _hide_missing_objects() -> None:
    """Says only to who may list a bucket that an object does not exist.

    AWS: without s3:ListBucket, GetObject and HeadObject of a missing key fail with 403 instead of 404.
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html, "Permissions")
    MiniStack: they fail with 404.
    """
    from ministack import app
    from ministack.core import iam_evaluator
    from ministack.core.responses import get_region
    from ministack.services import s3

    dispatch = s3._dispatch

    def dispatch_and_hide(
        method: str, bucket: str, key: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        result = dispatch(method, bucket, key, headers, body, query)
        access_key = app.extract_access_key_id(headers, query)
        if result[0] == 404 and method in ("GET", "HEAD") and key and access_key and _owner(bucket):
            denied = iam_evaluator.enforce(
                access_key, "s3:ListBucket", "s3", get_region(), f"{_BUCKET_ARN}{bucket}"
            )
            if denied is not None:
                return s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}/{key}")
        return result

    s3._dispatch = dispatch_and_hide


def _owner(bucket: str) -> str | None:
    """The account that owns a bucket; None if there is no such bucket."""
    from ministack.services import s3

    return next((account for account, name in s3._buckets._data if name == bucket), None)
