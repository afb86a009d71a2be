from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from lambdas.reviews.code import code_digest
from lambdas.reviews.errors import InvalidDocument, InvalidSettings
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import ReviewRecord, hive_columns, read_review
from lambdas.reviews.review import build_record, pseudonym, summarise
from lambdas.reviews.settings import ReviewSettings
from tests import review_samples as samples
from tests.review_samples import change, custom, parsed, record_of

ISSUER = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc"
COGNITO = {
    "workerMetadata": {
        "identityData": {"identityProviderType": "Cognito", "issuer": ISSUER, "sub": "secret-sub"}
    }
}


def two_workers() -> dict[str, Any]:
    return custom({"prediction": {"label": "dog", "confidence": 0.7}}) | {
        "humanAnswers": [
            samples.answer({"animal": {"label": "cat"}}, "late", 9, timeSpentInSeconds=40.5, **COGNITO),
            samples.answer(
                {"animal": {"label": "cat"}},
                "early",
                3,
                timeSpentInSeconds=20,
                acceptanceTime="2026-03-01T10:02:00Z",
            ),
        ]
    }


def test_record_contains_complete_review() -> None:
    record = record_of(two_workers(), outputBuckets=["outputs"])
    assert json.loads(record.to_line()) == {
        "schema_version": 1,
        "human_loop_name": "loop-1",
        "flow_definition": "my-flow",
        "flow_definition_arn": samples.FLOW,
        "status": "Completed",
        "created_at": "2026-03-01T09:59:00.123Z",
        "completed_at": "2026-03-01T10:09:00.000Z",
        "task_type": "custom",
        "output_location": "s3://outputs/my-flow/loop-1/output.json",
        "activation_conditions": [],
        "answers": [
            {
                "worker_id": "early",
                "identity_provider": None,
                "accepted_at": "2026-03-01T10:02:00.000Z",
                "submitted_at": "2026-03-01T10:03:00.000Z",
                "seconds_spent": 20.0,
                "content": '{"animal": {"label": "cat"}}',
                "identity_issuer": None,
                "identity_subject": None,
            },
            {
                "worker_id": "late",
                "identity_provider": "Cognito",
                "accepted_at": None,
                "submitted_at": "2026-03-01T10:09:00.000Z",
                "seconds_spent": 40.5,
                "content": '{"animal": {"label": "cat"}}',
                "identity_issuer": ISSUER,
                "identity_subject": "secret-sub",
            },
        ],
        "fields": [
            {
                "name": "animal",
                "kind": "label",
                "predicted": '"dog"',
                "confidence": 0.7,
                "reviewed": '"cat"',
                "outcome": "changed",
                "votes": [{"value": '"cat"', "count": 2}],
                "agreement": 1.0,
                "per_worker": [
                    {"worker_index": 0, "value": '"cat"', "outcome": "changed", "vote_index": 0},
                    {"worker_index": 1, "value": '"cat"', "outcome": "changed", "vote_index": 0},
                ],
                "compared": True,
                "approximate": False,
            }
        ],
        "agreement": 1.0,
        "overruled": True,
        "seconds_spent": 60.5,
        "invented": False,
        "prediction_source": "search",
        "made_by": {"code": code_digest(), "settings": ReviewSettings().digest("my-flow")},
        "model_version": None,
        "document_id": None,
        "segments": [],
        "unreadable_answers": 0,
    }


@given(samples.any_output)
def test_record_is_one_line_and_round_trips(document: dict[str, Any]) -> None:
    record = record_of(document)
    line = record.to_line()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert ReviewRecord.model_validate_json(line) == record
    for field in record.fields:
        for text in (field.predicted, field.reviewed, *(vote.value for vote in field.votes)):
            assert text is None or json.loads(text) is not None
    assert record.overruled == any(
        field.outcome in ("changed", "added", "removed") for field in record.fields
    )


@given(samples.any_output)
def test_record_made_from_itself_is_the_same(document: dict[str, Any]) -> None:
    """A stored record knows of its loop what the event knew, so that it can be made again."""
    record = record_of(document)
    again = build_record(read_review(record.to_line()), parsed(document), ReviewSettings(), "dev")
    assert (again, again.key, again.to_line()) == (record, record.key, record.to_line())


def test_storing_twice_writes_same_bytes() -> None:
    first, second = record_of(two_workers()), record_of(two_workers())
    assert (first.key, first.to_line()) == (second.key, second.to_line())
    assert first.key == "reviews/flow_definition=my-flow/date=2026-03-01/loop-1-20260301T095900123Z.json"


def test_partition_is_date_in_utc() -> None:
    late = change(creationTime="2026-03-01T23:30:00-05:00")
    record = build_record(late, parsed(custom({})), ReviewSettings(), "dev")
    assert "/date=2026-03-02/" in record.key
    assert record.created_at == datetime(2026, 3, 2, 4, 30, tzinfo=UTC)


def test_stopped_loop_keeps_its_answers() -> None:
    stopped = change("Stopped")
    record = build_record(stopped, parsed(custom({}, {"a": "x"})), ReviewSettings(), "dev")
    assert (record.status, len(record.answers)) == ("Stopped", 1)


def test_review_without_answers_has_no_fields() -> None:
    record = record_of(custom({"prediction": {"a": "x"}}))
    assert (record.fields, record.completed_at, record.seconds_spent, record.overruled) == (
        [],
        None,
        None,
        False,
    )


@pytest.mark.parametrize("place", ["event", "output"])
def test_flow_definition_comes_from_event_or_output(place: str) -> None:
    other = "arn:aws-us-gov:sagemaker:us-gov-west-1:111122223333:flow-definition/Other-Flow"
    event = change(flowDefinitionArn=other if place == "event" else None)
    document = custom({}) | {"flowDefinitionArn": "garbage" if place == "event" else other}
    record = build_record(event, parsed(document), ReviewSettings(), "dev")
    assert (record.flow_definition, record.flow_definition_arn) == ("Other-Flow", other)


def test_review_without_flow_definition_is_an_error() -> None:
    with pytest.raises(InvalidDocument, match=r"\$\.flowDefinitionArn: neither the event nor the output"):
        build_record(
            change(flowDefinitionArn=None),
            parsed({"humanAnswers": [], "humanLoopName": "loop-1"}),
            ReviewSettings(),
            "",
        )


def test_output_of_another_loop_is_an_error() -> None:
    with pytest.raises(
        InvalidDocument, match=r"\$\.humanLoopName: 'loop-2' is not the loop of the event, 'loop-1'"
    ):
        record_of(custom({}) | {"humanLoopName": "loop-2"})
    record_of(custom({}) | {"humanLoopName": "LOOP-1"})  # events have been seen with other letters


def test_worker_identity_is_kept_hashed_or_dropped() -> None:
    def workers(stage: str = "dev", **settings: Any) -> list[str | None]:
        return [answer.worker_id for answer in record_of(two_workers(), stage, **settings).answers]

    assert workers() == ["early", "late"]
    assert workers(workerIdentity="drop") == [None, None]
    hashed = workers(workerIdentity="hash")
    assert hashed == [pseudonym("early", "dev"), pseudonym("late", "dev")]
    assert len({*hashed, *workers("prod", workerIdentity="hash")}) == 4
    assert all(worker and len(worker) == 16 and set(worker) <= set("0123456789abcdef") for worker in hashed)


def test_identity_at_the_provider_is_kept_hashed_or_dropped() -> None:
    def identities(stage: str = "dev", **settings: Any) -> list[tuple[str | None, str | None]]:
        answers = record_of(two_workers(), stage, **settings).answers
        return [(answer.identity_issuer, answer.identity_subject) for answer in answers]

    assert identities() == [(None, None), (ISSUER, "secret-sub")]
    assert identities(workerIdentity="drop") == [(None, None), (None, None)]
    assert identities(workerIdentity="hash") == [(None, None), (ISSUER, pseudonym("secret-sub", "dev"))]
    for identity in ("hash", "drop"):
        line = record_of(two_workers(), workerIdentity=identity).to_line()
        assert not [word for word in (b"secret-sub", b"early", b"late") if word in line]


@pytest.mark.parametrize(
    ("metadata", "identity"),
    [
        ("odd", (None, None, None)),
        ({"identityData": ["odd"]}, (None, None, None)),
        ({"identityData": {"identityProviderType": "Oidc", "sub": ["odd"]}}, ("Oidc", None, None)),
        ({"identityData": {"issuer": "https://i", "sub": {"odd": 1}}}, (None, "https://i", None)),
        ({"identityData": {"identityProviderType": None, "issuer": None, "sub": "s"}}, (None, None, "s")),
    ],
)
def test_odd_identity_costs_its_key(metadata: Any, identity: tuple[str | None, ...]) -> None:
    document = two_workers()
    document["humanAnswers"][0]["workerMetadata"] = metadata
    found = record_of(document).answers[1]
    assert (found.identity_provider, found.identity_issuer, found.identity_subject) == identity
    assert found.worker_id == "late"


def test_summary_is_small_and_has_no_content() -> None:
    pairs = [samples.pair(str(index), f"Key{index}", "secret") for index in range(500)]
    answered = [samples.answered_pair(str(index), f"Key{index}", "hidden") for index in range(400)]
    record = record_of(samples.textract(pairs, answered))
    summary = summarise(record, S3Location("reviews", record.key))
    text = json.dumps(summary)
    assert "secret" not in text
    assert "hidden" not in text
    assert len(text) < 1000
    assert summary == {
        "location": f"s3://reviews/{record.key}",
        "outputLocation": "s3://outputs/my-flow/loop-1/output.json",
        "taskType": "textract",
        "answers": 1,
        "fields": 500,
        "compared": 500,
        "changed": 400,
        "added": 0,
        "removed": 100,
        "unresolved": 0,
        "agreement": None,
        "overruled": True,
        "secondsSpent": None,
        "activationConditions": [],
    }


def test_hive_columns_match_the_record() -> None:
    columns = hive_columns()
    assert list(columns) == list(json.loads(record_of(two_workers()).to_line()))
    assert columns["created_at"] == "string"
    assert columns["overruled"] == "boolean"
    assert columns["activation_conditions"] == "array<string>"
    assert columns["answers"] == (
        "array<struct<worker_id:string,identity_provider:string,accepted_at:string,submitted_at:string,"
        "seconds_spent:double,content:string,identity_issuer:string,identity_subject:string>>"
    )
    assert (
        "per_worker:array<struct<worker_index:int,value:string,outcome:string,vote_index:int>>"
        in columns["fields"]
    )


def test_parses_settings_with_camel_case_keys() -> None:
    text = (
        '{"outputBuckets": ["a"], "predictions": {"flow": "model.result"},'
        ' "workerIdentity": "hash", "maxOutputBytes": 9}'
    )
    read = ReviewSettings.parse(text)
    assert read == ReviewSettings(
        output_buckets=("a",),
        predictions={"flow": "model.result"},
        worker_identity="hash",
        max_output_bytes=9,
    )
    assert json.loads(read.model_dump_json(by_alias=True, exclude_defaults=True)) == json.loads(text)
    assert ReviewSettings.parse("{}").max_output_bytes == 32 * 1024 * 1024


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "review settings, the document: "),
        ('{"outputBucket": ["a"]}', "review settings, outputBucket: Extra inputs are not permitted"),
        (
            '{"workerIdentity": "burn"}',
            "review settings, workerIdentity: Input should be 'keep', 'hash' or 'drop'",
        ),
        ('{"maxOutputBytes": 0}', "review settings, maxOutputBytes: Input should be greater than 0"),
        ('{"predictions": {"my-flow": "a..b"}}', "review settings, predictions['my-flow']: "),
        (
            '{"predictions": {"my-flow": [{"each": "a", "name": "b"}]}}',
            "review settings, predictions['my-flow'][0].value: Field required",
        ),
        (
            '{"flowDefinitions": {"f": {"fields": {"total": {"same": "equal"}}}}}',
            "review settings, flowDefinitions.f.fields.total.same: Input should be 'exact', 'text', ",
        ),
    ],
)
def test_invalid_settings_error_is_one_line(text: str, message: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        ReviewSettings.parse(text)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("year", [1, 99, 999, 1000, 9999])
def test_years_have_four_digits(year: int) -> None:
    document = custom({}) | {
        "humanAnswers": [samples.answer({"a": "x"}) | {"submissionTime": f"{year:04}-01-02T03:04:05.678Z"}]
    }
    started = change(creationTime=f"{year:04}-01-02T03:04:05.678Z")
    record = build_record(started, parsed(document), ReviewSettings(), "dev")
    assert record.key == (
        f"reviews/flow_definition=my-flow/date={year:04}-01-02/loop-1-{year:04}0102T030405678Z.json"
    )
    line = json.loads(record.to_line())
    assert line["created_at"] == line["completed_at"] == f"{year:04}-01-02T03:04:05.678Z"
    assert ReviewRecord.model_validate_json(record.to_line()) == record


def test_earlier_record_is_read_with_defaults_for_new_keys() -> None:
    stored = json.loads(record_of(custom({"prediction": "dog"}, {"a": {"label": "cat"}, "b": "x"})).to_line())
    del stored["prediction_source"]
    for field in stored["fields"]:
        del field["compared"]
    read = ReviewRecord.model_validate(stored)
    assert read.prediction_source is None
    assert [(field.outcome, field.compared) for field in read.fields] == [
        ("changed", True),
        ("answered", False),
    ]


@pytest.mark.parametrize(
    ("document", "predictions", "source"),
    [
        (custom({"prediction": "dog"}, {"a": {"label": "dog"}}), {}, "search"),
        (custom({"a": "dog"}, {"a": {"label": "dog"}}), {}, "search"),
        (custom({"prediction": "dog"}, {"a": {"label": "dog"}}), {"my-flow": "prediction"}, "settings"),
        (custom({"prediction": "dog"}, {"a": {"label": "dog"}}), {"my-flow": "model"}, None),
        (custom({"prediction": "dog"}, {"a": {"label": "dog"}}), {"my-flow": False}, None),
        (custom({}, {"a": {"label": "dog"}}), {}, None),
        (custom({"prediction": "dog"}), {}, None),
        (samples.rekognition([("Gore", "", 90.0)], [("Gore", "")]), {}, "service"),
        (samples.textract([samples.pair("a", "Key", "x")], [samples.answered_pair("a", "Key", "x")]), {}, "service"),
    ],
)  # fmt: skip
def test_record_names_the_source_of_the_prediction(
    document: Any, predictions: dict[str, Any], source: str | None
) -> None:
    assert record_of(document, predictions=predictions).prediction_source == source


def test_tie_without_prediction_is_not_compared() -> None:
    record = record_of(custom({"prediction": {"b": "x"}}, {"a": "x", "b": "x"}, {"a": "y", "b": "y"}))
    assert [(field.outcome, field.compared) for field in record.fields] == [
        ("unresolved", False),
        ("unresolved", True),
    ]
    summary = summarise(record, S3Location("reviews", record.key))
    assert (summary["fields"], summary["compared"], summary["unresolved"]) == (2, 1, 2)


@given(samples.any_output)
def test_only_fields_with_a_prediction_to_compare_with_are_compared(document: dict[str, Any]) -> None:
    record = record_of(document)
    assert all(field.compared for field in record.fields if field.predicted is not None)
    assert {field.compared for field in record.fields if field.outcome == "answered"} <= {False}
    compared_outcomes = ("kept", "changed", "added", "removed")
    assert {field.compared for field in record.fields if field.outcome in compared_outcomes} <= {True}
