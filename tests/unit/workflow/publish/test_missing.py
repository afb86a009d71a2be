"""Which resources of a stack were deleted outside of CloudFormation."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.session import Session
from moto import mock_aws

from workflow import ROOT
from workflow.publish.missing import CHECKED, CheckedStack, Missing, missing_resources


class Answers:
    """Clients that know some names; others do not exist, with the error of each service."""

    def __init__(self, *names: str, code: str = "ResourceNotFoundException") -> None:
        self.names, self.code = names, code

    def __call__(self, service: str) -> Any:
        return self

    def __getattr__(self, method: str) -> Callable[..., None]:
        def call(**parameters: str) -> None:
            (name,) = parameters.values()
            if name not in self.names:
                raise ClientError({"Error": {"Code": self.code, "Message": "No."}}, method)

        return call


def resource(kind: str, name: str) -> dict[str, str]:
    return {"id": name.title(), "type": kind, "name": name}


def test_missing_resources_are_found_and_others_are_not_asked_for() -> None:
    there, gone = resource("AWS::Lambda::Function", "there"), resource("AWS::Events::Rule", "gone")
    others = [resource("AWS::Athena::NamedQuery", "query"), resource("AWS::Lambda::Function", "")]
    assert missing_resources([there, gone, *others], Answers("there")) == [
        Missing("Gone", "AWS::Events::Rule", "gone")
    ]


def test_rules_that_somebody_disabled_are_found_with_the_same_calls() -> None:
    states = {"on": "ENABLED", "off": "DISABLED"}
    rules = [{"id": name.title(), "type": "AWS::Events::Rule", "name": name} for name in states]
    answers = {name: {"State": state} for name, state in states.items()}
    assert CheckedStack(rules, answers=answers).disabled == ["Off"]
    assert CheckedStack(rules, answers={}).disabled == [], "the caller may not look at them"


FUNCTION = [
    {"id": "Collect", "type": "AWS::Lambda::Function", "name": "collect"},
    {
        "id": "CollectVersion",
        "type": "AWS::Lambda::Version",
        "name": "arn:aws:lambda:us-east-1:111122223333:function:collect:3",
    },
]
MACHINE = [
    {
        "id": "StateMachine",
        "type": "AWS::StepFunctions::StateMachine",
        "name": "arn:aws:states:us-east-1:111122223333:stateMachine:m",
    },
    {
        "id": "LiveVersion",
        "type": "AWS::StepFunctions::StateMachineVersion",
        "name": "arn:aws:states:us-east-1:111122223333:stateMachine:m:3",
    },
]


@pytest.mark.parametrize("resources", [FUNCTION, MACHINE])
def test_what_has_a_version_is_asked_for_only_if_the_version_is_gone(resources: list[dict[str, str]]) -> None:
    owner, version = resources
    assert missing_resources(resources, Answers(version["name"])) == []
    assert [one.id for one in missing_resources(resources, Answers(owner["name"]))] == [version["id"]]
    assert [one.id for one in missing_resources(resources, Answers())] == [owner["id"], version["id"]]


@pytest.mark.parametrize("code", ["AccessDeniedException", "AccessDenied", "AuthorizationError", "403"])
def test_resource_that_the_caller_may_not_read_counts_as_there(code: str) -> None:
    assert missing_resources([resource("AWS::IAM::Role", "role")], Answers(code=code)) == []


def test_other_errors_are_raised() -> None:
    with pytest.raises(ClientError, match="Throttling"):
        missing_resources([resource("AWS::IAM::Role", "role")], Answers(code="Throttling"))


def test_each_method_has_the_parameter_as_its_only_required_one() -> None:
    session = Session()
    for service, method, parameter in CHECKED.values():
        model = session.get_service_model(service)
        operation = next(one for one in model.operation_names if _in_python(one) == method)
        shape = model.operation_model(operation).input_shape
        assert parameter in shape.members
        assert set(shape.required_members) <= {parameter}


def _in_python(operation: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation)[1:]


def test_all_types_that_executions_need_are_checked() -> None:
    template = json.loads((ROOT / "definitions/template.json").read_text())
    types = {one["Type"] for one in template["Resources"].values()}
    # Drift detection finds these; they send messages and logs, or belong to a resource that is checked.
    others = ("Policy", "Permission", "Subscription", "CloudWatch", "Logs", "Athena", "Glue", "Chatbot")
    assert {kind for kind in types - CHECKED.keys() if not any(one in kind for one in others)} == set()


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("AWS::DynamoDB::Table", "gone"),
        ("AWS::Events::Rule", "gone"),
        ("AWS::IAM::Role", "gone"),
        ("AWS::Lambda::Function", "gone"),
        ("AWS::Lambda::Version", "arn:aws:lambda:us-east-1:123456789012:function:gone:1"),
        ("AWS::S3::Bucket", "gone"),
        ("AWS::SNS::Topic", "arn:aws:sns:us-east-1:123456789012:gone"),
        ("AWS::SQS::Queue", "https://sqs.us-east-1.amazonaws.com/123456789012/gone"),
        ("AWS::StepFunctions::StateMachine", "arn:aws:states:us-east-1:123456789012:stateMachine:gone"),
    ],
)
@mock_aws
def test_errors_of_the_services_are_known(kind: str, name: str) -> None:
    session = boto3.Session("key", "secret", region_name="us-east-1")
    assert [one.name for one in missing_resources([resource(kind, name)], session.client)] == [name]
