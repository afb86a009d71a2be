"""A small stack: a state machine, a function with versions, a table and a bucket."""

from __future__ import annotations

import json
from typing import Any

from tests.unit.workflow.publish.conftest import MACHINE
from workflow.publish.package import Package

DEFINITION = '{"StartAt": "Collect", "States": {"Collect": {"Type": "Task", "Resource": "${CollectArn}", "End": true}}}'
FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:afterloop-dev-Collect"
OUTPUTS = {"StateMachine": MACHINE}


def template(definition: str = DEFINITION, **more: Any) -> dict[str, Any]:
    return {
        "Parameters": {name: {"Type": "String"} for name in ("CollectKey", "CollectRevision", "Days")},
        "Resources": {
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {"DefinitionString": definition},
            },
            "Collect": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Code": {
                        name: {"Fn::Select": [index, {"Fn::Split": ["@", {"Ref": "CollectKey"}]}]}
                        for index, name in enumerate(("S3Key", "S3ObjectVersion"))
                    }
                },
            },
            "CollectVersion": {
                "Type": "AWS::Lambda::Version",
                "DeletionPolicy": "Retain",
                "Properties": {
                    "FunctionName": {"Ref": "Collect"},
                    "Description": {"Fn::Join": [" ", [{"Ref": "CollectRevision"}]]},
                },
            },
            "Ledger": {"Type": "AWS::DynamoDB::Table", "DeletionPolicy": "Retain"},
            "Reviews": {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Retain"},
            "Results": {"Type": "AWS::S3::Bucket", "Properties": {"Days": {"Ref": "Days"}}},
        },
        **more,
    }


def package(
    key: str = "bundles/a.zip@1", revision: str = "aaaa", days: str = "30", **changes: Any
) -> Package:
    parameters = {"CollectKey": key, "CollectRevision": revision, "Days": days}
    return Package(json.dumps(template(**changes), ensure_ascii=False), parameters, {})


def described(package: Package, outputs: dict[str, str] = OUTPUTS) -> dict[str, Any]:
    """What DescribeStacks adds for a stack with the parameters of a package."""
    return {
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value} for key, value in package.parameters.items()
        ],
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
    }
