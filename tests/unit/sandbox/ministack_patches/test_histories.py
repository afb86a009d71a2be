"""What the history of an execution says about data, variables, expressions, tasks and Map Runs."""

from __future__ import annotations

import json

import pytest

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
TASK = {
    "Type": "Task",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Parameters": {"FunctionName": FUNCTION},
}


@pytest.fixture
def answers():
    """Calls of functions give their payload, or raise an error that the test sets."""
    from ministack.services import stepfunctions

    errors = []

    def call(name, event):
        if errors:
            raise stepfunctions._ExecutionError(*errors.pop())
        return event

    stepfunctions._call_lambda = call
    return errors


def kinds(machines, execution):
    return [event["type"] for event in machines.history(execution["executionArn"])]


def details(machines, execution, kind):
    """The details of the events of a type."""
    return [
        next((value for key, value in event.items() if key.endswith("EventDetails")), {})
        for event in machines.history(execution["executionArn"])
        if event["type"] == kind
    ]


def test_data_of_events_is_marked_as_whole(machines):
    execution = machines.run({"A": {"Type": "Pass", "End": True}}, {"a": 1})
    whole = {"truncated": False}
    events = machines.history(execution["executionArn"])
    assert events[0]["executionStartedEventDetails"]["inputDetails"] == whole
    assert events[1]["stateEnteredEventDetails"]["inputDetails"] == whole
    assert events[2]["stateExitedEventDetails"]["outputDetails"] == whole
    assert events[3]["executionSucceededEventDetails"]["outputDetails"] == whole


@pytest.mark.parametrize("language", ["JSONata", "JSONPath"])
def test_exit_has_assigned_variables(machines, language):
    assign = {"x": "{% 1 + 1 %}", "same": True} if language == "JSONata" else {"x.$": "$.a", "same": True}
    states = {
        "A": {"Type": "Pass", "Assign": {"same": True}, "Next": "B"},
        "B": {"Type": "Pass", "Assign": assign, "Next": "C"},
        "C": {"Type": "Pass", "End": True},
    }
    execution = machines.run(states, {"a": 2}, QueryLanguage=language)
    exits = details(machines, execution, "PassStateExited")
    assert [one.get("assignedVariables") for one in exits] == [
        {"same": "true"},
        {"same": "true", "x": "2"},
        None,
    ]


def test_caught_error_assigns_variables_at_exit(machines, answers):
    answers.append(("Broken", "why"))
    catch = {"ErrorEquals": ["States.ALL"], "Next": "End", "Assign": {"error.$": "$.Error"}}
    states = {"A": {**TASK, "Catch": [catch], "Next": "End"}, "End": {"Type": "Succeed"}}
    execution = machines.run(states)
    (left,) = details(machines, execution, "TaskStateExited")
    assert left["assignedVariables"] == {"error": '"Broken"'}


@pytest.mark.parametrize(
    ("state", "location"),
    [
        ({"Type": "Pass", "Output": "{% $oops %}"}, "Output"),
        ({"Type": "Pass", "Assign": {"x": "{% $oops %}"}}, "Assign"),
        ({**TASK, "Parameters": None, "Arguments": {"FunctionName": "{% $oops %}"}}, "Arguments"),
        ({"Type": "Map", "Items": "{% $oops %}", "ItemProcessor": None}, "Items"),
        ({"Type": "Choice", "Choices": [{"Condition": "{% $oops %}", "Next": "A"}]}, "Condition"),
    ],
)
def test_evaluation_error_has_event_of_its_own(machines, state, location):
    if state["Type"] == "Map":
        state["ItemProcessor"] = {"StartAt": "Item", "States": {"Item": {"Type": "Pass", "End": True}}}
    if state["Type"] != "Choice":
        state["End"] = True
    state = {key: value for key, value in state.items() if value is not None}
    execution = machines.run({"A": state}, QueryLanguage="JSONata")
    assert (execution["status"], execution["error"]) == ("FAILED", "States.QueryEvaluationError")
    (failed,) = details(machines, execution, "EvaluationFailed")
    assert (failed["state"], failed["error"]) == ("A", "States.QueryEvaluationError")
    assert failed["location"] == location
    assert "TaskFailed" not in kinds(machines, execution)


def test_output_error_comes_after_success_of_task(machines, answers):
    output = {
        **TASK,
        "Parameters": None,
        "Arguments": TASK["Parameters"],
        "Output": "{% $oops %}",
        "End": True,
    }
    state = {key: value for key, value in output.items() if value is not None}
    execution = machines.run({"A": state}, QueryLanguage="JSONata")
    assert kinds(machines, execution)[-3:] == ["TaskSucceeded", "EvaluationFailed", "ExecutionFailed"]


def test_error_before_the_call_is_no_failed_task(machines, answers):
    state = {**TASK, "Parameters": {"FunctionName.$": "$.nothing"}, "End": True}
    execution = machines.run({"A": state})
    assert execution["error"] == "States.Runtime"
    assert kinds(machines, execution) == ["ExecutionStarted", "TaskStateEntered", "ExecutionFailed"]


def test_task_that_names_function_has_events_of_functions(machines, answers):
    answers.append(("Broken", "why"))
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]
    state = {"Type": "Task", "Resource": FUNCTION, "TimeoutSeconds": 9, "Retry": retry, "End": True}
    execution = machines.run({"A": state}, {"a": 1})
    events = machines.history(execution["executionArn"])
    assert [event["type"] for event in events[2:-2]] == [
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionFailed",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
    ]
    assert events[2]["lambdaFunctionScheduledEventDetails"] == {
        "resource": FUNCTION,
        "input": '{"a": 1}',
        "inputDetails": {"truncated": False},
        "timeoutInSeconds": 9,
    }
    assert not [key for key in events[3] if key.endswith("Details")]
    assert events[4]["lambdaFunctionFailedEventDetails"] == {"error": "Broken", "cause": "why"}
    assert json.loads(events[7]["lambdaFunctionSucceededEventDetails"]["output"]) == {"a": 1}


def test_answer_of_service_is_submitted_before_the_token_returns(machines, eventually):
    child = machines.create({"A": {"Type": "Pass", "End": True}})
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.waitForTaskToken",
        "Parameters": {"StateMachineArn": child, "Input": {"token.$": "$$.Task.Token"}},
        "End": True,
    }
    execution = {"executionArn": machines.start(machines.create({"Ask": state}))}
    eventually(lambda: "TaskSubmitted" in kinds(machines, execution))
    (submitted,) = details(machines, execution, "TaskSubmitted")
    started = json.loads(submitted["output"])["ExecutionArn"]
    token = json.loads(machines.call("_describe_execution", executionArn=started)["input"])["token"]
    machines.call("_send_task_success", taskToken=token, output='{"by": "a person"}')
    machines.ended(execution["executionArn"])
    assert kinds(machines, execution)[2:6] == [
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
    ]


def test_start_of_child_is_submitted_before_it_ends(machines):
    child = machines.create({"A": {"Type": "Pass", "End": True}})
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": {"StateMachineArn": child, "Input": {}},
        "End": True,
    }
    execution = machines.run({"Run": state})
    (submitted,) = details(machines, execution, "TaskSubmitted")
    started = json.loads(submitted["output"])["ExecutionArn"]
    assert started.rpartition(":")[0] == child.replace(":stateMachine:", ":execution:")


def distributed(item, **more):
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    processor = {"StartAt": "Item", "States": {"Item": item}, "ProcessorConfig": config}
    return {"Each": {"Type": "Map", "ItemProcessor": processor, "Label": "each", "End": True, **more}}


def test_distributed_map_records_its_run(machines):
    execution = machines.run(distributed({"Type": "Pass", "End": True}), [1, 2])
    assert execution["status"] == "SUCCEEDED"
    assert kinds(machines, execution) == [
        "ExecutionStarted",
        "MapStateEntered",
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateSucceeded",
        "MapStateExited",
        "ExecutionSucceeded",
    ]
    (started,) = details(machines, execution, "MapRunStarted")
    run = machines.call("_describe_map_run", mapRunArn=started["mapRunArn"])
    assert (run["executionArn"], run["itemCounts"]["succeeded"]) == (execution["executionArn"], 2)


def test_distributed_map_records_failure(machines):
    execution = machines.run(distributed({"Type": "Fail", "Error": "Lost"}), [1])
    assert kinds(machines, execution)[3:] == [
        "MapRunStarted",
        "MapRunFailed",
        "MapStateFailed",
        "ExecutionFailed",
    ]
    (failed,) = details(machines, execution, "MapRunFailed")
    assert failed["error"] == execution["error"] == "States.ExceedToleratedFailureThreshold"


def test_item_of_distributed_map_is_an_execution(machines):
    execution = machines.run(distributed({"Type": "Fail", "Error": "Lost"}), [{"a": 1}])
    (started,) = details(machines, execution, "MapRunStarted")
    listed = machines.call("_list_executions", mapRunArn=started["mapRunArn"])["executions"]
    (child,) = [machines.call("_describe_execution", executionArn=one["executionArn"]) for one in listed]
    assert (child["status"], child["error"], child["mapRunArn"]) == ("FAILED", "Lost", started["mapRunArn"])
    assert kinds(machines, child) == ["ExecutionStarted", "FailStateEntered", "ExecutionFailed"]
    (given,) = details(machines, child, "ExecutionStarted")
    assert json.loads(given["input"]) == {"a": 1}
    machine = machines.call("_describe_state_machine_for_execution", executionArn=child["executionArn"])
    assert json.loads(machine["definition"])["States"] == {"Item": {"Type": "Fail", "Error": "Lost"}}
    assert (machine["mapRunArn"], machine["label"]) == (started["mapRunArn"], "each")
