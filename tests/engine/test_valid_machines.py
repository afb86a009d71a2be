"""What the checks find no mistake in runs on the engine: all valid machines, as branches of one execution."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.engine import Sandbox
from sandbox.testing import run_machine, shared
from tests.unit.workflow.asl.checks.valid_machines import MACHINES
from workflow.asl.integration import integration_of
from workflow.asl.walk import nested, states, ways

NOT_RUN_HERE = {
    "a distributed Map of a file": "the engine runs no ResultWriter",
    "a distributed Map of batches": "the engine runs no ItemBatcher",
    "filters, slices and wildcards": "the engine runs no filters in paths",
}

METADATA = {"SdkHttpMetadata": {"HttpStatusCode": 200}, "SdkResponseMetadata": {"RequestId": "r"}}
PAYLOAD = {
    "name": {"first": "Anna"}, "a": {"b": 1}, "n": 1, "fields": [{"name": "f"}], "status": "done", "wait": 1, "x": 1,
    "ok": True, "anything": {"at": {"all": 1}}, "any": {"thing": 1},
}  # fmt: skip
RESULTS = {
    "lambda:invoke": {"ExecutedVersion": "1", "Payload": PAYLOAD, "StatusCode": 200, **METADATA},
    "sns:publish": {"MessageId": "m", **METADATA},
    "sqs:sendMessage": {"MessageId": "m", "MD5OfMessageBody": "x", **METADATA},
    "dynamodb:getItem": {"Item": {"name": {"S": "n"}, "age": {"N": "3"}}, **METADATA},
    "dynamodb:updateItem": {"Attributes": {"count": {"N": "3"}}, **METADATA},
    "states:startExecution": {"ExecutionArn": "a", "Output": {"any": {"thing": 1}}, "Status": "SUCCEEDED"},
    "aws-sdk:rds:describeDBInstances": {"DbInstances": [{"DbInstanceArn": "a", "Engine": "e"}]},
    "aws-sdk:s3:listObjectsV2": {"Contents": [{"Key": "k", "Size": 1}]},
    "aws-sdk:eventbridge:putTargets": {},
    "aws-sdk:sesv2:createEmailTemplate": {},
}
EVENT = {
    "id": "12345678", "resources": ["arn:a"],
    "detail": {"humanLoopName": "urgent-message-3301", "humanLoopStatus": "Completed"},
}  # fmt: skip


def numbered(machine: dict[str, Any], number: int, language: str) -> dict[str, Any]:
    """The machine with names of states that no other machine has, and the language in each state."""
    made = {}
    for name, state in machine["States"].items():
        renamed = {**state, "QueryLanguage": state.get("QueryLanguage", language)}
        for field in ("Next", "Default"):
            if field in state:
                renamed[field] = f"{number}. {state[field]}"
        for field in ("Choices", "Catch"):
            if field in state:
                renamed[field] = [{**part, "Next": f"{number}. {part['Next']}"} for part in state[field]]
        for inside in nested(state):
            inner = numbered(dict(inside.machine), number, language)
            renamed[inside.field] = (
                [numbered(one, number, language) for one in state["Branches"]]
                if inside.field == "Branches"
                else inner
            )
        made[f"{number}. {name}"] = renamed
    rest = {key: value for key, value in machine.items() if key != "QueryLanguage"}
    return {**rest, "StartAt": f"{number}. {machine['StartAt']}", "States": made}


def test_machines_without_findings_succeed(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "engine", lambda: sandbox)
    branches = [
        numbered(machine, number, machine.get("QueryLanguage", "JSONPath"))
        for number, (name, machine) in enumerate(MACHINES.items())
        if name not in NOT_RUN_HERE
    ]
    whole = {"StartAt": "All", "States": {"All": {"Type": "Parallel", "Branches": branches, "End": True}}}
    assert all(way.to for _, state in states(whole) for way in ways(state))
    answers: dict[str, Any] = {}
    for name, state in states(whole):
        if state["Type"] == "Task":
            called = integration_of(state)
            if called is None:
                answers[name] = {"result": PAYLOAD}  # a function by its ARN
            elif called.form == ".waitForTaskToken":
                answers[name] = {"result": {"what": {"they": {"answered": 1}}}}
    run = run_machine(
        whole, EVENT, states=answers, services={name: {"result": one} for name, one in RESULTS.items()}
    )
    assert (run.status, run.error, run.cause) == ("SUCCEEDED", None, None)
    assert len(run.output) == len(MACHINES) - len(NOT_RUN_HERE)
