"""The wire protocols, against the serializers and parsers of botocore."""

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

from sandbox.protocol import Operation, ServiceError, find_operation, operation

A2I = "sagemaker-a2i-runtime"
ARN = "arn:aws:sagemaker:us-east-1:111122223333:flow-definition/flow"

names = st.from_regex(r"[a-z0-9](-*[a-z0-9]){0,20}", fullmatch=True).filter(lambda name: len(name) <= 63)
moments = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)


def request_of(requested: Operation, parameters: dict) -> tuple[str, str, dict, bytes]:
    """Returns method, path, query and body, as boto3 sends them."""
    request = create_serializer(requested.model.service_model.protocol).serialize_to_request(
        parameters, requested.model
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
def test_parse_reads_start_request_of_boto3(name, text, classifiers):
    parameters = {
        "HumanLoopName": name,
        "FlowDefinitionArn": ARN,
        "HumanLoopInput": {"InputContent": text},
    }
    if classifiers is not None:
        parameters["DataAttributes"] = {"ContentClassifiers": classifiers}
    method, path, query, body = request_of(operation(A2I, "StartHumanLoop"), parameters)
    requested = find_operation(A2I, method, path)
    assert requested is not None
    assert requested.name == "StartHumanLoop"
    assert requested.parse(path, query, body) == parameters


@given(
    after=moments,
    before=moments,
    size=st.integers(1, 100),
    order=st.sampled_from(["Ascending", "Descending"]),
)
def test_parse_reads_list_request_of_boto3(after, before, size, order):
    parameters = {
        "FlowDefinitionArn": ARN,
        "CreationTimeAfter": after,
        "CreationTimeBefore": before,
        "MaxResults": size,
        "SortOrder": order,
    }
    method, path, query, body = request_of(operation(A2I, "ListHumanLoops"), parameters)
    requested = find_operation(A2I, method, path)
    assert requested is not None
    assert requested.parse(path, query, body) == parameters


@given(text=st.text(max_size=80))
def test_check_accepts_exactly_the_names_that_a2i_accepts(text):
    request = {"HumanLoopName": text, "FlowDefinitionArn": ARN, "HumanLoopInput": {"InputContent": "{}"}}
    fits = 1 <= len(text) <= 63 and re.fullmatch(r"[a-z0-9](-*[a-z0-9])*", text) is not None
    refused = contextlib.nullcontext() if fits else pytest.raises(ServiceError, match="humanLoopName")
    with refused:
        operation(A2I, "StartHumanLoop").check(request)


@given(name=names.filter(lambda name: name != "stop") | st.just("stop"))
def test_path_finds_operation_for_any_loop_name(name):
    for method, expected in (("GET", "DescribeHumanLoop"), ("DELETE", "DeleteHumanLoop")):
        requested = find_operation(A2I, method, f"/human-loops/{name}")
        assert requested is not None
        assert requested.name == expected
        assert requested.parse(f"/human-loops/{name}", {}, b"") == {"HumanLoopName": name}


@given(body=st.binary(max_size=60))
def test_any_body_that_is_not_a_request_is_refused(body):
    requested = operation(A2I, "StartHumanLoop")
    with pytest.raises(ServiceError) as caught:
        requested.parse("/human-loops", {}, body)
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
def test_any_value_in_a_known_member_is_read_or_refused(service, name, data):
    requested = operation(service, name)
    members = list(requested.model.input_shape.members)
    document = data.draw(st.dictionaries(st.sampled_from(members), json_values, max_size=4))
    with contextlib.suppress(ServiceError):  # any other exception is a bug
        assert requested.read(document).keys() <= document.keys()


def test_check_lists_all_errors_as_aws_words_them():
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
def test_check_names_the_violated_rule(field, value, rule):
    with pytest.raises(ServiceError, match=re.escape(rule)):
        operation(A2I, "ListHumanLoops").read({"FlowDefinitionArn": ARN, field: value})


def test_check_limits_the_size_of_the_input():
    request = {
        "HumanLoopName": "a",
        "FlowDefinitionArn": ARN,
        "HumanLoopInput": {"InputContent": "x" * 3_145_729},
    }
    with pytest.raises(ServiceError, match="less than or equal to 3145728"):
        operation(A2I, "StartHumanLoop").check(request)


def test_botocore_reads_responses():
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
        requested = operation(service, name)
        status, headers, body = requested.respond(result, "request-1")
        parsed = create_parser(requested.model.service_model.protocol).parse(
            {"status_code": status, "headers": headers, "body": body}, requested.model.output_shape
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
def test_botocore_reads_errors_with_the_status_of_the_model(code, status):
    requested = operation(A2I, "StartHumanLoop")
    sent_status, headers, body = requested.respond_error(ServiceError(code, "why"), "request-1")
    assert sent_status == status
    parsed = create_parser("rest-json").parse(
        {"status_code": sent_status, "headers": HTTPHeaderDict(headers), "body": body},
        requested.model.output_shape,
    )
    assert parsed["Error"] == {"Code": code, "Message": "why"}


def test_missing_resource_has_status_404():
    requested = operation(A2I, "DescribeHumanLoop")
    assert requested.respond_error(ServiceError("ResourceNotFoundException", "no"), "r")[0] == 404


def test_read_response_checks_a_written_prediction():
    requested = operation("rekognition", "DetectModerationLabels")
    labels = {"ModerationLabels": [{"Name": "Alcohol", "Confidence": 80.5}]}
    assert requested.read_response(labels) == labels
    with pytest.raises(ValueError, match="less than or equal to 100"):
        requested.read_response({"ModerationLabels": [{"Name": "Alcohol", "Confidence": 180}]})
