"""Machines as people write them, without a mistake in their paths: the input of each is the status change.

A machine is written as its states in order: a state without `Next`, `End` or choices leads to the one after it.
"""

# ruff: noqa: E501 (a row is easier to read than a column)

from __future__ import annotations

from typing import Any

State = dict[str, Any]


def machine(states: dict[str, State], language: str = "JSONPath") -> dict[str, Any]:
    """A machine in Amazon States Language from its states in order."""
    names = list(states)
    linked = {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        state = dict(states[name])
        if not {"Next", "End", "Choices"} & set(state) and state["Type"] not in ("Succeed", "Fail"):
            state |= {"Next": following} if following else {"End": True}
        linked[name] = state
    return {"StartAt": names[0], "States": linked} | (
        {} if language == "JSONPath" else {"QueryLanguage": language}
    )


def task(action: str, **fields: Any) -> State:
    return {"Type": "Task", "Resource": f"arn:aws:states:::{action}"} | fields


def function(payload: Any = None, **fields: Any) -> State:
    return task("lambda:invoke", Parameters={"FunctionName": "f", "Payload": payload or {}}, **fields)


def jsonata_function(payload: Any = None, **fields: Any) -> State:
    arguments = {"FunctionName": "f", "Payload": payload or {}}
    return task("lambda:invoke", QueryLanguage="JSONata", Arguments=arguments, **fields)


def keep(**fields: Any) -> State:
    """A Pass with parameters."""
    return {"Type": "Pass", "Parameters": fields.pop("made")} | fields


def choice(*rules: State, default: str, **fields: Any) -> State:
    return {"Type": "Choice", "Choices": list(rules), "Default": default} | fields


def items(processor: dict[str, State], **fields: Any) -> State:
    config = fields.pop("config", None)
    inner = {"ProcessorConfig": config} if config else {}
    return {"Type": "Map", "ItemProcessor": inner | machine(processor)} | fields


def parallel(*branches: dict[str, State], **fields: Any) -> State:
    return {"Type": "Parallel", "Branches": [machine(branch) for branch in branches]} | fields


def catch(to: str, **fields: Any) -> list[State]:
    return [{"ErrorEquals": ["States.ALL"], "Next": to} | fields]


QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/q"
TOPIC = "arn:aws:sns:eu-west-1:111122223333:t"
WORKFLOW = "arn:aws:states:eu-west-1:111122223333:stateMachine:w"
END: State = {"Type": "Succeed"}
LIST = {"Type": "Pass", "Result": [{"id": 1}, {"id": 2}], "ResultPath": "$.list"}
DISTRIBUTED = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}

MACHINES: dict[str, dict[str, Any]] = {
    "a result beside the input": machine(
        {
            "Get": function({"name.$": "$.detail.humanLoopName"}, ResultPath="$.got"),
            "Use": keep(made={"a.$": "$.got.Payload.a.b", "b.$": "$.got.StatusCode", "c.$": "$.detail"}),
        }
    ),
    "a function's payload replaces the state": machine(
        {"Get": function(OutputPath="$.Payload"), "Use": keep(made={"a.$": "$.anything.at.all"})}
    ),
    "a function by its ARN returns anything": machine(
        {
            "Get": {"Type": "Task", "Resource": "arn:aws:lambda:eu-west-1:111122223333:function:f"},
            "Use": keep(made={"a.$": "$.anything"}),
        }
    ),
    "a selected result": machine(
        {
            "Get": function(ResultSelector={"n.$": "$.Payload.n", "id.$": "$.SdkResponseMetadata.RequestId"}),
            "Use": keep(made={"n.$": "$.n", "id.$": "$.id"}),
        }
    ),
    "a result that is dropped": machine(
        {"Send": task("sns:publish", Parameters={"TopicArn": TOPIC, "Message": "m"}, ResultPath=None),
         "Use": keep(made={"a.$": "$.detail.humanLoopName"})}
    ),
    "a message, and its id": machine(
        {
            "Send": task(
                "sqs:sendMessage",
                Parameters={"QueueUrl": QUEUE, "MessageBody.$": "States.JsonToString($.detail)"},
                ResultPath="$.sent",
            ),
            "Use": keep(made={"id.$": "$.sent.MessageId", "status.$": "$.sent.SdkHttpMetadata.HttpStatusCode"}),
        }
    ),
    "an item that may be missing": machine(
        {
            "Get": task(
                "dynamodb:getItem",
                Parameters={"TableName": "t", "Key": {"id": {"S.$": "$.id"}}},
                ResultPath="$.row",
            ),
            "Found?": choice({"Variable": "$.row.Item", "IsPresent": True, "Next": "Use"}, default="New"),
            "Use": keep(made={"name.$": "$.row.Item.name.S"}, End=True),
            "New": keep(made={"id.$": "$.id"}),
        }
    ),
    "an item with a condition in one rule": machine(
        {
            "Get": task(
                "dynamodb:getItem", Parameters={"TableName": "t", "Key": {"id": {"S.$": "$.id"}}}, ResultPath="$.row"
            ),
            "Old?": choice(
                {
                    "And": [
                        {"Variable": "$.row.Item.age", "IsPresent": True},
                        {"Variable": "$.row.Item.age.N", "StringEquals": "3"},
                    ],
                    "Next": "Use",
                },
                default="End",
            ),
            "Use": keep(made={"age.$": "$.row.Item.age.N"}),
            "End": END,
        }
    ),
    "an update returns attributes": machine(
        {
            "Count": task(
                "dynamodb:updateItem",
                Parameters={"TableName": "t", "Key": {"id": {"S.$": "$.id"}}, "ReturnValues": "ALL_NEW"},
                ResultSelector={"count.$": "$.Attributes.count.N"},
                ResultPath="$.counted",
            ),
            "Use": keep(made={"n.$": "States.StringToJson($.counted.count)"}),
        }
    ),
    "another workflow, started": machine(
        {
            "Start": task("states:startExecution", Parameters={"StateMachineArn": WORKFLOW}, ResultPath="$.run"),
            "Use": keep(made={"arn.$": "$.run.ExecutionArn"}),
        }
    ),
    "another workflow, and its output": machine(
        {
            "Run": task("states:startExecution.sync:2", Parameters={"StateMachineArn": WORKFLOW}, ResultPath="$.run"),
            "Use": keep(made={"x.$": "$.run.Output.any.thing", "y.$": "$.run.Status"}),
        }
    ),
    "an answer to a task token": machine(
        {
            "Ask": task(
                "sqs:sendMessage.waitForTaskToken",
                Parameters={"QueueUrl": QUEUE, "MessageBody": {"token.$": "$$.Task.Token"}},
            ),
            "Use": keep(made={"a.$": "$.what.they.answered"}),
        }
    ),
    "a token in a text": machine(
        {
            "Ask": task(
                "lambda:invoke.waitForTaskToken",
                Parameters={"FunctionName": "f", "Payload": {"link.$": "States.Format('https://x/{}?a={}', $$.Task.Token, $.id)"}},
                ResultPath="$.asked",
            ),
            "By hand": {"Type": "Task", "Resource": "arn:aws:states:eu-west-1:111122223333:activity:a", "ResultPath": "$.done"},
            "In JSONata": task(
                "sqs:sendMessage.waitForTaskToken",
                QueryLanguage="JSONata",
                Arguments={"QueueUrl": QUEUE, "MessageBody": "{% {'token': $states.context.Task.Token} %}"},
            ),
        }
    ),
    "tests of values of their kind": machine(
        {
            "Make": {"Type": "Pass", "Result": {"n": 1, "s": "a", "b": True, "t": "2026-01-31T08:15:00Z", "z": None}, "ResultPath": "$.made"},
            "Which?": choice(
                {"Variable": "$.made.n", "NumericEquals": 1, "Next": "End"},
                {"Variable": "$.made.s", "StringMatches": "a*", "Next": "End"},
                {"Variable": "$.made.b", "BooleanEquals": True, "Next": "End"},
                {"Variable": "$.made.t", "TimestampLessThanPath": "$.made.t", "Next": "End"},
                {"Variable": "$.made.z", "StringEquals": "x", "Next": "End"},
                {"Variable": "$.made.n", "IsString": True, "Next": "End"},
                default="End",
            ),
            "End": END,
        }
    ),
    "an API with acronyms": machine(
        {
            "Find": task("aws-sdk:rds:describeDBInstances", Parameters={"DbInstanceIdentifier": "d"}, ResultPath="$.db"),
            "Use": keep(made={"arn.$": "$.db.DbInstances[0].DbInstanceArn", "all.$": "$.db.DbInstances[*].Engine"}),
        }
    ),
    "an API's list goes through a Map": machine(
        {
            "Find": task("aws-sdk:s3:listObjectsV2", Parameters={"Bucket": "b"}, ResultPath="$.found"),
            "Each": items(
                {"Key": keep(made={"key.$": "$.Key", "size.$": "$.Size"})}, ItemsPath="$.found.Contents", ResultPath="$.keys"
            ),
            "Use": keep(made={"first.$": "$.keys[0].key"}),
        }
    ),
    "both branches": machine(
        {
            "Both": parallel(
                {"Left": keep(made={"name.$": "$.detail.humanLoopName"})},
                {"Right": {"Type": "Wait", "Seconds": 1}},
                ResultPath="$.both",
            ),
            "Use": keep(made={"name.$": "$.both[0].name", "id.$": "$.both[1].id", "all.$": "$.both[*].id"}),
        }
    ),
    "branches replace the state": machine(
        {
            "Both": parallel({"Left": keep(made={"a": 1})}, {"Right": keep(made={"b": 2})}),
            "Merge": keep(made={"m.$": "States.JsonMerge($[0], $[1], false)"}),
            "Use": keep(made={"a.$": "$.m.a", "b.$": "$.m.b"}),
        }
    ),
    "branches with a selected result": machine(
        {
            "Both": parallel(
                {"Left": function(), "Then": keep(made={"x.$": "$.Payload.x"})},
                {"Right": keep(made={"y": 1})},
                Parameters={"only.$": "$.detail"},
                ResultSelector={"x.$": "$[0].x", "y.$": "$[1].y"},
                ResultPath="$.both",
            ),
            "Use": keep(made={"x.$": "$.both.x", "y.$": "$.both.y"}),
        }
    ),
    "a Map of what a function returns": machine(
        {
            "Get": function(ResultSelector={"fields.$": "$.Payload.fields"}, ResultPath="$.got"),
            "Each": items(
                {"One": function({"name.$": "$.field.name", "loop.$": "$.loop"}, ResultSelector={"ok.$": "$.Payload.ok"})},
                ItemsPath="$.got.fields",
                ItemSelector={"field.$": "$$.Map.Item.Value", "loop.$": "$.detail.humanLoopName", "n.$": "$$.Map.Item.Index"},
                ResultPath="$.each",
            ),
            "Use": keep(made={"ok.$": "$.each[0].ok", "count.$": "States.ArrayLength($.each)"}),
        }
    ),
    "a Map in a Parallel": machine(
        {
            "List": LIST,
            "Both": parallel(
                {"Each": items({"One": keep(made={"double.$": "States.MathAdd($.id, $.id)"})}, ItemsPath="$.list")},
                {"Tell": task("sns:publish", Parameters={"TopicArn": TOPIC, "Message.$": "$.detail.humanLoopName"})},
                ResultPath="$.both",
            ),
            "Use": keep(made={"double.$": "$.both[0][1].double", "message.$": "$.both[1].MessageId"}),
        }
    ),
    "a Map in a Map": machine(
        {
            "Make": {"Type": "Pass", "Result": {"rows": [{"cells": [1, 2]}, {"cells": [3]}]}, "ResultPath": "$.table"},
            "Rows": items(
                {
                    "Cells": items(
                        {"Cell": keep(made={"cell.$": "$.cell", "row.$": "$.row"})},
                        ItemsPath="$.row.cells",
                        ItemSelector={"cell.$": "$$.Map.Item.Value", "row.$": "$.number"},
                        ResultPath="$.cells",
                    ),
                    "Row": keep(made={"first.$": "$.cells[0].cell"}),
                },
                ItemsPath="$.table.rows",
                ItemSelector={"row.$": "$$.Map.Item.Value", "number.$": "$$.Map.Item.Index"},
                ResultPath="$.rows",
            ),
            "Use": keep(made={"x.$": "$.rows[0].first"}),
        }
    ),
    "a distributed Map of a file": machine(
        {
            "Each": items(
                {"One": keep(made={"a.$": "$.column", "b.$": "$$.Execution.Input"})},
                config=DISTRIBUTED,
                ItemReader={
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
                    "Parameters": {"Bucket": "b", "Key.$": "$.detail.humanLoopName"},
                },
                ResultWriter={"Resource": "arn:aws:states:::s3:putObject", "Parameters": {"Bucket": "b", "Prefix": "p"}},
                ResultPath="$.run",
            ),
            "Use": keep(made={"key.$": "$.run.ResultWriterDetails.Key", "arn.$": "$.run.MapRunArn"}),
        }
    ),
    "a distributed Map of batches": machine(
        {
            "List": LIST,
            "Each": items(
                {"Batch": keep(made={"first.$": "$.Items[0].id", "who.$": "$.BatchInput.who"})},
                config=DISTRIBUTED,
                ItemsPath="$.list",
                ItemBatcher={"MaxItemsPerBatch": 10, "BatchInput": {"who.$": "$.detail.humanLoopName"}},
                ResultPath="$.done",
            ),
        }
    ),
    "a distributed Map of an object": machine(
        {
            "Each": items(
                {"Pair": keep(made={"key.$": "$.Key"})}, config=DISTRIBUTED, ItemsPath="$.detail", ResultPath="$.pairs"
            ),
        }
    ),
    "an error beside the input": machine(
        {
            "Get": function(ResultPath="$.got", Catch=catch("Repair", ResultPath="$.error")),
            "Use": keep(made={"x.$": "$.got.Payload.x"}, End=True),
            "Repair": keep(made={"why.$": "$.error.Cause", "name.$": "$.detail.humanLoopName"}),
        }
    ),
    "an error that replaces the state": machine(
        {
            "Get": function(ResultPath="$.got", Catch=catch("Failed")),
            "Use": END,
            "Failed": {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "States.Format('It: {}', $.Cause)"},
        }
    ),
    "an error that a Choice looks for": machine(
        {
            "Get": function(ResultPath="$.got", Catch=catch("Failed?", ResultPath="$.error")),
            "Failed?": choice({"Variable": "$.error", "IsPresent": True, "Next": "Repair"}, default="Use"),
            "Use": keep(made={"x.$": "$.got.Payload.x"}, End=True),
            "Repair": keep(made={"why.$": "$.error.Cause"}),
        }
    ),
    "an error replaced by a default": machine(
        {
            "Get": function(ResultPath="$.got", Catch=catch("Default", ResultPath=None)),
            "Use": keep(made={"x.$": "$.got.Payload"}, End=True),
            "Default": {"Type": "Pass", "Result": {"Payload": 0}, "ResultPath": "$.got", "Next": "Use"},
        }
    ),
    "a loop that waits": machine(
        {
            "Start": {"Type": "Pass", "Result": {"tries": 0}, "ResultPath": "$.loop"},
            "Look": function(ResultPath="$.state"),
            "Done?": choice(
                {"Variable": "$.state.Payload.status", "StringEquals": "done", "Next": "End"},
                {"Variable": "$.loop.tries", "NumericGreaterThan": 9, "Next": "Failed"},
                default="Wait",
            ),
            "Wait": {"Type": "Wait", "SecondsPath": "$.state.Payload.wait"},
            "Count": keep(made={"tries.$": "States.MathAdd($.loop.tries, 1)"}, ResultPath="$.loop", Next="Look"),
            "Failed": {"Type": "Fail", "Error": "Slow", "Cause": "It takes too long."},
            "End": END,
        }
    ),
    "a way that adds a key, and a test of it": machine(
        {
            "Urgent?": choice({"Variable": "$.detail.humanLoopName", "StringMatches": "urgent-*", "Next": "Mark"}, default="Marked?"),
            "Mark": {"Type": "Pass", "Result": {"by": "name"}, "ResultPath": "$.urgent"},
            "Marked?": choice({"Variable": "$.urgent.by", "IsPresent": True, "Next": "Tell"}, default="End"),
            "Tell": keep(made={"by.$": "$.urgent.by"}),
            "End": END,
        }
    ),
    "a Choice that asks the same again": machine(
        {
            "Status?": choice({"Variable": "$.detail.humanLoopStatus", "StringEquals": "Completed", "Next": "Get"}, default="Log"),
            "Get": function(ResultPath="$.got"),
            "Log": {"Type": "Wait", "Seconds": 1},
            "Again?": choice({"Variable": "$.detail.humanLoopStatus", "StringEquals": "Completed", "Next": "Use"}, default="End"),
            "Use": keep(made={"x.$": "$.got.Payload"}),
            "End": END,
        }
    ),
    "a flag that both ways set": machine(
        {
            "Get": function(ResultPath="$.got", Catch=catch("Bad", ResultPath=None)),
            "Good": {"Type": "Pass", "Result": {"ok": True}, "ResultPath": "$.flag", "Next": "Log"},
            "Bad": {"Type": "Pass", "Result": {"ok": False}, "ResultPath": "$.flag"},
            "Log": {"Type": "Wait", "Seconds": 1},
            "Good?": choice({"Variable": "$.flag.ok", "BooleanEquals": True, "Next": "Use"}, default="End"),
            "Use": keep(made={"x.$": "$.got.Payload"}),
            "End": END,
        }
    ),
    "variables in JSONPath": machine(
        {
            "Get": function(Assign={"name.$": "$.Payload.name", "n": 1, "at.$": "$$.State.EnteredTime"}),
            "Use": keep(made={"a.$": "$name.first", "b.$": "States.MathAdd($n, 1)", "c.$": "$at"}),
            "Big?": choice({"Variable": "$n", "NumericGreaterThan": 1, "Next": "End"}, default="End"),
            "End": END,
        }
    ),
    "variables that branches see": machine(
        {
            "Set": {"Type": "Pass", "Assign": {"loop.$": "$.detail.humanLoopName"}, "ResultPath": None},
            "Both": parallel(
                {"Left": {"Type": "Pass", "Assign": {"own": 1}}, "Use": keep(made={"a.$": "$own", "b.$": "$loop"})},
                {"Right": keep(made={"b.$": "$loop"})},
                ResultPath="$.both",
            ),
            "Use it": keep(made={"b.$": "$.both[0].b", "c.$": "$loop"}),
        }
    ),
    "JSONata all through": machine(
        {
            "Get": task(
                "lambda:invoke",
                Arguments={"FunctionName": "f", "Payload": "{% $states.input.detail %}"},
                Output="{% $merge([$states.input, {'got': $states.result.Payload}]) %}",
                Assign={"status": "{% $states.result.StatusCode %}"},
                Catch=catch("Failed", Output="{% {'why': $states.errorOutput.Cause} %}", Assign={"status": 0}),
            ),
            "Use": {
                "Type": "Pass",
                "Output": {"x": "{% $states.input.got.any.thing %}", "s": "{% $string($status) & '!' %}"},
            },
            "End": END,
            "Failed": {"Type": "Fail", "Cause": "{% $states.input.why %}", "Error": "{% 'E' & $string($status) %}"},
        },
        "JSONata",
    ),
    "JSONata functions and locals": machine(
        {
            "Make": {
                "Type": "Pass",
                "Output": {
                    "sum": "{% $sum([1, 2, 3].($ * 2)) %}",
                    "names": "{% $map($states.input.resources, function($r, $i) { $string($i) & $uppercase($r) }) %}",
                    "late": "{% ($limit := 3; $count($states.input.resources) > $limit ? 'many' : 'few') %}",
                    "big": "{% $filter($states.input.resources, $exists)[0] ~> $string() %}",
                    "id": "{% $uuid() & $hash('a', 'SHA-256') %}",
                    "pairs": "{% $each($states.input.detail, function($value, $key) { {'k': $key, 'v': $value} }) %}",
                },
            },
            "Use": {"Type": "Pass", "Output": "{% $states.input.names[0] & $states.input.pairs[0].k %}"},
        },
        "JSONata",
    ),
    "JSONata tests what may be missing": machine(
        {
            "Maybe?": choice({"Condition": "{% $states.input.detail.priority = 'high' %}", "Next": "Mark"}, default="Use"),
            "Mark": {"Type": "Pass", "Output": "{% $merge([$states.input, {'urgent': true}]) %}"},
            "Use": {
                "Type": "Pass",
                "Output": {
                    "a": "{% $exists($states.input.urgent) ? $states.input.urgent : false %}",
                    "b": "{% $states.input.urgent = true %}",
                    "c": "{% {'urgent': $states.input.urgent} %}",
                    "d": "{% ($u := $states.input.urgent; $u ? 'yes' : 'no') %}",
                    "e": "{% $states.input.detail.priority ? $states.input.detail.priority : 'low' %}",
                },
            },
        },
        "JSONata",
    ),
    "JSONata maps over lists": machine(
        {
            "Both": {
                "Type": "Parallel",
                "Branches": [
                    machine({"Left": {"Type": "Pass", "Output": {"name": "a", "tags": ["x"]}}}),
                    machine({"Right": {"Type": "Pass", "Output": {"name": "b"}}}),
                ],
                "Output": "{% $merge([$states.input, {'both': $states.result}]) %}",
            },
            "Each": {
                "Type": "Map",
                "Items": "{% $states.input.both.name %}",
                "ItemSelector": {"name": "{% $states.context.Map.Item.Value %}", "id": "{% $states.input.id %}"},
                "ItemProcessor": machine({"One": {"Type": "Pass", "Output": "{% $states.input.name & $states.input.id %}"}}),
                "Output": {"first": "{% $states.result[0] %}", "all": "{% $states.input.both[1].name %}"},
            },
        },
        "JSONata",
    ),
    "a JSONata state among JSONPath states": machine(
        {
            "List": LIST,
            "Make": {
                "Type": "Pass",
                "QueryLanguage": "JSONata",
                "Output": "{% $merge([$states.input, {'ids': $states.input.list.id, 'more': {'n': 1}}]) %}",
            },
            "Use": keep(made={"n.$": "$.more.n", "ids.$": "$.ids", "name.$": "$.detail.humanLoopName"}),
        }
    ),
    "intrinsic functions": machine(
        {
            "Make": keep(
                made={
                    "parts.$": "States.StringSplit($.detail.humanLoopName, '-')",
                    "text.$": "States.Format('$.no {} {}', $.detail.humanLoopName, States.ArrayGetItem($.resources, 0))",
                    "all.$": "States.Array($.id, $$.Execution.Id)",
                    "json.$": "States.StringToJson('{\"a\": 1}')",
                },
                ResultPath="$.made",
            ),
            "Each": items({"One": keep(made={"part.$": "$"})}, ItemsPath="$.made.parts", ResultPath="$.each"),
            "Use": keep(made={"a.$": "$.made.json.a", "b.$": "$.made.all[1]", "c.$": "$.each[0].part"}),
        }
    ),
    "filters, slices and wildcards": machine(
        {
            "List": LIST,
            "Use": keep(
                made={
                    "a.$": "$.list[?(@.id > 1)].id",
                    "b.$": "$.list[0:1]",
                    "c.$": "$..id",
                    "d.$": "$.list.length()",
                    "e.$": "$.list[-1].id",
                    "f.$": "$['detail']['humanLoopName']",
                }
            ),
        }
    ),
    "parts of the input": machine(
        {
            "Only": {"Type": "Pass", "InputPath": "$.detail"},
            "Use": keep(made={"name.$": "$.humanLoopName"}, ResultPath="$.used"),
            "Less": {"Type": "Wait", "Seconds": 1, "OutputPath": "$.used"},
            "End": keep(made={"name.$": "$.name"}),
        }
    ),
    "literal texts": machine(
        {
            "Send": function(
                {"price": "$.50", "currency": "$", "when": "cron(0 9 * * ? *)", "note": "$.a is a path", "pid": "$$"},
                ResultPath=None,
            ),
            "Rule": task(
                "aws-sdk:eventbridge:putTargets",
                Parameters={
                    "Rule": "r",
                    "Targets": [{"Id": "1", "Arn": "a", "InputTransformer": {"InputPathsMap": {"x": "$.detail"}, "InputTemplate": "<x>"}}],
                },
                ResultPath=None,
            ),
            "Mail": task(
                "aws-sdk:sesv2:createEmailTemplate",
                Parameters={"TemplateName": "t", "TemplateContent": {"Text": "Hello {% if name %}you{% endif %}!"}},
            ),
        }
    ),
}  # fmt: skip
