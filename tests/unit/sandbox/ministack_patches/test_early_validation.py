"""What a change set says about wrong properties. Each test fails without the correction."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sandbox.ministack_patches import early_validation
from tests.unit.sandbox.ministack_patches.test_cloudformation import FUNCTION, resource


@pytest.fixture
def proposed(ministack: None) -> Any:
    """Creates a change set for a new stack; returns its status, and what DescribeEvents says about it."""
    early_validation.correct()
    from ministack.services import cloudformation

    def propose(resources: dict[str, Any]) -> tuple[str, str]:
        template = {
            "Parameters": {"Size": {"Type": "Number", "Default": "5"}},
            "Conditions": {"Large": {"Fn::Equals": [{"Ref": "Size"}, "500"]}},
            "Resources": resources,
        }
        named = {"StackName": ["stack"], "ChangeSetName": ["change"]}

        async def act() -> None:
            request = {**named, "ChangeSetType": ["CREATE"], "TemplateBody": [json.dumps(template)]}
            request["Capabilities.member.1"] = ["CAPABILITY_IAM"]
            status, _, body = cloudformation._ACTION_HANDLERS["CreateChangeSet"](request)
            assert status == 200, body

        asyncio.run(act())
        (change_set,) = cloudformation._change_sets.values()
        events = cloudformation._ACTION_HANDLERS["DescribeEvents"](named)[2]
        return change_set["Status"], events.decode() if isinstance(events, bytes) else events

    return propose


@pytest.mark.parametrize("size", [5, {"Ref": "Size"}])
def test_change_set_fails_for_a_property_outside_of_its_schema(proposed, size):
    status, events = proposed({"One": resource("AWS::Lambda::Function", {**FUNCTION, "MemorySize": size})})
    assert status == "FAILED"
    assert "<LogicalResourceId>One</LogicalResourceId>" in events
    assert "<ValidationPath>/Resources/One/Properties/MemorySize</ValidationPath>" in events
    assert "memory size must be between 128 and 10240" in events


def test_resource_that_is_not_created_is_not_compared(proposed):
    function = resource("AWS::Lambda::Function", {**FUNCTION, "MemorySize": 5})
    assert proposed({"One": {**function, "Condition": "Large"}})[0] == "CREATE_COMPLETE"


def test_value_that_only_the_operation_knows_is_not_compared(proposed):
    role = {"Fn::GetAtt": ["Role", "Arn"]}
    resources = {
        "Role": resource("AWS::IAM::Role", {"AssumeRolePolicyDocument": {}}),
        "One": resource("AWS::Lambda::Function", {**FUNCTION, "Role": role}),
    }
    assert proposed(resources)[0] == "CREATE_COMPLETE"
