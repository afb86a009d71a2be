"""Paths that nobody provides: machines without a mistake, machines with one, and mistakes put into the good ones."""

from __future__ import annotations

import copy
import json
from collections import Counter
from typing import Any

import pytest

from tests.unit.workflow.asl.checks import broken_machines, valid_machines
from tests.unit.workflow.asl.checks.valid_machines import END, choice, function, keep, machine
from workflow.asl.checks import check, jsonpath
from workflow.asl.checks.results import result_of
from workflow.asl.checks.shapes import Object
from workflow.asl.walk import rules, states
from workflow.parts.state import EVENT, RESULTS

every = pytest.mark.parametrize


@every("name", valid_machines.MACHINES)
def test_machine_without_mistakes_has_no_findings(name: str) -> None:
    assert [str(finding) for finding in check(valid_machines.MACHINES[name], event=EVENT)] == []


@every("name", broken_machines.MACHINES)
def test_mistake_is_reported_once_with_its_fix(name: str) -> None:
    definition, severity, message = broken_machines.MACHINES[name]
    assert [(finding.severity, str(finding)) for finding in check(definition, event=EVENT)] == [
        (severity, message)
    ]


@every("name", valid_machines.MACHINES)
def test_forgotten_result_path_is_reported(name: str) -> None:
    """Removes each ResultPath whose key a later state reads. Only an unknown result can hold that key, too."""
    good = valid_machines.MACHINES[name]
    for state_name, state in states(good):
        path = state.get("ResultPath") or ""
        others = [other for other_name, other in states(good) if other_name != state_name]
        # The key must stand in another state's own fields, and the input lack it.
        reads = path and any(
            f"{path}." in json.dumps(other) or f"{path}[" in json.dumps(other) for other in others
        )
        known = state["Type"] != "Task" or result_of(state) is not None
        tests = [rule["Variable"] for other in others for rule in rules(other) if "IsPresent" in rule]
        tested = any(variable.startswith(path) for variable in tests)
        if not reads or not known or tested:
            continue
        broken = copy.deepcopy(good)
        del dict(states(broken))[state_name]["ResultPath"]
        assert check(broken, event=EVENT), f"{state_name} without {path}"


@every("name", valid_machines.MACHINES)
def test_misspelled_key_of_a_made_object_is_reported(name: str) -> None:
    """Renames the keys that a Pass makes from parameters, one by one, where a later state reads them."""
    good = valid_machines.MACHINES[name]
    for state_name, state in states(good):
        path = state.get("ResultPath")
        for key in state.get("Parameters", ()) if state["Type"] == "Pass" and path else ():
            made = f"{path}.{key.removesuffix('.$')}"
            if not any(f'"{made}' in json.dumps(other) for _, other in states(good)):
                continue
            broken = copy.deepcopy(good)
            changed = dict(states(broken))[state_name]["Parameters"]
            changed[f"other_{key}"] = changed.pop(key)
            assert check(broken, event=EVENT), f"{state_name} without {key}"


def test_state_is_visited_once_unless_a_loop_adds_to_its_input(monkeypatch: pytest.MonkeyPatch) -> None:
    visited: Counter[str] = Counter()
    flow_of = jsonpath.flow_of

    def counted(visit: Any) -> Any:
        visited[visit.name] += 1
        return flow_of(visit)

    monkeypatch.setattr(jsonpath, "flow_of", counted)
    row: dict[str, Any] = {}
    for number in range(100):
        rule = {"Variable": "$.id", "StringEquals": str(number), "Next": f"Add {number}"}
        row[f"Choice {number}"] = choice(rule, default=f"Choice {number + 1}")
        row[f"Add {number}"] = function(ResultPath=f"$.r{number}")
    check(machine({**row, "Choice 100": END}), event=EVENT)
    assert set(visited.values()) == {1}

    visited.clear()
    nested = {"again.$": "$", "more": {"and.$": "$"}}  # grows without end
    check(
        machine(
            {"Grow": keep(made=nested), "Until": choice({**rule, "Next": "Grow"}, default="End"), "End": END}
        )
    )
    assert 1 < visited["Grow"] < 20


def test_paths_into_the_review_are_checked_where_it_exists() -> None:
    def each(path: str) -> dict[str, Any]:
        return valid_machines.items({f"One of {path}": {"Type": "Pass"}}, ItemsPath=path, ResultPath=None)

    collect = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "QueryLanguage": "JSONata",
        "Arguments": {"FunctionName": "f"},
        "Output": "{% $merge([$states.input, {'review': $states.result.Payload}]) %}",
    }
    steps = {
        "Collect review": collect,
        "Use": keep(made={"a.$": "$.review.agreemnet"}, ResultPath="$.x"),
        "Each": each("$.review"),
        "Count": each("$.review.fields"),
        "Names": each("$.review.activationConditions"),
    }
    assert [str(finding) for finding in check(machine(steps), event=EVENT, results=RESULTS)] == [
        "state 'Use': $.review.agreemnet: no earlier step provides 'agreemnet' (available: activationConditions,"
        " added, agreement, answers, changed, compared, fields, location, outputLocation, overruled, removed,"
        " secondsSpent, taskType, unresolved); did you mean 'agreement'?",
        "state 'Each': $.review is an object; a Map needs a list",
        "state 'Count': $.review.fields is a number; a Map needs a list",
    ]


@every(
    ("resource", "keys"),
    [
        ("lambda:invoke", {"ExecutedVersion", "Payload", "StatusCode"}),
        ("sqs:sendMessage", {"MessageId", "MD5OfMessageBody"}),
        ("sns:publish", {"MessageId", "SequenceNumber"}),
        ("dynamodb:getItem", {"Item"}),
        ("dynamodb:updateItem", {"Attributes"}),
        ("states:startExecution", {"ExecutionArn", "StartDate"}),
        ("states:startExecution.sync", {"ExecutionArn", "Output", "Status"}),
        ("sagemaker:createTrainingJob", {"TrainingJobArn"}),
        ("sagemaker:createTrainingJob.sync", {"ModelArtifacts", "TrainingJobStatus"}),
        ("glue:startJobRun", {"JobRunId"}),
        ("bedrock:invokeModel", {"Body", "ContentType"}),
        ("http:invoke", {"ResponseBody", "StatusCode"}),
        ("aws-sdk:textract:detectDocumentText", {"Blocks"}),
    ],
)
def test_result_has_the_documented_keys(resource: str, keys: set[str]) -> None:
    shape = result_of({"Type": "Task", "Resource": f"arn:aws:states:::{resource}"})
    assert isinstance(shape, Object)
    assert keys <= set(shape.keys)


@every(
    "resource",
    [
        "arn:aws:lambda:eu-west-1:111122223333:function:f",
        "arn:aws:states:eu-west-1:111122223333:activity:people",
        "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "arn:aws:states:::eks:call",
        "arn:aws:states:::aws-sdk:new:action",
    ],
)
def test_result_that_nobody_documents_is_unknown(resource: str) -> None:
    assert result_of({"Type": "Task", "Resource": resource}) is None
