"""ARNs and URLs that AWS refuses."""

from __future__ import annotations

from typing import Any

import pytest

from workflow.asl.checks.arns import _regions, problems_of_arguments, why_not_arn


def problems(**given: Any) -> list[str]:
    return list(problems_of_arguments({"Parameters": given}))


@pytest.mark.parametrize(
    ("field", "text", "why"),
    [
        ("TopicArn", "my-topic", "it is not of the form arn:PARTITION:sns:REGION:ACCOUNT:TOPIC"),
        ("TopicArn", "arn:aws:sqs:eu-west-1:123456789012:t", "it is not of the form arn:PARTITION:sns:REGION:ACCOU"),
        ("TopicArn", "arn:aws:sns:eu-west-1:123456789012:t:3f2a", "it is not of the form arn:PARTITION:sns:REGION:"),
        ("TopicArn", "arn:aws:sns:eu-west-1:12345678901:t", "'12345678901' has 11 digits, not 12"),
        ("TopicArn", "arn:aws:sns:eu-west1:123456789012:t", "there is no Region 'eu-west1'"),
        ("TopicArn", "arn:aws:sns:us-esat-1:123456789012:t", "there is no Region 'us-esat-1'; did you mean 'us-east-1"),
        ("QueueUrl", "https://sqs.us-east-1.amazonaws.com/q", "it is not of the form https://sqs.us-east-1.amazon"),
        ("QueueUrl", "https://sqs.us-east-1.amazonaws.com/12345678901/q", "it is not of the form https://sqs.us-east-1.ama"),
        ("TargetArn", "arn:aws:sns:eu-west-1:123:t", "'123' has 3 digits, not 12"),
        ("QueueUrl", "arn:aws:sqs:eu-west-1:123456789012:q", "it is the ARN of the queue; use the URL: https://sqs.eu-"),
        ("QueueUrl", "q", "it is not a URL; use the URL: https://sqs.REGION.amazonaws.com/ACCOUNT/q"),
        ("FlowDefinitionArn", "arn:aws:sagemaker:eu-west-1:123456789012:human-loop/l", "it is not of the form arn:"),
        ("StateMachineArn", "arn:aws:states:eu-west-1:123456789012:statemachine:m", "it is not of the form arn:PAR"),
        ("RoleArn", "Train", "it is not of the form arn:PARTITION:iam::ACCOUNT:role/NAME"),
        ("RoleArn", "arn:aws:iam:eu-west-1:123456789012:role/Train", "the ARN of a role has no Region"),
        ("DataAccessRoleArn", "arn:aws:iam::123456789012:user/me", "it is not of the form arn:PARTITION:iam::ACCOU"),
        ("FunctionName", "arn:aws:lambda:eu-west-1:123456789012:f", "it is not of the form arn:PARTITION:lambda:RE"),
        ("SecretArn", "arn:aw:secretsmanager:eu-west-1:123456789012:secret:s", "there is no partition 'aw'; did you m"),
    ],
)  # fmt: skip
def test_arns_and_urls_that_aws_refuses_are_reported(field: str, text: str, why: str) -> None:
    [problem] = problems(Inside=[{field: text}])
    assert problem.startswith(f"{field} {text!r} is invalid: {why}")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("TopicArn", "${EscalationTopic}"),
        ("TopicArn", "arn:${Partition}:sns:${Region}:123456789012:t.fifo"),
        ("TopicArn", "arn:aws-us-gov:sns:us-gov-west-1:123456789012:t"),
        ("TopicArn", "{% $topic %}"),
        ("TopicArn.$", "$.topic"),
        ("QueueUrl", "https://sqs.eu-west-1.amazonaws.com/123456789012/q"),
        ("QueueUrl", "http://127.0.0.1:4566/000000000000/q"),
        ("QueueUrl", "http://localhost:4566/queue/us-east-1/000000000000/q.fifo"),
        ("TopicArn", "arn:aws:sns:zz-northwest-7:123456789012:t"),
        ("StateMachineArn", "arn:aws-cn:states:cn-north-1:123456789012:stateMachine:m:live"),
        ("RoleArn", "arn:aws:iam::123456789012:role/path/Train"),
        ("FunctionName", "123456789012:function:f"),
        ("PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        ("BucketArn", "arn:aws:s3:::b"),
    ],
)
def test_arns_that_may_be_right_are_accepted(field: str, text: str) -> None:
    assert problems(**{field: text}) == []


def test_all_known_regions_are_accepted() -> None:
    assert [why_not_arn(f"arn:aws:sns:{region}:123456789012:t") for region in _regions()] == [""] * len(
        _regions()
    )


def test_role_in_credentials_is_checked() -> None:
    [problem] = problems_of_arguments({"Credentials": {"RoleArn": "arn:aws:iam::12345678901:role/there"}})
    assert "'12345678901' has 11 digits, not 12" in problem


def test_what_the_user_sends_is_not_checked() -> None:
    assert problems(Payload={"TopicArn": "mine"}, MessageBody={"RoleArn": "x"}, Input={"QueueUrl": "q"}) == []
