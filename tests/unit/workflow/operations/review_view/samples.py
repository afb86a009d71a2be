"""Reviews as they are stored, with the documents that people reviewed."""

from __future__ import annotations

import io
import json
from typing import Any

from PIL import Image

from lambdas.loops.loop import Loop
from lambdas.reviews.record import FieldRecord, Kind, Outcome, ReviewRecord, Vote, WorkerField
from lambdas.reviews.review import build_record
from lambdas.reviews.settings import ReviewSettings
from tests.review_samples import change, parsed
from tests.unit.doubles import REGION, StubbedSession
from workflow import ROOT
from workflow.operations.review_view import ReviewReader
from workflow.operations.stage_resources import StageResources

GOLDEN = ROOT / "tests/unit/golden/reviews"
REVIEWS, OUTPUTS, DOCUMENTS = "reviews", "outputs", "documents"


def field(
    *answers: Any,
    name: str = "e",
    kind: Kind = "text",
    predicted: Any = None,
    outcome: Outcome = "kept",
    reviewed: Any = None,
    **more: Any,
) -> FieldRecord:
    """A field with the answers of workers."""

    def text(value: Any) -> str | None:
        return None if value is None else json.dumps(value)

    counted = {text(value): sum(text(value) == text(other) for other in answers) for value in answers}
    return FieldRecord(
        name=name,
        kind=kind,
        predicted=text(predicted),
        confidence=more.pop("confidence", None),
        reviewed=text(reviewed),
        outcome=outcome,
        votes=[Vote(value=value, count=count) for value, count in counted.items()],
        agreement=more.pop("agreement", None),
        per_worker=[
            WorkerField(
                worker_index=index,
                value=text(value),
                outcome=outcome,
                vote_index=[*counted].index(text(value)),
            )
            for index, value in enumerate(answers)
        ],
        **more,
    )


def picture(width: int = 40, height: int = 30, kind: str = "PNG", **more: Any) -> bytes:
    """An image."""
    content = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(content, kind, **more)
    return content.getvalue()


class Stage:
    """A stage with buckets of moto, or any other client for S3."""

    def __init__(self, session: StubbedSession) -> None:
        self.session = session
        self.s3 = session.client("s3")
        known = {bucket["Name"] for bucket in self.s3.list_buckets()["Buckets"]}
        for bucket in {REVIEWS, OUTPUTS, DOCUMENTS} - known:
            self.s3.create_bucket(Bucket=bucket)
        outputs = {"ReviewBucket": REVIEWS}
        self.reader = ReviewReader(StageResources("dev", "aws", REGION, "123456789012", outputs), session)  # type: ignore[arg-type]

    def store(self, name: str, document: dict[str, Any], **settings: Any) -> Loop:
        """Stores an output and the review of it, and returns the loop."""
        key = f"my-flow/{name}/output.json"
        document = {**document, "humanLoopName": name}
        self.s3.put_object(Bucket=OUTPUTS, Key=key, Body=json.dumps(document))
        ended = change(humanLoopName=name, humanLoopOutput={"outputS3Uri": f"s3://{OUTPUTS}/{key}"})
        record = build_record(ended, parsed(document), ReviewSettings(**settings), "dev")
        return self.keep(record)

    def keep(self, record: ReviewRecord) -> Loop:
        self.s3.put_object(Bucket=REVIEWS, Key=record.key, Body=record.to_line())
        return Loop(human_loop_name=record.human_loop_name, review_location=f"s3://{REVIEWS}/{record.key}")

    def put(self, key: str, content: bytes, **more: Any) -> str:
        """Stores a document, and returns its location."""
        self.s3.put_object(Bucket=DOCUMENTS, Key=key, Body=content, **more)
        return f"s3://{DOCUMENTS}/{key}"
