from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
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


def messages(machine: dict[str, Any], **options: Any) -> list[str]:
    """The findings as text. The input is the event by default."""
    return [str(finding) for finding in check(machine, **{"event": EVENT, **options})]


def task(name: str, **fields: Any) -> Task:
    """A Task whose result can be anything."""
    return Task(name, resource="arn:aws:states:us-east-1:111122223333:activity:people", **fields)


def one(state: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    return {"StartAt": "Step", "States": {"Step": state, **others}}


# No findings


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
    start = AwsSdkTask(
        "Start",
        service="sfn",
        action="startExecution",
        query_language="JSONata",
        arguments={
            "Input": "{% $string($states.input.collected.review) %}",
            "Name": "{% $exists($states.input.nowhere) ? $states.input.nowhere : 'x' %}",
            "StateMachineArn": "${Other}",
        },
        output="{% $merge([$states.input, {'started': $states.result, 'list': [1, {'a': 2}]}]) %}",
        catch=Catch(failed, error_equals=["States.ALL"], output="{% {'failure': $states.errorOutput} %}"),
        timeout_seconds="{% $states.input.collected.review.seconds %}",
    )
    return Chain([collect, both, every, route, start, Pass("After", parameters={"started.$": "$.started"})])


def test_workflow_has_no_findings() -> None:
    assert messages(build_definition(), results=RESULTS) == []


def test_good_machine_has_no_findings() -> None:
    assert messages(definition(good_machine()), functions=["collect_review"]) == []


def test_newer_asl_than_the_validator_knows_is_accepted() -> None:
    machine = one(
        {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "f"},
            "Assign": {"a.$": "$.Payload"},
            "TimeoutSeconds": 3,
            "Next": "Choice",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Map", "Assign": {"a.$": "$.Error", "b": 2}}],
        },
        Choice={
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.Payload", "IsNull": True, "Assign": {"b": 1}, "Comment": "c", "Next": "Map"}
            ],
            "Assign": {"b": 3},
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
                        "Seconds": "{% $states.input.Items[0].seconds %}",
                        "Output": "{% $states.input %}",
                        "End": True,
                    }
                },
            },
            "Output": {"done": True},
            "End": True,
        },
    )
    assert messages(machine) == []


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
            "state 'Step': another state has the same name; give each state its own name, including states in branches",
        ),
        (
            one({"Type": "Pass", "Next": "Stepp"}, Last={"Type": "Succeed"}),
            "state 'Step': Next names the state 'Stepp', which does not exist in this machine; did you mean 'Step'?",
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
            "state 'Step': Default names the state 'y', which does not exist in this machine",
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
            "state 'Step': Choices[0].Next names the state 'x', which does not exist in this machine",
        ),
        (
            one(
                {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::aws-sdk:sts:getCallerIdentity",
                    "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "x"}],
                    "End": True,
                }
            ),
            "state 'Step': Catch[0].Next names the state 'x', which does not exist in this machine",
        ),
        (
            {"StartAt": "Stap", "States": {"Step": {"Type": "Succeed"}}},
            "StartAt names the state 'Stap', which does not exist; did you mean 'Step'?",
        ),
        (
            one({"Type": "Succeed"}, Stray={"Type": "Succeed"}),
            "state 'Stray': no transition leads to this state; connect it or remove it",
        ),
        (
            one(
                {"Type": "Choice", "Choices": [{"Variable": "$.id", "IsNull": True, "Next": "Last"}]},
                Last={"Type": "Succeed"},
            ),
            "state 'Step': a Choice without a default fails if no rule matches; call default_choice, or add a step"
            " after it",
        ),
        (
            one({"Type": "Parallel", "Branches": [], "End": True}),
            "state 'Step': a Parallel needs at least one branch; call add_branch, or remove it",
        ),
        (
            one({"Type": "Pass", "Next": "Other"}, Other={"Type": "Pass", "Next": "Step"}),
            "state 'Step': the machine that starts here has no end; add a Succeed or Fail, or a state without a next"
            " step",
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
            "state 'Round': no path leads from this state to an end",
        ),
        (
            one({"Type": "Pass", "Next": "x" * 81}, **{"x" * 81: {"Type": "Succeed"}}),
            f"state '{'x' * 81}': its name has 81 characters; use at most 80",
        ),
    ],
)
def test_structure(machine: dict[str, Any], message: str) -> None:
    assert messages(machine) == [message]


def test_nested_state_cannot_lead_to_outer_state() -> None:
    inner = {
        "StartAt": "Inside",
        "States": {"Inside": {"Type": "Pass", "Next": "Last"}, "End": {"Type": "Succeed"}},
    }
    machine = one({"Type": "Map", "ItemProcessor": inner, "Next": "Last"}, Last={"Type": "Succeed"})
    assert "state 'Inside': Next names the state 'Last', which does not exist in this machine" in messages(
        machine
    )


# Functions and API actions


@pytest.mark.parametrize("name", ["colect_review", "${ColectReviewArn}", "${ColectReview}"])
def test_unknown_function_is_reported(name: str) -> None:
    machine = definition(LambdaStep("Collect", parameters={"FunctionName": name}))
    [message] = messages(machine, functions=["collect_review", "restart_loop"])
    assert re.match(
        r"state 'Collect': the function '\w+' does not exist; did you mean 'collect_review'\?", message
    )
    assert messages(machine) == []  # without a list of functions


@pytest.mark.parametrize(
    "name",
    [
        "collect_review",
        "${CollectReviewArn}",
        "arn:aws:lambda:eu-west-1:123456789012:function:theirs",
        "{% $states.input.function %}",
    ],
)
def test_known_foreign_and_computed_functions_are_accepted(name: str) -> None:
    step = LambdaStep("Collect", arguments={"FunctionName": name}, query_language="JSONata")
    assert [
        finding
        for finding in messages(definition(step), functions=["collect_review"])
        if "function '" in finding
    ] == []


def test_unknown_function_in_a_map_is_reported() -> None:
    machine = Map(
        "Map",
        items_path="$.resources",
        item_processor=LambdaStep("Inside", parameters={"FunctionName": "nowhere"}),
    )
    assert messages(definition(machine), functions=["collect_review"]) == [
        "state 'Inside': the function 'nowhere' does not exist"
    ]


@pytest.mark.parametrize(
    ("service", "action", "hint"),
    [
        ("sagemakera2iruntime", "startHumanLop", "; did you mean 'startHumanLoop'?"),
        ("sfn", "sendTaskSucces", "; did you mean 'sendTaskSuccess'?"),
        ("cloudwatchlogs", "putLogEvent", "; did you mean 'putLogEvents'?"),
    ],
)
def test_unknown_api_action_is_reported(service: str, action: str, hint: str) -> None:
    machine = definition(AwsSdkTask("Call", service=service, action=action))
    assert messages(machine) == [f"state 'Call': the service {service} has no action {action!r}{hint}"]


@pytest.mark.parametrize(
    ("service", "action"),
    [
        ("textract", "listAdapters"),
        ("eventbridge", "listRules"),
        ("rds", "describeDBInstances"),
    ],
)
def test_known_actions_are_accepted(service: str, action: str) -> None:
    assert messages(definition(AwsSdkTask("Call", service=service, action=action))) == []


# Paths


def findings_of_step(*before: Any, **fields: Any) -> list[str]:
    """The findings for a last step with these fields, after other steps."""
    return messages(definition(Chain([*before, task("Last", **fields)])))


def test_path_that_the_event_lacks_is_reported() -> None:
    assert findings_of_step(parameters={"a.$": "$.detail.humanLopName"}) == [
        "state 'Last': $.detail.humanLopName: no earlier step provides 'humanLopName' (available: creationTime,"
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
        (
            {"arguments": {"a": "{% $states.input.reviw.a %}"}, "query_language": "JSONata"},
            "$states.input.reviw.a",
        ),
        ({"output": "{% $states.input.`reviw` %}", "query_language": "JSONata"}, "$states.input.reviw"),
        ({"catch": Catch(Fail("F", cause_path="$.reviw"), error_equals=["E"], result_path="$.e")}, "$.reviw"),
        ({"catch": Catch(Fail("F", cause_path="$.Reason"), error_equals=["E"])}, "$.Reason"),
    ],
)
def test_unknown_path_is_reported_in_any_field(fields: dict[str, Any], path: str) -> None:
    [message] = findings_of_step(**fields)
    assert re.fullmatch(
        rf"state '(Last|F)': {re.escape(path)}: no earlier step provides '\w+' \(available: .*\).*", message
    )


@pytest.mark.parametrize(
    "before",
    [
        [task("Before", result_path="$.review")],
        [task("Before", result_path="$.a.review"), Pass("Then", parameters={"review.$": "$.a.review"})],
        [task("Before")],  # the result replaces the state and can have any content
        [task("Before", result_selector={"review.$": "$.Item"})],
        [Pass("Before", result={"review": {"a": 1}})],
        [Pass("Before", result={"a": 1}, result_path="$.review")],
        [Pass("Before", output={"review": "{% 1 %}"}, query_language="JSONata")],
        [Pass("Before", output="{% $merge([$states.input, {'review': 1}]) %}", query_language="JSONata")],
        [Pass("Before", output="{% $merge([$states.input, $parse('{}')]) %}", query_language="JSONata")],
        [Pass("Before", output="{% $sift($states.input, $boolean) %}", query_language="JSONata")],
        [task("Before", query_language="JSONata")],
    ],
)
def test_path_from_an_earlier_step_is_accepted(before: list[Any]) -> None:
    assert findings_of_step(*before, parameters={"x.$": "$.review"}) == []


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
def test_path_from_no_earlier_step_is_reported(before: list[Any]) -> None:
    [message] = findings_of_step(*before, parameters={"x.$": "$.review"})
    assert message.startswith("state 'Last': $.review: no earlier step provides 'review' (available: ")


def test_path_from_a_later_step_of_a_loop_is_accepted() -> None:
    again = task("Again", parameters={"x.$": "$.count.n"}, result_path="$.count")
    grow = Pass("Grow", parameters={"count.$": "$", "more": {"and.$": "$"}})
    until = Choice("Until")
    until.add_choice(ChoiceRule.IsPresent("$.count", True), Succeed("Enough"))
    until.default_choice(again)
    assert messages(definition(Chain([task("First", result_path="$.count"), again, grow, until]))) == []


def test_path_tested_by_a_choice_is_accepted() -> None:
    route = Choice("Route")
    route.add_choice(
        ChoiceRule.IsPresent("$.detail.extra.name", True),
        task("Use", parameters={"a.$": "$.detail.extra.name"}),
    )
    assert messages(definition(Chain([route, Succeed("End")]))) == []
    route = Choice("Route", query_language="JSONata")
    route.add_choice(
        ChoiceRule.Condition("{% $exists($states.input.detail.extra) %}"),
        task("Use", parameters={"a.$": "$.detail.extra.name"}),
    )
    assert messages(definition(Chain([route, Succeed("End")]))) == []


@pytest.mark.parametrize(
    "rule",
    [
        ChoiceRule.StringEquals("$.detail.status", "Completed"),
        ChoiceRule.IsString("$.detail.status", True),
        ChoiceRule.IsNull("$.detail.status", False),
    ],
    ids=str,
)
def test_unknown_path_in_a_choice_is_reported(rule: Any) -> None:
    route = Choice("Route")
    route.add_choice(rule, Succeed("Yes"))
    [message] = messages(definition(Chain([route, Succeed("No")])))
    assert message.startswith("state 'Route': $.detail.status: no earlier step provides 'status'")


def test_branches_and_items_see_only_their_own_input() -> None:
    parallel = Parallel("Parallel", parameters={"only.$": "$.detail"})
    parallel.add_branch(Pass("Left", parameters={"a.$": "$.only.humanLoopName"}))
    parallel.add_branch(Pass("Right", parameters={"a.$": "$.detail"}))
    [message] = messages(definition(parallel))
    assert message == (
        "state 'Right': $.detail: no earlier step provides 'detail' (available: only); 'Parallel' passes only its"
        " Parameters to its branches: add the key there"
    )
    every = Map(
        "Map",
        items_path="$.resources",
        item_selector={"only.$": "$$.Map.Item.Value"},
        item_processor=Pass("I", parameters={"a.$": "$.x"}),
    )
    assert messages(definition(every)) == ["state 'I': $.x: no earlier step provides 'x' (available: only)"]
    every = Map(
        "Map",
        query_language="JSONata",
        items="{% $states.input.resources %}",
        item_selector={"only": "{% $states.context.Map.Item.Value %}"},
        item_processor=Pass("I", query_language="JSONata", output={"a": "{% $states.input.x %}"}),
    )
    assert messages(definition(every)) == [
        "state 'I': $states.input.x: no earlier step provides 'x' (available: only)"
    ]
    every = Map("Map", items_path="$.resources", item_processor=Pass("I", parameters={"a.$": "$.x"}))
    assert messages(definition(every)) == []  # an item can have any content


def test_event_shape_can_be_set() -> None:
    machine = definition(task("Last", parameters={"a.$": "$.order"}))
    assert messages(machine, event=None) == []
    assert messages(machine, event={"order": None}) == []
    assert messages(machine, event={}) == [
        "state 'Last': $.order: no earlier step provides 'order' (available: nothing)"
    ]


# JSONata and the validator


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("$merge([1,", "Expected ] before end of expression"),
        ("'a' b", "Syntax error: b"),
        ("a /* no end", "it ends too early"),
    ],
)
def test_invalid_jsonata_is_reported(expression: str, error: str) -> None:
    step = task("Step", arguments={"a": ["{% " + expression + " %}"]}, query_language="JSONata")
    assert messages(definition(step)) == [f"state 'Step': Arguments.a[0]: invalid JSONata: {error}"]


def test_placeholder_within_a_text_is_reported() -> None:
    before = Pass("Before")
    step = task("Step", parameters={"text": f"Error: {before.output()['error']}", "place": "<b> at 0x1"})
    assert messages(definition(step)) == [
        "state 'Step': Parameters.text: the text contains a Python object, not its value; use"
        " States.Format('… {}', $.path) under a key that ends in .$"
    ]


def test_regular_expression_that_python_does_not_support_is_accepted() -> None:
    step = task("Step", arguments={"a": "{% $match('a', /(?<first>a)/) %}"}, query_language="JSONata")
    assert messages(definition(step)) == []


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"Type": "Wait", "End": True}, "it does not have required field from"),
        ({"Type": "Pass", "Secons": 3, "End": True}, 'Field "Secons" not allowed in it (statelint)'),
        (
            {"Type": "Wait", "Seconds": "soon", "End": True},
            "Seconds must be a whole number from 0 to 99999999, not 'soon'",
        ),
        (
            {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:sts:getCallerIdentity",
                "Parameters": {"a.$": "b"},
                "End": True,
            },
            "Parameters.a.$: 'b' is neither a path ($.…, $$.…, $variable) nor an intrinsic function",
        ),
        (
            {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:sts:getCallerIdentity",
                "QueryLanguage": "JSONata",
                "Parameters": {},
                "End": True,
            },
            'Field "Parameters" not allowed in it (statelint); a JSONata step takes arguments= instead',
        ),
        (
            {"Type": "Pass", "QueryLanguage": "JSONata", "ResultPath": "$.a", "End": True},
            'Field "ResultPath" not allowed in it (statelint); a JSONata step takes output= instead',
        ),
        (
            {"Type": "Pass", "Output": {"a": 1}, "End": True},
            "a JSONPath step takes result_selector= and result_path= instead, or give it query_language=",
        ),
        (
            {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:sts:getCallerIdentity",
                "Retry": [{"ErrorEquals": ["E"], "MaxAttempts": -1}],
                "End": True,
            },
            "Retry[0].MaxAttempts must be a whole number from 0 to 99999999, not -1",
        ),
    ],
)
def test_findings_of_the_validator_name_the_state(state: dict[str, Any], message: str) -> None:
    machine = one(
        {"Type": "Map", "ItemProcessor": {"StartAt": "In. side", "States": {"In. side": state}}, "End": True}
    )
    findings = check(machine, event=EVENT)
    assert any(finding.state == "In. side" and message in finding.message for finding in findings), findings


# Lines


def test_finding_is_one_line_with_the_users_file_and_line() -> None:
    chain = Chain([task("First", result_path="$.x"), task("Last", parameters={"x.$": "$.y"})])
    [finding] = check(definition(chain), event=EVENT, places=places(chain))
    assert finding.state == "Last"
    assert re.fullmatch(
        r"tests/unit/workflow/asl/checks/test_checks\.py:\d+: state 'Last': "
        r"\$\.y: no earlier step provides 'y' \(available: .*\)",
        str(finding),
    )
    line = int(str(finding).split(":")[1])
    assert "def task" in Path(__file__).read_text().splitlines()[line - 3]


def test_findings_are_in_the_order_of_the_states() -> None:
    machine = one(
        {"Type": "Pass", "Parameters": {"a.$": "$.x"}, "Next": "Second"},
        Second={"Type": "Choice", "Choices": [{"Variable": "$.b", "StringEquals": "c", "Next": "Last"}]},
        Stray={"Type": "Succeed"},
        Last={"Type": "Succeed"},
    )
    assert [finding.state for finding in check(machine, event=EVENT)] == ["Step", "Second", "Second", "Stray"]
    assert len({str(finding) for finding in check(machine, event=EVENT)}) == 4
    assert str(Finding("It is large.")) == "It is large."


def test_findings_of_the_golden_machine() -> None:
    """Its integrations replace the state, so that later paths lead nowhere, and it makes calls that AWS refuses."""
    assert [(finding.state, finding.message.split(":")[0]) for finding in check(EVERY_STEP, event=EVENT)] == [
        ("Collect", "$.heartbeat"),
        ("Start human loop", "$states.input.location.`human loop`"),
        ("Start human loop", "$states.context.Execution.Input.flows[0]"),
        ("Task", "dynamodb"),
        ("Task", "$.limit"),
        ("Map, inline", "$$.Execution.Input['items']"),
        ("Map, distributed", "$states.context.Execution.Input.key"),
        ("Integration SqsSendMessageStep", "$$.Task.Token"),
        ("Integration SqsSendMessageStep", "$.kind"),
        ("Integration EventBridgePutEventsStep", "$.review"),
        ("Integration DynamoDBGetItemStep", "$.id"),
        ("Integration DynamoDBPutItemStep", "$.id"),
        ("Integration DynamoDBUpdateItemStep", "$.id"),
        ("Integration DynamoDBDeleteItemStep", "$.id"),
        ("Integration GlueStartJobRunStep", "$.day"),
        ("Integration BatchSubmitJobStep", "Parameters"),
        ("Integration BatchSubmitJobStep", "Parameters"),
        ("Execution, WaitForTaskToken", "nobody gets the task token, so the task never ends"),
        ("Ask", "$states.input.overruled"),
        ("Kept", "$states.input.review"),
        ("Every item", "$states.input.seconds"),
    ]


def test_placeholders_are_checked_as_paths() -> None:
    before = Pass("Before", result={"a": 1})
    route = Choice("Route")
    route.add_choice(ChoiceRule.StringEquals(StepInput()["b"], "x"), Succeed("Yes"))
    [message] = messages(definition(Chain([before, route, Succeed("No")])))
    assert message == "state 'Route': $['b']: no earlier step provides 'b' (available: a)"


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


@given(st.dictionaries(names, states, min_size=1), names)
def test_any_machine_gives_findings_of_one_line(found: dict[str, Any], start: str) -> None:
    for finding in check({"StartAt": start, "States": found}):
        assert "\n" not in str(finding)
        assert finding.state is None or finding.state in found
