from __future__ import annotations

from typing import Any

import pytest

from lambdas import start_loop
from lambdas.loops.start_request import InvalidRequest
from lambdas.reviews.errors import TransientServiceError
from tests.unit.lambdas.conftest import AWS, FLOW, Context, Logged

# Powertools warns if a function that fails has counted nothing.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish")

EVENT = {
    "key": "order 17",
    "flowDefinitionArn": FLOW,
    "task": {"type": "custom", "inputContent": {"text": "x"}},
}
REKOGNITION = {
    "humanLoopName": "loop",
    "flowDefinitionArn": FLOW,
    "task": {"type": "rekognition", "request": {"Image": {"S3Object": {"Bucket": "images", "Name": "k"}}}},
}


def test_handler_starts_a_loop_once(function: AWS, context: Context) -> None:
    first, second = (start_loop.handler(EVENT, context) for _ in range(2))
    assert first["humanLoopName"] == second["humanLoopName"]
    assert (first["already"], second["already"]) == (False, True)
    assert len(function.a2i.loops) == 1


def test_handler_refuses_malformed_request(function: AWS, context: Context) -> None:
    with pytest.raises(InvalidRequest, match="task: Field required"):
        start_loop.handler({"key": "a", "flowDefinitionArn": FLOW}, context)


def test_throttled_start_is_transient(function: AWS, context: Context, logged: Logged) -> None:
    function.a2i.errors["StartHumanLoop"] = ["ServiceQuotaExceededException"]
    with pytest.raises(TransientServiceError, match="ServiceQuotaExceededException"):
        start_loop.handler(EVENT, context)
    (name,) = {line["humanLoopName"] for line in logged.lines}
    assert logged.about(humanLoopName=name) == ["starting"]
    assert not start_loop.handler(EVENT, context)["already"]


@pytest.mark.parametrize("case", ["small", "large", "waiting workflow"])
def test_prediction_is_left_out_where_it_does_not_fit(
    function: AWS, context: Context, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prediction: dict[str, Any] = {"ModerationLabels": [{"Name": "Violence", "Confidence": 12.0}]}
    function.stubs["rekognition"].add_response("detect_moderation_labels", prediction)
    event = dict(REKOGNITION)
    if case == "large":
        monkeypatch.setattr(start_loop, "MAX_PREDICTION_BYTES", 50)
    elif case == "waiting workflow":
        event["taskToken"] = "token"
        function.stubs["stepfunctions"].add_response("send_task_success", {})
    answer = start_loop.handler(event, context)
    assert (answer["needed"], answer["predictionLocation"]) == (False, "s3://reviews/predictions/loop.json")
    assert answer["prediction"] == (prediction if case == "small" else None)
