"""Buckets and tables that hold data, on moto's S3 and DynamoDB."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from tests.unit.doubles import create_ledger_table, create_token_table
from workflow.errors import PublishError
from workflow.publish.account import Account
from workflow.publish.stored_data import StoredData


@pytest.fixture
def bucket(account: Account) -> str:
    """A versioned bucket with an object that was overwritten, one that was deleted, and one more."""
    s3 = account.session.client("s3")
    s3.create_bucket(Bucket="reviews")
    s3.put_bucket_versioning(Bucket="reviews", VersioningConfiguration={"Status": "Enabled"})
    for key in ("a", "a", "b", "c"):
        s3.put_object(Bucket="reviews", Key=key, Body=b"{}")
    s3.delete_object(Bucket="reviews", Key="b")
    return "reviews"


def test_object_versions_are_counted(account: Account, bucket: str) -> None:
    assert account.data.object_versions(bucket) == 4


def test_empty_bucket_deletes_versions_and_delete_markers(account: Account, bucket: str) -> None:
    account.data.empty_bucket(bucket)
    left = account.session.client("s3").list_object_versions(Bucket=bucket)
    assert "Versions" not in left
    assert "DeleteMarkers" not in left


def test_delete_bucket_deletes_its_objects(account: Account, bucket: str) -> None:
    account.data.delete_bucket(bucket)
    buckets = account.session.client("s3").list_buckets()["Buckets"]
    assert bucket not in [one["Name"] for one in buckets]


def test_table_is_counted_and_deleted(account: Account) -> None:
    dynamodb = account.session.client("dynamodb")
    table = create_ledger_table(dynamodb)
    dynamodb.put_item(TableName=table, Item={"humanLoopName": {"S": "a"}})
    assert account.data.items(table) == 1
    account.data.delete_table(table)
    assert dynamodb.list_tables()["TableNames"] == []


def test_missing_data_counts_as_empty_and_deleted(account: Account) -> None:
    assert account.data.object_versions("missing-bucket") == 0
    assert account.data.items("missing-table") == 0
    account.data.empty_bucket("missing-bucket")
    account.data.delete_bucket("missing-bucket")
    account.data.delete_table("missing-table")


def test_object_that_cannot_be_deleted_is_reported() -> None:
    """S3 answers 200 for such a request; the error is in the body. An object lock is one cause."""
    s3: Any = boto3.client("s3", region_name="us-east-1")
    with Stubber(s3) as stub:
        stub.add_response("list_object_versions", {"Versions": [{"Key": "a", "VersionId": "1"}]})
        errors = [{"Key": "a", "Message": "Access Denied because object protected by object lock."}]
        stub.add_response("delete_objects", {"Errors": errors})
        with pytest.raises(PublishError, match="s3://reviews/a: Access Denied because object protected"):
            StoredData(s3, s3).delete_bucket("reviews")
        stub.assert_no_pending_responses()


def test_tokens_are_copied_to_where_earlier_versions_look(account: Account) -> None:
    dynamodb = account.session.client("dynamodb")
    ledger, tokens = create_ledger_table(dynamodb), create_token_table(dynamodb)
    for name in ("a", "b"):
        item = {"humanLoopName": {"S": name}, "taskTokens": {"SS": [f"of {name}", "another"]}}
        dynamodb.put_item(TableName=tokens, Item=item)
    for _ in range(2):
        account.data.copy_tokens(tokens, ledger)
    copied = {
        item["humanLoopName"]["S"]: set(item["taskTokens"]["SS"])
        for item in dynamodb.scan(TableName=ledger)["Items"]
    }
    assert copied == {"tokens a": {"of a", "another"}, "tokens b": {"of b", "another"}}
