"""Parallel and Map states: what they run, and what the history says about it."""

from __future__ import annotations

import json

import pytest

from workflow.operations.executions import visits_of

FAIL = {"Type": "Fail", "Error": "Lost", "Cause": "nothing there"}


def parallel(*branches, **more):
    """A Parallel whose branches have one state each, named after the type of the state and its number."""
    machines = [
        {"StartAt": f"{state['Type']}{number}", "States": {f"{state['Type']}{number}": state}}
        for number, state in enumerate(branches, 1)
    ]
    return {"Type": "Parallel", "Branches": machines, **({"End": True} if "Next" not in more else {}), **more}


def map_of(state, **more):
    processor = {"StartAt": "Item", "States": {"Item": state}}
    return {"Type": "Map", "ItemProcessor": processor, "End": True, **more}


def events(machines, execution):
    """Returns id, link and type of each event, with the index of an iteration."""
    found = []
    for event in machines.history(execution["executionArn"]):
        index = [value["index"] for value in event.values() if isinstance(value, dict) and "index" in value]
        found.append((event["id"], event["previousEventId"], event["type"], *index))
    return found


# What follows was recorded on AWS by LocalStack's tests: test_map_state, test_parallel_state_fail and the like.


def test_map_with_one_at_a_time_links_iterations(machines):
    execution = machines.run({"Map": map_of({"Type": "Pass", "End": True}, MaxConcurrency=1)}, [1, 2])
    assert events(machines, execution) == [
        (1, 0, "ExecutionStarted"),
        (2, 0, "MapStateEntered"),
        (3, 2, "MapStateStarted"),
        (4, 3, "MapIterationStarted", 0),
        (5, 4, "PassStateEntered"),
        (6, 5, "PassStateExited"),
        (7, 6, "MapIterationSucceeded", 0),
        (8, 6, "MapIterationStarted", 1),
        (9, 8, "PassStateEntered"),
        (10, 9, "PassStateExited"),
        (11, 10, "MapIterationSucceeded", 1),
        (12, 11, "MapStateSucceeded"),
        (13, 11, "MapStateExited"),
        (14, 13, "ExecutionSucceeded"),
    ]


def test_map_at_once_links_iterations_to_its_start(machines):
    execution = machines.run({"Map": map_of({"Type": "Pass", "End": True})}, [1, 2, 3])
    found = events(machines, execution)
    assert [number for number, *_ in found] == list(range(1, 19))
    assert [(link, index) for _, link, kind, *index in found if kind == "MapIterationStarted"] == [
        (3, [0]),
        (3, [1]),
        (3, [2]),
    ]
    started = {number: kind for number, _, kind, *_ in found}
    assert all(
        started[link] == "MapIterationStarted" for _, link, kind, *_ in found if kind == "PassStateEntered"
    )
    assert json.loads(execution["output"]) == [1, 2, 3]


def test_parallel_links_branches_to_its_start(machines):
    both = parallel({"Type": "Pass", "Result": 1, "End": True}, {"Type": "Pass", "Result": 2, "End": True})
    execution = machines.run({"Both": both})
    found = events(machines, execution)
    assert json.loads(execution["output"]) == [1, 2]
    assert [kind for *_, kind in found[:3]] == [
        "ExecutionStarted",
        "ParallelStateEntered",
        "ParallelStateStarted",
    ]
    assert [link for _, link, kind in found if kind == "PassStateEntered"] == [3, 3]
    # The branch that ended last, to which both link.
    last = max(number for number, _, kind in found if kind == "PassStateExited")
    assert found[-3:] == [
        (8, last, "ParallelStateSucceeded"),
        (9, last, "ParallelStateExited"),
        (10, 9, "ExecutionSucceeded"),
    ]


def test_failed_branch_is_recorded_before_its_catch(machines):
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "End"}]
    states = {"Only": parallel(FAIL, Catch=catch), "End": {"Type": "Succeed"}}
    assert events(machines, machines.run(states)) == [
        (1, 0, "ExecutionStarted"),
        (2, 0, "ParallelStateEntered"),
        (3, 2, "ParallelStateStarted"),
        (4, 3, "FailStateEntered"),
        (5, 4, "ParallelStateFailed"),
        (6, 5, "ParallelStateExited"),
        (7, 6, "SucceedStateEntered"),
        (8, 7, "SucceedStateExited"),
        (9, 8, "ExecutionSucceeded"),
    ]


def test_retry_of_map_starts_all_iterations_again(machines):
    retry = [{"ErrorEquals": ["Lost"], "MaxAttempts": 1}]
    execution = machines.run({"Map": map_of(FAIL, Retry=retry)}, [1])
    assert events(machines, execution)[2:] == [
        (3, 2, "MapStateStarted"),
        (4, 3, "MapIterationStarted", 0),
        (5, 4, "FailStateEntered"),
        (6, 5, "MapIterationFailed", 0),
        (7, 5, "MapStateStarted"),
        (8, 7, "MapIterationStarted", 0),
        (9, 8, "FailStateEntered"),
        (10, 9, "MapIterationFailed", 0),
        (11, 9, "MapStateFailed"),
        (12, 11, "ExecutionFailed"),
    ]
    assert (execution["error"], execution["cause"]) == ("Lost", "nothing there")


def test_failure_of_branch_aborts_others_at_once(machines, waiting):
    both = parallel({"Type": "Wait", "Seconds": 3600, "End": True}, {"Type": "Pass", "Next": "Fail"})
    both["Branches"][1]["States"]["Fail"] = FAIL
    execution = machines.run({"Both": both})
    found = events(machines, execution)
    failed = next(number for number, _, kind in found if kind == "FailStateEntered")
    assert execution["status"] == "FAILED"
    aborted = [one for one in found if one[2] == "WaitStateAborted"]
    assert [link for _, link, _ in aborted] == [failed] * len(aborted)
    assert [kind for *_, kind in found[-2:]] == ["ParallelStateFailed", "ExecutionFailed"]
    waiting.set()
    assert events(machines, execution) == found


def test_failed_task_in_branch_is_aborted(machines):
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}
    lost = {**task, "Parameters": {"FunctionName": "lost"}}
    assert events(machines, machines.run({"Only": parallel(lost)}))[3:] == [
        (4, 3, "TaskStateEntered"),
        (5, 4, "TaskScheduled"),
        (6, 5, "TaskStarted"),
        (7, 6, "TaskFailed"),
        (8, 7, "TaskStateAborted"),
        (9, 7, "ParallelStateFailed"),
        (10, 9, "ExecutionFailed"),
    ]


def test_stop_while_branches_run_adds_nothing_later(machines, waiting, eventually):
    wait = {"Type": "Wait", "Seconds": 3600, "End": True}
    arn = machines.start(machines.create({"Both": parallel(wait, wait)}))
    eventually(lambda: [event["type"] for event in machines.history(arn)].count("WaitStateEntered") == 2)
    machines.call("_stop_execution", executionArn=arn)
    before = machines.history(arn)
    waiting.set()
    machines.ended(arn)
    assert (before[-1]["type"], before[-1]["previousEventId"]) == ("ExecutionAborted", 0)
    assert machines.history(arn) == before


def test_nested_map_and_parallel_are_recorded(machines):
    inner = parallel({"Type": "Pass", "End": True})
    execution = machines.run({"Map": map_of(inner)}, [[1], [2]])
    kinds = [kind for _, _, kind, *_ in events(machines, execution)]
    for kind in (
        "ParallelStateStarted",
        "ParallelStateSucceeded",
        "MapIterationSucceeded",
        "PassStateExited",
    ):
        assert kinds.count(kind) == 2
    assert json.loads(execution["output"]) == [[[1]], [[2]]]


def test_variables_of_branch_stay_in_it(machines):
    both = parallel(
        {"Type": "Pass", "Assign": {"own": "{% $shared + 1 %}"}, "Output": "{% $shared %}", "End": True},
        {"Type": "Pass", "Assign": {"own": "{% $shared + 2 %}"}, "Next": "Read"},
        Next="Use",
        Output="{% $states.result %}",
        Assign={"shared": "{% $sum($states.result) %}"},
    )
    both["Branches"][1]["States"]["Read"] = {"Type": "Pass", "Output": "{% $own %}", "End": True}
    states = {
        "Set": {"Type": "Pass", "Assign": {"shared": 3}, "Next": "Both"},
        "Both": both,
        "Use": {
            "Type": "Pass",
            "Output": "{% {'all': [$states.input, $shared, $exists($own)]} %}",
            "End": True,
        },
    }
    execution = machines.run(states, QueryLanguage="JSONata")
    assert json.loads(execution["output"]) == {"all": [3, 5, 8, False]}


def test_arguments_of_parallel_are_input_of_branches(machines):
    both = parallel({"Type": "Pass", "End": True}, Arguments={"sum": "{% $states.input.a + 1 %}"})
    execution = machines.run({"Both": both}, {"a": 1}, QueryLanguage="JSONata")
    assert json.loads(execution["output"]) == [{"sum": 2}]


def test_map_of_jsonata_has_output_and_variables(machines):
    items = map_of(
        {"Type": "Pass", "Output": "{% $states.input * 2 %}", "End": True},
        Items="{% $states.input.all %}",
        Output="{% {'sum': $sum($states.result), 'of': $states.input.all} %}",
        Assign={"first": "{% $states.result[0] %}"},
    )
    del items["End"]
    states = {
        "Map": {**items, "Next": "Use"},
        "Use": {"Type": "Pass", "Output": "{% [$states.input, $first] %}", "End": True},
    }
    execution = machines.run(states, {"all": [1, 2]}, QueryLanguage="JSONata")
    assert json.loads(execution["output"]) == [{"sum": 6, "of": [1, 2]}, 2]


def test_map_of_jsonata_needs_array(machines):
    items = map_of({"Type": "Pass", "End": True})
    execution = machines.run({"Map": items}, {"a": 1}, QueryLanguage="JSONata")
    assert (execution["status"], execution["error"]) == ("FAILED", "States.QueryEvaluationError")
    assert [kind for _, _, kind in events(machines, execution)][-2:] == ["MapStateFailed", "ExecutionFailed"]


def test_history_of_caught_and_retried_branches_is_read(machines, waiting, eventually):
    from ministack.services import stepfunctions

    def fail(name, event):
        """Fails once the other branch waits."""
        [execution] = stepfunctions._executions.values()
        eventually(lambda: any(event["type"] == "WaitStateEntered" for event in execution["events"]))
        raise stepfunctions._ExecutionError("Broken", "")

    stepfunctions._call_lambda = fail
    # Retries do not wait.
    stepfunctions._scaled_sleep = lambda seconds: waiting.wait(20 if seconds == 3600 else 0)
    function = {"FunctionName": "arn:aws:lambda:us-east-1:000000000000:function:f"}
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}
    retry = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 1}]
    items = map_of({**task, "Parameters": {**function, "Payload": {}}}, Retry=retry)
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "End"}]
    both = parallel({"Type": "Wait", "Seconds": 3600, "End": True}, items, Catch=catch)
    execution = machines.run({"Both": both, "End": {"Type": "Succeed"}}, [1])
    assert execution["status"] == "SUCCEEDED"
    assert sorted(map(str, visits_of(machines.history(execution["executionArn"])))) == [
        "Both (caught Broken)",
        "End",
        "Item (failed: Broken)",
        "Item (failed: Broken)",
        "Map2 (failed: Broken)",
        "Wait1 (stopped)",
    ]


def test_distributed_map_works_in_jsonata(machines):
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Double",
        "States": {
            "Double": {"Type": "Pass", "Output": "{% $states.input.number * 2 %}", "End": True},
        },
    }
    state = {
        "Type": "Map",
        "Items": "{% $states.input.numbers %}",
        "ItemSelector": {"number": "{% $states.context.Map.Item.Value %}"},
        "ItemProcessor": processor,
        "Output": {"sum": "{% $sum($states.result) %}"},
        "End": True,
    }
    execution = machines.run({"Each": state}, {"numbers": [1, 2, 3]}, QueryLanguage="JSONata")
    assert json.loads(execution["output"]) == {"sum": 12}


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_item_reader_works_in_both_languages(machines, language):
    from ministack.services import stepfunctions

    objects = {("reviews", "today.json"): '[{"id": 1}, {"id": 2}]'}
    stepfunctions._s3_object_text = lambda bucket, key: objects[bucket, key]
    fields = {
        "JSONPath": {
            "reader": {"Parameters": {"Bucket": "reviews", "Key.$": "$.file"}},
            "map": {"ItemSelector": {"id.$": "$$.Map.Item.Value.id", "by.$": "$.by"}},
        },
        "JSONata": {
            "reader": {"Arguments": {"Bucket": "reviews", "Key": "{% $states.input.file %}"}},
            "map": {
                "ItemSelector": {
                    "id": "{% $states.context.Map.Item.Value.id %}",
                    "by": "{% $states.input.by %}",
                }
            },
        },
    }[language]
    state = {
        "Type": "Map",
        "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", **fields["reader"]},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Keep",
            "States": {"Keep": {"Type": "Pass", "End": True}},
        },
        **fields["map"],
        "End": True,
    }
    given = {"file": "today.json", "by": "people"}
    execution = machines.run({"Each": state}, given, QueryLanguage=language)
    assert json.loads(execution["output"]) == [{"id": 1, "by": "people"}, {"id": 2, "by": "people"}]


def test_distributed_map_goes_through_the_pairs_of_an_object_without_the_variables(machines):
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "Pair",
        "States": {
            "Pair": {"Type": "Pass", "Parameters": {"key.$": "$.Key", "value.$": "$.Value"}, "End": True}
        },
    }
    each = {"Type": "Map", "ItemsPath": "$.pairs", "ItemProcessor": processor, "End": True}
    execution = machines.run({"Each": each}, {"pairs": {"a": 1, "b": 2}})
    assert json.loads(execution["output"]) == [{"key": "a", "value": 1}, {"key": "b", "value": 2}]
    processor["States"]["Pair"]["Parameters"] = {"n.$": "$n"}
    set_n = {"Type": "Pass", "Assign": {"n": 1}, "Next": "Each"}
    execution = machines.run({"Set": set_n, "Each": each}, {"pairs": {"a": 1}})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.ExceedToleratedFailureThreshold")
