"""What anybody sends through a door of the project is processed, or refused with a documented error on one line.

The plain tests of what fuzzing has found are beside the tests of the code: `test_odd_values.py`, `test_rows.py` and
others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lambdas.loops import agreed_answer
from lambdas.loops.event_text import detail_of, parsed, written
from lambdas.loops.loop import Loop
from lambdas.loops.names import InvalidLoopName
from lambdas.loops.rows import UnreadableRow
from lambdas.loops.start_request import InvalidRequest, StartRequest, canonical_json
from lambdas.reviews.errors import InvalidDocument, InvalidSettings
from lambdas.reviews.event import parse_status_change
from lambdas.reviews.location import S3Location
from lambdas.reviews.output import parse_output
from lambdas.reviews.record import read_review
from lambdas.reviews.review import build_record, summarise
from lambdas.reviews.settings import ReviewSettings
from tests import review_samples as samples
from tests.fuzz.hostile import broken_bytes, damaged, documents, texts, to_json, values
from tests.unit.odd_items import odd_items
from workflow.errors import PublishError, SettingsError
from workflow.operations.report.records import read_record
from workflow.operations.review_view.composing import Document, compose
from workflow.operations.review_view.inputs import LoopInput, of_output
from workflow.operations.review_view.model import DocumentView
from workflow.operations.review_view.record import ReadRecord
from workflow.operations.review_view.record import read_record as show_record
from workflow.operations.undelivered import execution_name
from workflow.publish.documents import read_document
from workflow.publish.history import Record
from workflow.publish.swapping import Swaps
from workflow.stack.stages import checked_stage, load_stages

MAX_MESSAGE = 1_800
"""Characters of an error: five problems of a request, each with 300. A file of settings can have more problems."""

FLOW = samples.FLOW
EVENTS = [
    {
        "version": "0", "id": "x", "detail-type": "SageMaker A2I HumanLoop Status Change", "source": "aws.sagemaker",
        "account": "111122223333", "time": "2026-03-01T10:00:00Z", "region": "us-east-1", "resources": ["arn:loop"],
        "detail": {
            "creationTime": "2026-03-01T09:59:00.123Z", "failureCode": None, "failureReason": None,
            "flowDefinitionArn": FLOW, "humanLoopArn": "arn:loop", "humanLoopName": "loop-1",
            "humanLoopOutput": {"outputS3Uri": "s3://outputs/loop-1/output.json"}, "humanLoopStatus": status,
        },
    }
    for status in ("Completed", "Failed", "Stopped")
]  # fmt: skip
SETTINGS = [
    ReviewSettings(),
    ReviewSettings(
        worker_identity="hash",
        predictions={"my-flow": "prediction || not_null(max(a), initialValue)"},
        flow_definitions={
            "my-flow": {  # type: ignore[dict-item]
                "fields": {"*": {"same": "number"}, "t*t": {"same": "distance", "max_distance": 3}},
                "record": {"model_version": "a.b", "segments": {"x": "join(',', @)"}},
            }
        },
    ),
    ReviewSettings(
        worker_identity="drop",
        predictions={"my-flow": [{"each": "prediction.*", "name": "{index}", "value": "@"}]},  # type: ignore[dict-item]
        flow_definitions={
            "my-flow": {  # type: ignore[dict-item]
                "fields": {
                    "*": {"same": "date"},
                    "one": {"buttons": ["text", "other"]},
                    "checks": {"choice": True},
                },
            }
        },
    ),
]
STAGES = [
    {
        "region": "eu-west-1", "account": "111122223333", "output_buckets": ["outputs"], "document_buckets": ["docs"],
        "flow_definitions": ["forms", "arn:aws:sagemaker:eu-west-1:111122223333:flow-definition/second"],
        "notification_emails": ["a@b.example"], "log_retention_days": 30, "protected": True, "worker_identity": "hash",
        "predictions": {
            "forms": "a.b[0]", "second": False, "third": [{"each": "items", "name": "x-{index}", "value": "v"}],
        },
        "max_output_bytes": 2048, "shift": {"first_percent": 10, "minutes": 3},
        "restart": {"restart_on": ["Expired"], "max_attempts": 3, "back_off": {"rate": 2.0}, "expired_to": "second"},
        "flow_definition_settings": {
            "forms": {
                "restart": {"max_attempts": 2},
                "fields": {"Total *": {"same": "number", "tolerance": 0.1}, "choice": {"buttons": ["a", "b"]}},
                "record": {"model_version": "v", "segments": {"r": "region"}},
            }
        },
    },
    {"region": "us-east-1", "output_buckets": ["outputs"]},
]  # fmt: skip
REQUESTS = [
    {
        "humanLoopName": "loop", "flowDefinitionArn": FLOW, "taskToken": "t",
        "contentClassifiers": ["FreeOfAdultContent"], "task": {"type": "custom", "inputContent": {"a": {"b": [1]}}},
    },
    {
        "key": "order 17", "flowDefinitionArn": FLOW,
        "task": {"type": "textract", "request": {"Document": {"S3Object": {"Bucket": "b", "Name": "n"}}}},
    },
]  # fmt: skip
PUBLISH = {
    "number": 2, "at": "2026-03-01T10:00:00Z", "by": "arn:me", "template_key": "templates/1.json",
    "parameters": {"Days": "1"}, "version": "arn:machine:2", "restores": 1,
}  # fmt: skip
RECORDS = [path.read_bytes() for path in samples.GOLDEN_REVIEWS]


@contextmanager
def only(*errors: type[Exception]) -> Iterator[None]:
    """Checks that nothing else is raised, and that the message is one line that a terminal can show."""
    refused: Exception | None = None
    try:
        yield
    except errors as error:
        refused = error
    if refused is not None:
        message = str(refused)
        assert 0 < len(message) <= MAX_MESSAGE or isinstance(refused, SettingsError)
        assert "\n" not in message


def test_damage_leaves_the_samples_as_they_are() -> None:
    before = json.dumps(EVENTS[0])

    @given(damaged(EVENTS[0]))
    def damage(document: Any) -> None:
        assert isinstance(to_json(document), bytes)

    damage()
    assert json.dumps(EVENTS[0]) == before


# A2I: events and outputs


@given(
    documents(*EVENTS), st.sampled_from([lambda event: event, to_json, lambda event: to_json(event).decode()])
)
def test_event_is_read_or_refused(event: Any, written_as: Callable[[Any], Any]) -> None:
    with only(InvalidDocument):
        change = parse_status_change(written_as(event))
        assert (change.human_loop_name, change.created_at.tzinfo is not None) == (
            change.detail.human_loop_name,
            True,
        )
        assert change.output is None or change.output.bucket


@given(texts | st.from_regex(r"s3://[a-z.]{1,70}/?.*"))
def test_location_is_read_or_refused(text: str) -> None:
    with only(ValueError):
        assert str(S3Location.parse(text)) == text


@given(samples.any_output.flatmap(damaged) | values, st.sampled_from(SETTINGS))
def test_output_becomes_a_record_or_is_refused(document: Any, settings: ReviewSettings) -> None:
    review(to_json(document), settings)


@given(samples.any_output.flatmap(lambda output: broken_bytes(json.dumps(output).encode())))
def test_broken_output_becomes_a_record_or_is_refused(content: bytes) -> None:
    review(content, SETTINGS[0])


def review(content: bytes, settings: ReviewSettings) -> None:
    """Makes the record of an output, and what else is made of the record."""
    with only(InvalidDocument):
        record = build_record(samples.change(), parse_output(content), settings, "dev")
        line = record.to_line()
        assert read_review(line).to_line() == line
        assert read_record(line)[1] == 0
        assert json.dumps(summarise(record, S3Location("reviews", record.key)), allow_nan=False)
        answer = agreed_answer.to_text(agreed_answer.of_review(record, "s3://reviews/key"))
        assert json.loads(answer.encode())["humanLoopName"] == "loop-1"
        assert settings.rules_for("my-flow").without_effect(record.fields) is not None


# The review bucket


@given(st.sampled_from(RECORDS).map(json.loads).flatmap(damaged).map(to_json) | values.map(to_json))
def test_stored_review_is_read_or_refused(content: bytes) -> None:
    with only(InvalidDocument):
        read_review(content)
    with only(InvalidDocument):
        read_record(content)


@given(
    st.sampled_from(RECORDS).map(json.loads).flatmap(damaged).map(to_json) | st.none(),
    samples.any_output.flatmap(damaged).map(to_json),
)
def test_review_is_shown_or_refused(record: bytes | None, output: bytes) -> None:
    source = None
    with only(InvalidDocument):
        source = of_output(output)
    with only(InvalidDocument):
        if record is None:
            record = build_record(samples.change(), parse_output(output), SETTINGS[0], "dev").to_line()
        shown_review(show_record(record), source)


def shown_review(read: ReadRecord, source: LoopInput | None) -> None:
    """Shows a review with all that it names."""
    objects = source.objects(read.record.document_id) if source else []
    documents = [
        Document(DocumentView(index=index, location=one.location, named_in=one.named_in))
        for index, one in enumerate(objects)
    ]
    view = compose("s3://reviews/key", read, source, documents)
    assert len(view.rows) == view.counts.fields == len(read.record.fields)
    assert view.model_dump(mode="json", by_alias=True)
    for shape in view.image.shapes if view.image else ():
        assert all(-100 <= part <= 200 for point in shape.points for part in point)


# The artifact bucket


@given(documents(PUBLISH, {"values": {}, "functions": {}}).map(to_json), st.sampled_from([Record, Swaps]))
def test_record_of_a_publish_is_read_or_refused(content: bytes, form: type[BaseModel]) -> None:
    bucket: Any = SimpleNamespace(name="artifacts", read=lambda key: content)
    with only(PublishError):
        read_document(bucket, "stages/dev/record.json", form)


# Settings


@given(documents(*STAGES))
def test_settings_of_a_stage_are_read_or_refused(table: Any) -> None:
    with only(SettingsError):
        assert checked_stage("stages.toml", "dev", table).parameters("111122223333")


@given(broken_bytes(Path("stages.toml").read_bytes()))
def test_broken_settings_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "stages.toml").write_bytes(content)
    with only(SettingsError):
        assert load_stages(tmp_path / "stages.toml")


@given(documents(*(json.loads(one.model_dump_json(by_alias=True)) for one in SETTINGS)))
def test_settings_of_functions_are_read_or_refused(settings: Any) -> None:
    with only(InvalidSettings):
        ReviewSettings.parse(to_json(settings).decode())


# Callers, executions and messages


@given(documents(*REQUESTS))
def test_request_to_start_a_loop_is_read_or_refused(request: Any) -> None:
    with only(InvalidRequest, InvalidLoopName):
        read = StartRequest.read(request)
        assert read.name
        assert canonical_json(read.stored_input.model_dump(by_alias=True))


@given(documents(*EVENTS).map(to_json).map(bytes.decode))
def test_input_of_an_execution_is_read_or_ignored(text: str) -> None:
    event = parsed(text)
    assert isinstance(detail_of(event).get("humanLoopName", ""), object)
    assert parsed(written(event).encode().decode()) == event or "NaN" in text
    assert len(execution_name(text)) <= 80


# The ledger


@given(odd_items())
def test_row_is_read_or_named(item: dict[str, Any]) -> None:
    with only(UnreadableRow):
        assert Loop.of(item).human_loop_name == "odd"


@given(
    name=texts | st.sampled_from([*Loop.model_fields, "claim t Failed"]),
    kind=st.sampled_from(["S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS", "X"]),
    value=values,
)
def test_row_with_impossible_value_is_read_or_named(name: str, kind: str, value: Any) -> None:
    with only(UnreadableRow):
        Loop.of({name: {kind: value}, "claim t Failed": value, "humanLoopName": {"S": "odd"}})
