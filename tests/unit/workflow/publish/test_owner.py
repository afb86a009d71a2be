"""Each call for a bucket says which account must own it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from workflow.operations.reviews_source import open_reviews
from workflow.operations.stage_resources import StageResources
from workflow.publish.owner import expecting_owner

OWNER = "111122223333"


class Session:
    """A session whose client of S3 is the test's."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def client(self, *_: object, **__: object) -> Any:
        return self._client


@pytest.fixture
def s3() -> Iterator[Any]:
    client: Any = boto3.Session("a", "b", region_name="us-east-1").client("s3")
    with Stubber(client) as stub:
        client.stub = stub
        yield client
        stub.assert_no_pending_responses()


def expect(s3: Any, operation: str, answer: dict[str, Any], **parameters: Any) -> None:
    s3.stub.add_response(operation, answer, parameters)


def test_calls_name_the_owner(s3: Any) -> None:
    for _ in range(2):  # a client that several parts share
        expecting_owner(s3, OWNER)
    expect(s3, "put_object", {}, Bucket="b", Key="k", ExpectedBucketOwner=OWNER)
    expect(s3, "list_objects_v2", {}, Bucket="b", ExpectedBucketOwner=OWNER)
    expect(s3, "list_buckets", {})
    s3.put_object(Bucket="b", Key="k")
    list(s3.get_paginator("list_objects_v2").paginate(Bucket="b"))
    s3.list_buckets()


def test_owner_in_a_call_stays(s3: Any) -> None:
    expecting_owner(s3, OWNER)
    expect(s3, "head_bucket", {}, Bucket="b", ExpectedBucketOwner="222222222222")
    s3.head_bucket(Bucket="b", ExpectedBucketOwner="222222222222")


@pytest.mark.parametrize("accounts", ["", ",222222222222"])
def test_stage_names_its_account_unless_others_own_buckets(s3: Any, accounts: str) -> None:
    parameters = {"OutputBuckets": "arn:aws:s3:::outputs", "DocumentBuckets": "-", "BucketAccounts": accounts}
    resources = StageResources("dev", "aws", "us-east-1", OWNER, {}, parameters)
    client = resources.s3(Session(s3))  # type: ignore[arg-type]
    owner = {} if accounts else {"ExpectedBucketOwner": OWNER}
    expect(s3, "head_object", {}, Bucket="outputs", Key="k", **owner)
    expect(s3, "head_object", {}, Bucket="reviews", Key="k", ExpectedBucketOwner=OWNER)
    for bucket in ("outputs", "reviews"):
        client.head_object(Bucket=bucket, Key="k")


def test_reviews_of_a_stage_are_listed_in_its_own_bucket(s3: Any) -> None:
    expect(
        s3,
        "list_objects_v2",
        {},
        Bucket="reviews",
        Prefix="reviews/flow_definition=",
        Delimiter="/",
        ExpectedBucketOwner=OWNER,
    )
    source = open_reviews("s3://reviews/reviews", Session(s3), owner=OWNER)  # type: ignore[arg-type]
    assert source.flow_definitions() == []


def test_commands_make_clients_of_s3_in_one_place() -> None:
    """A client made elsewhere would not name the owner. These two are for places that the user names."""
    found = {
        f"{path.parent.name}/{path.name}"
        for folder in ("operations", "cli")
        for path in (Path(__file__).parents[4] / "workflow" / folder).rglob("*.py")
        if 'client("s3"' in path.read_text(encoding="utf-8")
        or 'client(\n            "s3"' in path.read_text(encoding="utf-8")
    }
    assert found == {"operations/stage_resources.py", "operations/reviews_source.py", "cli/manifest.py"}
