"""Stored reviews, read back: from the review bucket of a stage, or from a folder of the same layout.

    reviews/flow_definition=NAME/date=YYYY-MM-DD/OBJECT.json

Both sources list only the days that are asked for, hold a bounded number of reviews in memory, and give
them in the order of their keys, so that two runs see the same sequence.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies

import boto3
import obstore
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import get_environ_proxies
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from workflow.errors import AfterloopError
from workflow.publish.aws_errors import explained

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import ClientConfig

__all__ = ["Period", "ReviewsSource", "ReviewsError", "StoredReview", "open_reviews"]

READERS = 64
"""Objects that are fetched at once."""

AHEAD, AHEAD_BYTES = 512, 64_000_000
"""Objects, and bytes of them, that are fetched or being fetched before they are asked for: what bounds the memory."""


class ReviewsError(AfterloopError):
    """The place that holds the reviews cannot be read: where, why, and what to do."""


@dataclass(frozen=True)
class Period:
    """Whole days in UTC, from `first` up to and not including `until`; by the loops' creation time.

    Raises:
        AfterloopError: if there is no day in it.
    """

    first: date
    until: date

    def __post_init__(self) -> None:
        if self.first >= self.until:
            raise AfterloopError(
                f"the period from {self.first} up to {self.until} has no day in it: its last day is not included, "
                "so give a later one"
            )

    @classmethod
    def last_days(cls, days: int, *, until: date | None = None, now: datetime | None = None) -> Period:
        """The last `days` days before `until`; today is the last of them if it is not given."""
        end = until or (now or datetime.now(UTC)).astimezone(UTC).date() + timedelta(days=1)
        return cls(end - timedelta(days=days), end)

    @property
    def days(self) -> int:
        """Number of days."""
        return (self.until - self.first).days

    @property
    def last(self) -> date:
        """The last day that is in it."""
        return self.until - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StoredReview:
    """One stored object, unparsed.

    Attributes:
        location: s3:// address or path, for messages.
        flow_definition: name of the flow definition, from the partition.
        content: the object's bytes: one JSON record.
    """

    location: str
    flow_definition: str
    content: bytes


class ReviewsSource(Protocol):
    """Where stored reviews are."""

    @property
    def location(self) -> str:
        """Address of the whole, for people."""

    def flow_definitions(self) -> list[str]:
        """Names of the flow definitions that have reviews stored, sorted."""

    def reviews(self, flow_definition: str, period: Period) -> Iterator[StoredReview]:
        """The reviews of one flow definition whose loops were created in the period.

        Raises:
            ReviewsError: if the place, or an object that was listed, cannot be read.
        """


def open_reviews(location: str, session: boto3.Session | None = None) -> ReviewsSource:
    """The source at an `s3://bucket/prefix` address, or in a local folder.

    Args:
        location: address or path of the folder that has the `flow_definition=…` folders, or of its parent
            when the folder itself is called `reviews`.
        session: used for `s3://` only; the environment's if not given.

    Raises:
        ReviewsError: if a local folder does not exist or has no such layout.
    """
    if location.startswith("s3://"):
        return S3Reviews(location, session or boto3.Session())
    return FolderReviews(Path(location))


# ------------------------------------------------------------------------------------- in the review bucket


class S3Reviews:
    """Reviews in a bucket. Needs `s3:ListBucket` and `s3:GetObject` on it.

    Lists with boto3, and reads with obstore: a report is many small objects, of which each costs boto3 1.4 ms of
    the processor.
    """

    def __init__(self, location: str, session: boto3.Session) -> None:
        parts = urlsplit(location)
        self._bucket = parts.netloc
        self._prefix = f"{parts.path.strip('/')}/" if parts.path.strip("/") else ""
        self._session = session
        self._s3: S3Client = session.client(
            "s3",
            config=Config(
                retries={"mode": "standard", "max_attempts": 5}, user_agent_extra="afterloop-report"
            ),
        )

    @property
    def location(self) -> str:
        """`s3://bucket/prefix/`."""
        return f"s3://{self._bucket}/{self._prefix}"

    def flow_definitions(self) -> list[str]:
        """See `ReviewsSource`."""
        start = f"{self._prefix}flow_definition="
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=start, Delimiter="/"
        )
        with self._told("list"):
            return sorted(
                common["Prefix"].removeprefix(start).rstrip("/")
                for page in pages
                for common in page.get("CommonPrefixes", [])
            )

    def reviews(self, flow_definition: str, period: Period) -> Iterator[StoredReview]:
        """See `ReviewsSource`."""
        with ThreadPoolExecutor(READERS, thread_name_prefix="reviews") as pool:
            waiting: deque[tuple[Future[StoredReview], int]] = deque()
            store, ahead = None, 0
            try:
                for key, size in self._objects(flow_definition, period):
                    store = store or self._store()
                    waiting.append((pool.submit(self._fetch, store, key, flow_definition), size))
                    ahead += size
                    while len(waiting) >= AHEAD or ahead > AHEAD_BYTES:
                        future, size = waiting.popleft()
                        ahead -= size
                        yield future.result()
                while waiting:
                    yield waiting.popleft()[0].result()
            finally:
                for future, _ in waiting:
                    future.cancel()

    def _store(self) -> S3Store:
        """The bucket as boto3 sees it: the same endpoint and credentials, and the Region that it follows it to."""
        with self._told("list"):
            region = (
                self._s3.head_bucket(Bucket=self._bucket).get("BucketRegion") or self._s3.meta.region_name
            )
        client = self._session.client("s3", region_name=region)
        endpoint = client.meta.endpoint_url
        options: ClientConfig = {
            "allow_http": endpoint.startswith("http:"),
            "user_agent": "afterloop-report",
            **_proxy(endpoint, getattr(client.meta.config, "proxies", None)),
        }
        if bundle := os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE"):
            options["root_certificate"] = Path(bundle).read_bytes()
        return S3Store(
            self._bucket,
            endpoint=endpoint,
            region=region,
            credential_provider=Boto3CredentialProvider(self._session, ttl=timedelta(minutes=5)),
            client_options=options,
        )

    def _objects(self, flow_definition: str, period: Period) -> Iterator[tuple[str, int]]:
        """Keys, with the objects' sizes in bytes."""
        # Keys are listed in order of their bytes and dates sort as text: the listing can begin at the first
        # day and end at the last, whatever lies before and after.
        dates = f"{self._prefix}flow_definition={flow_definition}/date="
        end = f"{dates}{period.until}"
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=dates, StartAfter=f"{dates}{period.first}"
        )
        with self._told("list"):
            for page in pages:
                for item in page.get("Contents", []):
                    key = item["Key"]
                    if key >= end:
                        return
                    if key.endswith(".json"):
                        yield key, item["Size"]

    def _fetch(self, store: S3Store, key: str, flow_definition: str) -> StoredReview:
        with self._told("read", key):
            content = bytes(obstore.get(store, key).bytes())
        return StoredReview(f"s3://{self._bucket}/{key}", flow_definition, content)

    @contextmanager
    def _told(self, what: str, key: str = "") -> Iterator[None]:
        """Turns what AWS answers into one line that says what to do."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            known: Exception | None = explained(error)
            if isinstance(error, ClientError) and error.response["Error"].get("Code") == "NoSuchBucket":
                known = ReviewsError(
                    "there is no such bucket: publish the stage, or name another with --stage"
                )
            raise ReviewsError(
                f"cannot {what} s3://{self._bucket}/{key or self._prefix}: {known or error}"
            ) from error
        except (BaseError, FileNotFoundError, ValueError) as error:
            raise ReviewsError(f"cannot {what} s3://{self._bucket}/{key}: {_reason(error)}") from error


def _proxy(endpoint: str, configured: Mapping[str, str] | None) -> ClientConfig:
    """Leads through a proxy, or past it, what boto3 does: obstore takes the environment's whatever is configured."""
    url = urlsplit(endpoint)
    proxies = get_environ_proxies(endpoint) if configured is None else configured
    if proxy := proxies.get(url.scheme) or proxies.get("all"):
        return {"proxy_url": proxy}
    environment = getproxies()
    if proxy := environment.get(url.scheme) or environment.get("all"):
        return {"proxy_url": proxy, "proxy_excludes": url.hostname or ""}
    return {}


def _reason(error: Exception) -> str:
    """What kept an object from being read, and what to do, in one line."""
    match error:
        case FileNotFoundError():
            return "it was listed, and is gone: somebody deletes reviews; run this again"
        case PermissionDeniedError() | UnauthenticatedError():
            return "s3:GetObject is not permitted"
    # The library tells its causes on lines of their own, and then itself once more as it is in its own code.
    return " ".join(str(error).partition("\n\nDebug source:")[0].split())


# ---------------------------------------------------------------------------------------- in a local folder


class FolderReviews:
    """Reviews in a folder, such as `aws s3 sync` copies from the review bucket."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ReviewsError(f"there is no folder {folder}: give the path of stored reviews")
        inner = folder / "reviews"
        self._folder = inner if inner.is_dir() else folder
        if not any(self._folder.iterdir()):
            return
        if not self.flow_definitions():
            raise ReviewsError(
                f"{folder} has no flow_definition=… folder in it: give a folder laid out like the review "
                "bucket, flow_definition=NAME/date=YYYY-MM-DD/OBJECT.json"
            )

    @property
    def location(self) -> str:
        """The folder's path."""
        return str(self._folder)

    def flow_definitions(self) -> list[str]:
        """See `ReviewsSource`."""
        return _partitions(self._folder, "flow_definition")

    def reviews(self, flow_definition: str, period: Period) -> Iterator[StoredReview]:
        """See `ReviewsSource`."""
        folder = self._folder / f"flow_definition={flow_definition}"
        first, until = str(period.first), str(period.until)
        for day in _partitions(folder, "date"):
            if first <= day < until:
                for path in sorted((folder / f"date={day}").glob("*.json")):
                    try:
                        content = path.read_bytes()
                    except OSError as error:
                        raise ReviewsError(f"cannot read {path}: {error.strerror}") from error
                    yield StoredReview(str(path), flow_definition, content)


def _partitions(folder: Path, column: str) -> list[str]:
    if not folder.is_dir():
        return []
    start = f"{column}="
    return sorted(
        entry.name.removeprefix(start) for entry in folder.iterdir() if entry.name.startswith(start)
    )
