"""Variables of state machines in JSONPath."""

from __future__ import annotations

import json

import pytest


def ran(machines, states, given=None):
    """Returns the output of an execution that succeeded."""
    execution = machines.run(states, given)
    assert execution["status"] == "SUCCEEDED", execution
    return json.loads(execution["output"])


def read(**paths):
    return {"Type": "Pass", "Parameters": {f"{name}.$": path for name, path in paths.items()}, "End": True}


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "Result": {"a": [7]}},
        {"Type": "Pass", "Parameters": {"a.$": "States.Array($.n)"}, "ResultPath": None},
        {"Type": "Wait", "Seconds": 1, "InputPath": "$.in"},
        {"Type": "Parallel", "Branches": [{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}]},
    ],
)
def test_dollar_is_result_or_input_in_assign(machines, state):
    path = "$[0].in.a" if state["Type"] == "Parallel" else "$.a"
    states = {
        "Set": {**state, "Assign": {"x.$": path, "y": "z"}, "Next": "Read"},
        "Read": read(x="$x[0]", y="$y"),
    }
    assert ran(machines, states, {"n": 7, "in": {"a": [7]}}) == {"x": 7, "y": "z"}


def test_task_assigns_from_result_before_its_selector(machines):
    from ministack.services import stepfunctions

    stepfunctions._call_lambda = lambda name, event: {"all": event, "more": 1}
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f", "Payload.$": "$"},
        "ResultSelector": {"selected": 1},
        "Assign": {"x.$": "$.Payload.all.n"},
        "Next": "Read",
    }
    assert ran(machines, {"Task": task, "Read": read(x="$x", given="$.selected")}, {"n": 5}) == {
        "x": 5,
        "given": 1,
    }


def test_assign_sees_variables_of_entry(machines):
    swap = {"Type": "Pass", "Assign": {"a.$": "$b", "b.$": "$a"}, "Next": "Read"}
    states = {
        "Set": {"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "Swap"},
        "Swap": swap,
        "Read": read(a="$a", b="$b"),
    }
    assert ran(machines, states) == {"a": 2, "b": 1}
    jsonata = {"Type": "Pass", "QueryLanguage": "JSONata", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}}
    assert ran(machines, {**states, "Swap": {**jsonata, "Next": "Read"}}) == {"a": 2, "b": 1}


@pytest.mark.parametrize(("guess", "by"), [(3, "rule"), (4, "default")])
def test_choice_compares_and_assigns_variables(machines, guess, by):
    states = {
        "Set": {"Type": "Pass", "Assign": {"right": 3, "guess.$": "$.guess"}, "Next": "Choice"},
        "Choice": {
            "Type": "Choice",
            "Choices": [
                {
                    "Variable": "$guess",
                    "NumericEqualsPath": "$right",
                    "Assign": {"by": "rule"},
                    "Next": "Read",
                }
            ],
            "Default": "Read",
            "Assign": {"by": "default"},
        },
        "Read": read(by="$by", text="States.Format('{} {}', $by, $guess)"),
    }
    assert ran(machines, states, {"guess": guess}) == {"by": by, "text": f"{by} {guess}"}


def test_catch_assigns_once(machines):
    fail = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "Lost"}}}
    catch = {"ErrorEquals": ["Lost"], "Assign": {"n": "{% $n + 1 %}"}, "Next": "Read"}
    states = {
        "Set": {"Type": "Pass", "Assign": {"n": 1}, "Next": "Try"},
        "Try": {
            "Type": "Parallel",
            "QueryLanguage": "JSONata",
            "Branches": [fail],
            "Catch": [catch],
            "End": True,
        },
        "Read": read(n="$n"),
    }
    assert ran(machines, states) == {"n": 2}


def test_iterations_read_variables_of_outer_machine(machines):
    add = {"Type": "Pass", "Assign": {"sum.$": "States.MathAdd($bias, $)"}, "Next": "Give"}
    processor = {"StartAt": "Add", "States": {"Add": add, "Give": read(sum="$sum", bias="$bias")}}
    states = {
        "Set": {"Type": "Pass", "Assign": {"bias": 10}, "Next": "Map"},
        "Map": {"Type": "Map", "ItemProcessor": processor, "End": True},
    }
    assert ran(machines, states, [1, 2]) == [{"sum": 11, "bias": 10}, {"sum": 12, "bias": 10}]


def test_variable_that_is_not_set_fails_execution(machines):
    execution = machines.run({"Read": read(x="$nothing.x")})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")
