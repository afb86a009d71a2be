"""Buckets and tables that hold data: how much they hold, and their deletion."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from workflow.errors import PublishError
from workflow.publish.aws_errors import error_code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

    from lambdas.loops.ledger import Ledger

__all__ = ["StoredData"]

MAX_COUNTED = 1000
"""The most object versions that S3 lists in one call, and the most loops that are counted."""


class StoredData:
    """The data of an account and Region that can outlive a stack. What is already deleted counts as empty."""

    def __init__(self, s3: S3Client, dynamodb: DynamoDBClient) -> None:
        self._s3, self._dynamodb = s3, dynamodb

    def object_versions(self, bucket: str) -> int:
        """How many object versions a bucket holds, counted up to 1,000."""
        try:
            page = self._s3.list_object_versions(Bucket=bucket, MaxKeys=MAX_COUNTED)
        except self._s3.exceptions.NoSuchBucket:
            return 0
        return len(page.get("Versions", []))

    def items(self, table: str) -> int:
        """About how many items a table holds; DynamoDB updates the count every six hours."""
        try:
            return self._dynamodb.describe_table(TableName=table)["Table"].get("ItemCount", 0)
        except self._dynamodb.exceptions.ResourceNotFoundException:
            return 0

    def table(self, name: str) -> Mapping[str, Any] | None:
        """What DescribeTable returns; None if there is no such table, or it is being deleted."""
        try:
            found: Any = self._dynamodb.describe_table(TableName=name)["Table"]
        except self._dynamodb.exceptions.ResourceNotFoundException:
            return None
        return None if found["TableStatus"] == "DELETING" else found

    def bucket_policy(self, bucket: str) -> Any:
        """The policy of a bucket; None if it has none."""
        try:
            return json.loads(self._s3.get_bucket_policy(Bucket=bucket)["Policy"])
        except ClientError as error:
            if error_code(error) != "NoSuchBucketPolicy":
                raise
            return None

    def bucket_exists(self, bucket: str) -> bool:
        """Whether there is such a bucket."""
        try:
            self._s3.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error_code(error) != "404":
                raise
            return False
        return True

    def ledger(self, table: str) -> Ledger:
        """The ledger in a table."""
        from lambdas.loops.ledger import Ledger  # Here, because a plan, which most runs are, reads no ledger.

        return Ledger(self._dynamodb, table)

    def loops_in_progress(self, table: str) -> int:
        """How many human loops are in progress according to a ledger, counted up to 1,000."""
        from lambdas.loops.index_query import IndexQuery

        query = IndexQuery.of(status="InProgress").request()
        try:
            return self._dynamodb.query(TableName=table, Limit=MAX_COUNTED, Select="COUNT", **query)["Count"]
        except self._dynamodb.exceptions.ResourceNotFoundException:
            return 0

    def copy_tokens(self, token_table: str, ledger_table: str) -> None:
        """Copies all task tokens to where versions without a table for them look: `tokens NAME` in the ledger's table.

        Can be repeated. Functions of this version find them there, too (`lambdas.loops.tokens`).
        """
        pages = self._dynamodb.get_paginator("scan").paginate(TableName=token_table, ConsistentRead=True)
        for item in (item for page in pages for item in page["Items"]):
            key: Any = {"humanLoopName": {"S": f"tokens {item['humanLoopName']['S']}"}}
            self._dynamodb.update_item(
                TableName=ledger_table,
                Key=key,
                UpdateExpression="ADD taskTokens :tokens",
                ExpressionAttributeValues={":tokens": item["taskTokens"]},
            )

    def count(self, kind: str, name: str) -> int:
        """About how much a resource of a type holds: object versions of a bucket, items of a table."""
        return {"AWS::S3::Bucket": self.object_versions, "AWS::DynamoDB::Table": self.items}[kind](name)

    def delete(self, kind: str, name: str) -> None:
        """Deletes a bucket or a table, with its data."""
        {"AWS::S3::Bucket": self.delete_bucket, "AWS::DynamoDB::Table": self.delete_table}[kind](name)

    def empty_bucket(self, bucket: str) -> None:
        """Deletes every version of every object in a bucket.

        Raises:
            PublishError: S3 cannot delete an object.
        """
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        try:
            for page in pages:
                versions = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                if not versions:
                    continue
                deleted = self._s3.delete_objects(
                    Bucket=bucket,
                    Delete={
                        "Objects": [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions],
                        "Quiet": True,
                    },
                )
                # S3 answers 200 even if it deletes nothing: it reports errors for each object.
                for error in deleted.get("Errors", []):
                    raise PublishError(f"s3://{bucket}/{error.get('Key')}: {error.get('Message')}")
        except self._s3.exceptions.NoSuchBucket:
            return

    def delete_bucket(self, bucket: str) -> None:
        """Deletes a bucket with all its objects."""
        self.empty_bucket(bucket)
        try:
            self._s3.delete_bucket(Bucket=bucket)
        except self._s3.exceptions.NoSuchBucket:
            return

    def is_protected(self, table: str) -> bool:
        """Whether DynamoDB refuses to delete a table; False if there is no such table."""
        try:
            found = self._dynamodb.describe_table(TableName=table)["Table"]
        except self._dynamodb.exceptions.ResourceNotFoundException:
            return False
        return found.get("DeletionProtectionEnabled", False)

    def protect(self, table: str, *, on: bool) -> None:
        """Turns the deletion protection of a table on or off. A table that is deleted has none."""
        with suppress(self._dynamodb.exceptions.ResourceNotFoundException):
            self._dynamodb.update_table(TableName=table, DeletionProtectionEnabled=on)

    def delete_table(self, table: str) -> None:
        """Deletes a DynamoDB table with its items.

        Raises:
            PublishError: the table is protected.
        """
        if self.is_protected(table):
            raise PublishError(
                f"the table {table} is protected against deletion: turn its deletion protection off in the DynamoDB "
                "console, and run the command again"
            )
        try:
            self._dynamodb.delete_table(TableName=table)
        except self._dynamodb.exceptions.ResourceNotFoundException:
            return
