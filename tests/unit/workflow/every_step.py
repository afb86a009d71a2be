"""A machine with every class of `workflow.steps`, rendered the same with and without the SageMaker SDK.

PYTHONPATH=. python tests/unit/workflow/every_step.py FILE              writes it to a file
PYTHONPATH=. python tests/unit/workflow/every_step.py FILE sdk-first    the same, after a plain import of the SDK
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def render() -> str:
    return json.dumps(build(), indent=2) + "\n"


def written_classes() -> list[str]:
    """The public names of `workflow.steps` without the classes that it makes when they are used."""
    from workflow import steps

    text = Path(steps.__file__).read_text()
    return [name for name in steps.__all__ if not name.endswith("Step") or f"class {name}(" in text]


def build() -> dict[str, Any]:
    from workflow import steps  # isort: split
    from stepfunctions.steps import Pass as PlainPass

    from workflow.steps import (
        AwsSdkTask,
        Catch,
        Chain,
        Choice,
        ChoiceRule,
        ExecutionInput,
        Fail,
        IntegrationPattern,
        LambdaStep,
        Map,
        Parallel,
        Pass,
        Retry,
        StepFunctionsStartExecutionStep,
        Succeed,
        Task,
        Wait,
        definition,
    )

    given = ExecutionInput()
    retry = Retry(
        error_equals=["States.TaskFailed"],
        interval_seconds=2,
        max_attempts=5,
        backoff_rate=2.5,
        max_delay_seconds=60,
        jitter_strategy="FULL",
    )
    failed = Fail("Failed", error_path="$.failure.Error", cause_path="$.failure.Cause", comment="Failed end.")
    catch = Catch(failed, error_equals=["States.ALL"], result_path="$.failure", comment="Any error.")

    first = LambdaStep(
        "Collect",
        comment="A function.",
        parameters={
            "FunctionName": "collect",
            "Payload": {"event.$": "$", "at": given["time"], "who": given["detail"]["humanLoopName"]},
        },
        result_selector={"review.$": "$.Payload", "input": given["detail"]},
        result_path="$.collected",
        assign={"location.$": "$.Payload.location"},
        timeout_seconds=30,
        heartbeat_seconds_path="$.heartbeat",
        credentials={"RoleArn": "arn:aws:iam::123456789012:role/other"},
        retry=[retry],
        catch=[catch],
    )
    following = PlainPass(
        "Pass, plain",
        parameters={"location": first.output()["collected"]["review"]},
        result_path="$.location",
    )
    start_loop = AwsSdkTask(
        "Start human loop",
        service="sagemakera2iruntime",
        action="startHumanLoop",
        query_language="JSONata",
        arguments={
            "HumanLoopName": following.output()["location"]["human loop"],
            "FlowDefinitionArn": given["flows"][0],
            "HumanLoopInput": {"InputContent": "{% $string($states.input) %}"},
        },
        assign={"name": given["detail"]["humanLoopName"]},
        output="{% $merge([$states.input, {'started': $states.result}]) %}",
        catch=Catch(
            failed, error_equals=["States.ALL"], output="{% $states.errorOutput %}", assign={"bad": True}
        ),
    )
    plain_task = Task("Task", resource="arn:aws:states:::dynamodb:query", timeout_seconds_path="$.limit")

    both = Parallel(
        "Both", result_selector={"left.$": "$[0]"}, result_path="$.both", comment="In parallel.", retry=retry
    )
    both.add_branch(Pass("Left", result={"a": [1, 2.5, None, True]}))
    both.add_branch(Chain([Wait("Wait a little", seconds=1), Wait("Until", timestamp_path="$.until")]))

    old_map = Map("Map, as the SDK has it", items_path="$.fields", max_concurrency=2)
    old_map.attach_iterator(Pass("Old item"))
    inline = Map(
        "Map, inline",
        items_path=given["items"],
        item_selector={"item.$": "$$.Map.Item.Value", "who": given["detail"]["humanLoopName"]},
        item_processor=Chain([Pass("Item"), Succeed("Item done")]),
        max_concurrency_path="$.concurrency",
        result_path="$.mapped",
        catch=catch,
    )
    distributed = Map(
        "Map, distributed",
        query_language="JSONata",
        item_reader={
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSONL"},
            "Arguments": {"Bucket": "reviews", "Key": given["key"]},
        },
        item_batcher={"MaxItemsPerBatch": 10},
        item_processor=Wait("Every item", seconds="{% $states.input.seconds %}", query_language="JSONata"),
        processor_config={"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
        result_writer={
            "Resource": "arn:aws:states:::s3:putObject",
            "Arguments": {"Bucket": "results", "Prefix": "run"},
        },
        label="reviews",
        tolerated_failure_percentage=5,
        output="{% $states.input %}",
    )

    route = Choice("Route?", comment="By status.")
    route.add_choice(
        ChoiceRule.StringEquals(plain_task.output()["status"], "Completed"), both, comment="It is done"
    )
    route.add_choice(
        ChoiceRule.And(
            [ChoiceRule.IsPresent("$.count", True), ChoiceRule.Not(ChoiceRule.NumericLessThan("$.count", 3))]
        ),
        old_map,
        assign={"counted": True},
    )
    route.add_choice(ChoiceRule.StringEqualsPath("$.a", plain_task.output()["b"]), failed)
    ask = Choice("Ask", query_language="JSONata")
    ask.add_choice(
        ChoiceRule.Condition("{% $states.input.overruled %}"), Succeed("Overruled"), output={"yes": True}
    )
    ask.default_choice(Succeed("Kept", output="{% $states.input.review %}", query_language="JSONata"))

    table = {"TableName": "reviews", "Key": {"id": {"S.$": "$.id"}}}
    taken: dict[str, dict[str, Any]] = {
        "SnsPublishStep": {"TopicArn": "arn:aws:sns:eu-west-1:123456789012:x", "Message": {"whole.$": "$"}},
        "SqsSendMessageStep": {
            "QueueUrl": "https://sqs.eu-west-1.amazonaws.com/123456789012/x",
            "MessageBody": {"whole.$": "$", "token.$": "$$.Task.Token"},
            "MessageAttributes": {"kind": {"DataType": "String", "StringValue.$": "$.kind"}},
        },
        "EventBridgePutEventsStep": {
            "Entries": [
                {
                    "Detail": {"review.$": "$.review"},
                    "DetailType": "Reviewed",
                    "EventBusName": "x",
                    "Source": "x",
                }
            ]
        },
        "DynamoDBGetItemStep": table,
        "DynamoDBPutItemStep": {
            "TableName": "reviews",
            "Item": {"id": {"S.$": "$.id"}, "none": {"NULL": True}},
        },
        "DynamoDBUpdateItemStep": {**table, "UpdateExpression": "REMOVE a", "ReturnValues": "ALL_NEW"},
        "DynamoDBDeleteItemStep": table,
        "GlueStartJobRunStep": {"JobName": "x", "Arguments": {"--day.$": "$.day"}},
    }
    integrations = [
        getattr(steps, name)(f"Integration {name}", parameters=taken.get(name, {"Name": "x"}))
        for name in [*written_classes(), "BatchSubmitJobStep"]
        if name.endswith("Step") and name not in ("LambdaStep", "StepFunctionsStartExecutionStep")
    ]
    executions = [
        StepFunctionsStartExecutionStep(
            f"Execution, {pattern.name}",
            integration_pattern=pattern,
            parameters={"StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:x"},
        )
        for pattern in IntegrationPattern
    ]
    both.next(Chain([inline, distributed, *integrations, *executions, ask]))
    old_map.next(Pass("Done", output={"all": "well"}, query_language="JSONata"))

    return definition(
        Chain([first, following, start_loop, plain_task, route, Succeed("Nothing to do")]),
        comment="Every class of workflow.steps",
        timeout_seconds=86400,
    )


if __name__ == "__main__":
    if sys.argv[2:] == ["sdk-first"]:
        import stepfunctions

        assert stepfunctions.steps.TrainingStep
    Path(sys.argv[1]).write_text(render())
