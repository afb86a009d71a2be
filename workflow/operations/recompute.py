"""Makes stored reviews again, from the outputs of A2I, with the current code and the published settings.

Nothing else happens: no claim, no message, no post-review step, and waiting workflows are not notified. For each
review, the figures in the ledger are written first, and then the record. A record says in `made_by` what made it, so
after an interruption a second run finds every review whose record was not written, and writes the same figures again.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from lambdas.aws.object_store import ObjectStore
from lambdas.aws.transient import is_transient
from lambdas.loops.identity import own_key
from lambdas.loops.ledger import Ledger
from lambdas.reviews.code import code_digest, digest_of
from lambdas.reviews.errors import InvalidDocument, InvalidSettings, ReviewError, TransientServiceError
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import MadeBy, ReviewRecord, read_review
from lambdas.reviews.review import collect_record, summarise
from lambdas.reviews.settings import ReviewSettings
from lambdas.reviews.summary import ReviewSummary
from lambdas.reviews.times import timestamp
from workflow.errors import AfterloopError
from workflow.operations.read_ahead import read_ahead
from workflow.operations.record_changes import RecordChanges
from workflow.operations.reviews_source import Period, ReviewsSource, StoredReview, open_reviews
from workflow.publish.aws_errors import error_code, explained
from workflow.stack import VERSION_MARK

if TYPE_CHECKING:
    import boto3

    from workflow.operations.stage_resources import StageResources

__all__ = ["LeftOut", "Recompute", "Recomputation", "RecomputeError"]

READERS = 16
"""The number of outputs that are read and compared at the same time. Outputs can be large."""

MAX_AHEAD = 64

PACKAGE = "lambdas/reviews/"


class RecomputeError(AfterloopError):
    """The reviews of the stage cannot be recomputed. The message says why, and what to do."""


class _UnexpectedError(ReviewError):
    """An output cannot be read or compared for a reason that Afterloop does not know."""


@dataclass(frozen=True)
class LeftOut:
    """A review that could not be recomputed. Its record stays as it is.

    Attributes:
        review: The record's location.
        reason: Why.
    """

    review: str
    reason: str


@dataclass
class Recomputation:
    """The result of a run, or what a run would do.

    Attributes:
        reviews: The number of stored reviews in the period.
        invented: The number of sample reviews, which have no output.
        current: The number of reviews that the current code and settings made. They are not recomputed.
        unchanged: The number of recomputed reviews whose record is the same, byte for byte.
        only_made_by: The number of recomputed reviews in which only `made_by` changes.
        changed: The number of recomputed reviews with other changes.
        changes: What changes in them.
        ledger: The number of loops whose figures in the ledger change. In a dry run, including loops whose row does
            not point to the review.
        left_out: The reviews that could not be recomputed.
    """

    reviews: int = 0
    invented: int = 0
    current: int = 0
    unchanged: int = 0
    only_made_by: int = 0
    changed: int = 0
    changes: RecordChanges = field(default_factory=RecordChanges)
    ledger: int = 0
    left_out: list[LeftOut] = field(default_factory=list)

    @property
    def to_write(self) -> int:
        """The number of records that are written."""
        return self.only_made_by + self.changed


@dataclass(frozen=True)
class _Made:
    """What happened to one review."""

    what: Literal["invented", "current", "unchanged", "only_made_by", "changed", "left_out"]
    changes: RecordChanges | None = None
    ledger: bool = False
    left_out: LeftOut | None = None


class Recompute:
    """Recomputes the reviews of a published stage.

    Needs `s3:GetObject` and `s3:ListBucket` on the review bucket and the output buckets; to write, also
    `s3:PutObject` on the review bucket and `dynamodb:UpdateItem` on the ledger.

    Args:
        resources: The stage's resources.
        session: The session, with credentials and Region.

    Attributes:
        settings: The published settings, as the stage's functions have them.

    Raises:
        RecomputeError: The published settings cannot be read by this version of Afterloop.
    """

    def __init__(self, resources: StageResources, session: boto3.Session) -> None:
        self._resources = resources
        self._session = session
        try:
            self.settings = ReviewSettings.parse(resources.parameter("ReviewSettings"))
        except InvalidSettings as error:
            raise RecomputeError(
                f"stage {resources.stage} was published by another version of Afterloop ({error}); publish it again"
            ) from error
        # Outputs are read in parallel: one connection for each reader, and retries that back off.
        config = Config(max_pool_connections=READERS, retries={"mode": "standard", "max_attempts": 5})
        self._s3 = resources.s3(session, config)
        self._outputs = ObjectStore(self._s3)
        self._ledger = Ledger(session.client("dynamodb", config=config), resources.ledger_table)

    @property
    def code(self) -> str:
        """The digest of this copy's code; see `lambdas.reviews.code`."""
        return code_digest()

    def differs_from(self, settings: ReviewSettings) -> bool:
        """Whether other settings, such as those in `stages.toml`, make other records than the published ones."""
        names = {*settings.predictions, *settings.flow_definitions}
        names |= {*self.settings.predictions, *self.settings.flow_definitions, ""}
        return any(settings.digest(name) != self.settings.digest(name) for name in names)

    def published_code(self) -> str:
        """Returns the digest of the code that the stage's function collects reviews with.

        Raises:
            RecomputeError: The function's bundle cannot be read.
        """
        bucket = self._resources.parameter("ArtifactBucket")
        key, _, version = self._resources.parameter("CollectReviewKey").partition(VERSION_MARK)
        # Without a version, an earlier version of Afterloop published the stage.
        place: Any = {"Bucket": bucket, "Key": key, **({"VersionId": version} if version else {})}
        try:
            body = self._s3.get_object(**place)["Body"].read()
        except ClientError as error:
            raise RecomputeError(
                f"cannot compare the code of stage {self._resources.stage} with this copy of Afterloop: "
                f"s3://{bucket}/{key}: {error_code(error)}"
            ) from error
        with zipfile.ZipFile(io.BytesIO(body)) as bundle:
            names = [name for name in bundle.namelist() if name.startswith(PACKAGE) and name.endswith(".py")]
            return digest_of({name.removeprefix(PACKAGE): bundle.read(name) for name in names})

    def run(
        self,
        period: Period,
        *,
        flow_definition: str | None = None,
        every: bool = False,
        write: bool = False,
        progress: Callable[[Recomputation], object] | None = None,
    ) -> Recomputation:
        """Recomputes the reviews of a period.

        Args:
            period: The days, by the loops' creation time.
            flow_definition: Only reviews of the flow definition with this name.
            every: Whether to recompute also what the current code and settings made.
            write: Whether to write records and figures. Without it, the result says what would be written.
            progress: Called after each review with the result so far. An interruption in it leaves no review half done.

        Raises:
            ReviewsError: The review bucket cannot be read.
            ClientError: The ledger cannot be written.
        """
        source = self._source()
        names = [flow_definition] if flow_definition else source.flow_definitions()
        stored = (review for name in names for review in source.reviews(name, period))
        result = Recomputation()
        results = read_ahead(
            stored, lambda review: self._remake(review, every, write), threads=READERS, limit=MAX_AHEAD
        )
        # After an interruption, nothing starts any more.
        with closing(results):
            for made in results:
                _count(result, made)
                if progress is not None:
                    progress(result)
        return result

    def flow_definitions(self) -> list[str]:
        """Returns the names of the flow definitions with stored reviews, sorted."""
        return self._source().flow_definitions()

    def _source(self) -> ReviewsSource:
        place = f"s3://{self._resources.review_bucket}/reviews"
        return open_reviews(place, self._session, owner=self._resources.account_id)

    def _remake(self, stored: StoredReview, every: bool, write: bool) -> _Made:
        try:
            return self._made(stored, every, write)
        except ReviewError as error:
            # Returned, not raised: one review that cannot be recomputed must not end the run.
            return _Made("left_out", left_out=LeftOut(stored.location, str(error)))

    def _made(self, stored: StoredReview, every: bool, write: bool) -> _Made:
        before = read_review(stored.content)
        location = S3Location(self._resources.review_bucket, before.key)
        if before.invented:
            return _Made("invented")
        if str(location) != stored.location:
            problem = f"the record is not stored under its own key, {before.key}"
            raise InvalidDocument("review record", "$", problem)
        made_by = MadeBy(code=self.code, settings=self.settings.digest(before.flow_definition))
        if before.made_by == made_by and not every:
            return _Made("current")
        after = self._collected(before)
        if after.key != before.key:
            raise InvalidDocument("review record", "$", f"the new record would have another key, {after.key}")
        if after.to_line() == stored.content:
            return _Made("unchanged")
        figures = _figures(after, location)
        in_ledger = figures != _figures(before, location)
        if write:
            # The ledger first: a record that is written counts as done.
            in_ledger = in_ledger and self._write_figures(before, location, figures)
            self._write(location, after, stored.etag)
        keeps_ids = self.settings.worker_identity == "keep"
        changes = RecordChanges.between(before, after, keeps_ids=keeps_ids)
        return _Made("changed" if changes.keys else "only_made_by", changes, in_ledger)

    def _collected(self, before: ReviewRecord) -> ReviewRecord:
        try:
            loop = _ended(before)
            return collect_record(loop, self._outputs, self.settings, self._resources.stage)
        except ReviewError:
            raise
        except Exception as error:
            # Without credentials, no review can be recomputed.
            if known := explained(error):
                raise known from error
            # As in the workflow, what nobody expected of one output is the problem of one review.
            raise _UnexpectedError(f"{before.output_location}: {type(error).__name__}: {error}") from error

    def _write_figures(self, record: ReviewRecord, location: S3Location, figures: dict[str, Any]) -> bool:
        # Another loop of the name can have the row with the name as its key.
        keys = (record.human_loop_name, own_key(record.human_loop_name, timestamp(record.created_at)))
        try:
            return any(self._ledger.update_figures(key, str(location), figures) for key in keys)
        except (BotoCoreError, ClientError) as error:
            code = error_code(error) if isinstance(error, ClientError) else str(error)
            if is_transient(error):
                raise TransientServiceError(f"the ledger: {code}; run the command again") from error
            raise RecomputeError(
                f"cannot write the figures of {record.human_loop_name} to the ledger: {code}; your credentials need "
                "dynamodb:UpdateItem on its table"
            ) from error

    def _write(self, location: S3Location, record: ReviewRecord, etag: str | None) -> None:
        """Replaces a record, unless it was deleted or written by somebody else since it was read."""
        condition: Any = {"IfMatch": etag} if etag else {}
        try:
            self._s3.put_object(
                Bucket=location.bucket,
                Key=location.key,
                Body=record.to_line(),
                ContentType="application/json",
                **condition,
            )
        except (BotoCoreError, ClientError) as error:
            code = error_code(error) if isinstance(error, ClientError) else str(error)
            if code in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"):
                problem = "the record was written or deleted by somebody else in the meantime"
                raise TransientServiceError(f"{location}: {problem}; run the command again") from error
            if is_transient(error):
                raise TransientServiceError(f"{location}: {code}; run the command again") from error
            raise RecomputeError(
                f"cannot write {location}: {code}; your credentials need s3:PutObject on the review bucket"
            ) from error


def _ended(record: ReviewRecord) -> ReviewRecord:
    try:
        _ = record.output
    except ValueError as error:
        raise InvalidDocument("review record", "$.output_location", str(error)) from error
    return record


def _figures(record: ReviewRecord, location: S3Location) -> dict[str, Any]:
    summary = summarise(record, location)
    return {name: summary[name] for name in ReviewSummary.ledger_figures()}


def _count(result: Recomputation, made: _Made) -> None:
    result.reviews += 1
    if made.left_out is not None:
        result.left_out.append(made.left_out)
    else:
        setattr(result, made.what, getattr(result, made.what) + 1)
    if made.changes is not None:
        result.changes.add(made.changes)
    result.ledger += made.ledger
