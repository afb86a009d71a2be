"""Literal arguments that an API refuses."""

# ruff: noqa: E501 (a row is easier to read than a column)

from __future__ import annotations

from typing import Any

import pytest

from workflow.asl.checks.literals import problems_of_literals


def found(resource: str, **given: Any) -> list[tuple[str, str]]:
    state = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "Parameters": given}
    return list(problems_of_literals(state))


@pytest.mark.parametrize(
    ("resource", "given", "severity", "message"),
    [
        ("dynamodb:getItem", {"Key": {"id": "x"}}, "error", "Key.id must have its type: write {'S': 'x'}"),
        ("dynamodb:putItem", {"Item": {"n": 5}}, "error", "Item.n must have its type: write {'N': '5'}"),
        ("dynamodb:putItem", {"Item": {"n": {"N": 5}}}, "error", "Item.n.N must be a text, not 5: write '5'"),
        ("dynamodb:putItem", {"Item": {"m": {"M": {"a": True}}}}, "error", "Item.m.M.a must have its type: write {'BOOL'"),
        ("dynamodb:putItem", {"Item": {"n": {"X": "5"}}}, "error", "Item.n has no type 'X'; the types are S, N, B, BOOL,"),
        ("lambda:invoke", {"InvocationType": "Evnt"}, "error", "InvocationType has no value 'Evnt'; did you mean 'Event'"),
        ("aws-sdk:comprehend:detectSentiment", {"LanguageCode": "english"}, "warning", "has no value 'english'; the valu"),
        ("aws-sdk:sqs:receiveMessage", {"MaxNumberOfMessages": "ten"}, "error", "must be a number, not 'ten'"),
        ("aws-sdk:sqs:receiveMessage", {"MaxNumberOfMessages": "10"}, "warning", "must be a number, not '10'"),
        ("sqs:sendMessage", {"MessageGroupId": 7}, "error", "MessageGroupId must be a text, not 7: write '7'"),
        ("events:putEvents", {"Entries": {"Source": "a"}}, "error", "Entries must be a list, not {'Source': 'a'}"),
        ("events:putEvents", {"Entries": ["a"]}, "error", "Entries[0] must be an object, not 'a'"),
        ("ecs:runTask", {"EnableECSManagedTags": "yes"}, "error", "EnableECSManagedTags must be true or false, not 'yes'"),
        ("sagemaker:createTrainingJob", {"HyperParameters": {"epochs": 3}}, "error", "epochs must be a text, not 3: write"),
    ],
)  # fmt: skip
def test_value_that_the_api_refuses_is_reported(
    resource: str, given: dict[str, Any], severity: str, message: str
) -> None:
    ((problem, how),) = found(resource, **given)
    assert message in problem
    assert how == severity


@pytest.mark.parametrize(
    ("resource", "given"),
    [
        ("dynamodb:putItem", {"Item": {"a.$": "$.a", "b": {"S.$": "$.b"}, "c": {"L": [{"N": "1"}]}, "d": {"NULL": True}}}),
        ("aws-sdk:dynamodb:putItem", {"Item": {"a": {"Nul": True}, "b": {"Ss": ["c"]}}}),
        ("sqs:sendMessage", {"MessageBody": {"a": 1}, "DelaySeconds": 5}),
        ("sns:publish", {"Message": 5, "MessageAttributes": {"a": {"DataType": "String", "StringValue.$": "$.a"}}}),
        ("lambda:invoke", {"Payload": [1], "InvocationType": "{% $type %}", "FunctionName": "${Function}"}),
        ("events:putEvents", {"Entries": [{"Detail": {"a": 1}, "Resources": ["a"]}]}),
        ("bedrock:invokeModel", {"Body": {"a": 1}, "Input": {"S3Uri": "s3://b/k"}}),
        ("apigateway:invoke", {"RequestBody": 5, "Headers": {"a": ["b"]}}),
        ("aws-sdk:scheduler:createSchedule", {"FlexibleTimeWindow": {"Mode": "OFF"}, "StartDate": "2030-01-01T00:00:00Z"}),
        ("aws-sdk:nothing:atAll", {"a": 1}),
    ],
)  # fmt: skip
def test_value_of_the_field_is_accepted(resource: str, given: dict[str, Any]) -> None:
    assert found(resource, **given) == []
