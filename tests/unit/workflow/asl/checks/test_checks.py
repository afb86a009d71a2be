from __future__ import annotations

import copy
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflow.asl.checks import Finding, check
from workflow.machine import build_definition
from workflow.parts.state import EVENT, RESULTS
from workflow.steps import (
    AwsSdkTask,
    Catch,
    Chain,
    Choice,
    ChoiceRule,
    Fail,
    LambdaStep,
    Map,
    Parallel,
    Pass,
    Retry,
    StepInput,
    Succeed,
    Task,
    Wait,
    definition,
    places,
)

EVERY_STEP = json.loads((Path(__file__).parents[2] / "golden" / "every_step.json").read_text())


def said(machine: dict[str, Any], **options: Any) -> list[str]:
    """What is found, if the input is the event unless told otherwise."""
    return [str(finding) for finding in check(machine, **{"event": EVENT, **options})]


def task(name: str, **fields: Any) -> Task:
    return Task(name, resource="arn:aws:states:::batch:submitJob", **fields)


def one(state: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": "Step", "States": {"Step": state, **others}}


# Nothing wrong


def good_machine() -> Chain:
    failed = Fail(
        "Failed", error_path="$.failure.Error", cause_path="States.Format('{} it', $.failure.Cause)"
    )
    catch = Catch(failed, error_equals=["States.ALL"], result_path="$.failure", comment="All.")
    collect = LambdaStep(
        "Collect",
        parameters={
            "FunctionName": "${CollectReviewArn}",
            "Payload": {"event.$": "$", "again.$": "$$.Execution.Id"},
        },
        result_selector={"review.$": "$.Payload", "at.$": "$$.State.EnteredTime"},
        result_path="$.collected",
        retry=Retry(error_equals=["States.ALL"], max_delay_seconds=5, jitter_strategy="FULL", max_attempts=3),
        catch=catch,
        timeout_seconds=10,
    )
    both = Parallel(
        "Both", parameters={"name.$": "$.detail.humanLoopName"}, result_path="$.both", catch=catch
    )
    both.add_branch(Pass("Left", parameters={"x.$": "$.name"}))
    both.add_branch(Wait("Right", seconds=1))
    every = Map(
        "Every",
        items_path="$.collected.review.fields",
        item_selector={"field.$": "$$.Map.Item.Value", "loop.$": "$['detail']['humanLoopName']"},
        item_processor=Pass("Field", parameters={"y.$": "$.field.name", "z.$": "$.loop"}),
        result_path="$.fields",
        max_concurrency=3,
    )
    route = Choice("Route")
    route.add_choice(
        ChoiceRule.And(
            [
                ChoiceRule.IsPresent("$.detail.priority", True),
                ChoiceRule.StringEquals("$.detail.priority", "high"),
            ]
        ),
        Pass("Urgent", parameters={"how.$": "$.detail.priority"}, result_path="$.urgent"),
    )
    tell = AwsSdkTask(
        "Tell",
        service="sfn",
        action="startExecution",
        query_language="JSONata",
        arguments={
            "Input": "{% $string($states.input.collected.review) %}",
            "Name": "{% $exists($states.input.nowhere) ? $states.input.nowhere : 'x' %}",
            "StateMachineArn": "${Other}",
        },
        output="{% $merge([$states.input, {'told': $states.result, 'list': [1, {'a': 2}]}]) %}",
        catch=Catch(failed, error_equals=["States.ALL"], output="{% {'failure': $states.errorOutput} %}"),
        timeout_seconds="{% $states.input.collected.review.seconds %}",
    )
    return Chain([collect, both, every, route, tell, Pass("After", parameters={"told.$": "$.told"})])


def test_the_workflow_itself_has_none() -> None:
    assert said(build_definition(), results=RESULTS) == []


def test_a_good_machine_has_no_findings() -> None:
    assert said(definition(good_machine()), functions=["collect_review"]) == []


def test_what_the_validator_does_not_know_is_no_finding() -> None:
    machine = one(
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "f"},
            "Assign": {"a.$": "$.Payload"},
            "TimeoutSeconds": 3,
            "Next": "Choice",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Map", "Assign": {"e.$": "$.Error"}}],
        },
        Choice={
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.Payload", "IsNull": True, "Assign": {"b": 1}, "Comment": "c", "Next": "Map"}
            ],
            "Default": "Map",
        },
        Map={
            "Type": "Map",
            "QueryLanguage": "JSONata",
            "Label": "short",
            "Items": "{% $a %}",
            "MaxConcurrency": "{% $b %}",
            "ToleratedFailurePercentage": "{% 5 %}",
            "ToleratedFailureCount": 3,
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:listObjectsV2",
                "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW", "MaxItems": 10},
                "Arguments": {"Bucket": "b", "Prefix": "p"},
            },
            "ItemBatcher": {"MaxItemsPerBatch": "{% $b %}", "BatchInput": {"a": "{% $a %}"}},
            "ResultWriter": {
                "Resource": "arn:aws:states:::s3:putObject",
                "WriterConfig": {"OutputType": "JSONL"},
                "Arguments": {"Bucket": "b", "Prefix": "p"},
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Wait",
                "States": {
                    "Wait": {
                        "Type": "Wait",
                        "QueryLanguage": "JSONata",
                        "Seconds": "{% $states.input.seconds %}",
                        "Output": "{% $states.input %}",
                        "End": True,
                    }
                },
            },
            "Output": {"done": True},
            "End": True,
        },
    )
    assert said(machine) == []


# Structure


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        (
            one(
                {
                    "Type": "Parallel",
                    "Branches": [one({"Type": "Pass", "End": True})],
                    "End": True,
                }
            ),
            "state 'Step': another state has this name; names are unique in a whole machine, branches included",
        ),
        (
            one({"Type": "Pass", "Next": "Stepp"}, Last={"Type": "Succeed"}),
            "state 'Step': Next leads to 'Stepp', which does not exist here; did you mean 'Step'?",
        ),
        (
            one(
                {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.id", "IsNull": True, "Next": "Last"}],
                    "Default": "y",
                },
                Last={"Type": "Succeed"},
            ),
            "state 'Step': Default leads to 'y', which does not exist here",
        ),
        (
            one(
                {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.id", "IsNull": True, "Next": "x"}],
                    "Default": "Last",
                },
                Last={"Type": "Succeed"},
            ),
            "state 'Step': Choices[0].Next leads to 'x', which does not exist here",
        ),
        (
            one(
                {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::batch:submitJob",
                    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "x"}],
                    "End": True,
                }
            ),
            "state 'Step': Catch[0].Next leads to 'x', which does not exist here",
        ),
        (
            {"StartAt": "Stap", "States": {"Step": {"Type": "Succeed"}}},
            "the machine starts at 'Stap', which does not exist; did you mean 'Step'?",
        ),
        (
            one({"Type": "Succeed"}, Stray={"Type": "Succeed"}),
            "state 'Stray': no transition leads to it",
        ),
        (
            one(
                {"Type": "Choice", "Choices": [{"Variable": "$.id", "IsNull": True, "Next": "Last"}]},
                Last={"Type": "Succeed"},
            ),
            "state 'Step': a Choice without default fails when no rule holds; add default_choice, or a step after it",
        ),
        (
            one({"Type": "Pass", "Next": "Other"}, Other={"Type": "Pass", "Next": "Step"}),
            "state 'Step': the machine that starts with it has no end",
        ),
        (
            one(
                {
                    "Type": "Choice",
                    "Choices": [{"Variable": "$.id", "IsNull": True, "Next": "Round"}],
                    "Default": "Last",
                },
                Round={"Type": "Pass", "Next": "Round"},
                Last={"Type": "Succeed"},
            ),
            "state 'Round': no way leads from it to an end",
        ),
        (
            one({"Type": "Pass", "Next": "x" * 81}, **{"x" * 81: {"Type": "Succeed"}}),
            f"state '{'x' * 81}': its name has 81 characters; ASL allows 80",
        ),
    ],
)
def test_structure(machine: dict[str, Any], message: str) -> None:
    assert said(machine) == [message]


def test_a_state_of_the_outer_machine_cannot_be_reached_from_within() -> None:
    inner = {
        "StartAt": "Inside",
        "States": {"Inside": {"Type": "Pass", "Next": "Last"}, "End": {"Type": "Succeed"}},
    }
    machine = one({"Type": "Map", "ItemProcessor": inner, "Next": "Last"}, Last={"Type": "Succeed"})
    assert "state 'Inside': Next leads to 'Last', which does not exist here" in said(machine)


def test_a_definition_that_is_too_large() -> None:
    machine = one({"Type": "Pass", "Result": "ü" * (512 * 1024), "End": True})
    [message] = said(machine)
    assert re.fullmatch(r"the definition has 1,048,\d+ bytes; Step Functions takes 1,048,576", message)
    machine["States"]["Step"]["Result"] = "ü" * (512 * 1024 - 100)
    assert said(machine) == []


# Functions and API actions


@pytest.mark.parametrize("name", ["colect_review", "${ColectReviewArn}", "${ColectReview}"])
def test_a_function_that_does_not_exist(name: str) -> None:
    machine = definition(LambdaStep("Collect", parameters={"FunctionName": name}))
    [message] = said(machine, functions=["collect_review", "restart_loop"])
    assert re.match(
        r"state 'Collect': the function '\w+' does not exist; did you mean 'collect_review'\?", message
    )
    assert said(machine) == []  # which exist is not known


@pytest.mark.parametrize(
    "name",
    [
        "collect_review",
        "${CollectReviewArn}",
        "arn:aws:lambda:eu-west-1:123456789012:function:theirs",
        "{% $states.input.function %}",
    ],
)
def test_functions_that_exist_are_elsewhere_or_are_chosen_at_run_time(name: str) -> None:
    step = LambdaStep("Collect", arguments={"FunctionName": name}, query_language="JSONata")
    assert [
        finding for finding in said(definition(step), functions=["collect_review"]) if "function '" in finding
    ] == []


def test_functions_in_branches_are_looked_at() -> None:
    machine = Map("Map", item_processor=LambdaStep("Inside", parameters={"FunctionName": "nowhere"}))
    assert said(definition(machine), functions=["collect_review"]) == [
        "state 'Inside': the function 'nowhere' does not exist"
    ]


@pytest.mark.parametrize(
    ("service", "action", "hint"),
    [
        ("sagemakera2iruntime", "startHumanLop", "; did you mean 'startHumanLoop'?"),
        ("sfn", "sendTaskSucces", "; did you mean 'sendTaskSuccess'?"),
        ("cloudwatchlogs", "putLogEvent", "; did you mean 'putLogEvents'?"),
        ("s3", "nothingOfTheKind", ""),
    ],
)
def test_an_api_action_that_does_not_exist(service: str, action: str, hint: str) -> None:
    machine = definition(AwsSdkTask("Call", service=service, action=action))
    assert said(machine) == [f"state 'Call': the service {service} has no action {action!r}{hint}"]


@pytest.mark.parametrize(
    ("service", "action"),
    [
        ("textract", "listAdapters"),
        ("eventbridge", "listRules"),
        ("rds", "describeDBInstances"),
        ("new", "do"),
    ],
)
def test_api_actions_that_exist_or_cannot_be_known(service: str, action: str) -> None:
    assert said(definition(AwsSdkTask("Call", service=service, action=action))) == []


# Paths


def asked(*before: Any, **fields: Any) -> list[str]:
    """What is found in a last step with these fields, after others."""
    return said(definition(Chain([*before, task("Last", **fields)])))


def test_a_path_that_the_event_lacks() -> None:
    assert asked(parameters={"a.$": "$.detail.humanLopName"}) == [
        "state 'Last': $.detail.humanLopName: no step before provides 'humanLopName' (there is creationTime,"
        " failureCode, failureReason, flowDefinitionArn, humanLoopArn, humanLoopName, humanLoopOutput,"
        " humanLoopStatus); did you mean 'humanLoopName'?"
    ]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"parameters": {"a": [{"b.$": "$.reviw"}]}}, "$.reviw"),
        ({"parameters": {"b.$": "States.Format('$.no {}', $.reviw.a)"}}, "$.reviw.a"),
        ({"input_path": "$['reviw']"}, "$['reviw']"),
        ({"timeout_seconds_path": "$.reviw"}, "$.reviw"),
        ({"output_path": "$.reviw", "result_path": "$.x"}, "$.reviw"),
        ({"parameters": {"b.$": "$.reviw[0].a"}}, "$.reviw[0].a"),
        ({"arguments": {"a": "{% $states.input.reviw.a %}"}, "query_language": "JSONata"}, "$['reviw']['a']"),
        ({"output": "{% $states.input.`reviw` %}", "query_language": "JSONata"}, "$['reviw']"),
        ({"catch": Catch(Fail("F", cause_path="$.reviw"), error_equals=["E"], result_path="$.e")}, "$.reviw"),
        ({"catch": Catch(Fail("F", cause_path="$.Reason"), error_equals=["E"])}, "$.Reason"),
    ],
)
def test_wherever_a_path_stands(fields: dict[str, Any], path: str) -> None:
    [message] = asked(**fields)
    assert re.fullmatch(
        rf"state '(Last|F)': {re.escape(path)}: no step before provides '\w+' \(there is .*\).*", message
    )


@pytest.mark.parametrize(
    "before",
    [
        [task("Before", result_path="$.review")],
        [task("Before", result_path="$.a.review"), Pass("Then", parameters={"review.$": "$.a.review"})],
        [task("Before")],  # the result is all there is, and may be anything
        [task("Before", result_selector={"review.$": "$.Item"})],
        [Pass("Before", result={"review": {"a": 1}})],
        [Pass("Before", result={"a": 1}, result_path="$.review")],
        [Pass("Before", output={"review": "{% 1 %}"}, query_language="JSONata")],
        [Pass("Before", output="{% $merge([$states.input, {'review': 1}]) %}", query_language="JSONata")],
        [Pass("Before", output="{% $merge([$states.input, $made]) %}", query_language="JSONata")],
        [Pass("Before", output="{% $anything($states.input) %}", query_language="JSONata")],
        [task("Before", query_language="JSONata")],
    ],
)
def test_what_a_step_before_provides_is_no_finding(before: list[Any]) -> None:
    assert asked(*before, parameters={"x.$": "$.review"}) == []


@pytest.mark.parametrize(
    "before",
    [
        [task("Before", result_path="$.other")],
        [task("Before", result_path=None)],
        [task("Before", result_selector={"other.$": "$.Item"})],
        [Pass("Before", parameters={"other.$": "$.detail"})],
        [Pass("Before", result={"other": 1})],
        [task("Before", result_path="$.review"), Pass("Gone", output_path="$.detail")],
        [
            Pass(
                "Before",
                output="{% $merge([$states.input, {'other': {'review': 1}}]) %}",
                query_language="JSONata",
            )
        ],
        [Wait("Before", seconds=1)],
        [Wait("Before", seconds=1, query_language="JSONata")],
    ],
)
def test_what_no_step_before_provides_is_found(before: list[Any]) -> None:
    [message] = asked(*before, parameters={"x.$": "$.review"})
    assert message.startswith("state 'Last': $.review: no step before provides 'review' (there is ")


def test_it_is_enough_that_one_way_provides_it() -> None:
    last = task("Last", parameters={"x.$": "$.review"})
    route = Choice("Route")
    route.add_choice(ChoiceRule.StringEquals("$.detail.humanLoopStatus", "Stopped"), last)
    assert said(definition(Chain([route, task("Provides", result_path="$.review"), last]))) == []


def test_a_loop_provides_to_its_own_start() -> None:
    again = task("Again", parameters={"x.$": "$.count.n"}, result_path="$.count")
    grow = Pass("Grow", parameters={"count.$": "$", "more": {"and.$": "$"}})
    until = Choice("Until")
    until.add_choice(ChoiceRule.NumericGreaterThan("$.count", 3), Succeed("Enough"))
    until.default_choice(again)
    assert said(definition(Chain([task("First", result_path="$.count"), again, grow, until]))) == []


def test_what_a_choice_asks_for_may_be_there() -> None:
    route = Choice("Route")
    route.add_choice(
        ChoiceRule.IsPresent("$.detail.extra.name", True),
        task("Use", parameters={"a.$": "$.detail.extra.name"}),
    )
    assert said(definition(Chain([route, Succeed("End")]))) == []
    route = Choice("Route", query_language="JSONata")
    route.add_choice(
        ChoiceRule.Condition("{% $exists($states.input.detail.extra) %}"),
        task("Use", parameters={"a.$": "$.detail.extra.name"}),
    )
    assert said(definition(Chain([route, Succeed("End")]))) == []


@pytest.mark.parametrize(
    "rule",
    [
        ChoiceRule.StringEquals("$.detail.status", "Completed"),
        ChoiceRule.IsString("$.detail.status", True),
        ChoiceRule.IsNull("$.detail.status", False),
    ],
    ids=str,
)
def test_a_choice_on_what_is_not_there(rule: Any) -> None:
    route = Choice("Route")
    route.add_choice(rule, Succeed("Yes"))
    [message] = said(definition(Chain([route, Succeed("No")])))
    assert message.startswith("state 'Route': $.detail.status: no step before provides 'status'")


def test_branches_and_items_get_what_is_made_for_them() -> None:
    parallel = Parallel("Parallel", parameters={"only.$": "$.detail"})
    parallel.add_branch(Pass("Left", parameters={"a.$": "$.only.humanLoopName"}))
    parallel.add_branch(Pass("Right", parameters={"a.$": "$.detail"}))
    [message] = said(definition(parallel))
    assert message == "state 'Right': $.detail: no step before provides 'detail' (there is only)"
    every = Map(
        "Map",
        item_selector={"only.$": "$$.Map.Item.Value"},
        item_processor=Pass("I", parameters={"a.$": "$.x"}),
    )
    assert said(definition(every)) == ["state 'I': $.x: no step before provides 'x' (there is only)"]
    every = Map("Map", item_processor=Pass("I", parameters={"a.$": "$.x"}))
    assert said(definition(every)) == []  # an item may be anything


def test_context_and_variables_are_not_paths_of_the_input() -> None:
    parameters = {
        "a.$": "$$.Execution.Input.anything",
        "b.$": "$variable.name",
        "c.$": "States.Format('{}', $variable)",
    }
    assert asked(parameters=parameters) == []


def test_another_input_can_be_said() -> None:
    machine = definition(task("Last", parameters={"a.$": "$.order"}))
    assert said(machine, event=None) == []
    assert said(machine, event={"order": None}) == []
    assert said(machine, event={}) == [
        "state 'Last': $.order: no step before provides 'order' (there is nothing)"
    ]


# JSONata, and the validator


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("$merge([1,", "Expected ] before end of expression"),
        ("'a' b", "Syntax error: b"),
        ("a /* no end", "it ends too early"),
    ],
)
def test_jsonata_that_does_not_parse(expression: str, error: str) -> None:
    step = task("Step", arguments={"a": ["{% " + expression + " %}"]}, query_language="JSONata")
    assert said(definition(step)) == [f"state 'Step': Arguments.a[0]: the JSONata does not parse: {error}"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"Type": "Wait", "End": True}, "it does not have required field from"),
        ({"Type": "Pass", "Secons": 3, "End": True}, 'Field "Secons" not allowed in it (statelint)'),
        (
            {"Type": "Wait", "Seconds": "soon", "End": True},
            'Seconds is "soon" but should be an Integer (statelint)',
        ),
        (
            {"Type": "Task", "Resource": "arn:x", "Parameters": {"a.$": "b"}, "End": True},
            'Field "a.$" of Parameters is not a JSONPath',
        ),
        (
            {"Type": "Task", "Resource": "arn:x", "QueryLanguage": "JSONata", "Parameters": {}, "End": True},
            'Field "Parameters" not allowed in it (statelint)',
        ),
        (
            {
                "Type": "Task",
                "Resource": "arn:x",
                "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": -1}],
                "End": True,
            },
            "Retry[0].MaxAttempts is -1",
        ),
    ],
)
def test_what_an_independent_validator_says(state: dict[str, Any], message: str) -> None:
    machine = one(
        {"Type": "Map", "ItemProcessor": {"StartAt": "In. side", "States": {"In. side": state}}, "End": True}
    )
    findings = check(machine, event=EVENT)
    assert any(finding.state == "In. side" and message in finding.message for finding in findings), findings


# Lines


def test_a_finding_is_one_line_with_the_place_in_the_users_file() -> None:
    chain = Chain([task("First", result_path="$.x"), task("Last", parameters={"x.$": "$.y"})])
    [finding] = check(definition(chain), event=EVENT, places=places(chain))
    assert finding.state == "Last"
    assert re.fullmatch(
        r"tests/unit/workflow/asl/checks/test_checks\.py:\d+: state 'Last': "
        r"\$\.y: no step before provides 'y' \(there is .*\)",
        str(finding),
    )
    line = int(str(finding).split(":")[1])
    assert "def task" in Path(__file__).read_text().splitlines()[line - 2]


def test_findings_come_in_the_order_of_the_states() -> None:
    machine = one(
        {"Type": "Pass", "Parameters": {"a.$": "$.x"}, "Next": "Second"},
        Second={"Type": "Choice", "Choices": [{"Variable": "$.b", "StringEquals": "c", "Next": "Last"}]},
        Stray={"Type": "Succeed"},
        Last={"Type": "Succeed"},
    )
    assert [finding.state for finding in check(machine, event=EVENT)] == ["Step", "Second", "Second", "Stray"]
    assert len({str(finding) for finding in check(machine, event=EVENT)}) == 4
    assert str(Finding("It is large.")) == "It is large."


def test_the_findings_of_every_step_are_true() -> None:
    """That machine reads three paths that nobody provides; it has nothing else wrong with it."""
    assert [(finding.state, finding.message.split(":")[0]) for finding in check(EVERY_STEP, event=EVENT)] == [
        ("Collect", "$.heartbeat"),
        ("Start human loop", "$['location']['human loop']"),
        ("Task", "$.limit"),
    ]


def test_placeholders_are_checked_as_paths() -> None:
    before = Pass("Before", result={"a": 1})
    route = Choice("Route")
    route.add_choice(ChoiceRule.StringEquals(StepInput()["b"], "x"), Succeed("Yes"))
    [message] = said(definition(Chain([before, route, Succeed("No")])))
    assert message == "state 'Route': $['b']: no step before provides 'b' (there is a)"


def test_200_states_take_well_under_a_second() -> None:
    machine: dict[str, Any] = {"StartAt": "S0", "States": {}}
    start_loop = EVERY_STEP["States"]["Start human loop"]
    for number in range(200):
        state = copy.deepcopy(start_loop)
        state["Arguments"]["HumanLoopName"] = (
            f"{{% $merge([$states.input.detail, {{'n': {number}, 'm': [1, 2, 'x' & 'y']}}]) %}}"
        )
        state["Next"] = f"S{number + 1}"
        state.pop("Catch")
        machine["States"][f"S{number}"] = state
    machine["States"]["S200"] = {"Type": "Succeed"}
    started = time.process_time()
    assert check(machine, event=EVENT) == []
    assert time.process_time() - started < 1


names = st.sampled_from(["A", "B", "C", "D"])
paths = st.sampled_from(
    ["$", "$.a", "$.a.b", "$['c']", "$.detail.id", "$[0].a", "$..a", "$.a[*]", "$$.x", "$v", None, "x"]
)
states = st.fixed_dictionaries(
    {"Type": st.sampled_from(["Pass", "Task", "Wait", "Choice", "Succeed", "Fail", "Parallel", "Map"])},
    optional={
        "Next": names,
        "Default": names,
        "End": st.just(True),
        "Resource": st.just("arn:aws:states:::dynamodb:getItem"),
        "QueryLanguage": st.sampled_from(["JSONata", "JSONPath"]),
        "InputPath": paths,
        "ResultPath": paths,
        "OutputPath": paths,
        "Parameters": st.dictionaries(st.sampled_from(["a", "a.$", "b.$"]), paths, max_size=2),
        "ResultSelector": st.dictionaries(st.sampled_from(["a", "a.$"]), paths, max_size=2),
        "Result": st.sampled_from([{"a": {"b": 1}}, [1], None]),
        "Output": st.sampled_from(
            [
                "{% $states.input %}",
                "{% $merge([$states.input, {'a': 1}]) %}",
                {"a": "{% 1 %}"},
                "{% $x.( %}",
                3,
            ]
        ),
        "Choices": st.lists(
            st.fixed_dictionaries({"Variable": paths, "IsPresent": st.just(True), "Next": names}), max_size=2
        ),
        "Catch": st.lists(
            st.fixed_dictionaries(
                {"ErrorEquals": st.just(["E"]), "Next": names}, optional={"ResultPath": paths}
            ),
            max_size=2,
        ),
    },
)


@settings(max_examples=300)
@given(st.dictionaries(names, states, min_size=1), names)
def test_whatever_the_machine_it_ends_with_findings_of_one_line(found: dict[str, Any], start: str) -> None:
    for finding in check({"StartAt": start, "States": found}):
        assert "\n" not in str(finding)
        assert finding.state is None or finding.state in found
