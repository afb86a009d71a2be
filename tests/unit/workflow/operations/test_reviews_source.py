"""Where reviews and stages are found, and what is said when they are not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
import pytest
from botocore.stub import Stubber

from sandbox.invented_reviews import generate, write_reviews
from workflow.errors import AccountError, AfterloopError
from workflow.operations.reviews_source import (
    FolderReviews,
    Period,
    ReviewsError,
    ReviewsSource,
    S3Reviews,
    StoredReview,
    _proxy,
    open_reviews,
)
from workflow.operations.stage_resources import NotPublishedError, StageResources

FIRST = date(2026, 1, 1)


class Session:
    """A boto3 session whose one client answers what the test says."""

    region_name = "eu-west-1"

    def __init__(self, service: str) -> None:
        self._client = boto3.client(
            service, region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.stub = Stubber(self._client)
        self.stub.activate()

    def client(self, service: str, **_: Any) -> Any:
        return self._client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_reviews(tmp_path, 60, first=FIRST, days=5, seed=1)
    return tmp_path


def test_a_folder_gives_the_days_that_are_asked_for_in_order(folder: Path) -> None:
    source = open_reviews(str(folder))
    assert source.flow_definitions() == sorted(
        {key.split("/")[1].split("=")[1] for key, _ in generate(60, days=5, seed=1)}
    )
    period = Period(date(2026, 1, 2), date(2026, 1, 4))
    found = [stored for flow in source.flow_definitions() for stored in source.reviews(flow, period)]
    expected = sorted(
        (key, line)
        for key, line in generate(60, days=5, seed=1)
        if "date=2026-01-02" in key or "date=2026-01-03" in key
    )
    assert [(stored.location.removeprefix(f"{folder}/"), stored.content) for stored in found] == expected
    assert all(f"flow_definition={stored.flow_definition}/" in stored.location for stored in found)


def test_the_folder_may_be_the_one_called_reviews_or_the_one_above(folder: Path) -> None:
    above, itself = FolderReviews(folder), FolderReviews(folder / "reviews")
    assert above.flow_definitions() == itself.flow_definitions() != []
    assert above.location == itself.location


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReviewsError, match="there is no folder"):
        open_reviews(str(tmp_path / "nowhere"))
    assert open_reviews(str(tmp_path)).flow_definitions() == []  # nothing stored yet is not an error
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ReviewsError, match="has no flow_definition=… folder"):
        open_reviews(str(tmp_path))


def test_a_flow_definition_without_reviews_gives_none(folder: Path) -> None:
    assert list(open_reviews(str(folder)).reviews("other", Period(FIRST, date(2026, 2, 1)))) == []


def test_a_bucket_is_listed_from_the_first_day_to_the_last_only() -> None:
    session = Session("s3")
    dates = "r/flow_definition=f/date="
    keys = [f"{dates}2026-01-0{day}/{name}" for day in (2, 3) for name in ("a.json", "b.txt")]
    session.stub.add_response(
        "list_objects_v2",
        # A second page exists; the first one has gone past the last day, so it is not asked for.
        {
            "IsTruncated": True,
            "NextContinuationToken": "t",
            "Contents": [{"Key": key, "Size": 7} for key in (*keys, f"{dates}2026-01-04/c.json")],
        },
        {"Bucket": "b", "Prefix": dates, "StartAfter": f"{dates}2026-01-02"},
    )
    source = S3Reviews("s3://b/r", session)  # type: ignore[arg-type]
    found = list(source._objects("f", Period(date(2026, 1, 2), date(2026, 1, 4))))
    assert found == [(f"{dates}2026-01-02/a.json", 7), (f"{dates}2026-01-03/a.json", 7)]
    session.stub.assert_no_pending_responses()
    assert source.location == "s3://b/r/"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("AccessDenied", "cannot list s3://b/r/: ListObjectsV2 is not permitted: no"),
        ("NoSuchBucket", "cannot list s3://b/r/: there is no such bucket: publish the stage"),
        ("SlowDown", "cannot list s3://b/r/: An error occurred"),
    ],
)
def test_a_bucket_that_cannot_be_read_is_one_line(code: str, told: str) -> None:
    session = Session("s3")
    session.stub.add_client_error("list_objects_v2", code, "no")
    with pytest.raises(ReviewsError) as raised:
        open_reviews("s3://b/r/", session).flow_definitions()  # type: ignore[arg-type]
    assert str(raised.value).startswith(told)


class Bucket:
    """A bucket over HTTP with some reviews, which answers as the test says: `statuses` come before 200."""

    def __init__(self, count: int) -> None:
        self.keys = [f"r/flow_definition=f/date=2026-01-02/{number:03}.json" for number in range(count)]
        self.statuses: list[int] = []
        self.asked: list[str] = []
        self.signed_for: set[str] = set()

    def answer(self, path: str) -> tuple[int, str]:
        url = urlsplit(path)
        if "list-type=2" in url.query:
            inner = "".join(f"<Contents><Key>{key}</Key><Size>40</Size></Contents>" for key in self.keys)
            return 200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{inner}</ListBucketResult>"
        key = unquote(url.path).removeprefix("/b/")
        self.asked.append(key)
        if self.statuses:
            return self.statuses.pop(0), "<Error><Code>X</Code><Message>not today</Message></Error>"
        return 200, f'{{"key": "{key}"}}'

    def source(self) -> ReviewsSource:
        return open_reviews("s3://b/r", boto3.Session("x", "x", region_name="eu-west-1"))

    def read(self) -> list[StoredReview]:
        return list(self.source().reviews("f", Period(FIRST, date(2026, 1, 9))))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    bucket = Bucket(20)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            bucket.signed_for.add(self.headers["Authorization"].split("/")[2])
            status, text = bucket.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.send_header("ETag", '"1"')
            self.send_header("Last-Modified", "Fri, 02 Jan 2026 00:00:00 GMT")
            self.end_headers()
            self.wfile.write(text.encode())

        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("x-amz-bucket-region", "eu-central-1")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    yield bucket
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("ahead", [("AHEAD", 512), ("AHEAD", 3), ("AHEAD_BYTES", 100), ("AHEAD_BYTES", 1)])
def test_objects_come_whole_and_in_the_order_of_their_keys(
    bucket: Bucket, ahead: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"workflow.operations.reviews_source.{ahead[0]}", ahead[1])
    found = bucket.read()
    assert [one.location for one in found] == [f"s3://b/{key}" for key in bucket.keys]
    assert [json.loads(one.content)["key"] for one in found] == bucket.keys


def test_objects_are_read_in_the_buckets_region(bucket: Bucket) -> None:
    bucket.read()
    # Lists of the session's Region are followed by boto3 itself, where S3 redirects them.
    assert bucket.signed_for == {"eu-west-1", "eu-central-1"}


def test_a_key_that_cannot_be_asked_for_is_told(bucket: Bucket) -> None:
    bucket.keys = ["r//flow_definition=f/date=2026-01-02/1.json"]
    with pytest.raises(ReviewsError, match=r"cannot read s3://b/r//flow.*empty path segment"):
        bucket.read()


def test_a_proxy_is_gone_past_where_boto3_does(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert len(bucket.read()) == 20


@pytest.mark.parametrize(
    ("configured", "options"),
    [
        (None, {"proxy_url": "http://proxy:3128"}),
        ({"https": "http://other:1"}, {"proxy_url": "http://other:1"}),
        ({}, {"proxy_url": "http://proxy:3128", "proxy_excludes": "s3.eu-west-1.amazonaws.com"}),
    ],
)
def test_a_proxy_is_the_one_that_boto3_takes(
    configured: dict[str, str] | None, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert _proxy("https://s3.eu-west-1.amazonaws.com", configured) == options


def test_no_more_is_read_ahead_than_fits(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow.operations.reviews_source.AHEAD_BYTES", 100)  # two and a half of them
    reviews = bucket.source().reviews("f", Period(FIRST, date(2026, 1, 9)))
    for number, _ in enumerate(reviews, 1):
        assert len(bucket.asked) <= number + 2


def test_what_passes_is_tried_again(bucket: Bucket) -> None:
    bucket.statuses = [503, 500]
    assert len(bucket.read()) == 20


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (403, "s3:GetObject is not permitted"),
        (404, "it was listed, and is gone: somebody deletes reviews; run this again"),
        (400, "not today"),
    ],
)
def test_an_object_that_cannot_be_read_ends_it_with_its_address(
    bucket: Bucket, status: int, told: str
) -> None:
    bucket.keys = bucket.keys[:1]
    bucket.statuses = [status]
    with pytest.raises(ReviewsError) as raised:
        bucket.read()
    assert str(raised.value).startswith(f"cannot read s3://b/{bucket.keys[0]}: ")
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_last_days_end_today_or_before_a_day() -> None:
    now = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    assert Period.last_days(2, now=now) == Period(date(2026, 2, 28), date(2026, 3, 2))
    assert Period.last_days(2, until=date(2026, 1, 3)) == Period(FIRST, date(2026, 1, 3))


STACK = {
    "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/afterloop-dev/1",
    "StackName": "afterloop-dev",
    "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
    "StackStatus": "CREATE_COMPLETE",
    "Outputs": [
        {"OutputKey": "ReviewBucket", "OutputValue": "the-bucket"},
        {"OutputKey": "LedgerTable", "OutputValue": "the-table"},
    ],
}


def test_a_stages_resources_are_its_stacks_outputs() -> None:
    session = Session("cloudformation")
    session.stub.add_response("describe_stacks", {"Stacks": [STACK]}, {"StackName": "afterloop-dev"})
    resources = StageResources.find("dev", session)  # type: ignore[arg-type]
    assert (resources.review_bucket, resources.ledger_table) == ("the-bucket", "the-table")
    arn = "arn:aws:sagemaker:eu-west-1:123456789012:flow-definition/invoices"
    assert resources.flow_definition_arn("invoices") == resources.flow_definition_arn(arn) == arn
    with pytest.raises(NotPublishedError, match="stage dev has no output StateMachine: publish it again"):
        assert resources.state_machine_arn


@pytest.mark.parametrize(
    ("code", "message", "error", "told"),
    [
        (
            "ValidationError",
            "Stack with id afterloop-dev does not exist",
            NotPublishedError,
            "stage dev is not published in eu-west-1",
        ),
        ("AccessDenied", "no", AccountError, "DescribeStacks is not permitted"),
        ("ExpiredToken", "no", AccountError, "session has expired"),
    ],
)
def test_a_stage_that_cannot_be_found_is_one_line(
    code: str, message: str, error: type[AfterloopError], told: str
) -> None:
    session = Session("cloudformation")
    session.stub.add_client_error("describe_stacks", code, message)
    with pytest.raises(error, match=told):
        StageResources.find("dev", session)  # type: ignore[arg-type]
