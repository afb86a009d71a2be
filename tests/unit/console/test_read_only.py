"""Tests that a console of a stage cannot write, whatever its pages do."""

from __future__ import annotations

import boto3
import botocore.session
import pytest

from console.read_only import _READS, WriteRefused, read_only


@pytest.fixture
def session() -> boto3.Session:
    return read_only(boto3.Session("key", "secret", region_name="eu-west-1"))


@pytest.mark.parametrize(
    ("service", "operation", "parameters"),
    [
        ("stepfunctions", "start_execution", {"stateMachineArn": "arn"}),
        ("dynamodb", "update_item", {"TableName": "ledger", "Key": {"humanLoopName": {"S": "a"}}}),
        ("dynamodb", "scan", {"TableName": "ledger"}),
        ("lambda", "invoke", {"FunctionName": "StartLoop"}),
        ("s3", "put_object", {"Bucket": "reviews", "Key": "a"}),
        ("sagemaker-a2i-runtime", "stop_human_loop", {"HumanLoopName": "a"}),
        ("sns", "publish", {"Message": "a"}),
    ],
)
def test_writes_and_scans_are_refused_before_the_call(session, service, operation, parameters):
    with pytest.raises(WriteRefused, match="the console only reads"):
        getattr(session.client(service), operation)(**parameters)


def test_no_operation_that_reads_by_name_changes_anything():
    names = {
        name
        for service in (
            "dynamodb",
            "stepfunctions",
            "s3",
            "logs",
            "cloudformation",
            "sagemaker-a2i-runtime",
            "sns",
        )
        for name in botocore.session.get_session().get_service_model(service).operation_names
        if _READS.fullmatch(name)
    }
    assert {"Query", "BatchGetItem", "GetExecutionHistory", "FilterLogEvents", "DescribeHumanLoop"} <= names
    assert not {"BatchWriteItem", "StartQuery", "SelectiveDelete"} & names
