"""Roles of state machines that Step Functions may not assume."""

from __future__ import annotations

import json

import pytest

PASS = {"Pass": {"Type": "Pass", "End": True}}
TASK = {
    "Task": {
        "Type": "Task",
        "Resource": "arn:aws:states:::sns:publish",
        "Parameters": {"TopicArn": "arn:aws:sns:us-east-1:000000000000:t", "Message": "a"},
        "Catch": [{"ErrorEquals": ["States.Permissions"], "Next": "Pass", "ResultPath": "$.caught"}],
        "End": True,
    },
    **PASS,
}


def trust(name, service):
    """Lets a service assume a role, which is created if it is not there. Returns the role's ARN."""
    from ministack.services import iam

    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    if iam._roles.get(name) is None:
        iam._create_role({"RoleName": [name], "AssumeRolePolicyDocument": [document]})
    else:
        iam._update_assume_role_policy({"RoleName": [name], "PolicyDocument": [document]})
    return f"arn:aws:iam::000000000000:role/{name}"


def create(machines, role):
    definition = json.dumps({"StartAt": "Pass", "States": PASS})
    return machines.call("_create_state_machine", name="m", definition=definition, roleArn=role)


@pytest.mark.parametrize("service", ["lambda.amazonaws.com", "states.eu-west-1.amazonaws.com", None])
def test_role_of_other_service_is_refused(machines, service):
    role = trust("other", service) if service else "arn:aws:iam::000000000000:role/none"
    refused = create(machines, role)
    assert refused["__type"] == "AccessDeniedException"
    assert "authorized to assume the provided role" in refused["message"]


@pytest.mark.parametrize("service", ["states.amazonaws.com", "states.us-east-1.amazonaws.com"])
def test_role_of_step_functions_is_accepted(machines, service):
    assert "stateMachineArn" in create(machines, trust("own", service))


def test_update_with_role_of_other_service_is_refused(machines):
    machine = machines.create(PASS)
    role = trust("other", "lambda.amazonaws.com")
    refused = machines.call("_update_state_machine", stateMachineArn=machine, roleArn=role)
    assert refused["__type"] == "AccessDeniedException"
    assert machines.call("_describe_state_machine", stateMachineArn=machine)["roleArn"] == machines.role


def test_stack_with_role_of_other_service_fails(machines):
    from ministack.services.cloudformation import provisioners

    properties = {
        "RoleArn": trust("other", "lambda.amazonaws.com"),
        "DefinitionString": json.dumps({"StartAt": "Pass", "States": PASS}),
    }
    with pytest.raises(ValueError, match="Resource handler returned message: Neither the global"):
        provisioners._sfn_state_machine_create("Machine", properties, "stack")


def test_task_fails_once_role_may_not_be_assumed(machines):
    trust("machine", "lambda.amazonaws.com")
    from ministack.services import stepfunctions

    arn = "arn:aws:states:us-east-1:000000000000:stateMachine:old"
    stepfunctions._state_machines[arn] = {
        "stateMachineArn": arn,
        "name": "old",
        "roleArn": machines.role,
        "definition": json.dumps({"StartAt": "Task", "States": TASK}),
    }
    caught = json.loads(machines.ended(machines.start(arn))["output"])["caught"]
    assert caught["Error"] == "States.Permissions"
    assert machines.role in caught["Cause"]
