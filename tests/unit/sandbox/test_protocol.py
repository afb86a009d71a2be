"""The wire protocols of the sandbox, against botocore's own serializers and parsers."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime

import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st
from urllib3 import HTTPHeaderDict

from sandbox.protocol import Operation, ServiceError, find_operation, iso_time, operation

A2I = "sagemaker-a2i-runtime"
ARN = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/flow"

names = st.from_regex(r"[a-z0-9](-*[a-z0-9]){0,20}", fullmatch=True).filter(lambda name: len(name) <= 63)
moments = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)


def sent(asked: Operation, parameters: dict) -> tuple[str, str, dict, bytes]:
    """Method, path, query and body as boto3 sends them."""
    request = create_serializer(asked.model.service_model.protocol).serialize_to_request(
        parameters, asked.model
    )
    body = request["body"] or b""
    query = {key: [str(value)] for key, value in (request["query_string"] or {}).items()}
    path = request["url_path"].partition("?")[0]
    return request["method"], path, query, body.encode() if isinstance(body, str) else body


@given(
    name=names,
    text=st.text(max_size=200),
    classifiers=st.none() | st.lists(st.sampled_from(["FreeOfAdultContent"]), max_size=2),
)
def test_what_boto3_sends_to_start_a_loop_is_read_back(name, text, classifiers):
    parameters = {
        "HumanLoopName": name,
        "FlowDefinitionArn": ARN,
        "HumanLoopInput": {"InputContent": text},
    }
    if classifiers is not None:
        parameters["DataAttributes"] = {"ContentClassifiers": classifiers}
    method, path, query, body = sent(operation(A2I, "StartHumanLoop"), parameters)
    asked = find_operation(A2I, method, path)
    assert asked is not None
    assert asked.name == "StartHumanLoop"
    assert asked.parse(path, query, body) == parameters


@given(
    after=moments,
    before=moments,
    size=st.integers(1, 100),
    order=st.sampled_from(["Ascending", "Descending"]),
)
def test_what_boto3_sends_to_list_loops_is_read_back(after, before, size, order):
    parameters = {
        "FlowDefinitionArn": ARN,
        "CreationTimeAfter": after,
        "CreationTimeBefore": before,
        "MaxResults": size,
        "SortOrder": order,
    }
    method, path, query, body = sent(operation(A2I, "ListHumanLoops"), parameters)
    asked = find_operation(A2I, method, path)
    assert asked is not None
    assert asked.parse(path, query, body) == parameters


@given(text=st.text(max_size=80))
def test_a_name_is_accepted_if_and_only_if_a2i_accepts_it(text):
    request = {"HumanLoopName": text, "FlowDefinitionArn": ARN, "HumanLoopInput": {"InputContent": "{}"}}
    fits = 1 <= len(text) <= 63 and re.fullmatch(r"[a-z0-9](-*[a-z0-9])*", text) is not None
    refused = contextlib.nullcontext() if fits else pytest.raises(ServiceError, match="humanLoopName")
    with refused:
        operation(A2I, "StartHumanLoop").check(request)


@given(name=names.filter(lambda name: name != "stop") | st.just("stop"))
def test_a_loop_may_have_any_name_in_the_path(name):
    for method, expected in (("GET", "DescribeHumanLoop"), ("DELETE", "DeleteHumanLoop")):
        asked = find_operation(A2I, method, f"/human-loops/{name}")
        assert asked is not None
        assert asked.name == expected
        assert asked.parse(f"/human-loops/{name}", {}, b"") == {"HumanLoopName": name}


@given(body=st.binary(max_size=60))
def test_no_body_breaks_the_reader(body):
    asked = operation(A2I, "StartHumanLoop")
    with pytest.raises(ServiceError) as caught:
        asked.parse("/human-loops", {}, body)
    assert caught.value.code in ("SerializationException", "ValidationException")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("service", "name"),
    [
        (A2I, "StartHumanLoop"),
        ("sagemaker", "CreateFlowDefinition"),
        ("textract", "AnalyzeDocument"),
        ("rekognition", "DetectModerationLabels"),
    ],
)
@given(data=st.data())
def test_no_value_in_a_known_field_breaks_the_reader(service, name, data):
    asked = operation(service, name)
    members = list(asked.model.input_shape.members)
    document = data.draw(st.dictionaries(st.sampled_from(members), json_values, max_size=4))
    with contextlib.suppress(ServiceError):  # any other exception is a bug
        assert asked.read(document).keys() <= document.keys()


def test_all_that_is_wrong_is_told_at_once_in_the_words_of_aws():
    with pytest.raises(ServiceError) as caught:
        operation(A2I, "StartHumanLoop").read({"HumanLoopName": "My_Loop", "HumanLoopInput": {}})
    message = caught.value.message
    assert message.startswith("3 validation errors detected: ")
    assert (
        "Value 'My_Loop' at 'humanLoopName' failed to satisfy constraint: Member must satisfy regular expression "
        "pattern: ^[a-z0-9](-*[a-z0-9])*$" in message
    )
    assert (
        "Value null at 'flowDefinitionArn' failed to satisfy constraint: Member must not be null" in message
    )
    assert "'humanLoopInput.inputContent'" in message


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("MaxResults", 101, "less than or equal to 100"),
        ("MaxResults", 0, "greater than or equal to 1"),
        ("MaxResults", "many", "must be a integer"),
        ("SortOrder", "Sideways", "enum value set: [Ascending, Descending]"),
        ("CreationTimeAfter", "yesterday", "must be a timestamp"),
        ("FlowDefinitionArn", "flow", "regular expression pattern"),
    ],
)
def test_a_broken_rule_is_named(field, value, rule):
    with pytest.raises(ServiceError, match=re.escape(rule)):
        operation(A2I, "ListHumanLoops").read({"FlowDefinitionArn": ARN, field: value})


def test_the_input_of_a_loop_is_bounded():
    request = {
        "HumanLoopName": "a",
        "FlowDefinitionArn": ARN,
        "HumanLoopInput": {"InputContent": "x" * 3_145_729},
    }
    with pytest.raises(ServiceError, match="less than or equal to 3145728"):
        operation(A2I, "StartHumanLoop").check(request)


def test_responses_are_read_by_botocores_parser():
    created = datetime(2026, 3, 1, 10, 20, 30, 456000, tzinfo=UTC)
    for service, name, result in (
        (
            A2I,
            "DescribeHumanLoop",
            {
                "CreationTime": created,
                "HumanLoopStatus": "Failed",
                "FailureCode": "Expired",
                "HumanLoopName": "a",
                "HumanLoopArn": "arn:aws:sagemaker:us-east-1:111122223333:human-loop/a",
                "FlowDefinitionArn": ARN,
                "HumanLoopOutput": {"OutputS3Uri": "s3://b/k"},
            },
        ),
        ("sagemaker", "ListFlowDefinitions", {"FlowDefinitionSummaries": [{"CreationTime": created}]}),
    ):
        asked = operation(service, name)
        status, headers, body = asked.respond(result, "request-1")
        parsed = create_parser(asked.model.service_model.protocol).parse(
            {"status_code": status, "headers": headers, "body": body}, asked.model.output_shape
        )
        parsed.pop("ResponseMetadata")
        assert parsed == result


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ConflictException", 409),
        ("ValidationException", 400),
        ("ThrottlingException", 429),
        ("ServiceQuotaExceededException", 402),
        ("InternalServerException", 500),
    ],
)
def test_errors_have_the_status_of_the_model_and_are_read_by_botocores_parser(code, status):
    asked = operation(A2I, "StartHumanLoop")
    sent_status, headers, body = asked.respond_error(ServiceError(code, "why"), "request-1")
    assert sent_status == status
    parsed = create_parser("rest-json").parse(
        {"status_code": sent_status, "headers": HTTPHeaderDict(headers), "body": body},
        asked.model.output_shape,
    )
    assert parsed["Error"] == {"Code": code, "Message": "why"}


def test_a_missing_resource_is_a_404():
    asked = operation(A2I, "DescribeHumanLoop")
    assert asked.respond_error(ServiceError("ResourceNotFoundException", "no"), "r")[0] == 404


@given(moment=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_times_are_written_to_the_millisecond_and_never_in_the_future(moment):
    text = iso_time(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert 0 <= (moment - datetime.fromisoformat(text)).total_seconds() < 0.001


def test_a_written_prediction_is_checked_like_a_response():
    asked = operation("rekognition", "DetectModerationLabels")
    labels = {"ModerationLabels": [{"Name": "Alcohol", "Confidence": 80.5}]}
    assert asked.read_response(labels) == labels
    with pytest.raises(ValueError, match="less than or equal to 100"):
        asked.read_response({"ModerationLabels": [{"Name": "Alcohol", "Confidence": 180}]})
