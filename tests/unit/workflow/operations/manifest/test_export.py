"""Tests of the export of many reviews: class IDs, order, and reasons for left-out reviews."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from lambdas.reviews.errors import OutputMissing, OutputNotAllowed
from lambdas.reviews.location import S3Location
from lambdas.reviews.review import build_record
from lambdas.reviews.settings import ReviewSettings
from tests import review_samples as samples
from workflow.errors import AfterloopError
from workflow.operations.manifest.export import Export, export_manifest
from workflow.operations.reviews_source import StoredReview

PLACE = "s3://out/my-flow/2026/03/01/10/00/00/loop-1/output.json"


class Outputs:
    """Outputs or errors, by location."""

    def __init__(self) -> None:
        self.found: dict[str, bytes | Exception] = {}

    def read(self, location: S3Location, limit: int) -> bytes:
        found = self.found[str(location)]
        if isinstance(found, Exception):
            raise found
        assert len(found) <= limit
        return found


class Reviews:
    """Stored reviews with their outputs."""

    def __init__(self) -> None:
        self.outputs = Outputs()
        self.stored: list[StoredReview] = []

    def add(
        self,
        *answers: dict[str, Any],
        about: str = "s3://images/cat.jpg",
        output: bytes | Exception | None = None,
    ) -> None:
        document = samples.custom({"taskObject": about}, *answers)
        number = len(self.stored)
        record = build_record(samples.change(), samples.parsed(document), ReviewSettings(), "dev")
        place = f"s3://out/{number}/output.json"
        record = record.model_copy(update={"human_loop_name": f"loop-{number}", "output_location": place})
        self.outputs.found[place] = output or json.dumps(document).encode()
        self.stored.append(StoredReview(record.key, record.flow_definition, record.to_line()))

    def export(self, **options: Any) -> tuple[Export, list[dict[str, Any]]]:
        file = io.StringIO()
        export = export_manifest(self.stored, self.outputs, file, **options)  # type: ignore[arg-type]
        return export, [json.loads(line) for line in file.getvalue().splitlines()]


@pytest.fixture
def reviews() -> Reviews:
    return Reviews()


def test_class_has_the_same_id_in_all_lines(reviews: Reviews) -> None:
    for animal in ("dog", "cat", "dog", "bird"):
        reviews.add({"animal": {"label": animal}}, about=f"s3://images/{animal}.jpg")
    export, lines = reviews.export()
    assert export.classes == ("bird", "cat", "dog")
    assert [line["animal"] for line in lines] == ["2", "1", "2", "0"]
    assert [line["source-ref"] for line in lines] == [
        f"s3://images/{name}.jpg" for name in ("dog", "cat", "dog", "bird")
    ]
    assert (export.lines, export.left_out) == (4, [])


def test_given_labels_keep_their_ids_and_others_follow(reviews: Reviews) -> None:
    reviews.add({"animal": {"label": "ant"}})
    reviews.add({"animal": {"label": "dog"}})
    export, lines = reviews.export(classes=["dog", "wolf"])
    assert export.classes == ("dog", "wolf", "ant")
    assert [line["animal"] for line in lines] == ["2", "0"]


def test_lines_are_in_the_order_of_the_reviews(reviews: Reviews) -> None:
    for number in range(100):
        reviews.add({"animal": {"label": "dog"}}, about=f"s3://images/{number}.jpg")
    seen: list[int] = []
    _, lines = reviews.export(progress=seen.append)
    assert [line["source-ref"] for line in lines] == [f"s3://images/{number}.jpg" for number in range(100)]
    assert seen == [50, 100]


def test_left_out_reviews_have_a_reason(reviews: Reviews) -> None:
    reviews.add({"animal": {"label": "dog"}})
    reviews.add({"animal": {"label": "dog"}}, {"animal": {"label": "cat"}})  # a tie
    reviews.add(
        {"animal": {"label": "dog"}}, output=OutputMissing("there is no object at s3://out/2/output.json")
    )
    reviews.add({"animal": {"label": "dog"}}, output=b"{")
    reviews.stored.append(StoredReview("s3://reviews/odd.json", "my-flow", b'{"schema_version":1}'))
    export, lines = reviews.export()
    assert len(lines) == export.lines == 1
    assert [name for name, _ in export.left_out] == ["s3://reviews/odd.json", "loop-1", "loop-2", "loop-3"]
    reasons = [reason for _, reason in export.left_out]
    assert reasons[0] == "review record, $.human_loop_name: missing"
    assert "no field has a majority" in reasons[1]
    assert "there is no object" in reasons[2]
    assert reasons[3].startswith("output.json, $")


def test_review_of_a_later_version_is_exported(reviews: Reviews) -> None:
    reviews.add({"animal": {"label": "dog"}})
    (stored,) = reviews.stored
    later = stored.content.replace(b'"schema_version":1', b'"schema_version":1,"reviewed_twice":true')
    reviews.stored.append(StoredReview(stored.location, stored.flow_definition, later))
    export, lines = reviews.export()
    assert (export.left_out, lines[0]) == ([], lines[1])


def test_missing_permission_on_outputs_ends_the_export(reviews: Reviews) -> None:
    for _ in range(40):
        reviews.add({"animal": {"label": "dog"}}, output=OutputNotAllowed(f"{PLACE}: access denied"))
    with pytest.raises(
        AfterloopError,
        match="access denied; the export reads the outputs, so your credentials need s3:GetObject",
    ):
        reviews.export()
