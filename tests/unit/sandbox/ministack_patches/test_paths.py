"""Paths in states: one that leads nowhere ends the execution."""

from __future__ import annotations

import json

import pytest

NEXT = {"Next": {"Type": "Pass", "End": True}}
CAUGHT = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Next"}]}
PUBLISH = {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "End": True, **CAUGHT}

NOWHERE = {
    "InputPath": {"Type": "Pass", "InputPath": "$.no", "Next": "Next"},
    "OutputPath": {"Type": "Pass", "OutputPath": "$.list[1]", "Next": "Next"},
    "Parameters": {"Type": "Pass", "Parameters": {"a.$": "$.text.no"}, "Next": "Next"},
    "Parameters of a task": {**PUBLISH, "Parameters": {"Message.$": "$.no"}},
    "context": {"Type": "Pass", "Parameters": {"a.$": "$$.Execution.No"}, "Next": "Next"},
    "function": {"Type": "Pass", "Parameters": {"a.$": "States.Format('{}', $.no)"}, "Next": "Next"},
    "ItemsPath": {
        "Type": "Map",
        "ItemsPath": "$.no",
        "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}},
        "Next": "Next",
        **CAUGHT,
    },
    "ItemsPath to text": {
        "Type": "Map",
        "ItemsPath": "$.text",
        "ItemProcessor": {"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}},
        "Next": "Next",
        **CAUGHT,
    },
    "SecondsPath": {"Type": "Wait", "SecondsPath": "$.no", "Next": "Next"},
    "SecondsPath to text": {"Type": "Wait", "SecondsPath": "$.text", "Next": "Next"},
    "TimestampPath to text": {"Type": "Wait", "TimestampPath": "$.text", "Next": "Next"},
    "ErrorPath": {"Type": "Fail", "ErrorPath": "$.no"},
}


@pytest.mark.parametrize("case", NOWHERE)
def test_path_that_leads_nowhere_fails_for_good(machines, case):
    states = {"First": NOWHERE[case], **NEXT}
    if case == "ErrorPath":
        del states["Next"]
    execution = machines.run(states, {"list": [1], "text": "a", "null": None})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")


@pytest.mark.parametrize(("path", "value"), [("$.null", None), ("$.none[*].a", []), ("$.list[0]", 1)])
def test_path_to_value_null_or_list_is_followed(machines, path, value):
    given = {"null": None, "none": [], "list": [1]}
    execution = machines.run({"Pass": {"Type": "Pass", "Parameters": {"a.$": path}, "End": True}}, given)
    assert json.loads(execution["output"]) == {"a": value}


@pytest.mark.parametrize(
    ("given", "path", "output"),
    [
        ({}, "$.a.b", {"a": {"b": 1}}),
        ({"a": {"c": 2}}, "$.a.b", {"a": {"c": 2, "b": 1}}),
        ({"a": "text"}, "$.a.b", None),
        ([], "$.a", None),
    ],
)
def test_result_goes_where_its_path_says(machines, given, path, output):
    execution = machines.run({"Pass": {"Type": "Pass", "Result": 1, "ResultPath": path, "End": True}}, given)
    if output is None:
        assert execution["error"] == "States.ResultPathMatchFailure"
    else:
        assert json.loads(execution["output"]) == output


def test_function_with_bad_argument_is_intrinsic_failure(machines):
    parse = {"Type": "Pass", "Parameters": {"a.$": "States.StringToJson($.text)"}, "End": True}
    assert machines.run({"Pass": parse}, {"text": "{no"})["error"] == "States.IntrinsicFailure"


@pytest.mark.parametrize("value", ["Anna", 3, "{% $states.input.id %}", "States.Fromat('{}', $.id)"])
def test_key_that_needs_a_path_refuses_a_machine_with_another_value(machines, value):
    states = {"Pass": {"Type": "Pass", "Parameters": {"name.$": value}, "End": True}}
    definition = json.dumps({"StartAt": "Pass", "States": states})
    refused = machines.call("_create_state_machine", name="m", definition=definition, roleArn=machines.role)
    assert refused["__type"] == "InvalidDefinition"
    assert "Parameters.name.$" in refused["message"]
