"""Model version, document and segments of a record: from the settings, or else from Textract and Rekognition."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.reviews.record import ReviewRecord
from lambdas.reviews.settings import FlowReviewSettings, RecordSettings
from tests import review_samples as samples
from tests.review_samples import custom, record_of

INPUT = {
    "model": {"name": "forms", "version": "2026-01"},
    "documents": [{"id": "d-1", "pages": 3}],
    "customer": {"region": "eu", "vip": True, "since": 2019, "tags": ["a"], "name": ""},
}


def record_with(document: dict[str, Any], **settings: Any) -> ReviewRecord:
    own = FlowReviewSettings(record=RecordSettings(**settings))
    return record_of(document, flow_definitions={"my-flow": own, "other": FlowReviewSettings()})


def value_at(path: str, input_content: Any = INPUT) -> str | None:
    return record_with(custom(input_content, {"a": "x"}), document_id=path).document_id


def test_settings_name_model_version_document_and_segments() -> None:
    record = record_with(
        custom(INPUT, {"a": "x"}),
        model_version="join('/', [model.name, model.version])",
        document_id="documents[0].id",
        segments={"vip": "customer.vip", "region": "customer.region", "plan": "customer.plan"},
    )
    assert (record.model_version, record.document_id) == ("forms/2026-01", "d-1")
    assert [(segment.name, segment.value) for segment in record.segments] == [
        ("plan", None),
        ("region", "eu"),
        ("vip", "true"),
    ]


def test_custom_task_without_settings_has_none() -> None:
    record = record_of(custom(INPUT, {"a": "x"}))
    assert (record.model_version, record.document_id, record.segments) == (None, None, [])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("model.version", "2026-01"),
        ("documents[0].pages", "3"),
        ("customer.since", "2019"),
        ("customer.vip", "true"),
        ("documents", None),
        ("model", None),
        ("customer.tags", None),
        ("customer.name", None),
        ("nothing.there", None),
        ("length(customer.since)", None),
        ("documents[0].id.more", None),
    ],
)
def test_odd_value_costs_the_key_and_not_the_review(path: str, expected: str | None) -> None:
    assert value_at(path) == expected


@pytest.mark.parametrize("input_content", [None, [], "text", 7, {}])
def test_input_without_the_place_has_no_value(input_content: Any) -> None:
    assert value_at("documents[0].id", input_content) is None


def test_numbers_are_stored_as_json_writes_them() -> None:
    assert value_at("n", {"n": 1.5}) == "1.5"
    assert value_at("n", {"n": 10**300}) is None
    assert value_at("n", {"n": "9" * 2048}) == "9" * 2048
    assert value_at("n", {"n": "9" * 2049}) is None


@pytest.mark.parametrize(
    ("document", "location", "version"),
    [
        (samples.textract([samples.pair("a", "Name", "Ana")], []), "s3://forms/a.png", None),
        (samples.rekognition([("Violence", "", 80)], []), "s3://images/cat.jpg", "3.0"),
    ],
)
def test_service_names_document_and_model_version(
    document: dict[str, Any], location: str, version: str | None
) -> None:
    record = record_of(document)
    assert (record.document_id, record.model_version) == (location, version)
    at_top_level = document | document["inputContent"]  # as in documents of 2020
    del at_top_level["inputContent"]
    assert record_of(at_top_level).document_id == location


def test_settings_come_before_what_the_service_names() -> None:
    document = samples.rekognition([("Violence", "", 80)], [], page="7")
    record = record_with(document, document_id="page", model_version="nothing")
    assert (record.document_id, record.model_version) == ("7", None)


def test_version_of_textract_is_the_model_version() -> None:
    document = samples.textract([samples.pair("a", "Name", "Ana")], [])
    document["inputContent"]["aiServiceResponse"]["analyzeDocumentModelVersion"] = "1.0"
    assert record_of(document).model_version == "1.0"
    document["inputContent"]["aiServiceResponse"]["analyzeDocumentModelVersion"] = {"odd": 1}
    assert record_of(document).model_version is None


@pytest.mark.parametrize(
    "request_of_service",
    [
        None,
        [],
        {"document": None},
        {"document": {"s3Object": {"bucket": "forms"}}},
        {"document": {"s3Object": {"bucket": "forms", "name": 7}}},
        {"document": {"s3Object": {"bucket": "forms", "name": "a\nb"}}},
        {"document": {"s3Object": {"bucket": "", "name": "a"}}},
        {"document": {"bytes": "…"}},
    ],
)
def test_document_that_is_not_clearly_named_is_none(request_of_service: Any) -> None:
    document = samples.textract([samples.pair("a", "Name", "Ana")], [])
    document["inputContent"]["aiServiceRequest"] = request_of_service
    assert record_of(document).document_id is None


def test_record_with_segments_is_columns_in_athena() -> None:
    line = record_with(custom(INPUT, {"a": "x"}), segments={"region": "customer.region"}).to_line()
    assert json.loads(line)["segments"] == [{"name": "region", "value": "eu"}]
