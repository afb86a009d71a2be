"""The schema policy of `lambdas/reviews/record.py`: stored records stay readable, and keys are only added."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lambdas.loops.agreed_answer import of_review
from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.record import ReviewRecord, read_review
from tests.review_samples import GOLDEN_REVIEWS, custom, later, parsed
from workflow.operations.manifest.attributes import Attribute, attributes_of
from workflow.operations.report.records import read_record
from workflow.operations.report.statistics import ReviewStatistics
from workflow.operations.reviews_source import Period, StoredReview

GOLDEN = Path(__file__).parents[2] / "golden"
KEYS = GOLDEN / "record_keys.json"


def manifest_attributes(content: bytes) -> list[Attribute]:
    record = read_review(content)
    answers = [json.loads(answer.content) for answer in record.answers]
    return attributes_of(record, parsed(custom({}, *answers)))


READERS: dict[str, Callable[[bytes], Any]] = {
    "whole record": read_review,
    "answer of a waiting workflow": lambda content: of_review(read_review(content), "s3://reviews/key"),
    "manifest": manifest_attributes,
    "report": read_record,
}

golden = pytest.mark.parametrize("path", GOLDEN_REVIEWS, ids=lambda path: path.stem)
every_reader = pytest.mark.parametrize("reader", READERS)


def flattened(
    schema: dict[str, Any], definitions: dict[str, Any], path: str = ""
) -> Iterator[tuple[str, str]]:
    """Yields the place of each key, and its type in words: `answers[].worker_id`, `string or null`."""
    kinds = {json.dumps(kind["const"]) if "const" in kind else kind.get("type", "") for kind in [schema]}
    if "anyOf" in schema:
        kinds = set()
        for option in schema["anyOf"]:
            for place, kind in flattened(option, definitions, path):
                if place == path:
                    kinds.add(kind)
                else:
                    yield place, kind
    if "$ref" in schema:
        yield from flattened(definitions[schema["$ref"].rpartition("/")[2]], definitions, path)
        return
    if "enum" in schema:
        kinds = set(schema["enum"])
    if "items" in schema:
        yield from flattened(schema["items"], definitions, f"{path}[]")
    for key, value in schema.get("properties", {}).items():
        yield from flattened(value, definitions, f"{path}.{key}".lstrip("."))
    yield path, ", ".join(sorted(kinds))


def current_keys() -> dict[str, str]:
    schema = ReviewRecord.model_json_schema(mode="serialization")
    return dict(sorted(flattened(schema, schema["$defs"])))


def test_golden_records_have_every_kind_of_task() -> None:
    documents = [json.loads(path.read_bytes()) for path in GOLDEN_REVIEWS]
    assert {document["task_type"] for document in documents} == {"custom", "textract", "rekognition"}
    assert {document["status"] for document in documents} == {"Completed", "Stopped"}
    assert any(not document["answers"] for document in documents)


def with_values_of(stored: Any, read: Any) -> Any:
    """Returns what was read, with everything that was stored, which has fewer keys."""
    if isinstance(stored, dict):
        return {**read, **{key: with_values_of(value, read[key]) for key, value in stored.items()}}
    if isinstance(stored, list):
        return [with_values_of(then, now) for then, now in zip(stored, read, strict=True)]
    return stored


@golden
def test_stored_record_is_read_without_loss(path: Path) -> None:
    stored = json.loads(path.read_bytes())
    read = json.loads(read_review(path.read_bytes()).to_line())
    assert with_values_of(stored, read) == read


@golden
@every_reader
def test_reader_takes_stored_record(path: Path, reader: str) -> None:
    READERS[reader](path.read_bytes())


@pytest.mark.parametrize("change", ["as stored", "of a later version"])
def test_report_counts_records_of_other_versions(change: str) -> None:
    counted = ReviewStatistics(Period(date(2026, 3, 1), date(2026, 3, 2)))
    for path in GOLDEN_REVIEWS:
        content = path.read_bytes()
        line = content if change == "as stored" else later(json.loads(content))
        counted.add(StoredReview(path.stem, "my-flow", line))
    figures = counted.figures()
    assert (figures.malformed, figures.reviews) == ([], len(GOLDEN_REVIEWS))


@golden
@every_reader
def test_reader_takes_unknown_keys_and_kinds(path: Path, reader: str) -> None:
    READERS[reader](later(json.loads(path.read_bytes())))


def test_unknown_kind_is_read_as_other() -> None:
    record = read_review(later(json.loads((GOLDEN / "reviews/custom.json").read_bytes())))
    assert {field.kind for field in record.fields} == {"other"}
    with pytest.raises(ValueError, match="kind"):
        ReviewRecord.model_validate_json(later(json.loads((GOLDEN / "reviews/custom.json").read_bytes())))


@every_reader
def test_newer_version_is_refused_with_what_to_do(reader: str) -> None:
    document = json.loads((GOLDEN / "reviews/custom.json").read_bytes())
    newer = {**document, "schema_version": 2, "fields": {"in": "another form"}}
    with pytest.raises(InvalidDocument) as refused:
        READERS[reader](json.dumps(newer).encode())
    assert str(refused.value) == (
        "review record, $.schema_version: a newer version of Afterloop wrote this record (version 2; this one reads "
        "up to 1); update Afterloop"
    )


@every_reader
@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b'{"schema_version": "x"}', b"\xff"])
def test_what_is_no_record_is_refused(reader: str, content: bytes) -> None:
    with pytest.raises(InvalidDocument, match=r"^review record, \$"):
        READERS[reader](content)


def test_keys_of_the_record_are_only_added() -> None:
    """Red: see "How the record may change" in the module's docstring. New keys belong into the list."""
    known, now = json.loads(KEYS.read_text()), current_keys()
    changed = {key: (kind, now.get(key)) for key, kind in known.items() if now.get(key) != kind}
    kinds = changed.pop("fields[].kind", None)
    assert changed == {}, "a key has another type, or is gone: raise SCHEMA_VERSION"
    if kinds:
        before, after = (set((words or "").split(", ")) for words in kinds)
        assert before <= after, "a kind is gone: raise SCHEMA_VERSION"
    assert {**known, **now} == known, f"add the new keys and kinds to {KEYS.name}"


def test_keys_that_were_added_have_a_default() -> None:
    """The required keys are those of the first release. Records that are stored already lack any other."""
    first = json.loads((GOLDEN / "reviews/custom.json").read_bytes())
    schema = ReviewRecord.model_json_schema()
    required = {"ReviewRecord": schema["required"]} | {
        name: model["required"] for name, model in schema["$defs"].items() if "required" in model
    }
    parts = {
        "ReviewRecord": first,
        "AnswerRecord": first["answers"][0],
        "FieldRecord": first["fields"][0],
        "Vote": first["fields"][0]["votes"][0],
        "WorkerField": first["fields"][0]["per_worker"][0],
    }
    assert {name: set(keys) - set(parts.get(name, keys)) for name, keys in required.items()} == {
        name: set() for name in required
    }
