from __future__ import annotations

from typing import Any

import pytest
from botocore.loaders import Loader
from hypothesis import given
from hypothesis import strategies as st

from workflow.asl.checks import check
from workflow.asl.checks.calls import problems_of_call

QUEUE = {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/q"}
TOPIC = {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:t", "Message": "m"}


def called(resource: str, given: dict[str, Any] | str | None, field: str = "Parameters") -> list[str]:
    state = {"Type": "Task", "Resource": f"arn:aws:states:::{resource}", "End": True}
    if field == "Arguments":
        state["QueryLanguage"] = "JSONata"
    machine = {
        "StartAt": "Step",
        "States": {"Step": state if given is None else {**state, field: given}},
    }
    return [str(finding) for finding in check(machine)]


@pytest.mark.parametrize(
    ("resource", "given", "problems"),
    [
        (
            "sqs:sendMessage",
            {**QUEUE, "MessageBodyy.$": "$.detail"},
            ["sqs:sendMessage has no field 'MessageBodyy'; did you mean 'MessageBody'?"],
        ),
        (
            "sqs:sendMessage.waitForTaskToken",
            {**QUEUE, "MessageGroupId.$": "$$.Task.Token"},
            ["sqs:sendMessage needs MessageBody"],
        ),
        ("sqs:sendMessage", None, ["sqs:sendMessage needs QueueUrl and MessageBody"]),
        (
            "sqs:sendMessage",
            {"QueueURL": "q", "messageBody": "m"},
            [
                "sqs:sendMessage has no field 'QueueURL'; did you mean 'QueueUrl'?",
                "sqs:sendMessage has no field 'messageBody'; did you mean 'MessageBody'?",
            ],
        ),
        (
            "sqs:sendMessage",
            {
                **QUEUE,
                "MessageBody": "m",
                "MessageAttributes": {"a": {"DataTyp": "String", "StringValue": "x"}},
            },
            ["sqs:sendMessage has no field 'DataTyp'; did you mean 'DataType'?"],
        ),
        (
            "sns:publish",
            {**TOPIC, "Text": "m"},
            ["sns:publish has no field 'Text'; its fields are Message, Mess"],
        ),
        (
            "lambda:invoke",
            {"FunctionName": "f", "Paylod.$": "$"},
            ["lambda:invoke has no field 'Paylod'; did you m"],
        ),
        ("dynamodb:getItem", {"TableName": "t"}, ["dynamodb:getItem needs Key"]),
        (
            "events:putEvents",
            {"Entries": [{"Source": "a", "Detial": {"b": 1}}]},
            ["events:putEvents has no field 'De"],
        ),
        ("states:startExecution.sync:2", {"Input": {}}, ["states:startExecution needs StateMachineArn"]),
        (
            "glue:startJobRun.sync",
            {"JobNam": "x"},
            ["glue:startJobRun has no field 'JobNam'; did you mean 'JobName'?"],
        ),
        (
            "bedrock:invokeModel",
            {"ModelID": "m", "Body": {}},
            ["bedrock:invokeModel has no field 'ModelID'; did you"],
        ),
        ("bedrock:invokeModel", {"ModelId": "m"}, ["bedrock:invokeModel needs Body or Input"]),
        (
            "apigateway:invoke",
            {"ApiEndpoint": "a", "Methode": "GET"},
            ["apigateway:invoke has no field 'Methode'; did you mean 'Method'?"],
        ),
        (
            "http:invoke",
            {"ApiEndpoint": "a", "Method": "GET", "Url": "b"},
            [
                "http:invoke has no field 'Url'; its fields are ApiEndpoint, Auth",
                "http:invoke needs Authentication or",
            ],
        ),
        (
            "athena:startQueryExecution.sync",
            {"QueryStrng": "q"},
            ["athena:startQueryExecution has no field 'QueryStrng'; did you mean 'QueryString'?"],
        ),
        ("batch:submitJob.sync", {"JobName": "n", "JobQueue": "q"}, ["batch:submitJob needs JobDefinition"]),
        ("ecs:runTask.sync", {"Cluster": "c"}, ["ecs:runTask needs TaskDefinition"]),
        (
            "sagemaker:createModel",
            {"ModelName": "m", "Role": "r"},
            ["sagemaker:createModel has no field 'Role'; its fields are"],
        ),
        ("aws-sdk:s3:getObject", {"Bucket": "b", "Kye": "k"}, ["s3:getObject needs Key"]),
        (
            "aws-sdk:sfn:startExecution",
            {"Input": "{}", "stateMachineArn": "a"},
            ["sfn:startExecution has no field 's"],
        ),
        (
            "aws-sdk:textract:analyzeDocument",
            {"Document": {"S3Objct": {"Bucket": "b"}}, "FeatureTypes": ["FORMS"]},
            ["textract:analyzeDocument has no field 'S3Objct'; did you mean 'S3Object'?"],
        ),
    ],
)
def test_unknown_and_missing_fields_are_reported(
    resource: str, given: dict[str, Any] | None, problems: list[str]
) -> None:
    found = [line for line in called(resource, given) if "no earlier step" not in line]
    assert len(found) == len(problems)
    for line, start in zip(found, problems, strict=True):
        assert line.startswith(f"state 'Step': Parameters: {start}")


@pytest.mark.parametrize(
    ("resource", "given"),
    [
        ("sqs:sendMessage", {**QUEUE, "MessageBody": {"whole.$": "$", "Any": {"thing": [1]}}}),
        ("sns:publish", {**TOPIC, "MessageAttributes": {"any": {"DataType": "String", "StringValue.$": "$.id"}}}),
        ("lambda:invoke.waitForTaskToken", {"FunctionName": "f", "Payload": {"token.$": "$$.Task.Token", "x": 1}}),
        ("dynamodb:putItem", {"TableName": "t", "Item": {"a": {"NULL": True}, "b": {"M": {"c": {"S": "d"}}}}}),
        ("aws-sdk:dynamodb:putItem", {"TableName": "t", "Item": {"a": {"Nul": True}, "b": {"Ss": ["c"]}}}),
        ("events:putEvents", {"Entries": [{"Source": "a", "DetailType": "b", "Detail": {"c.$": "$"}}]}),
        ("events:putEvents", {"Entries.$": "$.resources"}),
        ("glue:startJobRun.sync", {"JobName": "j", "Arguments": {"--a": "b"}}),
        ("states:startExecution", {"StateMachineArn": "${M}", "Input": {"AWS_STEP_FUNCTIONS_STARTED": 1}, "Name": "n"}),
        ("aws-sdk:s3:copyObject", {"SourceBucket": "a", "SourceKey": "b", "DestinationBucket": "c"}),
        ("aws-sdk:rds:copyDBSnapshot", {
            "SourceDbSnapshotIdentifier": "a", "TargetDbSnapshotIdentifier": "b", "SourceRegion": "c"}),
        ("aws-sdk:rds:stopDBInstance", {"DBInstanceIdentifier": "a"}),
        ("aws-sdk:athena:startQueryExecution", {"QueryString": "SELECT 1"}),
        ("aws-sdk:s3:listBuckets", None),
        ("ecs:runTask.sync", {
            "TaskDefinition": "t", "NetworkConfiguration": {"AwsvpcConfiguration": {"Subnets": ["s"]}}}),
        ("batch:submitJob.sync", {"JobName": "n", "JobQueue": "q", "JobDefinition": "d",
            "ContainerOverrides": {"Environment": [{"Name": "a", "Value.$": "$.detail"}]},
            "RetryStrategy": {"attempts": 5}}),
        ("bedrock:invokeModel", {"ModelId": "m", "Body": {"any": ["thing"]}, "ContentType": "application/json"}),
        ("bedrock:invokeModel", {"ModelId": "m", "Input": {"S3Uri": "s3://b/k"}, "Output": {"S3Uri": "s3://b/o"}}),
        ("apigateway:invoke", {"ApiEndpoint": "a.execute-api.us-east-1.amazonaws.com", "Method": "GET", "Stage": "p"}),
        ("http:invoke", {"ApiEndpoint": "https://a/", "Method": "GET", "InvocationConfig": {"ConnectionArn": "${C}"}}),
        ("athena:startQueryExecution.sync", {"QueryString": "q", "WorkGroup": "w"}),
        ("elasticmapreduce:addStep.sync", {"ClusterId": "j-1", "Step": {"Name": "s"}}),
    ],
)  # fmt: skip
def test_fields_of_the_action_are_accepted(resource: str, given: dict[str, Any] | None) -> None:
    assert called(resource, given) == []


def test_literal_keys_of_jsonata_arguments_are_checked() -> None:
    assert called("sqs:sendMessage", "{% $states.input %}", "Arguments") == []
    assert called("sqs:sendMessage", {**QUEUE, "MessageBody": "{% $states.input %}"}, "Arguments") == []
    [line] = called("sqs:sendMessage", {**QUEUE, "MesageBody": "{% 1 %}"}, "Arguments")
    assert line == (
        "state 'Step': Arguments: sqs:sendMessage has no field 'MesageBody'; did you mean 'MessageBody'?"
    )


SERVICES = [
    "athena",
    "bedrock-runtime",
    "dynamodb",
    "ec2",
    "ecs",
    "rds",
    "s3",
    "sagemaker-a2i-runtime",
    "ssm",
]


@pytest.mark.parametrize("service", SERVICES)
def test_all_fields_of_a_service_are_accepted(service: str) -> None:
    """Each action with all its fields, as Step Functions names them."""
    model = Loader().load_service_model(service, "service-2")
    for action, operation in model["operations"].items():
        shape = model["shapes"][operation["input"]["shape"]] if "input" in operation else {}
        resource = f"arn:aws:states:::aws-sdk:{service.replace('-', '')}:{action[:1].lower()}{action[1:]}"
        fields = [name[:1].upper() + name[1:] for name in shape.get("members", {})]
        for fields_given in (
            dict.fromkeys(fields, "x"),
            dict.fromkeys([f"{name}.$" for name in fields], "$.x"),
        ):
            assert list(problems_of_call({"Resource": resource, "Parameters": fields_given})) == []


@given(
    st.sampled_from(
        [
            "sqs:sendMessage",
            "events:putEvents",
            "dynamodb:putItem",
            "aws-sdk:textract:analyzeDocument",
            "lambda:invoke",
        ]
    ),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["Entries", "Item", "Document", "S3Object", "Detail", "a", "", "MessageAttributes.$"]
                )
                | st.text(max_size=4),
                inner,
                max_size=4,
            )
        ),
        max_leaves=10,
    ),
)
def test_any_arguments_give_problems_of_one_line(resource: str, given: Any) -> None:
    for problem in problems_of_call({"Resource": f"arn:aws:states:::{resource}", "Parameters": given}):
        assert len(problem.splitlines()) == 1
