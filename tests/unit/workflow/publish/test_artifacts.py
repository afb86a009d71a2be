"""The artifact bucket, on moto's S3."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber

from tests.unit.doubles import StubbedSession
from workflow.publish.account import Account
from workflow.publish.artifacts import ArtifactBucket
from workflow.publish.holder import current_holder


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
        stub.add_client_error("get_bucket_versioning", "AccessDenied", expected_params=expected)
        with pytest.raises(ClientError):
            bucket.ensure()
        written = {
            **expected,
            "Key": "a",
            "Body": b"code",
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": ANY,
        }
        stub.add_response("put_object", {"VersionId": "1"}, written)
        assert bucket.write("a", b"code") == "1"
        stub.add_client_error("head_object", "403", expected_params={**expected, "Key": "a"})
        with pytest.raises(ClientError):
            bucket.written_at("a")
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
    first = account.artifacts.upload({"t.json": b"{}", "f.zip": file})
    assert first.keys() == {"t.json", "f.zip"}
    again = account.artifacts.upload({"t.json": b"{}", "f.zip": file, "more": b""})
    assert first.items() <= again.items()
    assert account.artifacts.read("f.zip") == b"code"


def test_object_with_other_content_is_not_used(account: Account) -> None:
    """Keys follow from the code, so whoever may write to the bucket could have written one before."""
    forged = account.artifacts.write("f.zip", b"forged")
    (version,) = account.artifacts.upload({"f.zip": b"code"}).values()
    assert version != forged
    found = account.session.client("s3").get_object(
        Bucket=account.artifact_bucket, Key="f.zip", VersionId=version
    )
    assert found["Body"].read() == b"code"


def test_object_without_a_checksum_of_s3_is_not_used(account: Account) -> None:
    s3, place = account.session.client("s3"), {"Bucket": account.artifact_bucket, "Key": "f.zip"}
    unknown = s3.put_object(**place, Body=b"code", ChecksumAlgorithm="CRC32")["VersionId"]
    assert account.artifacts.upload({"f.zip": b"code"})["f.zip"] != unknown


def test_version_in_use_is_kept_only_if_it_has_the_content(account: Account) -> None:
    used = account.artifacts.write("f.zip", b"code")
    latest = account.artifacts.write("f.zip", b"forged")
    assert account.artifacts.upload({"f.zip": b"code"}, {"f.zip": used}) == {"f.zip": used}
    for other in (latest, "never-written"):
        assert account.artifacts.upload({"f.zip": b"code"}, {"f.zip": other})["f.zip"] not in (used, other)


def test_plans_and_replaced_documents_expire_beside_other_rules(account: Account) -> None:
    s3, bucket = account.session.client("s3"), account.artifact_bucket
    own = {"ID": "own", "Filter": {"Prefix": "x/"}, "Status": "Enabled", "Expiration": {"Days": 9}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [own]})
    for _ in range(2):
        account.artifacts.expire()
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [(rule["ID"], rule["Filter"]["Prefix"]) for rule in rules] == [
        ("own", "x/"),
        ("plans", "plans/"),
        ("replaced documents", "stages/"),
    ]


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
    assert account.artifacts.url("t.json", "a+b") == (
        f"https://{account.artifact_bucket}.s3.us-east-1.amazonaws.com/t.json?versionId=a%2Bb"
    )


def test_old_version_that_the_stack_does_not_name_is_not_used(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever cleans the bucket may be about to remove it."""
    first = account.artifacts.upload({"f.zip": b"code"})
    monkeypatch.setattr("workflow.publish.artifacts.REUSED", timedelta(seconds=-1))
    assert account.artifacts.upload({"f.zip": b"code"}, first) == first
    written: dict[str, str] = {}
    assert account.artifacts.upload({"f.zip": b"code"}, written=written) == written
    assert written != first


def test_listed_folder_needs_no_call_for_what_is_not_in_it(account: Account, session: StubbedSession) -> None:
    account.artifacts.write("stages/dev/swaps.json", b"{}")
    account.artifacts.write("stages/dev/publishes/1.json", b"{}")
    asked: list[str] = []
    session.watch(
        "s3", "before-parameter-build.s3.GetObject", lambda params, **_: asked.append(params["Key"])
    )
    with account.artifacts.listed("stages/dev/"):
        assert account.artifacts.read("stages/dev/lock.json") is None
        assert current_holder(account, "dev") is None
        assert asked == []
        for key in ("stages/dev/swaps.json", "stages/dev/publishes/1.json"):
            assert account.artifacts.read(key) == b"{}"
    account.artifacts.write("stages/dev/lock.json", b"{}")
    assert account.artifacts.read("stages/dev/lock.json") == b"{}", "what was listed is forgotten"


def test_folder_of_a_bucket_that_does_not_exist_is_empty(new_account: Account) -> None:
    with new_account.artifacts.listed("stages/dev/"):
        assert new_account.artifacts.read("stages/dev/lock.json") is None
