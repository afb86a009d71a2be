"""Reads stored reviews, from a stage's review bucket or from a folder with the same layout.

    reviews/flow_definition=NAME/date=YYYY-MM-DD/OBJECT.json

Both sources list only the requested days, hold a bounded number of reviews in memory, and yield the reviews in the
order of their keys, so that two runs see the same sequence.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
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
from workflow.operations.read_ahead import read_ahead
from workflow.publish.owner import expecting_owner
from workflow.publish.refused import in_words

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import ClientConfig

__all__ = ["Period", "ReviewsSource", "ReviewsError", "StoredReview", "open_reviews", "proxy_options"]

READERS = 64
"""The number of objects that are read at the same time."""

MAX_AHEAD, MAX_AHEAD_BYTES = 512, 64_000_000
"""The number and the size of the objects in memory before they are used."""


class ReviewsError(AfterloopError):
    """The reviews cannot be read. The message says where, why, and what to do."""


@dataclass(frozen=True)
class Period:
    """Whole days in UTC, from `first` up to but not including `until`, by the loops' creation time.

    Raises:
        AfterloopError: The period has no days.
    """

    first: date
    until: date

    def __post_init__(self) -> None:
        if self.first >= self.until:
            raise AfterloopError(
                f"the period from {self.first} to {self.until} has no days; the end is not included, so specify a "
                "later one"
            )

    @classmethod
    def of(cls, since: datetime | None, until: datetime | None, now: datetime | None = None) -> Period:
        """Returns the days between two moments in UTC. A day that a moment cuts belongs to the period.

        Args:
            since: The first moment. None: 30 days before the end.
            until: The moment after the last. None: the end of today.
            now: The current time.

        Raises:
            AfterloopError: The period has no days.
        """
        last = until and (until - timedelta(microseconds=1)).date()
        default = cls.last_days(30, until=last and last + timedelta(days=1), now=now)
        return cls(since.date(), default.until) if since else default

    @classmethod
    def last_days(cls, days: int, *, until: date | None = None, now: datetime | None = None) -> Period:
        """Returns the last `days` days before `until`, or up to and including today."""
        end = until or (now or datetime.now(UTC)).astimezone(UTC).date() + timedelta(days=1)
        return cls(end - timedelta(days=days), end)

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.until - self.first).days

    @property
    def last(self) -> date:
        """The last day of the period."""
        return self.until - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StoredReview:
    """A stored object, not parsed.

    Attributes:
        location: The object's `s3://` location or path, for messages.
        flow_definition: The flow definition's name, from the partition.
        content: The object's content: a JSON record.
        etag: The object's entity tag in S3, which changes with its content; None for a file.
    """

    location: str
    flow_definition: str
    content: bytes
    etag: str | None = None


class ReviewsSource(Protocol):
    """A place with stored reviews."""

    @property
    def location(self) -> str:
        """The location of the reviews, for messages."""

    def flow_definitions(self) -> list[str]:
        """Returns the names of the flow definitions with stored reviews, sorted."""

    def reviews(self, flow_definition: str, period: Period) -> Iterator[StoredReview]:
        """Yields the reviews of a flow definition whose loops were created in the period.

        Raises:
            ReviewsError: The location, or a listed object, cannot be read.
        """


def open_reviews(
    location: str, session: boto3.Session | None = None, *, owner: str | None = None
) -> ReviewsSource:
    """Returns the reviews at an `s3://bucket/prefix` location, or in a local folder.

    Args:
        location: The location of the `flow_definition=…` folders. For a local path, also the parent of a folder
            `reviews` that has them.
        session: The session for `s3://` locations; boto3's default session by default.
        owner: The account that must own the bucket; None for any.

    Raises:
        ReviewsError: A local folder does not exist, or has another layout.
    """
    if location.startswith("s3://"):
        return S3Reviews(location, session or boto3.Session(), owner)
    return FolderReviews(Path(location))


# ------------------------------------------------------------------------------------- in the review bucket


class S3Reviews:
    """Reviews in a bucket. Needs `s3:ListBucket` and `s3:GetObject` on the bucket.

    Lists objects with boto3 and reads them with obstore: a report reads many small objects, and each one costs
    1.4 ms of CPU time with boto3.
    """

    def __init__(self, location: str, session: boto3.Session, owner: str | None = None) -> None:
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
        # Objects are listed before obstore reads them, which does not know this condition.
        if owner is not None:
            expecting_owner(self._s3, owner)

    @property
    def location(self) -> str:
        """The `s3://bucket/prefix/` location."""
        return f"s3://{self._bucket}/{self._prefix}"

    def flow_definitions(self) -> list[str]:
        """See `ReviewsSource`."""
        start = f"{self._prefix}flow_definition="
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=start, Delimiter="/"
        )
        with self._explained("list"):
            return sorted(
                common["Prefix"].removeprefix(start).rstrip("/")
                for page in pages
                for common in page.get("CommonPrefixes", [])
            )

    def reviews(self, flow_definition: str, period: Period) -> Iterator[StoredReview]:
        """See `ReviewsSource`."""
        store: S3Store | None = None

        def objects() -> Iterator[tuple[str, int]]:
            nonlocal store
            for listed in self._objects(flow_definition, period):
                # A flow definition without reviews needs no store, and no permission to find the bucket's Region.
                store = store or self._store()
                yield listed

        def fetch(listed: tuple[str, int]) -> StoredReview:
            assert store is not None
            return self._fetch(store, listed[0], flow_definition)

        # Small objects weigh enough that at most MAX_AHEAD of them are in memory.
        least = MAX_AHEAD_BYTES // MAX_AHEAD
        yield from read_ahead(
            objects(),
            fetch,
            threads=READERS,
            limit=MAX_AHEAD_BYTES,
            weight=lambda listed: max(listed[1], least),
        )

    def _store(self) -> S3Store:
        """Returns obstore's view of the bucket, with boto3's endpoint and credentials.

        boto3 follows S3's redirect to the bucket's Region. obstore does not, so it needs the Region.
        """
        with self._explained("list"):
            region = (
                self._s3.head_bucket(Bucket=self._bucket).get("BucketRegion") or self._s3.meta.region_name
            )
        client = self._session.client("s3", region_name=region)
        endpoint = client.meta.endpoint_url
        options: ClientConfig = {
            "allow_http": endpoint.startswith("http:"),
            "user_agent": "afterloop-report",
            **proxy_options(endpoint, getattr(client.meta.config, "proxies", None)),
        }
        if bundle := os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE"):
            options["root_certificate"] = Path(bundle).read_bytes()
        return S3Store(
            self._bucket,
            endpoint=endpoint,
            region=region,
            # Short, because boto3 may refresh the credentials of a role at any time.
            credential_provider=Boto3CredentialProvider(self._session, ttl=timedelta(minutes=5)),
            client_options=options,
        )

    def _objects(self, flow_definition: str, period: Period) -> Iterator[tuple[str, int]]:
        """Yields keys, with the objects' sizes in bytes."""
        # S3 lists keys in byte order, and dates sort as text. So the listing can start at the first day and stop
        # after the last one, however many other days the bucket has.
        dates = f"{self._prefix}flow_definition={flow_definition}/date="
        end = f"{dates}{period.until}"
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=dates, StartAfter=f"{dates}{period.first}"
        )
        with self._explained("list"):
            for page in pages:
                for item in page.get("Contents", []):
                    key = item["Key"]
                    if key >= end:
                        return
                    if key.endswith(".json"):
                        yield key, item["Size"]

    def _fetch(self, store: S3Store, key: str, flow_definition: str) -> StoredReview:
        with self._explained("read", key):
            found = obstore.get(store, key)
            content = bytes(found.bytes())
        return StoredReview(f"s3://{self._bucket}/{key}", flow_definition, content, found.meta["e_tag"])

    @contextmanager
    def _explained(self, what: str, key: str = "") -> Iterator[None]:
        """Turns AWS errors into one line that says what to do."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            known: Exception | None = in_words(error)
            if isinstance(error, ClientError) and error.response["Error"].get("Code") == "NoSuchBucket":
                known = ReviewsError(
                    "the bucket does not exist; publish the stage, or specify another with --stage"
                )
            raise ReviewsError(
                f"cannot {what} s3://{self._bucket}/{key or self._prefix}: {known or error}"
            ) from error
        except (BaseError, FileNotFoundError, ValueError) as error:
            raise ReviewsError(f"cannot {what} s3://{self._bucket}/{key}: {_reason(error)}") from error


def proxy_options(endpoint: str, configured: Mapping[str, str] | None) -> ClientConfig:
    """Returns the options with which obstore uses the same proxy as boto3, or none.

    By default, obstore always uses the proxy of the environment.
    """
    url = urlsplit(endpoint)
    proxies = get_environ_proxies(endpoint) if configured is None else configured
    if proxy := proxies.get(url.scheme) or proxies.get("all"):
        return {"proxy_url": proxy}
    environment = getproxies()
    if proxy := environment.get(url.scheme) or environment.get("all"):
        return {"proxy_url": proxy, "proxy_excludes": url.hostname or ""}
    return {}


def _reason(error: Exception) -> str:
    """Returns why an object cannot be read, and what to do, in one line."""
    match error:
        case FileNotFoundError():
            return "it was deleted after it was listed; run the command again"
        case PermissionDeniedError() | UnauthenticatedError():
            return "s3:GetObject is not permitted"
    # obstore puts each cause on a line, and then repeats all of it in debug notation.
    return " ".join(str(error).partition("\n\nDebug source:")[0].split())


# ---------------------------------------------------------------------------------------- in a local folder


class FolderReviews:
    """Reviews in a folder, such as one that `aws s3 sync` copied from the review bucket."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ReviewsError(f"folder {folder} does not exist; specify a folder with stored reviews")
        inner = folder / "reviews"
        self._folder = inner if inner.is_dir() else folder
        # An empty folder is a copy of a bucket without reviews.
        if not any(self._folder.iterdir()):
            return
        if not self.flow_definitions():
            raise ReviewsError(
                f"{folder} has no flow_definition=… folder; specify a folder with the layout of the review bucket, "
                "flow_definition=NAME/date=YYYY-MM-DD/OBJECT.json"
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
                # `glob` has no order. S3 lists keys in order, and both sources have to agree.
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
