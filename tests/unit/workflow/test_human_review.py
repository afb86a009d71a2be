"""The step HumanReview: its definition, and the arguments that it rejects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.loops.restart_policy import BackOff, Decision, RestartRules, RestartSettings
from lambdas.loops.start_request import StartRequest
from workflow.errors import WorkflowError
from workflow.human_review import HumanReview, max_review_seconds
from workflow.stack.assembly import assemble
from workflow.stack.permissions import statements_for
from workflow.steps import (
    Catch,
    Chain,
    ExecutionInput,
    LambdaStep,
    Map,
    Parallel,
    Pass,
    definition,
)

FLOW = "arn:aws:sagemaker:eu-west-1:111122223333:flow-definition/triage"
START_LOOP = "arn:aws:lambda:eu-west-1:111122223333:function:afterloop-prod-StartLoop"
HOUR = 3600


def ask(**changes: Any) -> HumanReview:
    return HumanReview(
        "Ask people",
        **{
            "stage": "prod",
            "flow_definition_arn": FLOW,
            "key": "$.id",
            "input_content": {"text.$": "$.text", "model": {"label.$": "$.label", "version": 7}},
            "task_lifetime_seconds": HOUR,
            "timeout_seconds": 4 * HOUR,
            **changes,
        },
    )


def rendered(**changes: Any) -> dict[str, Any]:
    return definition(ask(**changes))["States"]["Ask people"]


def test_step_invokes_start_loop_with_a_task_token() -> None:
    state = rendered(result_path="$.people")
    state.pop("Retry")
    assert state == {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {
            "FunctionName": START_LOOP,
            "Payload": {
                "flowDefinitionArn": FLOW,
                "key.$": "$.id",
                "task": {
                    "type": "custom",
                    "inputContent": {"text.$": "$.text", "model": {"label.$": "$.label", "version": 7}},
                },
                "taskToken.$": "$$.Task.Token",
            },
        },
        "ResultPath": "$.people",
        "TimeoutSeconds": 4 * HOUR,
        "End": True,
    }


def test_step_in_jsonata() -> None:
    state = rendered(
        query_language="JSONata",
        key="{% $states.input.id %}",
        input_content={"text": "{% $states.input.text %}"},
        output="{% $states.result.answers %}",
    )
    assert state["QueryLanguage"] == "JSONata"
    assert state["Arguments"] == {
        "FunctionName": START_LOOP,
        "Payload": {
            "flowDefinitionArn": FLOW,
            "key": "{% $states.input.id %}",
            "task": {"type": "custom", "inputContent": {"text": "{% $states.input.text %}"}},
            "taskToken": "{% $states.context.Task.Token %}",
        },
    }
    assert state["Output"] == "{% $states.result.answers %}"


@pytest.mark.parametrize(
    ("changes", "payload"),
    [
        ({"key": ExecutionInput()["order"]}, {"key.$": "$$.Execution.Input['order']"}),
        ({"key": "States.Format('order {}', $.id)"}, {"key.$": "States.Format('order {}', $.id)"}),
        ({"key": None, "human_loop_name": "$.name"}, {"humanLoopName.$": "$.name"}),
        (
            {"key": None},
            {
                "key.$": "States.Format('{} {} {} {}', $$.Execution.Name, $$.State.Name, $$.State.EnteredTime, "
                "$$.Execution.Id)"
            },
        ),
        ({"input_content": "$.all"}, {"task": {"type": "custom", "inputContent.$": "$.all"}}),
        (
            {"input_content": None, "textract": {"FeatureTypes": ["FORMS"], "Document.$": "$.scan"}},
            {
                "task": {
                    "type": "textract",
                    "request": {"FeatureTypes": ["FORMS"], "Document.$": "$.scan"},
                }
            },
        ),
        (
            {"input_content": None, "rekognition": "$.request"},
            {"task": {"type": "rekognition", "request.$": "$.request"}},
        ),
        (
            {"content_classifiers": ["FreeOfAdultContent"]},
            {"contentClassifiers": ["FreeOfAdultContent"]},
        ),
    ],
)
def test_paths_and_placeholders_in_arguments(changes: dict[str, Any], payload: dict[str, Any]) -> None:
    rest = rendered(**changes)["Parameters"]["Payload"]
    assert {name: rest.get(name) for name in payload} == payload


@pytest.mark.parametrize("inner", ["the step", "a chain", "a Parallel", "a Map"])
@pytest.mark.parametrize("jsonata", [False, True], ids=["JSONPath", "JSONata"])
def test_step_in_a_map_needs_a_key(inner: str, jsonata: bool) -> None:
    language: dict[str, Any] = {}
    if jsonata:
        language = {"query_language": "JSONata", "input_content": {"text": "{% $states.input.text %}"}}

    def each(step: HumanReview, **more: Any) -> Map:
        parallel = Parallel("Both")
        if inner == "a Parallel":
            parallel.add_branch(step)
        processor: Any = {
            "the step": step,
            "a chain": Chain([Pass("Before"), step]) if inner == "a chain" else None,
            "a Parallel": parallel,
            "a Map": Map("Each page", item_processor=step),
        }[inner]
        return Map("Each order", item_processor=processor, **more)

    with pytest.raises(
        WorkflowError, match=r"state 'Ask people' \(.*test_human_review.*\): inside a Map, set key"
    ):
        definition(each(ask(key=None, **language)))
    key = "{% $states.input.id %}" if jsonata else "$.id"
    definition(each(ask(key=key, **language)))
    definition(each(ask(key=None, human_loop_name=key, **language)))
    if inner != "a Map":  # Each item has its own execution.
        distributed = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        definition(each(ask(key=None, **language), processor_config=distributed))


@pytest.mark.parametrize("language", ["JSONPath", "JSONata"])
def test_step_of_own_workflow_passes_itself_to_the_function(language: str) -> None:
    own = {"stage": None, "start_loop": "start_loop"}
    if language == "JSONPath":
        payload = rendered(**own)["Parameters"]["Payload"]
        assert payload["step"]["execution.$"] == "$$.Execution.Id"
        return
    state = rendered(**own, query_language="JSONata", key=None, input_content={"text": "a"})
    assert "$states.context.Execution.Id" in state["Arguments"]["Payload"]["step"]


def test_computed_flow_definition_needs_arn_of_function() -> None:
    parameters = rendered(flow_definition_arn="$.flow", stage=None, start_loop=START_LOOP)["Parameters"]
    assert parameters["FunctionName"] == START_LOOP
    assert parameters["Payload"]["flowDefinitionArn.$"] == "$.flow"


@given(token=st.text(min_size=1, max_size=2048), key=st.text(min_size=1, max_size=100))
def test_function_accepts_the_payload_of_the_step(token: str, key: str) -> None:
    payload = rendered(input_content={"text": "fixed"})["Parameters"]["Payload"]
    sent = {**payload, "taskToken": token, "key": key}
    del sent["taskToken.$"], sent["key.$"]
    request = StartRequest.read(sent)
    assert (request.flow_definition_arn, request.task_token) == (FLOW, token)


def test_printed_request_does_not_show_the_token() -> None:
    request = StartRequest.read(
        {
            "key": "order 17",
            "flowDefinitionArn": FLOW,
            "task": {"type": "custom", "inputContent": {}},
            "taskToken": "the secret of the workflow",
        }
    )
    assert "the secret" not in f"{request} {request!r}"


def test_function_name_is_that_of_the_template() -> None:
    template = assemble().template.to_dict()["Resources"]
    name = template["StartLoop"]["Properties"]["FunctionName"]["Fn::Sub"].replace("${Stage}", "prod")
    assert START_LOOP.endswith(f":function:{name}")


def test_step_needs_only_permission_to_invoke_function() -> None:
    (statement,) = statements_for(definition(ask()))
    assert (statement.actions, statement.resources) == (("lambda:InvokeFunction",), (START_LOOP,))


def test_transient_errors_are_retried_but_results_are_not() -> None:
    (retry,) = rendered()["Retry"]
    assert {"TransientServiceError", "Lambda.ClientExecutionTimeoutException"} <= set(retry["ErrorEquals"])
    results = {
        "States.ALL",
        "States.TaskFailed",
        "States.Timeout",
        "HumanReview.Failed",
        "HumanReview.Stopped",
    }
    assert not results & set(retry["ErrorEquals"])
    assert "Retry" not in rendered(retry=[])


def test_step_can_be_chained_and_caught() -> None:
    step = ask(comment="People know better")
    step.add_catch(Catch(error_equals=["HumanReview.Stopped"], next_step=Pass("Stopped")))
    states = definition(Chain([step, Pass("Go on")]))["States"]
    assert isinstance(step, LambdaStep)
    assert states["Ask people"]["Next"] == "Go on"
    assert states["Ask people"]["Catch"] == [{"ErrorEquals": ["HumanReview.Stopped"], "Next": "Stopped"}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"flow_definition_arn": "triage"},
            "flow_definition_arn: 'triage' is not the ARN of a flow definition",
        ),
        ({"stage": None}, "set either stage, the name of the Afterloop stage, or start_loop"),
        ({"start_loop": START_LOOP}, "set either stage, the name of the Afterloop stage, or start_loop"),
        ({"stage": "Prod"}, "stage: invalid name 'Prod'"),
        ({"flow_definition_arn": "$.flow"}, "only known at run time; set start_loop"),
        ({"input_content": None}, "set exactly one of input_content, textract and rekognition"),
        ({"textract": "$.request"}, "set exactly one of input_content, textract and rekognition"),
        ({"input_content": "the text"}, "input_content: 'the text' is neither an object nor a path to one"),
        (
            {"input_content": None, "rekognition": {"HumanLoopConfig": {}}},
            "rekognition: remove HumanLoopConfig",
        ),
        ({"human_loop_name": "$.name"}, "set either key or human_loop_name"),
        ({"key": "orders"}, "key: 'orders' is the same in every execution"),
        ({"key": None, "human_loop_name": "one"}, "human_loop_name: 'one' is the same in every execution"),
        ({"key": "$.id", "query_language": "JSONata"}, "key: '$.id' is the same in every execution"),
        ({"timeout_seconds": 0}, "timeout_seconds: 0 is not a whole number of seconds"),
        ({"timeout_seconds": "4h"}, "timeout_seconds: '4h' is not a whole number of seconds"),
        ({"timeout_seconds": 100_000_000}, "timeout_seconds: 100000000 is not a whole number of seconds"),
        ({"task_lifetime_seconds": True}, "task_lifetime_seconds: True is not a whole number of seconds"),
        ({"timeout_seconds_path": "$.patience"}, "remove timeout_seconds_path"),
        ({"heartbeat_seconds": 60}, "remove heartbeat_seconds: heartbeats are not supported"),
        ({"parameters": {}}, "remove parameters"),
        ({"wait_for_callback": False}, "remove wait_for_callback"),
        ({"timeout": 5}, "HumanReview has no field 'timeout'"),
        (
            {"timeout_seconds": 3 * HOUR},
            "timeout_seconds=10,800 is too short: the review can take 3 attempts of 3,600 s and 180 s of back-off; "
            "set more than 10,980",
        ),
        (
            {"timeout_seconds": HOUR, "restart": RestartRules(max_attempts=1)},
            "the review can take 3,600 s; set more than 3,600",
        ),
    ],
)
def test_invalid_arguments_are_reported_with_the_users_line(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(WorkflowError) as error:
        ask(**changes)
    text = str(error.value)
    assert message in text
    assert text.startswith("state 'Ask people' (tests/unit/workflow/test_human_review.py:")
    assert "\n" not in text


rules = st.builds(
    RestartRules,
    max_attempts=st.integers(1, 20),
    restart_on=st.sampled_from([(), ("InternalError",), ("InternalError", "Expired")]),
    back_off=st.builds(BackOff, first_seconds=st.integers(0, 60), max_seconds=st.integers(60, 3600)),
)


@given(lifetime=st.integers(1, 864_000), restart=rules, more=st.integers(-5, 5))
def test_timeout_must_exceed_all_attempts_and_waits(lifetime: int, restart: RestartRules, more: int) -> None:
    timeout = max(1, max_review_seconds(lifetime, restart) + more)
    # The longest lineage: every attempt uses its whole lifetime.
    taken, attempt = lifetime, 1
    while True:
        decision = restart_decision(restart, attempt)
        if decision.action == "escalate":
            break
        taken += decision.wait_seconds + lifetime
        attempt += 1
    try:
        ask(timeout_seconds=timeout, task_lifetime_seconds=lifetime, restart=restart)
    except WorkflowError:
        assert more <= 0
    else:
        assert timeout > taken


def restart_decision(restart: RestartRules, attempt: int) -> Decision:
    return RestartSettings(**restart.model_dump()).decide(
        failure_code="InternalError",
        attempt=attempt,
        flow_definition=FLOW,
        input_known=True,
        loop_name="loop",
    )
