"""The artifact bucket, on moto's S3."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from workflow.publish.account import Account
from workflow.publish.artifacts import ArtifactBucket


def test_new_bucket_is_private_encrypted_tls_only_and_versioned(new_account: Account) -> None:
    new_account.artifacts.ensure()
    s3, bucket = new_account.session.client("s3"), new_account.artifact_bucket

    assert bucket == f"afterloop-artifacts-{new_account.id}-us-east-1"
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_incomplete_bucket_is_completed(new_account: Account) -> None:
    s3, bucket = new_account.session.client("s3"), new_account.artifact_bucket
    s3.create_bucket(Bucket=bucket)
    new_account.artifacts.ensure()
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    assert s3.get_bucket_policy(Bucket=bucket)["Policy"]


def test_complete_bucket_is_left_alone(account: Account) -> None:
    account.artifacts.ensure()
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):  # The fixture's bucket has none.
        account.session.client("s3").get_bucket_policy(Bucket=account.artifact_bucket)


def test_every_call_names_the_owner_of_the_bucket() -> None:
    """Bucket names are global: another account may have taken this one."""
    s3 = boto3.client("s3", region_name="us-east-1")
    bucket = ArtifactBucket(s3, "artifacts", owner="111122223333", region="us-east-1", is_aws=True)
    expected = {"Bucket": "artifacts", "ExpectedBucketOwner": "111122223333"}
    with Stubber(s3) as stub:
        stub.add_client_error("head_bucket", "403", expected_params=expected)
        with pytest.raises(ClientError):
            bucket.ensure()
        stub.add_response("put_object", {}, {**expected, "Key": "a", "Body": b"code"})
        bucket.write("a", b"code")
        stub.add_client_error("get_object", "AccessDenied", expected_params={**expected, "Key": "a"})
        with pytest.raises(ClientError):
            bucket.read("a")
        stub.add_response("list_objects_v2", {}, {**expected, "Prefix": "a"})
        assert bucket.keys("a") == []
        stub.add_response("delete_object", {}, {**expected, "Key": "a"})
        bucket.remove("a")


def test_existing_objects_are_not_uploaded_again(account: Account, tmp_path: Path) -> None:
    file = tmp_path / "bundle.zip"
    file.write_bytes(b"code")
    assert account.artifacts.upload({"t.json": b"{}", "f.zip": file}) == ["t.json", "f.zip"]
    assert account.artifacts.upload({"t.json": b"{}", "f.zip": file, "more": b""}) == ["more"]
    assert account.artifacts.read("f.zip") == b"code"


def test_objects_are_written_read_listed_and_removed(account: Account) -> None:
    for key in ("a/2", "a/1", "b/1"):
        account.artifacts.write(key, key.encode())
    account.artifacts.remove("a/2")
    assert account.artifacts.keys("a/") == ["a/1"]
    assert account.artifacts.read("a/1") == b"a/1"
    assert account.artifacts.read("a/2") is None


def test_missing_bucket_reads_as_empty(new_account: Account) -> None:
    assert new_account.artifacts.read("a") is None
    assert new_account.artifacts.keys("a") == []


def test_template_url_is_of_the_bucket_on_aws(account: Account) -> None:
    assert account.artifacts.url("t.json") == (
        f"https://{account.artifact_bucket}.s3.us-east-1.amazonaws.com/t.json"
    )
