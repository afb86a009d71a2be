"""Canned results in place of the calls of tasks."""

from __future__ import annotations

import json

import pytest

from sandbox.canned_results import parse_results
from sandbox.ministack_patches import canned
from workflow.stack.grants import Permission
from workflow.stack.permissions import statements_for

ASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::bedrock:invokeModel",
    "Parameters": {"ModelId": "amazon.titan", "Body.$": "$.question"},
    "ResultPath": "$.answer",
    "End": True,
}
DETECT = {
    "Type": "Task",
    "Resource": "arn:aws:states:::aws-sdk:comprehend:detectSentiment",
    "Parameters": {"LanguageCode": "en", "Text.$": "$.text"},
    "End": True,
}
BUSY = {"error": "Comprehend.TooManyRequestsException", "cause": "slow"}


@pytest.fixture
def give():
    """Gives canned results for the time of the test."""
    numbers = []

    def give(**results):
        numbers.append(canned.given.add(parse_results(results), None))

    yield give
    for number in numbers:
        canned.given.remove(number)


def test_call_is_recorded_and_gets_the_result(machines, give):
    give(services={"bedrock:invokeModel": {"result": {"Body": {"summary": "short"}}}})
    execution = machines.run({"Ask": ASK}, {"question": {"text": "why?"}})
    assert json.loads(execution["output"])["answer"] == {"Body": {"summary": "short"}}
    events = {event["type"]: event for event in machines.history(execution["executionArn"])}
    scheduled = events["TaskScheduled"]["taskScheduledEventDetails"]
    assert (scheduled["resourceType"], scheduled["resource"]) == ("bedrock", "invokeModel")
    assert json.loads(scheduled["parameters"]) == {"ModelId": "amazon.titan", "Body": {"text": "why?"}}
    assert "TaskSucceeded" in events


def test_error_is_retried_and_then_caught(machines, give):
    give(services={"aws-sdk:comprehend:detectSentiment": [BUSY, {"result": {"Sentiment": "MIXED"}}, BUSY]})
    state = DETECT | {
        "Retry": [{"ErrorEquals": ["Comprehend.TooManyRequestsException"], "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["Comprehend.TooManyRequestsException"], "Next": "Caught"}],
    }
    states = {"Detect": state, "Caught": {"Type": "Pass", "End": True}}
    first, second = (machines.run(states, {"text": "so so"}) for _ in range(2))
    assert json.loads(first["output"]) == {"Sentiment": "MIXED"}
    assert json.loads(second["output"]) == {"Error": BUSY["error"], "Cause": "slow"}


@pytest.mark.parametrize("form", [".sync", ".sync:2", ".waitForTaskToken"])
def test_task_that_waits_ends_at_once(machines, give, form):
    give(states={"Run": {"result": {"Status": "SUCCEEDED"}}})
    resource = f"arn:aws:states:::states:startExecution{form}"
    state = {"Type": "Task", "Resource": resource, "Parameters": {"StateMachineArn": "arn:m"}, "End": True}
    assert json.loads(machines.run({"Run": state})["output"]) == {"Status": "SUCCEEDED"}


def test_states_of_maps_and_branches_get_results(machines, give):
    give(
        services={"aws-sdk:comprehend:detectSentiment": {"result": "sentiment"}},
        states={"Ask": {"result": "answer"}, "Call": {"result": "called"}},
    )
    detect = {"StartAt": "Detect", "States": {"Detect": DETECT}}
    again = {"StartAt": "Again", "States": {"Again": DETECT}}
    distributed = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, **again}
    function = "arn:aws:lambda:us-east-1:000000000000:function:nowhere"
    each = {"Type": "Map", "ItemsPath": "$.items", "End": True}
    states = {
        "Inline": each | {"ItemProcessor": detect},
        "Distributed": each | {"ItemProcessor": distributed},
        "Ask": ASK | {"ResultPath": "$"},
        "Call": {"Type": "Task", "Resource": function, "End": True},
    }
    branches = [{"StartAt": name, "States": {name: state}} for name, state in states.items()]
    given = {"items": [{"text": "a"}, {"text": "b"}], "question": {}}
    execution = machines.run({"All": {"Type": "Parallel", "Branches": branches, "End": True}}, given)
    two = ["sentiment", "sentiment"]
    assert json.loads(execution["output"]) == [two, two, "answer", "called"]


def test_state_is_tested_with_its_result(machines, give):
    give(states={"Detect": [{"result": {"Sentiment": "POSITIVE"}}, BUSY]})
    request = {
        "definition": json.dumps({"StartAt": "Detect", "States": {"Detect": DETECT}}),
        "stateName": "Detect",
        "input": '{"text": "good"}',
        "roleArn": machines.role,
    }
    answers = [machines.call("_test_state", **request) for _ in range(2)]
    assert (answers[0]["status"], answers[0].get("output")) == ("SUCCEEDED", '{"Sentiment": "POSITIVE"}')
    assert (answers[1]["status"], answers[1]["error"]) == ("FAILED", BUSY["error"])


@pytest.mark.parametrize(
    ("parameters", "error", "cause"),
    [
        ({"Text": "a", "LanguageCod": "en"}, "States.Runtime", "did you mean 'LanguageCode'"),
        ({"Text": "a"}, "States.Runtime", "needs LanguageCode"),
        ({"Text": "a", "LanguageCode": "xx"}, "Comprehend.ComprehendException", "enum value set"),
        ({"Text": 7, "LanguageCode": "en"}, "Comprehend.ComprehendException", "must be a string"),
    ],
)
def test_invalid_arguments_fail_before_the_result(machines, give, parameters, error, cause):
    give(states={"Detect": {"result": {}}})
    failed = machines.run({"Detect": DETECT | {"Parameters": parameters}})
    assert (failed["status"], failed["error"]) == ("FAILED", error)
    assert cause in failed["cause"]


@pytest.mark.parametrize(
    ("allowed", "error"),
    [
        ({"Action": "bedrock:InvokeModel", "Resource": "arn:*foundation-model/amazon.titan"}, None),
        ({"Action": "bedrock:Invoke*", "Resource": "*"}, None),
        ({"Action": "bedrock:ListModels", "Resource": "*"}, "Bedrock.AccessDeniedException"),
    ],
)
def test_role_must_allow_the_call(machines, give, allowed, error):
    give(services={"bedrock:invokeModel": {"result": "answer"}})
    machines.role = machines.add_role("narrow", {"Effect": "Allow", **allowed})
    ended = machines.run({"Ask": ASK | {"ResultPath": "$"}}, {"question": {}})
    assert ended.get("error") == error
    assert (ended["status"] == "SUCCEEDED") == (error is None)


@pytest.mark.parametrize(("model", "succeeds"), [("amazon.titan", True), ("anthropic.claude", False)])
def test_role_must_allow_the_resource_of_the_call(machines, give, model, succeeds):
    give(services={"aws-sdk:bedrockruntime:invokeModel": {"result": "answer"}})
    arn = "arn:aws:bedrock:us-east-1::foundation-model/amazon.titan"
    machines.role = machines.add_role(
        "one-model", {"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": arn}
    )
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:bedrockruntime:invokeModel",
        "Parameters": {"ModelId": model, "Body": "{}"},
        "End": True,
    }
    ended = machines.run({"Ask": state})
    assert (ended["status"] == "SUCCEEDED") is succeeds, ended
    assert ended.get("error") == (None if succeeds else "BedrockRuntime.AccessDeniedException")


@pytest.mark.parametrize(("profile", "succeeds"), [("us.amazon.titan", True), ("eu.amazon.titan", False)])
def test_model_behind_a_profile_is_called_through_the_profile_only(machines, give, profile, succeeds):
    give(services={"bedrock:invokeModel": {"result": "answer"}})
    arn = "arn:aws:bedrock:us-east-1:*:inference-profile/us.amazon.titan"
    machines.role = machines.add_role(
        "profile",
        {"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": "arn:*:inference-profile/*"},
        {
            "Effect": "Allow",
            "Action": "bedrock:InvokeModel",
            "Resource": "arn:aws:bedrock:*::foundation-model/amazon.titan",
            "Condition": {"ArnLike": {"bedrock:InferenceProfileArn": arn}},
        },
    )
    ended = machines.run({"Ask": ASK | {"Parameters": {"ModelId": profile, "Body": {}}}})
    assert (ended["status"] == "SUCCEEDED") is succeeds, ended


def call(name, **parameters):
    return {"Type": "Task", "Resource": f"arn:aws:states:::{name}", "Parameters": parameters, "End": True}


CALLS = [
    call("bedrock:invokeModel", ModelId="amazon.titan", Body={}),
    call("aws-sdk:bedrockruntime:converse", ModelId="us.amazon.nova-lite-v1:0", Messages=[]),
    call("aws-sdk:comprehend:detectSentiment", **{"Text.$": "$.text", "LanguageCode": "en"}),
    call("aws-sdk:translate:translateText", Text="a", SourceLanguageCode="en", TargetLanguageCode="de"),
    call(
        "http:invoke",
        Method="POST",
        Authentication={"ConnectionArn": "arn:aws:events:us-east-1:000000000000:connection/shop/1"},
        **{"ApiEndpoint.$": "States.Format('https://shop.example.com/{}', $.text)"},
    ),
    call("glue:startJobRun.sync", JobName="nightly"),
    call("aws-sdk:firehose:putRecord", DeliveryStreamName="out", Record={"Data": "x"}),
    call("aws-sdk:s3:getObjectAcl", Bucket="reviewed", Key="a.json"),
    call(
        "apigateway:invoke",
        ApiEndpoint="abc.execute-api.us-east-1.amazonaws.com",
        Method="GET",
        Path="/a",
        AuthType="IAM_ROLE",
    ),
    call(
        "aws-sdk:scheduler:createSchedule",
        Name="later",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": "arn:aws:sqs:us-east-1:000000000000:q",
            "RoleArn": "arn:aws:iam::000000000000:role/later",
        },
    ),
    call(
        "athena:startQueryExecution.sync",
        QueryString="SELECT 1",
        WorkGroup="reviews",
        ResultConfiguration={"OutputLocation": "s3://results/"},
    ),
]


@pytest.mark.parametrize("state", CALLS, ids=lambda state: state["Resource"].rpartition(":::")[2])
def test_derived_policy_allows_the_call_and_no_policy_does_not(machines, give, state):
    give(states={"Call": {"result": "canned"}})
    declared = {"Call": [Permission(actions=("glue:GetTable",), resources=("*",))]}
    statements = [
        {
            "Effect": "Allow",
            "Action": list(one.actions),
            "Resource": list(one.resources),
            **({"Condition": one.conditions} if one.conditions else {}),
        }
        for one in statements_for({"StartAt": "Call", "States": {"Call": state}}, declared)
    ]
    machines.role = machines.add_role("derived", *json.loads(placed(json.dumps(statements))))
    ended = machines.run({"Call": state}, {"text": "orders"})
    assert ended["status"] == "SUCCEEDED", ended
    machines.role = machines.add_role("empty")
    ended = machines.run({"Call": state}, {"text": "orders"})
    assert "is not authorized to perform" in ended.get("cause", ""), ended


def placed(text):
    for name, value in (("Partition", "aws"), ("Region", "us-east-1"), ("AccountId", "000000000000")):
        text = text.replace(f"${{AWS::{name}}}", value)
    return text
