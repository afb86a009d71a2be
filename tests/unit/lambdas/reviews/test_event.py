from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.event import (
    CompletedLoop,
    FailedLoop,
    StoppedLoop,
    flow_definition_name,
    parse_status_change,
)
from lambdas.reviews.location import S3Location

# The sample of "Use Amazon CloudWatch Events in Amazon Augmented AI", with its account of 13 digits.
SAMPLE = """
{
    "version":"0",
    "id":"12345678-1111-2222-3333-12345EXAMPLE",
    "detail-type":"SageMaker A2I HumanLoop Status Change",
    "source":"aws.sagemaker",
    "account":"1111111111111",
    "time":"2019-11-14T17:49:25Z",
    "region":"us-east-1",
    "resources":["arn:aws:sagemaker:us-east-1:111111111111:human-loop/humanloop-nov-14-1"],
    "detail":{
        "creationTime":"2019-11-14T17:37:36.740Z",
        "failureCode":null,
        "failureReason":null,
        "flowDefinitionArn":"arn:aws:sagemaker:us-east-1:111111111111:flow-definition/flowdef-nov-12",
        "humanLoopArn":"arn:aws:sagemaker:us-east-1:111111111111:human-loop/humanloop-nov-14-1",
        "humanLoopName":"humanloop-nov-14-1",
        "humanLoopOutput":{
            "outputS3Uri":"s3://customer-output-bucket-specified-in-flow-definition/flowdef-nov-12/2019/11/14/17/37/36/humanloop-nov-14-1/output.json"
        },
        "humanLoopStatus":"Completed"
    }
}
"""


def event(**detail: Any) -> dict[str, Any]:
    """Returns the sample with other details. `...` removes a detail."""
    sample: dict[str, Any] = json.loads(SAMPLE)
    sample["detail"] = {key: value for key, value in (sample["detail"] | detail).items() if value is not ...}
    return sample


@pytest.mark.parametrize(
    "raw", [SAMPLE, SAMPLE.encode(), json.loads(SAMPLE)], ids=["text", "bytes", "object"]
)
def test_parses_documented_sample(raw: object) -> None:
    change = parse_status_change(raw)

    assert isinstance(change, CompletedLoop)
    assert change.human_loop_name == "humanloop-nov-14-1"
    assert change.created_at == datetime(2019, 11, 14, 17, 37, 36, 740000, tzinfo=UTC)
    assert change.output == S3Location(
        "customer-output-bucket-specified-in-flow-definition",
        "flowdef-nov-12/2019/11/14/17/37/36/humanloop-nov-14-1/output.json",
    )
    assert change.flow_definition_arn is not None
    assert flow_definition_name(change.flow_definition_arn) == "flowdef-nov-12"
    # Nothing is lost or added by reading it.
    assert json.loads(change.model_dump_json(by_alias=True)) == json.loads(SAMPLE) | {
        "detail": json.loads(SAMPLE)["detail"] | {"creationTime": "2019-11-14T17:37:36.740000Z"}
    }


def test_parses_minimal_event_with_uppercase_name() -> None:
    detail = {
        "humanLoopName": "Loop-7",
        "creationTime": "2020-01-02T03:04:05.678Z",
        "humanLoopStatus": "Completed",
        "humanLoopOutput": {"outputS3Uri": "s3://bucket/key", "later": 1},
        "newField": {"kept": True},
    }
    change = parse_status_change({"detail": detail})

    assert change.human_loop_name == "Loop-7"
    assert change.flow_definition_arn is None
    assert change.detail.model_extra == {"newField": {"kept": True}}


@pytest.mark.parametrize(
    "output", [None, ..., {}, {"outputS3Uri": None}], ids=["null", "missing", "empty", "no uri"]
)
@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_failed_or_stopped_loop_can_have_no_output(status: str, output: object) -> None:
    change = parse_status_change(event(humanLoopStatus=status, humanLoopOutput=output))

    assert isinstance(change, FailedLoop | StoppedLoop)
    assert change.output is None


def test_stopped_loop_can_have_output() -> None:
    change = parse_status_change(event(humanLoopStatus="Stopped"))
    assert change.output == parse_status_change(SAMPLE).output


def test_failed_loop_has_code_and_reason() -> None:
    change = parse_status_change(
        event(humanLoopStatus="Failed", failureCode="ValidationError", failureReason="liquid error")
    )
    assert isinstance(change, FailedLoop)
    assert (change.detail.failure_code, change.detail.failure_reason) == ("ValidationError", "liquid error")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2019-11-14T18:37:36.740+01:00", datetime(2019, 11, 14, 17, 37, 36, 740000, tzinfo=UTC)),
        ("2019-11-14T17:37:36", datetime(2019, 11, 14, 17, 37, 36, tzinfo=UTC)),
    ],
)
def test_times_are_in_utc(moment: str, expected: datetime) -> None:
    assert parse_status_change(event(creationTime=moment)).created_at == expected


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (event(humanLoopName=...), "event, $.detail.humanLoopName: missing"),
        (event(humanLoopName="../../etc"), "event, $.detail.humanLoopName: String should match pattern"),
        (event(humanLoopName="a" * 64), "event, $.detail.humanLoopName: String should have at most 63 char"),
        (event(humanLoopName=None), "event, $.detail.humanLoopName: expected a string, found null"),
        (
            event(creationTime="soon"),
            "event, $.detail.creationTime: expected a time such as 2026-01-31T08:15:00Z",
        ),
        (event(creationTime="0001-01-01T00:00:00+14:00"), "event, $.detail.creationTime: out of range"),
        (event(humanLoopStatus=...), "event, $.detail.humanLoopStatus: missing"),
        (
            event(humanLoopStatus="Deleting"),
            "event, $.detail.humanLoopStatus: 'Deleting' is not a final status of a human loop; use",
        ),
        (event(humanLoopOutput=None), "event, $.detail.humanLoopOutput: expected an object, found null"),
        (event(humanLoopOutput={}), "event, $.detail.humanLoopOutput.outputS3Uri: missing"),
        (
            event(humanLoopOutput={"outputS3Uri": "https://bucket/key"}),
            "event, $.detail.humanLoopOutput.outputS3Uri: expected s3://bucket/key, found 'https://bucket/key'",
        ),
        (
            event(humanLoopOutput={"outputS3Uri": "s3://bucket"}),
            "event, $.detail.humanLoopOutput.outputS3Uri",
        ),
        ({"source": "aws.sagemaker"}, "event, $.detail: missing"),
        ([1, 2], "event, $: expected an object"),
        ("[" * 100_000, "event, $: "),
        (b"\xff\xfe", "event, $: "),
    ],
)
def test_malformed_event_error_is_one_line_with_field(raw: object, message: str) -> None:
    with pytest.raises(InvalidDocument) as caught:
        parse_status_change(raw)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(json.loads(SAMPLE)["detail"])), JSON), st.data())
def test_any_event_raises_only_invalid_document(detail: dict[str, Any], data: st.DataObject) -> None:
    if data.draw(st.booleans()):
        detail["humanLoopStatus"] = data.draw(st.sampled_from(["Completed", "Failed", "Stopped"]))
    raw = event(**detail)
    for shape in (raw, json.dumps(raw), raw["detail"], json.dumps(raw)[: data.draw(st.integers(0, 900))]):
        try:
            change = parse_status_change(shape)
        except InvalidDocument:
            continue
        assert change.created_at.tzinfo is UTC
