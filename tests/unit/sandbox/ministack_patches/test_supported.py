"""What the engine runs: the lists are compared with what the engine does."""

from __future__ import annotations

import pytest

from sandbox import probing
from sandbox.ministack_patches import training
from sandbox.protocol import ServiceError
from sandbox.supported import OPTIMIZED_FORMS, sdk_actions_that_run, why_not_run
from workflow.asl.optimized import OPTIMIZED
from workflow.asl.services import actions_of

EVERY = 23
"""A part of the actions is enough to see a change: `python -m sandbox.probing` asks for all."""

WITH_OTHERS = ("athena", "dynamodb", "eventbridge", "lambda", "s3", "sfn", "sns", "sqs")
"""Services that a review workflow uses: for these, also actions that do not run. Others have large models."""


def test_actions_that_run_are_those_that_the_services_know(machines):
    from ministack.services import stepfunctions

    recorded = sdk_actions_that_run()
    own = probing.own_actions()
    assert {service: sorted(actions) for service, actions in own.items()} == {
        service: sorted(recorded[service]) for service in own
    }
    assert set(recorded) - set(own) == set(stepfunctions._AWS_SDK_SERVICE_MAP) - {"logs"}
    for service in set(recorded) - set(own):
        known = recorded[service]
        others = sorted(actions_of(service))[:: EVERY // 4] if service in WITH_OTHERS else ()
        sample = {*others, *known[::EVERY]}
        assert set(probing.those_that_run(service, sample)) == sample & set(known), service


def refuse(service, operation, parameters):
    """Stands for the sandbox's own services, which need a running engine."""
    raise ServiceError("ValidationException", f"{operation} needs more")


ARGUMENTS = {"QueueUrl": "none", "FunctionName": "none", "Entries": [{}]}


def test_integrations_that_run_reach_their_service(machines):
    """Their services refuse these arguments, but for EventBridge, which says so in its answer."""
    from ministack.services import stepfunctions

    training.connect(refuse)
    known = {f"arn:aws:states:::{name}" for name in OPTIMIZED_FORMS}
    assert set(stepfunctions._SERVICE_DISPATCH) - known == {"arn:aws:states:::ecs:runTask"}
    for name, forms in OPTIMIZED_FORMS.items():
        for form in forms:
            state = {
                "Type": "Task",
                "Resource": f"arn:aws:states:::{name}{form}",
                "Parameters": ARGUMENTS,
                "TimeoutSeconds": 5,
                "End": True,
            }
            ended = machines.run({"Call": state})
            assert "does not run" not in ended.get("cause", ""), ended
            assert "not yet implemented" not in ended.get("cause", ""), ended


def test_forms_that_run_are_some_of_those_of_aws():
    for name, forms in OPTIMIZED_FORMS.items():
        service, _, action = name.partition(":")
        assert set(forms) <= set(OPTIMIZED[service][action]), name


NOT_RUN = [
    "bedrock:invokeModel",
    "bedrock:invokeModel.waitForTaskToken",
    "http:invoke",
    "ecs:runTask.sync",
    "lambda:invoke.sync",
    "dynamodb:putItem.waitForTaskToken",
    "aws-sdk:comprehend:detectSentiment",
    "aws-sdk:athena:getCalculationExecution",
    "aws-sdk:sagemaker:createModel",
    "aws-sdk:s3:getObjectAcl",
    "aws-sdk:s3:getObjectAcl.waitForTaskToken",
    "aws-sdk:dynamodb:putItem.sync",
    "aws-sdk:nothing:doIt",
]


@pytest.mark.parametrize("name", NOT_RUN)
def test_call_that_does_not_run_fails_with_what_to_do(machines, name):
    state = {"Type": "Task", "Resource": f"arn:aws:states:::{name}", "Parameters": {}}
    caught = {"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]}
    ended = machines.run(
        {"Call": state | caught | {"End": True}, "Caught": {"Type": "Pass", "End": True}},
    )
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")
    assert ended["cause"].startswith(
        f"the local engine does not run {name}: give it a canned result in canned_results.json"
    )


DISTRIBUTED = {
    "Type": "Map",
    "ItemProcessor": {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "P",
        "States": {"P": {"Type": "Pass", "End": True}},
    },
    "End": True,
}
OBJECT = {"Bucket": "b", "Key": "k"}


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"ItemBatcher": {"MaxItemsPerBatch": 2}}, "ItemBatcher of a Distributed Map"),
        (
            {"ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b"}}},
            "ResultWriter of a Distributed Map",
        ),
        (
            {
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "MANIFEST"},
                    "Parameters": OBJECT,
                }
            },
            "an ItemReader of MANIFEST",
        ),
        (
            {"ItemReader": {"Resource": "arn:aws:states:::dynamodb:scan", "Parameters": OBJECT}},
            "an ItemReader with dynamodb:scan",
        ),
    ],
)
def test_distributed_map_that_does_not_run_fails_with_what_it_has(machines, more, what):
    assert why_not_run(DISTRIBUTED | more) == what
    ended = machines.run({"Each": DISTRIBUTED | more}, [])
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")
    assert ended["cause"].startswith(f"the local engine does not run {what}")


@pytest.mark.parametrize(
    "path", ["$.list[?(@.id > 1)].id", "$.list[0:1]", "$..id", "$.list.length()", "$.list[-1]"]
)
def test_path_that_does_not_run_fails_with_what_it_has(machines, path):
    state = {"Type": "Pass", "Parameters": {"a": {"b.$": path}}, "End": True}
    assert why_not_run(state) == f"the path {path}"
    ended = machines.run({"Pass": state}, {"list": [{"id": 1}]})
    assert (ended["status"], ended["error"]) == ("FAILED", "States.Runtime")
    assert (
        ended["cause"]
        == f"the local engine does not run the path {path}: docs/reference/engine.md lists what it runs"
    )
    text = "States.Format('a..b[0:1] {}', $.list[0].id)"
    assert why_not_run({**state, "Parameters": {"a.$": text, "b.$": "$.list[*].id", "c": path}}) is None
