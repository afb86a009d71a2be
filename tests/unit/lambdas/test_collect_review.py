from __future__ import annotations

import importlib
import io
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, IncompleteReadError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from lambdas import collect_review
from lambdas.aws.environment import environment
from lambdas.aws.object_store import ObjectStore, object_store
from lambdas.reviews.errors import (
    InvalidDocument,
    InvalidSettings,
    NoAnswers,
    OutputMissing,
    OutputNotAllowed,
    OutputTooLarge,
    TransientServiceError,
)
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import ReviewRecord
from tests import review_samples as samples

_DOCUMENT = samples.custom(
    {"prediction": {"label": "dog", "confidence": 0.7}}, {"animal": {"label": "zebra"}}
)
_DOCUMENT["humanAnswers"][0]["timeSpentInSeconds"] = 17.5
OUTPUT = json.dumps(_DOCUMENT).encode()
KEY = "reviews/flow_definition=my-flow/date=2026-03-01/loop-1-20260301T095900123Z.json"
WHERE = {"Bucket": "outputs", "Key": "my-flow/loop-1/output.json"}


@dataclass
class Context:
    """The Lambda context, as far as the logger uses it."""

    function_name: str = "collect_review"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:111122223333:function:collect_review"
    aws_request_id: str = "1"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    """A stub of S3: it returns the responses that the test adds. Any other call fails the test."""
    for name, value in {
        "STAGE": "dev",
        "LEDGER_TABLE": "ledger",
        "REVIEW_BUCKET": "reviews",
        "REVIEW_SETTINGS": json.dumps({"outputBuckets": ["outputs"], "maxOutputBytes": 5000}),
        "RESTART_SETTINGS": "{}",
        # A new name for each test: a logger with the same name would write to the output of the last test.
        "POWERTOOLS_SERVICE_NAME": f"afterloop-{uuid.uuid4()}",
        "POWERTOOLS_METRICS_NAMESPACE": "Afterloop",
    }.items():
        monkeypatch.setenv(name, value)
    environment.cache_clear()
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s")
    with Stubber(client) as script:
        yield script
        script.assert_no_pending_responses()
    environment.cache_clear()


def event(
    status: str = "Completed", uri: object = "s3://outputs/my-flow/loop-1/output.json"
) -> dict[str, Any]:
    return {
        "detail": {
            "humanLoopName": "loop-1",
            "creationTime": "2026-03-01T09:59:00.123Z",
            "humanLoopStatus": status,
            "humanLoopOutput": {"outputS3Uri": uri},
        }
    }


def holds(s3: Stubber, content: bytes, announced: int | None = None) -> None:
    length = len(content) if announced is None else announced
    body = StreamingBody(io.BytesIO(content), length)
    s3.add_response("get_object", {"Body": body, "ContentLength": length}, WHERE)


def collect(s3: Stubber, raw: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Calls the function in a new execution environment, where nothing is cached."""
    importlib.reload(collect_review)
    collect_review.object_store = lambda: ObjectStore(s3.client)  # type: ignore[assignment]
    answer: dict[str, Any] = collect_review.handler({"event": raw, **more}, Context())
    return answer


def logged(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("status", ["Completed", "Stopped"])
def test_handler_stores_review(s3: Stubber, status: str, capsys: pytest.CaptureFixture[str]) -> None:
    expected = samples.build_record(
        samples.change(status), samples.parse_output(OUTPUT), samples.ReviewSettings(), "dev"
    ).to_line()
    holds(s3, OUTPUT)
    s3.add_response(
        "put_object",
        {},
        {"Bucket": "reviews", "Key": KEY, "Body": expected, "ContentType": "application/json"},
    )
    summary = collect(s3, event(status))

    assert summary["location"] == f"s3://reviews/{KEY}"
    assert (summary["changed"], summary["overruled"], summary["taskType"]) == (1, True, "custom")
    assert ReviewRecord.model_validate_json(expected).status == status
    log, metrics = logged(capsys.readouterr().out)
    assert (log["message"], log["humanLoopName"], log["review"]) == ("review stored", "loop-1", summary)
    assert (metrics["ReviewsStored"], metrics["ReviewsOverruled"], metrics["FieldsCompared"]) == (
        [1],
        [1],
        [1],
    )
    # From the last answer, so that it is right for a loop that the reconciler found, too. A person ends a stopped loop.
    answered = ReviewRecord.model_validate_json(expected).completed_at
    assert answered is not None
    waited = (datetime.now(UTC) - answered).total_seconds()
    assert metrics.get("SecondsToRecord") == (
        [pytest.approx(waited, abs=60)] if status == "Completed" else None
    )
    assert metrics["ReviewerSeconds"] == [17.5]
    assert metrics["stage"] == "dev"
    assert sorted(*metrics["_aws"]["CloudWatchMetrics"][0]["Dimensions"]) == ["service", "stage"]
    assert "zebra" not in json.dumps([log, metrics])


def test_handler_warns_of_an_empty_page(s3: Stubber, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(OUTPUT)
    document["inputContent"] = {}
    for answer in document["humanAnswers"]:
        answer["answerContent"] = {}
    holds(s3, json.dumps(document).encode())
    s3.add_response("put_object", {})
    assert collect(s3, event())["fields"] == 0
    messages = [line["message"] for line in logged(capsys.readouterr().out) if "message" in line]
    assert messages == ["the review has no field: people submitted an empty page", "review stored"]


@pytest.mark.parametrize(("place", "warns"), [("no.where", True), (False, False)])
def test_handler_warns_if_place_of_prediction_has_nothing_to_compare(
    place: str | bool,
    warns: bool,
    s3: Stubber,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = {"outputBuckets": ["outputs"], "predictions": {"my-flow": place}}
    monkeypatch.setenv("REVIEW_SETTINGS", json.dumps(settings))
    holds(s3, OUTPUT)
    s3.add_response("put_object", {})
    assert collect(s3, event())["compared"] == 0
    messages = [line["message"] for line in logged(capsys.readouterr().out) if "message" in line]
    warning = "nothing at the place of the prediction in the settings could be compared with the answers"
    assert messages == [*([warning] if warns else []), "review stored"]


def test_handler_warns_if_setting_has_no_effect_on_kind_of_field(
    s3: Stubber, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fields = {
        "seen/*": {"same": "text"},
        "note": {"same": "text"},
        "*": {"same": "distance", "max_distance": 1},
    }
    settings = {"outputBuckets": ["outputs"], "flowDefinitions": {"my-flow": {"fields": fields}}}
    monkeypatch.setenv("REVIEW_SETTINGS", json.dumps(settings))
    box = {"label": "zebra", "left": 0, "top": 0, "width": 9, "height": 9}
    answered = {"seen": {"boundingBoxes": [box]}, "note": "x", "unsure": {"on": True}}
    holds(s3, json.dumps(samples.custom({}, answered)).encode())
    s3.add_response("put_object", {})
    collect(s3, event())
    warning, *_ = logged(capsys.readouterr().out)
    assert (warning["message"], warning["kinds"]) == (
        "the setting same has no effect on fields of these kinds",
        ["box"],
    )


@pytest.mark.parametrize(
    ("raw", "error", "message"),
    [
        (None, InvalidDocument, r"event, \$: expected an object"),
        (event("Failed"), InvalidDocument, "the Failed loop has no output"),
        (event("Stopped", None), InvalidDocument, "the Stopped loop has no output"),
        (event(uri=None), InvalidDocument, "outputS3Uri: expected a string"),
        (event(uri="outputs/key"), InvalidDocument, "expected s3://bucket/key, found 'outputs/key'"),
        (
            event(uri="s3://others/key"),
            OutputNotAllowed,
            "s3://others/key: not in an output bucket of the stage",
        ),
        (event(uri="s3://outputs.evil/key"), OutputNotAllowed, "add it to output_buckets"),
    ],
)
def test_handler_reads_only_allowed_outputs(
    s3: Stubber, raw: Any, error: type[Exception], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(error, match=message):
        collect(s3, raw)
    log, metrics = logged(capsys.readouterr().out)
    assert (log["level"], log["message"], log["error"]) == ("ERROR", "review refused", error.__name__)
    assert metrics["ReviewsRefused"] == [1]


@pytest.mark.parametrize(("more", "counted"), [({"isLastTry": False}, 0), ({"isLastTry": True}, 1), ({}, 1)])
def test_output_that_is_not_there_yet_is_not_refused(
    s3: Stubber, more: dict[str, Any], counted: int, capsys: pytest.CaptureFixture[str]
) -> None:
    s3.add_client_error("get_object", "NoSuchKey", http_status_code=404)
    with pytest.raises(OutputMissing):
        collect(s3, event(), **more)
    log, metrics = logged(capsys.readouterr().out)
    assert log["message"] == ("review refused" if counted else "the output is not there yet")
    assert metrics["ReviewsRefused"] == [counted]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"output.json, \$: the document is empty"),
        (b"<xml/>", r"output.json, \$: expected an object"),
        (OUTPUT[:-20], "not JSON"),
        (OUTPUT.replace(b"loop-1", b"loop-9"), "'loop-9' is not the loop of the event"),
        (OUTPUT.replace(b'"humanAnswers"', b'"humanAnswer"'), r"\$\.humanAnswers: missing"),
    ],
)
def test_malformed_output_is_not_stored(s3: Stubber, content: bytes, message: str) -> None:
    holds(s3, content)  # a put would fail the test
    with pytest.raises(InvalidDocument, match=message):
        collect(s3, event())


@pytest.mark.parametrize(
    ("part", "instead", "stored"),
    [
        ("", "", True),
        ('"humanAnswers": [', '"humanAnswers": ["secret", ', True),
        ('"submissionTime": "2026', '"submissionTime": "secret', True),
        ('"workerId": "w0"', '"workerId": {"secret": "secret"}', True),
        ('"answerContent": {"secret": "secret answer"}', '"answerContent": "secret"', False),
        ('"secret answer"', '"secret answer', False),
    ],
)
def test_log_has_nothing_of_the_document_and_the_answers(
    s3: Stubber, part: str, instead: str, stored: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    document = samples.custom({"prediction": {"secret": "secret label"}}, {"secret": "secret answer"})
    document["humanAnswers"][0]["workerMetadata"] = {"identityData": {"sub": "secret worker"}}
    output = json.dumps(document)
    assert part in output
    holds(s3, (output.replace(part, instead) if part else output).encode())
    if stored:
        s3.add_response("put_object", {})
        assert "secret" not in json.dumps(collect(s3, event()))
    else:
        with pytest.raises(InvalidDocument) as refused:
            collect(s3, event())
        assert "secret" not in str(refused.value)
    logs = capsys.readouterr().out
    assert "secret" not in logs
    assert "loop-1" in logs


def test_same_loop_has_the_same_key_and_another_of_its_name_has_not(s3: Stubber) -> None:
    def stored(created: str) -> str:
        holds(s3, OUTPUT)
        s3.add_response("put_object", {})
        raw = event()
        raw["detail"]["creationTime"] = created
        return str(collect(s3, raw)["location"])

    first, again, other = map(
        stored, ("2026-03-01T09:59:00.123Z", "2026-03-01T09:59:00.123Z", "2026-03-02T09:59:00Z")
    )
    assert first == again == f"s3://reviews/{KEY}"
    assert other != first


@pytest.mark.parametrize("status", ["Completed", "Stopped"])
def test_output_without_answers_is_not_stored(s3: Stubber, status: str) -> None:
    holds(s3, json.dumps(samples.custom({"prediction": {"label": "dog"}})).encode())
    with pytest.raises(NoAnswers, match=rf"output\.json: the loop is {status}, and nobody answered"):
        collect(s3, event(status))


def test_too_large_output_is_not_read(s3: Stubber) -> None:
    class Unread(io.BytesIO):
        def read(self, *args: object) -> bytes:
            raise AssertionError("it was read")

    s3.add_response("get_object", {"Body": StreamingBody(Unread(), 5001), "ContentLength": 5001}, WHERE)
    with pytest.raises(
        OutputTooLarge, match="5,001 bytes exceed the stage's limit of 5,000; to accept the output, increase"
    ):
        collect(s3, event())


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("NoSuchKey", 404, OutputMissing),
        ("NoSuchBucket", 404, OutputMissing),
        ("AccessDenied", 403, OutputNotAllowed),
        ("SlowDown", 503, TransientServiceError),
        ("InternalError", 500, TransientServiceError),
        ("RequestTimeout", 400, TransientServiceError),
        ("KmsThrottlingException", 400, TransientServiceError),
    ],
)
def test_refusals_of_s3_have_names(s3: Stubber, code: str, status: int, error: type[Exception]) -> None:
    s3.add_client_error("get_object", code, http_status_code=status)
    with pytest.raises(error, match=r"s3://outputs/my-flow/loop-1/output\.json: "):
        collect(s3, event())


def test_failed_write_is_transient(s3: Stubber) -> None:
    holds(s3, OUTPUT)
    s3.add_client_error("put_object", "ServiceUnavailable", http_status_code=503)
    with pytest.raises(TransientServiceError):
        collect(s3, event())


def test_interrupted_download_is_transient(s3: Stubber) -> None:
    holds(s3, OUTPUT[:100], announced=len(OUTPUT))
    with pytest.raises(TransientServiceError) as caught:
        collect(s3, event())
    assert isinstance(caught.value.__cause__, IncompleteReadError)


def test_unreachable_service_is_transient() -> None:
    client = boto3.client(
        "s3",
        region_name="us-east-1",
        aws_access_key_id="a",
        aws_secret_access_key="s",
        endpoint_url="http://127.0.0.1:9",
        config=boto3.session.Config(retries={"total_max_attempts": 1}, proxies={}),
    )
    with pytest.raises(TransientServiceError) as caught:
        ObjectStore(client).read(S3Location("outputs", "key"), 10)
    assert isinstance(caught.value.__cause__, EndpointConnectionError)


def test_handler_reports_invalid_settings(s3: Stubber, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVIEW_SETTINGS", '{"outputBuckets": "outputs"}')
    with pytest.raises(InvalidSettings, match="review settings, outputBuckets"):
        collect(s3, event())


def test_object_store_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert object_store() is object_store()
    object_store.cache_clear()
