"""The API TestState."""

from __future__ import annotations

import json

import pytest

STATE = {
    "Type": "Task",
    "QueryLanguage": "JSONata",
    "Resource": "arn:aws:states:::lambda:invoke",
    "Arguments": {"FunctionName": "nowhere", "Payload": {}},
    "Retry": [
        {"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "MaxAttempts": 2},
        {"ErrorEquals": ["Lambda.ResourceNotFoundException"], "MaxAttempts": 1},
    ],
    "Catch": [
        {
            "ErrorEquals": ["States.ALL"],
            "Output": "{% {'why': $states.errorOutput.Error, 'id': $states.input.id} %}",
            "Next": "Other",
        }
    ],
    "End": True,
}


def tried(machines, error, attempts=0):
    mock = {"mock": {"errorOutput": {"error": error, "cause": "c"}}} if error else {}
    return machines.call(
        "_test_state",
        definition=json.dumps(STATE),
        input='{"id": 7}',
        inspectionLevel="DEBUG",
        stateConfiguration={"retrierRetryCount": attempts},
        roleArn=machines.role,
        **mock,
    )


@pytest.mark.parametrize(("error", "index"), [("Busy", 0), (None, 1)])
def test_error_is_retried_before_it_is_caught(machines, error, index):
    answer = tried(machines, error)
    assert answer["status"] == "RETRIABLE"
    assert answer["inspectionData"]["errorDetails"]["retryIndex"] == index


def test_wait_grows_with_attempts(machines):
    details = tried(machines, "Busy", 1)["inspectionData"]["errorDetails"]
    assert details["retryBackoffIntervalSeconds"] == 4


@pytest.mark.parametrize(("error", "attempts"), [("Busy", 2), ("Lost", 0)])
def test_catcher_gives_its_output(machines, error, attempts):
    answer = tried(machines, error, attempts)
    assert (answer["status"], answer["nextState"]) == ("CAUGHT_ERROR", "Other")
    assert json.loads(answer["output"]) == {"why": error, "id": 7}
    assert answer["inspectionData"]["errorDetails"] == {"catchIndex": 0}


ITEMS = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
BRANCH = {"StartAt": "B", "States": {"B": {"Type": "Pass", "End": True}}}
FAIL = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]


def answered(machines, state, given=None, **more):
    """Returns the answer, with JSON that is read."""
    answer = machines.call(
        "_test_state", definition=json.dumps(state), input=json.dumps(given), inspectionLevel="DEBUG", **more
    )
    inspected = answer.get("inspectionData", {})
    for place, key in [(answer, "output"), *((inspected, key) for key in inspected)]:
        if isinstance(place.get(key), str):
            place[key] = json.loads(place[key])
    return answer


def test_pass_shows_each_step_of_its_data(machines):
    state = {
        "Type": "Pass",
        "InputPath": "$.in",
        "Parameters": {"a.$": "$.b", "v.$": "$given"},
        "ResultPath": "$.out",
        "Assign": {"set.$": "$.a"},
        "Next": "Other",
    }
    given = {"in": {"b": 1}}
    answer = answered(machines, state, given, variables='{"given": 3}')
    output = {**given, "out": {"a": 1, "v": 3}}
    assert (answer["status"], answer["output"], answer["nextState"]) == ("SUCCEEDED", output, "Other")
    assert answer["inspectionData"] == {
        "input": given,
        "afterInputPath": {"b": 1},
        "afterParameters": {"a": 1, "v": 3},
        "afterResultSelector": {"a": 1, "v": 3},
        "afterResultPath": output,
        "variables": {"given": 3, "set": 1},
    }


def test_choice_gives_next_state(machines):
    state = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.n", "NumericGreaterThan": 3, "Next": "Large"}],
        "Default": "Small",
    }
    assert answered(machines, state, {"n": 5})["nextState"] == "Large"
    assert answered(machines, state, {"n": 1})["nextState"] == "Small"


def test_choice_without_match_fails(machines):
    state = {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 3, "Next": "Three"}]}
    answer = answered(machines, state, {"n": 5})
    assert (answer["status"], answer["error"]) == ("FAILED", "States.NoChoiceMatched")


def test_wait_passes_its_input_on(machines):
    answer = answered(machines, {"Type": "Wait", "Seconds": 3600, "Next": "Other"}, {"a": 1})
    assert (answer["output"], answer["nextState"]) == ({"a": 1}, "Other")


def test_succeed_and_fail_end(machines):
    done = {"Type": "Succeed", "QueryLanguage": "JSONata", "Output": "{% $states.input.a %}"}
    answer = answered(machines, done, {"a": 1})
    assert (answer["status"], answer["output"]) == ("SUCCEEDED", 1)
    assert "nextState" not in answer
    answer = answered(machines, {"Type": "Fail", "ErrorPath": "$.e", "Cause": "why"}, {"e": "Lost"})
    assert (answer["status"], answer["error"], answer["cause"]) == ("FAILED", "Lost", "why")


def test_state_is_found_by_name_with_language_of_machine(machines):
    machine = {
        "QueryLanguage": "JSONata",
        "StartAt": "One",
        "States": {
            "One": {"Type": "Pass", "Next": "Two"},
            "Two": {"Type": "Pass", "Output": "{% $states.input.a + $x %}", "End": True},
        },
    }
    assert answered(machines, machine, {"a": 1}, stateName="Two", variables='{"x": 2}')["output"] == 3
    assert answered(machines, machine, {"a": 1}, stateName="Three")["__type"] == "ValidationException"


@pytest.mark.parametrize("outer", ["Map", "Parallel"])
def test_state_inside_another_is_found_by_its_name(machines, outer):
    inner = {"StartAt": "In", "States": {"In": {"Type": "Pass", "Result": 7, "End": True}}}
    nested = {"ItemProcessor": inner} if outer == "Map" else {"Branches": [BRANCH, inner]}
    machine = {"StartAt": "Out", "States": {"Out": {"Type": outer, **nested, "End": True}}}
    assert answered(machines, machine, {}, stateName="In")["output"] == 7


def test_role_that_trusts_one_state_machine_does_not_run_a_trial(machines):
    from ministack.services import iam

    def trial(machine):
        role = machines.add_role("one", {"Effect": "Allow", "Action": "*", "Resource": "*"})
        trust = json.loads(iam._roles["one"]["AssumeRolePolicyDocument"])
        trust["Statement"][0]["Condition"] = {
            "StringEquals": {"aws:SourceAccount": "000000000000"},
            "ArnLikeIfExists": {"aws:SourceArn": f"arn:aws:states:us-east-1:000000000000:{machine}"},
        }
        iam._roles["one"]["AssumeRolePolicyDocument"] = json.dumps(trust)
        return answered(machines, {**TASK, "Parameters": {"QueueUrl": "q"}}, {}, roleArn=role)["error"]

    assert trial("stateMachine:afterloop-dev") == "States.Permissions"
    assert trial("*") == "SQS.QueueDoesNotExistException"


def test_mocked_task_applies_its_output(machines):
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"Token.$": "$$.Task.Token"},
        "ResultSelector": {"id.$": "$.MessageId"},
        "ResultPath": "$.sent",
        "Assign": {"id.$": "$.MessageId"},
        "Next": "Other",
    }
    mock = {"result": '{"MessageId": "m"}'}
    answer = answered(machines, state, {"a": 1}, mock=mock, context='{"Task": {"Token": "t"}}')
    assert (answer["output"], answer["nextState"]) == ({"a": 1, "sent": {"id": "m"}}, "Other")
    found = answer["inspectionData"]
    assert (found["afterParameters"], found["result"], found["variables"]) == (
        {"Token": "t"},
        {"MessageId": "m"},
        {"id": "m"},
    )


def test_mocked_task_fails_if_its_arguments_do(machines):
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"MessageBody.$": "$.nothing"},
        "End": True,
    }
    answer = answered(machines, state, {}, mock={"result": "{}"})
    assert (answer["status"], answer["error"]) == ("FAILED", "States.Runtime")


def test_task_without_mock_calls_its_service(machines):
    from ministack.services import stepfunctions

    stepfunctions._call_lambda = lambda name, event: {"got": event}
    state = {**STATE, "Arguments": {**STATE["Arguments"], "Payload": "{% $states.input %}"}}
    state["Arguments"]["FunctionName"] = "arn:aws:lambda:us-east-1:000000000000:function:f"
    answer = answered(machines, state, {"a": 1}, roleArn=machines.role)
    assert answer["output"]["Payload"] == {"got": {"a": 1}}
    assert answer["inspectionData"]["result"] == answer["output"]
    refused = answered(machines, {**state, "Retry": []}, {"a": 1}, roleArn=machines.add_role("nobody"))
    assert (refused["status"], refused["error"]) == ("CAUGHT_ERROR", "Lambda.AWSLambdaException")


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_mocked_map_and_parallel_apply_their_output(machines, language):
    jsonata = language == "JSONata"
    way = {"Output": "{% {'all': $states.result} %}"} if jsonata else {"ResultPath": "$.all"}
    state = {"QueryLanguage": language, **way, "End": True}
    both = {"Type": "Parallel", "Branches": [BRANCH, BRANCH], **state}
    assert answered(machines, both, {}, mock={"result": "[1, 2]"})["output"] == {"all": [1, 2]}
    items = {"Items": "{% $states.input.i %}"} if jsonata else {"ItemsPath": "$.i"}
    one = "{% $states.context.Map.Item.Value %}" if jsonata else "$$.Map.Item.Value"
    items["ItemSelector"] = {"one" if jsonata else "one.$": one}
    each = {"Type": "Map", "ItemProcessor": ITEMS, "MaxConcurrency": 3, "ToleratedFailureCount": 1, **state}
    answer = answered(machines, {**each, **items}, {"i": [7, 8]}, mock={"result": "[1, 2]"})
    assert answer["output"]["all"] == [1, 2]
    found = answer["inspectionData"]
    assert found["afterItemSelector"] == [{"one": 7}, {"one": 8}]
    assert (found["maxConcurrency"], found["toleratedFailureCount"]) == (3, 1)
    assert found.get("afterItemsPath") == (None if jsonata else [7, 8])


def test_mocked_map_needs_array(machines):
    answer = answered(
        machines, {"Type": "Map", "ItemProcessor": ITEMS, "End": True}, {}, mock={"result": "[]"}
    )
    assert (answer["status"], answer["cause"]) == ("FAILED", 'Reference path "$" must point to array.')


@pytest.mark.parametrize(("failures", "status"), [(1, "SUCCEEDED"), (2, "CAUGHT_ERROR")])
def test_failures_of_mocked_map_are_tolerated_up_to_its_limit(machines, failures, status):
    state = {"Type": "Map", "ItemProcessor": ITEMS, "ToleratedFailureCount": 1, "Catch": FAIL, "End": True}
    settings = {"mapIterationFailureCount": failures}
    answer = answered(machines, state, [1, 2, 3], mock={"result": "[1, 1, 1]"}, stateConfiguration=settings)
    assert answer["status"] == status
    assert answer.get("error") == (None if failures == 1 else "States.ExceedToleratedFailureThreshold")


PASS = {"Type": "Pass", "End": True}
TASK = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {}, "End": True}
MAP = {"Type": "Map", "ItemProcessor": ITEMS, "End": True}
PARALLEL = {"Type": "Parallel", "Branches": [BRANCH], "End": True}


@pytest.mark.parametrize(
    ("state", "more", "error", "message"),
    [
        (PASS, {"mock": {"result": "{}"}}, "ValidationException", "State type 'Pass' is not supported"),
        (MAP, {}, "InvalidDefinition", "does not support Map or Parallel states"),
        (PARALLEL, {}, "InvalidDefinition", "does not support Map or Parallel states"),
        (TASK, {}, "ValidationException", "RoleArn"),
        (TASK, {"mock": {"result": "no"}}, "ValidationException", "must be valid JSON"),
        (
            TASK,
            {"mock": {"result": "{}", "errorOutput": {"error": "E"}}},
            "ValidationException",
            "should have only one",
        ),
        (MAP, {"mock": {"result": "{}"}}, "ValidationException", "must be an array"),
        (PARALLEL, {"mock": {"result": "[1, 2]"}}, "ValidationException", "same number of items"),
        (TASK, {"mock": {"result": "{}"}, "revealSecrets": True}, "ValidationException", "RevealSecrets"),
        (PASS, {"context": "{}"}, "ValidationException", "Context when a mock"),
        (TASK, {"mock": {"result": "{}"}, "context": '{"Map": {}}'}, "ValidationException", "'Map' field"),
        (TASK, {"mock": {"result": "{}"}, "context": '{"Other": 1}'}, "ValidationException", "'Other'"),
        (TASK, {"mock": {"result": "{}"}, "context": '{"Task": {}}'}, "ValidationException", "'Task'"),
        (PASS, {"variables": json.dumps({"a": "x" * 262_144})}, "ValidationException", "less than or equal"),
        (
            MAP,
            {"mock": {"result": "[1]"}, "stateConfiguration": {"mapIterationFailureCount": 2}},
            "ValidationException",
            "less than or equal",
        ),
        ({"Type": "Nothing"}, {}, "InvalidDefinition", "should have one of these values"),
        (
            {**TASK, "Resource": "arn:aws:states:::states:startExecution.sync"},
            {"roleArn": "arn:aws:iam::0:role/r"},
            "InvalidDefinition",
            "needs a mock",
        ),
    ],
)
def test_state_is_refused_with_wrong_mock(machines, state, more, error, message):
    answer = answered(machines, state, {}, **more)
    assert answer["__type"] == error
    assert message in answer["message"]


RESULTS = {
    "wrong type": ("events:putEvents", {"Entries": "text"}, "Field 'Entries' must be an array"),
    "wrong type inside": (
        "events:putEvents",
        {"Entries": [{}, {"EventId": []}]},
        "Field 'EventId' must be a string",
    ),
    "missing": ("states:startExecution", {}, "Required field 'ExecutionArn' is missing"),
    "other case": (
        "states:startExecution",
        {"executionArn": "a"},
        "Required field 'ExecutionArn' is missing",
    ),
    "text for number": ("lambda:invoke", {"StatusCode": "200"}, "Field 'StatusCode' must be a number"),
    "payload": ("lambda:invoke", {"Payload": {"a": 1}}, "Field 'Payload' must be a string"),
    "enum": (
        "aws-sdk:s3:getObject",
        {"StorageClass": "Papyrus"},
        "Field 'StorageClass' is not an expected value",
    ),
    "too small": (
        "aws-sdk:lambda:getFunction",
        {"Configuration": {"MemorySize": 127}},
        "Field 'MemorySize' is less than the minimum value",
    ),
    "empty": (
        "aws-sdk:kms:encrypt",
        {"CiphertextBlob": ""},
        "Field 'CiphertextBlob' is smaller than the minimum length",
    ),
}


@pytest.mark.parametrize(("service", "result", "message"), RESULTS.values(), ids=RESULTS)
def test_mocked_result_must_be_one_of_its_service(machines, service, result, message):
    state = {**TASK, "Resource": f"arn:aws:states:::{service}"}
    mock = {"result": json.dumps(result)}
    refused = answered(machines, state, {}, mock=mock)
    assert refused["message"] == f"Mock result schema validation error: {message}"
    assert answered(machines, state, {}, mock={**mock, "fieldValidationMode": "NONE"})["output"] == result


def test_other_fields_of_mocked_result_are_free(machines):
    state = {**TASK, "Resource": "arn:aws:states:::states:startExecution"}
    mock = {"result": '{"Random": 1}', "fieldValidationMode": "PRESENT"}
    assert answered(machines, state, {}, mock=mock)["output"] == {"Random": 1}
    waits = {**state, "Resource": f"{state['Resource']}.sync:2"}
    assert answered(machines, waits, {}, mock={"result": "{}"})["status"] == "SUCCEEDED"


def test_trial_ends_after_its_time(machines, monkeypatch):
    from ministack.services import stepfunctions

    from sandbox.ministack_patches import trials
    from sandbox.ministack_patches.walks import current

    monkeypatch.setattr(trials, "MAX_SECONDS", 0.01)
    monkeypatch.setattr(stepfunctions, "_scaled_sleep", lambda seconds: current()[1].sleep(20))
    answer = answered(machines, {"Type": "Wait", "Seconds": 3600, "End": True}, {})
    assert (answer["status"], answer["error"]) == ("FAILED", "States.Timeout")
