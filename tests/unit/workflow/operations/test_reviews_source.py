"""Tests of the sources of stored reviews, and of their errors."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
import pytest
from botocore.stub import Stubber

from sandbox.invented_reviews import generate, write_reviews
from workflow.operations.reviews_source import (
    FolderReviews,
    Period,
    ReviewsError,
    ReviewsSource,
    StoredReview,
    open_reviews,
    proxy_options,
)

FIRST = date(2026, 1, 1)


class Session:
    """A boto3 session with one stubbed client."""

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


def test_folder_yields_the_requested_days_in_order(folder: Path) -> None:
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


def test_folder_can_be_reviews_or_its_parent(folder: Path) -> None:
    above, itself = FolderReviews(folder), FolderReviews(folder / "reviews")
    assert above.flow_definitions() == itself.flow_definitions() != []
    assert above.location == itself.location


def test_folder_with_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReviewsError, match="does not exist"):
        open_reviews(str(tmp_path / "nowhere"))
    assert open_reviews(str(tmp_path)).flow_definitions() == []  # An empty folder is not an error.
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ReviewsError, match="has no flow_definition=… folder"):
        open_reviews(str(tmp_path))


def test_flow_definition_without_reviews_yields_nothing(folder: Path) -> None:
    assert list(open_reviews(str(folder)).reviews("other", Period(FIRST, date(2026, 2, 1)))) == []


def test_bucket_is_listed_from_the_first_day_to_the_last(bucket: Bucket) -> None:
    dates = "r/flow_definition=f/date="
    bucket.keys = [f"{dates}2026-01-0{day}/{name}" for day in (2, 3, 4) for name in ("a.json", "b.txt")]
    # The first page goes past the last day, so the next page is not requested.
    bucket.is_truncated = True
    found = bucket.source().reviews("f", Period(date(2026, 1, 2), date(2026, 1, 4)))
    assert [one.location for one in found] == [f"s3://b/{dates}2026-01-0{day}/a.json" for day in (2, 3)]
    (query,) = bucket.lists
    assert query["start-after"] == [f"{dates}2026-01-02"]
    assert query["prefix"] == [dates]
    assert bucket.source().location == "s3://b/r/"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("AccessDenied", "cannot list s3://b/r/: ListObjectsV2 is not permitted: no"),
        ("NoSuchBucket", "cannot list s3://b/r/: the bucket does not exist; publish the stage"),
        (
            "SlowDown",
            "cannot list s3://b/r/: AWS is busy or fails at the moment (ListObjectsV2: SlowDown: no)",
        ),
    ],
)
def test_bucket_that_cannot_be_listed_is_one_error(code: str, expected: str) -> None:
    session = Session("s3")
    session.stub.add_client_error("list_objects_v2", code, "no")
    with pytest.raises(ReviewsError) as raised:
        open_reviews("s3://b/r/", session).flow_definitions()  # type: ignore[arg-type]
    assert str(raised.value).startswith(expected)


class Bucket:
    """A bucket over HTTP with some reviews. It answers with `statuses` first, then with 200."""

    def __init__(self, count: int) -> None:
        self.keys = [f"r/flow_definition=f/date=2026-01-02/{number:03}.json" for number in range(count)]
        self.statuses: list[int] = []
        self.requested: list[str] = []
        self.signed_for: set[str] = set()
        self.lists: list[dict[str, list[str]]] = []
        self.is_truncated = False

    def answer(self, path: str) -> tuple[int, str]:
        url = urlsplit(path)
        if "list-type=2" in url.query:
            inner = "".join(f"<Contents><Key>{key}</Key><Size>40</Size></Contents>" for key in self.keys)
            self.lists.append(parse_qs(url.query))
            more = "true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
            truncated = more if self.is_truncated else "false</IsTruncated>"
            return 200, f"<ListBucketResult><IsTruncated>{truncated}{inner}</ListBucketResult>"
        key = unquote(url.path).removeprefix("/b/")
        self.requested.append(key)
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
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    yield bucket
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("ahead", [("MAX_AHEAD", 512), ("MAX_AHEAD", 3), ("MAX_AHEAD_BYTES", 1000)])
def test_objects_are_in_the_order_of_their_keys(
    bucket: Bucket, ahead: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"workflow.operations.reviews_source.{ahead[0]}", ahead[1])
    found = bucket.read()
    assert [one.location for one in found] == [f"s3://b/{key}" for key in bucket.keys]
    assert [json.loads(one.content)["key"] for one in found] == bucket.keys


def test_objects_are_read_in_the_region_of_the_bucket(bucket: Bucket) -> None:
    bucket.read()
    # boto3 follows S3's redirects, so it lists in the session's Region.
    assert bucket.signed_for == {"eu-west-1", "eu-central-1"}


def test_invalid_key_is_an_error(bucket: Bucket) -> None:
    bucket.keys = ["r//flow_definition=f/date=2026-01-02/1.json"]
    with pytest.raises(ReviewsError, match=r"cannot read s3://b/r//flow.*empty path segment"):
        bucket.read()


def test_no_proxy_is_honoured(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_proxy_is_the_one_that_boto3_uses(
    configured: dict[str, str] | None, options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert proxy_options("https://s3.eu-west-1.amazonaws.com", configured) == options


def test_read_ahead_is_bounded(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow.operations.reviews_source.MAX_AHEAD_BYTES", 900)
    monkeypatch.setattr("workflow.operations.reviews_source.MAX_AHEAD", 3)
    reviews = bucket.source().reviews("f", Period(FIRST, date(2026, 1, 9)))
    for number, _ in enumerate(reviews, 1):
        assert len(bucket.requested) <= number + 2


def test_server_errors_are_retried(bucket: Bucket) -> None:
    bucket.statuses = [503, 500]
    assert len(bucket.read()) == 20


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (403, "s3:GetObject is not permitted"),
        (404, "it was deleted after it was listed; run the command again"),
        (400, "not today"),
    ],
)
def test_object_that_cannot_be_read_is_an_error(bucket: Bucket, status: int, expected: str) -> None:
    bucket.keys = bucket.keys[:1]
    bucket.statuses = [status]
    with pytest.raises(ReviewsError) as raised:
        bucket.read()
    assert str(raised.value).startswith(f"cannot read s3://b/{bucket.keys[0]}: ")
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_last_days_end_today_or_before_a_day() -> None:
    now = datetime(2026, 3, 1, 23, 59, tzinfo=UTC)
    assert Period.last_days(2, now=now) == Period(date(2026, 2, 28), date(2026, 3, 2))
    assert Period.last_days(2, until=date(2026, 1, 3)) == Period(FIRST, date(2026, 1, 3))
