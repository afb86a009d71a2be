"""Services, actions and resources that do not exist."""

from __future__ import annotations

from typing import Any

import pytest

from workflow.asl.checks import Finding, check
from workflow.asl.checks.tasks import problems_of_resource
from workflow.asl.optimized import OPTIMIZED, api_of
from workflow.asl.services import actions_of

STATES = "arn:aws:states:::"


def findings(resource: str, *, declared: bool = False) -> list[Finding]:
    state = {"Type": "Task", "Resource": resource, "End": True}
    machine = {"StartAt": "Step", "States": {"Step": state}}
    found = check(machine, places={"Step": "post_review.py:7"}, declared=["Step"] if declared else [])
    return [finding for finding in found if " needs " not in finding.message]


MISSPELLED = {
    # Services
    "aws-sdk:comprehnd:detectSentiment": "there is no service 'comprehnd' in AWS SDK integrations; did you mean "
    "'comprehend'?",
    "comprehnd:detectSentiment": "there is no service 'comprehnd'; did you mean "
    "'arn:aws:states:::aws-sdk:comprehend:detectSentiment'?",
    "comprehend:detectSentiment": "comprehend:detectSentiment is no optimized integration; use "
    "'arn:aws:states:::aws-sdk:comprehend:detectSentiment'",
    "aws-sdk:Comprehend:detectSentiment": "there is no service 'Comprehend' in AWS SDK integrations; did you mean "
    "'comprehend'?",
    "SQS:sendMessage": "there is no service 'SQS'; did you mean 'sqs'?",
    "lamda:invoke": "there is no service 'lamda'; did you mean 'arn:aws:states:::lambda:invoke'?",
    "stepfunctions:startExecution": "there is no service 'stepfunctions'; did you mean "
    "'arn:aws:states:::states:startExecution'?",
    "emr:addStep": "there is no service 'emr'; did you mean 'arn:aws:states:::elasticmapreduce:addStep'?",
    "unheardof:do": "there is no service 'unheardof'; the optimized integrations are apigateway, athena, batch, ",
    # Names of boto3 and of optimized integrations in an AWS SDK integration
    "aws-sdk:logs:putLogEvents": "there is no service 'logs' in AWS SDK integrations; did you mean 'cloudwatchlogs'?",
    "aws-sdk:bedrock-runtime:converse": "there is no service 'bedrock-runtime' in AWS SDK integrations; did you mean "
    "'bedrockruntime'?",
    "aws-sdk:states:startExecution": "there is no service 'states' in AWS SDK integrations; did you mean 'sfn'?",
    "aws-sdk:events:putEvents": "there is no service 'events' in AWS SDK integrations; did you mean 'eventbridge'?",
    "aws-sdk:http:invoke": "there is no service 'http' in AWS SDK integrations; did you mean "
    "'arn:aws:states:::http:invoke'?",
    # Actions
    "sqs:sendMesage": "the service sqs has no action 'sendMesage'; did you mean 'sendMessage'?",
    "sqs:sendmessage": "the service sqs has no action 'sendmessage'; did you mean 'sendMessage'?",
    "aws-sdk:sqs:SendMessage": "the service sqs has no action 'SendMessage'; did you mean 'sendMessage'?",
    "lambda:invokeFunction": "the service lambda has no action 'invokeFunction'; did you mean 'invoke'?",
    "dynamodb:query": "dynamodb:query is no optimized integration; use 'arn:aws:states:::aws-sdk:dynamodb:query'",
    "elasticmapreduce:runJobFlow": "elasticmapreduce:runJobFlow is no optimized integration; use "
    "'arn:aws:states:::aws-sdk:emr:runJobFlow'",
    "sqs:sendMesageBatch": "the service sqs has no action 'sendMesageBatch'; did you mean "
    "'arn:aws:states:::aws-sdk:sqs:sendMessageBatch'?",
    "bedrock:converse": "the service bedrock has no action 'converse'; did you mean "
    "'arn:aws:states:::aws-sdk:bedrockruntime:converse'?",
    "aws-sdk:bedrock:invokeModel": "the service bedrock has no action 'invokeModel'; did you mean "
    "'arn:aws:states:::bedrock:invokeModel'?",
    "aws-sdk:s3:nothingOfTheKind": "the service s3 has no action 'nothingOfTheKind' (in botocore ",
    # Streams
    "aws-sdk:bedrockruntime:converseStream": "bedrockruntime:converseStream is a stream, which Step Functions does not "
    "support; use 'converse'",
    "aws-sdk:s3:selectObjectContent": "s3:selectObjectContent is a stream, which Step Functions does not support",
    "aws-sdk:bedrockagentcore:invokeHarness": "bedrockagentcore:invokeHarness is a stream, which Step Functions does "
    "not support; use 'arn:aws:states:::bedrockagentcore:invokeHarness'",
    # What a Task waits for
    "glue:startJobRun.synch": "there is no '.synch'; did you mean '.sync'?",
    "glue:startJobRun.waitForTaskToken": "glue:startJobRun does not support '.waitForTaskToken': it supports .sync",
    "sqs:sendMessage.sync": "sqs:sendMessage does not support '.sync': it supports .waitForTaskToken",
    "dynamodb:getItem.sync": "dynamodb:getItem does not support '.sync': it supports none; remove it",
    "states:startExecution.sync:3": "there is no '.sync:3'; did you mean '.sync:2'?",
    "aws-sdk:sqs:sendMessage.waitForTaskTokn": "there is no '.waitForTaskTokn'; did you mean '.waitForTaskToken'?",
    "aws-sdk:athena:startQueryExecution.sync": "aws-sdk:athena:startQueryExecution does not support '.sync': use "
    "'arn:aws:states:::athena:startQueryExecution.sync'",
}  # fmt: skip


@pytest.mark.parametrize("resource", MISSPELLED)
def test_integration_that_does_not_exist_is_an_error_with_what_is_meant(resource: str) -> None:
    [finding] = findings(STATES + resource)
    assert finding.severity == "error"
    assert str(finding).startswith(f"post_review.py:7: state 'Step': {MISSPELLED[resource]}")
    assert "declare" not in finding.message


MISWRITTEN = {
    "arn:aws:states::sqs:sendMessage": "did you mean 'arn:aws:states:::sqs:sendMessage'?",
    "arn:aws:state:::sqs:sendMessage": "did you mean 'arn:aws:states:::sqs:sendMessage'?",
    "aws:states:::sqs:sendMesage": "did you mean 'arn:aws:states:::sqs:sendMessage'?",
    "arn:aws:states:aws-sdk:s3:getObject": "did you mean 'arn:aws:states:::aws-sdk:s3:getObject'?",
    "arn:awss:states:::sqs:sendMessage": "there is no partition 'awss'; did you mean 'aws'?",
    "arn:aws:states:::sqs": "it is not the ARN of an integration (arn:aws:states:::sns:publish), a function or an",
    "arn:aws:lambda:eu-west-1:12345678901:function:x": "'12345678901' has 11 digits, not 12",
    "arn:aws:lambda:eu-west-1:123456789012:x": "it is not of the form arn:PARTITION:lambda:REGION:ACCOUNT:function:",
    "arn:aws::lambda:eu-west-1:123456789012:function:x": "it is not of the form arn:PARTITION:lambda:REGION:ACCOUNT",
    "arn:aws:lambda:euwest1:123456789012:function:x": "there is no Region 'euwest1'",
    "arn:aws:states:eu-west-1:123456789012:activty:x": "it is not of the form arn:PARTITION:states:REGION:ACCOUNT:a",
    "arn:aws:states:eu-west-1:123456789012:stateMachine:x": "to start a state machine, use arn:aws:states:::states:st",
    "my-function": "it is not of the form arn:PARTITION:SERVICE:REGION:ACCOUNT:…",
}


@pytest.mark.parametrize("resource", MISWRITTEN)
def test_resource_that_is_no_resource_is_an_error(resource: str) -> None:
    found = [finding.message for finding in findings(resource) if "statelint" not in finding.message]
    assert [line[: len(f"Resource {resource!r} is invalid: {MISWRITTEN[resource]}")] for line in found] == [
        f"Resource {resource!r} is invalid: {MISWRITTEN[resource]}"
    ]


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws-cn:states:::sqs:sendMessage",
        "arn:aws-us-gov:states:::aws-sdk:comprehend:detectSentiment.waitForTaskToken",
        "arn:${Partition}:states:::ecs:runTask.sync",
        "arn:aws:lambda:us-gov-west-1:123456789012:function:x:live",
        "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:x",
        "arn:aws-cn:states:cn-north-1:123456789012:activity:by-hand",
    ],
)
def test_resources_of_all_partitions_and_placeholders_are_accepted(resource: str) -> None:
    assert findings(resource) == []


def test_all_optimized_integrations_and_their_apis_exist() -> None:
    for service, actions in OPTIMIZED.items():
        for action, forms in actions.items():
            for form in forms:
                state = {"Type": "Task", "Resource": f"{STATES}{service}:{action}{form}"}
                assert list(problems_of_resource(state)) == []
    no_api = {"apigateway:invoke", "eks:call", "eks:runJob", "http:invoke"}
    for service in OPTIMIZED.keys() - {"elasticmapreduce"}:
        for action in OPTIMIZED[service]:
            name, called = api_of(service, action)
            assert (called in actions_of(name)) is (f"{service}:{action}" not in no_api)


@pytest.mark.parametrize(
    ("resource", "severity"),
    [
        ("aws-sdk:unheardof:do", "warning"),
        ("aws-sdk:sqs:frobnicate", "warning"),
        ("unheardof:do", "warning"),
        ("comprehend:detectSentiment", "warning"),
        ("comprehnd:detectSentiment", "error"),
        ("sqs:sendMesage", "error"),
        ("sqs:sendMessage.sync", "error"),
        ("aws-sdk:comprehnd:detectSentiment", "error"),
        ("aws-sdk:sqs:sendMesage", "error"),
    ],
)
def test_declared_permissions_admit_what_is_newer_than_botocore_but_no_misspelling(
    resource: str, severity: str
) -> None:
    assert [finding.severity for finding in findings(STATES + resource, declared=True)] == [severity]
    assert [finding.severity for finding in findings(STATES + resource)] == ["error"]


def test_reader_and_writer_of_a_map_that_do_not_exist_are_errors() -> None:
    def messages(reader: str, writer: str) -> list[str]:
        state: dict[str, Any] = {
            "Type": "Map",
            "ItemReader": {"Resource": reader},
            "ResultWriter": {"Resource": writer},
        }
        return [message for message, _ in problems_of_resource(state)]

    assert messages("arn:aws:states:::s3:getObject", "arn:${P}:states:::s3:putObject") == []
    assert messages("arn:aws:states:::s3:getObjct", "arn:aws:state:::s3:putObject") == [
        "ItemReader: Resource 'arn:aws:states:::s3:getObjct' is invalid; use 'arn:aws:states:::s3:getObject' or "
        "'arn:aws:states:::s3:listObjectsV2'",
        "ResultWriter: Resource 'arn:aws:state:::s3:putObject' is invalid; use 'arn:aws:states:::s3:putObject'",
    ]
