"""A stage with stored reviews, for tests that recompute them: buckets and ledger are moto's."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from lambdas.loops.ledger import Ledger
from lambdas.loops.loop import Loop
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import MadeBy, ReviewRecord, read_review
from lambdas.reviews.review import build_record, summarise
from lambdas.reviews.settings import ReviewSettings
from tests import review_samples as samples
from tests.unit.doubles import REGION, StubbedSession
from workflow import ROOT
from workflow.operations import recompute
from workflow.operations.reviews_source import Period, StoredReview
from workflow.operations.stage_resources import StageResources

REVIEWS, OUTPUTS = "reviews", "reviewed"
OLD = MadeBy(code="0" * 12, settings="0" * 12)
"""What made the reviews that an earlier version stored."""


@dataclass
class StoredReviews:
    """The reviews of the stage dev."""

    session: StubbedSession
    settings: dict[str, Any] = field(default_factory=lambda: {"outputBuckets": [OUTPUTS]})

    def __post_init__(self) -> None:
        self.s3 = self.session.client("s3")
        self.ledger = Ledger(self.session.client("dynamodb"), "ledger")
        self.publish_code()

    @property
    def resources(self) -> StageResources:
        return StageResources(
            "dev",
            "aws",
            REGION,
            "123456789012",
            {"LedgerTable": "ledger", "ReviewBucket": REVIEWS},
            {
                "ReviewSettings": json.dumps(self.settings),
                "ArtifactBucket": REVIEWS,
                "CollectReviewKey": "bundles/collect.zip",
            },
        )

    def publish_code(self, **changes: str) -> None:
        """Publishes the code of this checkout, with changes: file of lambdas/reviews → content."""
        package = ROOT / "lambdas/reviews"
        sources = {path.relative_to(package).as_posix(): path.read_text() for path in package.rglob("*.py")}
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as bundle:
            for name, content in (sources | changes).items():
                bundle.writestr(f"lambdas/reviews/{name}", content)
            bundle.writestr("lambdas/collect_review.py", "")
        self.s3.put_object(Bucket=REVIEWS, Key="bundles/collect.zip", Body=zipped.getvalue())

    def store(
        self,
        name: str,
        document: dict[str, Any],
        *,
        status: str = "Completed",
        settings: dict[str, Any] | None = None,
        row: bool = True,
        **changes: Any,
    ) -> str:
        """Stores an output, the review that an earlier version made of it, and its row; returns the record's key.

        Args:
            name: The loop.
            document: The output.
            status: How the loop ended.
            settings: The settings that the review was made with.
            row: Whether the ledger has the loop.
            changes: Keys of the record, with other values than the current code gives.
        """
        output = f"my-flow/{name}/output.json"
        document = {**document, "humanLoopName": name}
        self.s3.put_object(Bucket=OUTPUTS, Key=output, Body=json.dumps(document))
        change = samples.change(
            status, humanLoopName=name, humanLoopOutput={"outputS3Uri": f"s3://{OUTPUTS}/{output}"}
        )
        made_with = ReviewSettings.model_validate(settings or self.settings)
        record = build_record(change, samples.parsed(document), made_with, "dev")
        record = record.model_copy(update={"made_by": OLD, **changes})
        self.s3.put_object(Bucket=REVIEWS, Key=record.key, Body=record.to_line())
        if row:
            summary = summarise(record, S3Location(REVIEWS, record.key))
            figures = ("answers", "fields", "changed", "added", "removed", "unresolved", "overruled")
            self.ledger.open(
                Loop(
                    human_loop_name=name,
                    status=status,
                    outcome="stored",
                    review_location=f"s3://{REVIEWS}/{record.key}",
                    review={figure: summary[figure] for figure in figures},
                )
            )
        return record.key

    def recompute(self, **options: Any) -> recompute.Recomputation:
        """Recomputes the reviews of March 2026, and writes them unless `write` is False."""
        period = Period.last_days(31, until=date(2026, 4, 1))
        return recompute.Recompute(self.resources, self.session).run(period, **{"write": True, **options})  # type: ignore[arg-type]

    def record(self, key: str) -> ReviewRecord:
        return read_review(self.content(key))

    def content(self, key: str) -> bytes:
        content: bytes = self.s3.get_object(Bucket=REVIEWS, Key=key)["Body"].read()
        return content

    def keys(self) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=REVIEWS, Prefix="reviews/").get("Contents", [])
        return [one["Key"] for one in listed]

    def row(self, name: str) -> dict[str, Any]:
        """The item of a loop, with all its attributes."""
        item = self.session.client("dynamodb").get_item(
            TableName="ledger", Key={"humanLoopName": {"S": name}}
        )
        return dict(item.get("Item", {}))

    def state(self) -> tuple[dict[str, bytes], list[Any]]:
        """All records and all rows."""
        rows = self.session.client("dynamodb").scan(TableName="ledger")["Items"]
        return {key: self.content(key) for key in self.keys()}, sorted(rows, key=str)

    # A `ReviewsSource`: obstore, which reads the reviews elsewhere, does not know moto.

    location = f"s3://{REVIEWS}/reviews/"

    def flow_definitions(self) -> list[str]:
        return sorted({key.split("flow_definition=")[1].split("/")[0] for key in self.keys()})

    def reviews(self, flow_definition: str, period: Period) -> Iterator[StoredReview]:
        for key in self.keys():
            day = key.split("date=")[1][:10]
            if f"flow_definition={flow_definition}/" in key and str(period.first) <= day < str(period.until):
                found = self.s3.get_object(Bucket=REVIEWS, Key=key)
                yield StoredReview(
                    f"s3://{REVIEWS}/{key}", flow_definition, found["Body"].read(), found["ETag"]
                )


def stored_reviews(session: StubbedSession, monkeypatch: pytest.MonkeyPatch) -> StoredReviews:
    """Returns the reviews of a stage without any. The session has the buckets and the ledger."""
    stored = StoredReviews(session)
    monkeypatch.setattr(recompute, "open_reviews", lambda *_, **__: stored)
    return stored
