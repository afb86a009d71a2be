"""What the role of a state machine allows."""

from __future__ import annotations

import json

import pytest

ACCOUNT = "us-east-1:000000000000"


def task(resource, **parameters):
    return {
        "Task": {
            "Type": "Task",
            "Resource": f"arn:aws:states:::{resource}",
            "Parameters": parameters,
            "End": True,
        }
    }


CASES = {
    "lambda": (
        task("lambda:invoke", FunctionName="work", Payload={}),
        "lambda:InvokeFunction",
        f"arn:aws:lambda:{ACCOUNT}:function:work",
        "Lambda.AWSLambdaException",
    ),
    "version of lambda": (
        task("lambda:invoke", FunctionName=f"arn:aws:lambda:{ACCOUNT}:function:work:1", Payload={}),
        "lambda:InvokeFunction",
        f"arn:aws:lambda:{ACCOUNT}:function:work:1",
        "Lambda.AWSLambdaException",
    ),
    "callback": (
        task("lambda:invoke.waitForTaskToken", FunctionName="work", Payload={}),
        "lambda:InvokeFunction",
        f"arn:aws:lambda:{ACCOUNT}:function:work",
        "Lambda.AWSLambdaException",
    ),
    "dynamodb": (
        task("dynamodb:updateItem", TableName="rows", Key={"k": {"S": "a"}}),
        "dynamodb:UpdateItem",
        f"arn:aws:dynamodb:{ACCOUNT}:table/rows",
        "DynamoDB.AmazonDynamoDBException",
    ),
    "sns": (
        task("sns:publish", TopicArn=f"arn:aws:sns:{ACCOUNT}:topic", Message="a"),
        "sns:Publish",
        f"arn:aws:sns:{ACCOUNT}:topic",
        "SNS.AuthorizationErrorException",
    ),
    "sqs": (
        task("sqs:sendMessage", QueueUrl="https://sqs/000000000000/queue", MessageBody="a"),
        "sqs:SendMessage",
        f"arn:aws:sqs:{ACCOUNT}:queue",
        "SQS.AmazonSQSException",
    ),
    "states": (
        task("states:startExecution", StateMachineArn=f"arn:aws:states:{ACCOUNT}:stateMachine:m"),
        "states:StartExecution",
        f"arn:aws:states:{ACCOUNT}:stateMachine:m",
        "StepFunctions.AWSStepFunctionsException",
    ),
    "events": (
        task("events:putEvents", Entries=[{"Source": "a", "DetailType": "b", "Detail": "{}"}]),
        "events:PutEvents",
        f"arn:aws:events:{ACCOUNT}:event-bus/default",
        "EventBridge.AWSEventBridgeException",
    ),
    "sdk": (
        task("aws-sdk:dynamodb:getItem", TableName="rows", Key={"k": {"S": "a"}}),
        "dynamodb:GetItem",
        f"arn:aws:dynamodb:{ACCOUNT}:table/rows",
        "DynamoDb.DynamoDbException",
    ),
    "sdk of sqs": (
        task("aws-sdk:sqs:createQueue", QueueName="queue"),
        "sqs:CreateQueue",
        f"arn:aws:sqs:{ACCOUNT}:queue",
        "Sqs.SqsException",
    ),
}


def allow(*statements):
    from ministack.services import iam

    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": action, "Resource": resource} for action, resource in statements
        ],
    }
    parameters = {"RoleName": ["machine"], "PolicyName": ["all"], "PolicyDocument": [json.dumps(document)]}
    iam._put_role_policy(parameters)


@pytest.mark.parametrize("case", CASES)
def test_task_fails_if_role_does_not_allow_its_call(machines, case):
    states, action, resource, error = CASES[case]
    allow(("s3:*", "*"), (action, f"{resource}-other"))
    execution = machines.run(states)
    assert (execution["status"], execution["error"]) == ("FAILED", error)
    assert f"is not authorized to perform: {action} on resource: {resource}" in execution["cause"]


@pytest.mark.parametrize("case", CASES)
def test_task_calls_what_its_role_allows(machines, case):
    states, action, resource, _ = CASES[case]
    allow((action, resource))
    states["Task"]["TimeoutSeconds"] = 1
    assert "is not authorized" not in machines.run(states).get("cause", "")


def test_role_of_version_counts_for_executions_of_version(machines):
    states, action, resource, error = CASES["dynamodb"]
    machine = machines.create(states)
    version = machines.call("_publish_state_machine_version", stateMachineArn=machine)
    nobody = machines.add_role("nobody")
    machines.call("_update_state_machine", stateMachineArn=machine, roleArn=nobody)
    allow((action, resource))
    assert (
        machines.ended(machines.start(version["stateMachineVersionArn"]))["error"]
        == "DynamoDB.ResourceNotFoundException"
    )
    assert machines.ended(machines.start(machine))["error"] == error
