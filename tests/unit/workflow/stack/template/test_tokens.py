"""Who may read task tokens, and which state machines are answered, from the policies of the template."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workflow.stack.assembly import assemble

ANSWERING = {"AnswerWorkflowRole", "ReconcileRole", "ReleaseClaimRole", "RestartLoopRole", "StartLoopRole"}
SEND = {"states:SendTaskFailure", "states:SendTaskSuccess"}
OWN = "stateMachine:afterloop-${Stage}"


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    resources: dict[str, Any] = assemble().template.to_dict()["Resources"]
    return resources


def statements(resources: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The statements of each role."""
    return {
        name: [
            statement
            for policy in resource["Properties"]["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
        ]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::IAM::Role"
    }


def test_only_functions_that_answer_reach_the_tokens(resources: dict[str, Any]) -> None:
    """No other role names the table, or has a wildcard that covers it."""
    for role, allowed in statements(resources).items():
        on_tables = [
            json.dumps(one["Resource"])
            for one in allowed
            if any(action.startswith(("dynamodb:", "*")) for action in one.get("Action", []))
        ]
        assert any("TokenTable" in resource for resource in on_tables) == (role in ANSWERING), role
        assert not [resource for resource in on_tables if "*" in resource], role


def test_only_functions_that_answer_know_the_table(resources: dict[str, Any]) -> None:
    functions = {
        f"{name}Role"
        for name, one in resources.items()
        if one["Type"] == "AWS::Lambda::Function"
        and "TOKEN_TABLE" in one["Properties"]["Environment"]["Variables"]
    }
    assert functions == ANSWERING
    assert "TokenTable" not in json.dumps(resources["StateMachine"])


def test_answers_go_to_admitted_state_machines_only(resources: dict[str, Any]) -> None:
    admitted = {
        "Fn::If": [
            "AllWorkflowsWait",
            {"Fn::Sub": "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:*"},
            {"Ref": "WaitingWorkflowArns"},
        ]
    }
    for role, allowed in statements(resources).items():
        sent_to = [one["Resource"] for one in allowed if SEND & set(one.get("Action", []))]
        if role in ANSWERING:
            own, others = sent_to
            assert own[0]["Fn::Sub"].endswith(OWN)
            assert others == admitted
        else:
            assert sent_to == [], role


def test_tokens_are_encrypted_and_kept(resources: dict[str, Any]) -> None:
    table = resources["TokenTable"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert table["Properties"]["SSESpecification"] == {"SSEEnabled": True}
    assert "GlobalSecondaryIndexes" not in table["Properties"]
