"""Machines with one mistake each in their paths, and what is reported: state, message, severity."""

# ruff: noqa: E501 (messages are one line)

from __future__ import annotations

from typing import Any

from tests.unit.workflow.asl.checks.valid_machines import (
    DISTRIBUTED,
    END,
    LIST,
    QUEUE,
    TOPIC,
    WORKFLOW,
    catch,
    choice,
    function,
    items,
    jsonata_function,
    keep,
    machine,
    parallel,
    task,
)

KEYS = {"TableName": "t", "Key": {"id": {"S": "1"}}}
LEFT_AND_RIGHT = ({"Left": keep(made={"name": "a"})}, {"Right": keep(made={"total": 1})})
MAYBE = {
    "Overruled?": choice(
        {"Variable": "$.detail.humanLoopStatus", "StringEquals": "x", "Next": "Add"}, default="Use"
    ),
    "Add": function(ResultPath="$.corrections"),
}
SET_ON_ONE_WAY = {
    "Route?": choice({"Variable": "$.id", "StringEquals": "x", "Next": "Set"}, default="Use"),
    "Set": {"Type": "Pass", "Assign": {"name": 1}},
}


def jsonata(states: dict[str, Any]) -> dict[str, Any]:
    return machine(states, "JSONata")


MACHINES: dict[str, tuple[dict[str, Any], str, str]] = {
    # A step that replaces the state
    "a function": (
        machine({"Get model": function(), "Use": keep(made={"a.$": "$.detail.humanLoopName"})}),
        "error",
        "state 'Use': $.detail.humanLoopName: no earlier step provides 'detail' (available: ExecutedVersion, LogResult, Payload, SdkHttpMetadata, SdkResponseMetadata, StatusCode); 'Get model' replaces the state with its result: give it result_path='$.…' to keep the state",
    ),
    "a function whose state is read later": (
        machine({"Get model": function(), "Between": {"Type": "Wait", "Seconds": 1}, "Use": keep(made={"a.$": "$.detail"})}),
        "error",
        "state 'Use': $.detail: no earlier step provides 'detail' (available: ExecutedVersion, LogResult, Payload, SdkHttpMetadata, SdkResponseMetadata, StatusCode); 'Get model' replaces the state with its result: give it result_path='$.…' to keep the state",
    ),
    "a message": (
        machine({"Send": task("sqs:sendMessage", Parameters={"QueueUrl": QUEUE, "MessageBody": "m"}), "Use": keep(made={"a.$": "$.detail"})}),
        "error",
        "state 'Use': $.detail: no earlier step provides 'detail' (available: MD5OfMessageAttributes, MD5OfMessageBody, MD5OfMessageSystemAttributes, MessageId, SdkHttpMetadata, SdkResponseMetadata, SequenceNumber); 'Send' replaces the state with its result: give it result_path='$.…' to keep the state",
    ),
    "a message on a topic": (
        machine({"Send": task("sns:publish", Parameters={"TopicArn": TOPIC, "Message": "m"}), "Use": keep(made={"a.$": "$.detail"})}),
        "error",
        "state 'Use': $.detail: no earlier step provides 'detail' (available: MessageId, SdkHttpMetadata, SdkResponseMetadata, SequenceNumber); 'Send' replaces the state with its result: give it result_path='$.…' to keep the state",
    ),
    "an item": (
        machine({"Put": task("dynamodb:putItem", Parameters={"TableName": "t", "Item": {}}), "Use": keep(made={"a.$": "$.detail"})}),
        "error",
        "state 'Use': $.detail: no earlier step provides 'detail' (available: Attributes, ConsumedCapacity, ItemCollectionMetrics, SdkHttpMetadata, SdkResponseMetadata); 'Put' replaces the state with its result: give it result_path='$.…' to keep the state",
    ),
    "an execution": (
        machine({"Run": task("states:startExecution", Parameters={"StateMachineArn": WORKFLOW}), "Use": keep(made={"a.$": "$.detail"})}),
        "error",
        "state 'Use': $.detail: no earlier step provides 'detail' (available: ExecutionArn, SdkHttpMetadata, SdkResponseMetadata, StartDate); 'Run' replaces the state with its result: give it result_path='$.…' to keep the state",
    ),
    "an API": (
        machine({"Look": task("aws-sdk:comprehend:detectSentiment", Parameters={"Text": "t", "LanguageCode": "en"}), "Use": keep(made={"a.$": "$.detail"})}),
        "error",
        "state 'Use': $.detail: no earlier step provides 'detail' (available: Sentiment, SentimentScore); 'Look' replaces the state with its result: give it result_path='$.…' to keep the state",
    ),
    "a Parallel": (
        machine({"Both": parallel(*LEFT_AND_RIGHT), "Use": keep(made={"a.$": "$.detail"})}),
        "error",
        "state 'Use': $.detail: $ is a list, which has no 'detail'; 'Both' replaces the state with its result: give it result_path='$.…' to keep the state",
    ),
    "a Pass": (
        machine({"Make": keep(made={"n": 1}), "Use": keep(made={"a.$": "$.detail"})}),
        "error",
        "state 'Use': $.detail: no earlier step provides 'detail' (available: n); 'Make' replaces the state with its Parameters: give it result_path='$.…' to keep the state",
    ),
    "a selected result": (
        machine({"Get": function(ResultSelector={"n.$": "$.Payload.n"}), "Use": keep(made={"a.$": "$.detail", "n.$": "$.n"})}),
        "error",
        "state 'Use': $.detail: no earlier step provides 'detail' (available: n); 'Get' replaces the state with its result: give it result_path='$.…' to keep the state",
    ),
    "a part of the state": (
        machine({"Get": {"Type": "Wait", "Seconds": 1, "OutputPath": "$.detail"}, "Use": keep(made={"a.$": "$.id"})}),
        "error",
        "state 'Use': $.id: no earlier step provides 'id' (available: creationTime, failureCode, failureReason, flowDefinitionArn, humanLoopArn, humanLoopName, humanLoopOutput, humanLoopStatus); 'Get' keeps only its OutputPath, $.detail: remove OutputPath",
    ),
    "an error": (
        machine({"Get": function(ResultPath="$.x", Catch=catch("Tell")), "Use": END, "Tell": keep(made={"a.$": "$.detail"})}),
        "error",
        "state 'Tell': $.detail: no earlier step provides 'detail' (available: Cause, Error); the Catch of 'Get' replaces the state with the error: give it result_path='$.…' to keep the state",
    ),
    "JSONata without Output": (
        machine({"Get": jsonata_function(), "Use": keep(made={"a.$": "$.detail"})}),
        "error",
        "state 'Use': $.detail: no earlier step provides 'detail' (available: ExecutedVersion, LogResult, Payload, SdkHttpMetadata, SdkResponseMetadata, StatusCode); 'Get' replaces the state with its result: give it output=\"{% $merge([$states.input, {'…': $states.result}]) %}\" to keep the state",
    ),
    "JSONata with another Output": (
        machine({"Get": jsonata_function(Output={"n": "{% $states.result.Payload %}"}), "Use": keep(made={"a.$": "$.detail"})}),
        "error",
        "state 'Use': $.detail: no earlier step provides 'detail' (available: n); 'Get' replaces the state with its Output: give it output=\"{% $merge([$states.input, {'…': …}]) %}\" to keep the state",
    ),
    # Lists
    "a Parallel's list": (
        machine({"Both": parallel(*LEFT_AND_RIGHT, ResultPath="$.both"), "Use": keep(made={"a.$": "$.both.name"})}),
        "error",
        "state 'Use': $.both.name: $.both is a list, which has no 'name'; write $.both[0].name, or use a Map for each item",
    ),
    "a branch's key": (
        machine({"Both": parallel(*LEFT_AND_RIGHT, ResultPath="$.both"), "Use": keep(made={"a.$": "$.both[0].nme"})}),
        "error",
        "state 'Use': $.both[0].nme: no earlier step provides 'nme' (available: name); did you mean 'name'?",
    ),
    "the other branch's key": (
        machine({"Both": parallel(*LEFT_AND_RIGHT, ResultPath="$.both"), "Use": keep(made={"a.$": "$.both[1].name"})}),
        "error",
        "state 'Use': $.both[1].name: no earlier step provides 'name' (available: total)",
    ),
    "a branch too many": (
        machine({"Both": parallel(*LEFT_AND_RIGHT, ResultPath="$.both"), "Use": keep(made={"a.$": "$.both[7].name"})}),
        "error",
        "state 'Use': $.both[7].name: $.both is a list with 2 items; the last is $.both[1]",
    ),
    "a Map's list": (
        machine({"List": LIST, "Each": items({"One": keep(made={"n": 1})}, ItemsPath="$.list", ResultPath="$.each"),
                 "Use": keep(made={"a.$": "$.each.n"})}),
        "error",
        "state 'Use': $.each.n: $.each is a list, which has no 'n'; write $.each[0].n, or use a Map for each item",
    ),
    "a Map's item": (
        machine({"List": LIST, "Each": items({"One": keep(made={"n": 1})}, ItemsPath="$.list", ResultPath="$.each"),
                 "Use": keep(made={"a.$": "$.each[3].m"})}),
        "error",
        "state 'Use': $.each[3].m: no earlier step provides 'm' (available: n)",
    ),
    "a Map in a Parallel": (
        machine({"List": LIST, "Both": parallel({"Each": items({"One": keep(made={"n": 1})}, ItemsPath="$.list")}, ResultPath="$.both"),
                 "Use": keep(made={"a.$": "$.both[0].n"})}),
        "error",
        "state 'Use': $.both[0].n: $.both[0] is a list, which has no 'n'; write $.both[0][0].n, or use a Map for each item",
    ),
    "a list from an API": (
        machine({"Find": task("aws-sdk:s3:listObjectsV2", Parameters={"Bucket": "b"}, ResultPath="$.found"),
                 "Use": keep(made={"a.$": "$.found.Contents.Key"})}),
        "error",
        "state 'Use': $.found.Contents.Key: $.found.Contents is a list, which has no 'Key'; write $.found.Contents[0].Key, or use a Map for each item",
    ),
    "a result beside a list": (
        machine({"Both": parallel(*LEFT_AND_RIGHT), "Use": function(ResultPath="$.x")}),
        "error",
        "state 'Use': ResultPath: nothing can be added at $.x, because the state is a list: 'Both' replaces the state with its result; give it result_path='$.…' to keep the state",
    ),
    "a result beside a text": (
        machine({"Make": {"Type": "Pass", "Result": "a", "ResultPath": "$.x"}, "Use": function(ResultPath="$.x.y")}),
        "error",
        "state 'Use': ResultPath: nothing can be added at $.x.y, because what holds it is a string",
    ),
    # A Map over what is no list
    "a Map over an object": (
        machine({"Each": items({"One": {"Type": "Pass"}}, ItemsPath="$.detail")}),
        "error",
        "state 'Each': $.detail is an object; a Map needs a list",
    ),
    "a Map over the whole state": (
        machine({"Each": items({"One": {"Type": "Pass"}})}),
        "error",
        "state 'Each': the Map goes through its whole input, which is an object; set items_path='$.…' to a list",
    ),
    "a Map over a text": (
        machine({"Make": {"Type": "Pass", "Result": "a, b", "ResultPath": "$.list"}, "Each": items({"One": {"Type": "Pass"}}, ItemsPath="$.list")}),
        "error",
        "state 'Each': $.list is a string; a Map needs a list",
    ),
    "a JSONata Map over an object": (
        jsonata({"Each": {"Type": "Map", "Items": "{% $states.input.detail %}", "ItemProcessor": machine({"One": {"Type": "Pass"}})}}),
        "error",
        "state 'Each': $states.input.detail is an object; a Map needs a list",
    ),
    "a wait of an object": (
        machine({"Wait": {"Type": "Wait", "SecondsPath": "$.detail"}}),
        "error",
        "state 'Wait': $.detail is an object; this field needs a number",
    ),
    "a wait of a text": (
        machine({"Make": {"Type": "Pass", "Result": "a while", "ResultPath": "$.s"}, "Wait": {"Type": "Wait", "SecondsPath": "$.s"}}),
        "warning",
        "state 'Wait': $.s is a string; this field needs a number",
    ),
    "a wait until a number": (
        machine({"Make": {"Type": "Pass", "Result": 5, "ResultPath": "$.n"}, "Wait": {"Type": "Wait", "TimestampPath": "$.n"}}),
        "error",
        "state 'Wait': $.n is a number; this field needs a string",
    ),
    "a length of an object": (
        machine({"Use": keep(made={"n.$": "States.ArrayLength($.detail)"})}),
        "error",
        "state 'Use': $.detail is an object; this intrinsic function takes an array",
    ),
    "a sum of a text": (
        machine({"Make": {"Type": "Pass", "Result": "1", "ResultPath": "$.n"}, "Use": keep(made={"n.$": "States.MathAdd($.n, 1)"})}),
        "error",
        "state 'Use': $.n is a string; this intrinsic function takes an integer",
    ),
    "JSON of an object": (
        machine({"Use": keep(made={"n.$": "States.StringToJson($.detail)"})}),
        "error",
        "state 'Use': $.detail is an object; this intrinsic function takes a text",
    ),
    "a condition that gives a number": (
        jsonata({"Make": {"Type": "Pass", "Output": {"n": 1}},
                 "Use": choice({"Condition": "{% $states.input.n %}", "Next": "End"}, default="End"), "End": END}),
        "error",
        "state 'Use': Choices[0].Condition: the expression gives a number; a condition needs true or false",
    ),
    # Results
    "a selector of the input": (
        machine({"Get": function(ResultSelector={"a.$": "$.detail.humanLoopName"}, ResultPath="$.x")}),
        "error",
        "state 'Get': $.detail.humanLoopName: the result has no 'detail' (available: ExecutedVersion, LogResult, Payload, SdkHttpMetadata, SdkResponseMetadata, StatusCode); the state itself is not part of it",
    ),
    "a misspelled key of a result": (
        machine({"Get": function(ResultPath="$.x"), "Use": keep(made={"a.$": "$.x.Paylod"})}),
        "error",
        "state 'Use': $.x.Paylod: no earlier step provides 'Paylod' (available: ExecutedVersion, LogResult, Payload, SdkHttpMetadata, SdkResponseMetadata, StatusCode); did you mean 'Payload'?",
    ),
    "a misspelled key of an item": (
        machine({"Get": task("dynamodb:updateItem", Parameters=KEYS, ResultPath="$.x"), "Use": keep(made={"a.$": "$.x.Atributes"})}),
        "error",
        "state 'Use': $.x.Atributes: no earlier step provides 'Atributes' (available: Attributes, ConsumedCapacity, ItemCollectionMetrics, SdkHttpMetadata, SdkResponseMetadata); did you mean 'Attributes'?",
    ),
    "an item that may be missing": (
        machine({"Get": task("dynamodb:getItem", Parameters=KEYS, ResultPath="$.x"), "Use": keep(made={"a.$": "$.x.Item.name.S"})}),
        "warning",
        "state 'Use': $.x.Item.name.S: 'Item' is missing if the table has no such item; test it with IsPresent first",
    ),
    "an output that is a text": (
        machine({"Run": task("states:startExecution.sync", Parameters={"StateMachineArn": WORKFLOW}, ResultPath="$.run"), "Use": keep(made={"a.$": "$.run.Output.name"})}),
        "error",
        "state 'Use': $.run.Output.name: $.run.Output is a string; it has no 'name'",
    ),
    "a misspelled key of the context": (
        machine({"Use": keep(made={"a.$": "$$.Execution.Nme"})}),
        "error",
        "state 'Use': $$.Execution.Nme: the Context object has no 'Nme' (available: Id, Input, Name, RedriveCount, RedriveTime, RoleArn, StartTime); did you mean 'Name'?",
    ),
    "a misspelled key of the execution's input": (
        machine({"Use": keep(made={"a.$": "$$.Execution.Input.detail.humanLopName"})}),
        "error",
        "state 'Use': $$.Execution.Input.detail.humanLopName: the input of the execution has no 'humanLopName' (available: creationTime, failureCode, failureReason, flowDefinitionArn, humanLoopArn, humanLoopName, humanLoopOutput, humanLoopStatus); did you mean 'humanLoopName'?",
    ),
    "a misspelled key of an item of a Map": (
        machine({"List": LIST, "Each": items({"One": {"Type": "Pass"}}, ItemsPath="$.list", ItemSelector={"n.$": "$$.Map.Item.Value.ids"})}),
        "error",
        "state 'Each': $$.Map.Item.Value.ids: the Context object has no 'ids' (available: id); did you mean 'id'?",
    ),
    "a key of a result in other capitals": (
        machine({"Send": task("sqs:sendMessage", Parameters={"QueueUrl": QUEUE, "MessageBody": "m"}, ResultPath="$.x"), "Use": keep(made={"a.$": "$.x.MessageID"})}),
        "error",
        "state 'Use': $.x.MessageID: no earlier step provides 'MessageID' (available: MD5OfMessageAttributes, MD5OfMessageBody, MD5OfMessageSystemAttributes, MessageId, SdkHttpMetadata, SdkResponseMetadata, SequenceNumber); did you mean 'MessageId'?",
    ),
    "a key that the context does not have": (
        machine({"Use": keep(made={"a.$": "$$.Execution.Identifier"})}),
        "warning",
        "state 'Use': $$.Execution.Identifier: the Context object has no 'Identifier' (available: Id, Input, Name, RedriveCount, RedriveTime, RoleArn, StartTime)",
    ),
    "an item outside of a Map": (
        machine({"Use": keep(made={"a.$": "$$.Map.Item.Value"})}),
        "error",
        "state 'Use': $$.Map.Item.Value: the Context object has no 'Map' (available: Execution, State, StateMachine); it exists only in the ItemSelector and the item processor of a Map",
    ),
    "a token of a task that does not wait": (
        machine({"Use": function({"token.$": "$$.Task.Token"})}),
        "error",
        "state 'Use': $$.Task.Token: the Context object has no 'Task' (available: Execution, State, StateMachine); it exists only in a Task that waits for a token (.waitForTaskToken)",
    ),
    "a comparison of a number with a text": (
        machine({"Made": {"Type": "Pass", "Result": 1, "ResultPath": "$.n"},
                 "Use": choice({"Variable": "$.n", "StringEquals": "1", "Next": "End"}, default="End"), "End": END}),
        "warning",
        "state 'Use': $.n is a number; a test of a string never matches it; use ChoiceRule.Numeric…",
    ),
    "a comparison of an object": (
        machine({"Use": choice({"Variable": "$.detail", "NumericEquals": 1, "Next": "End"}, default="End"), "End": END}),
        "warning",
        "state 'Use': $.detail is an object; a test of a number never matches it",
    ),
    # Ways
    "a Choice's other way": (machine({**MAYBE, "Use": keep(made={"a.$": "$.corrections.Payload"})}), "warning",
        "state 'Use': $.corrections.Payload: 'corrections' is missing on the way from 'Overruled?'; provide it there too, or test it with IsPresent first",
    ),
    "an error's way": (
        machine({"Get": function(ResultPath="$.got", Catch=catch("Use", ResultPath="$.error")), "Use": keep(made={"a.$": "$.got.Payload"})}),
        "warning",
        "state 'Use': $.got.Payload: 'got' is missing after an error in 'Get'; provide it there too, or test it with IsPresent first",
    ),
    "only the error's way": (
        machine({"Get": function(ResultPath="$.got", Catch=catch("Use", ResultPath="$.error")), "Use": keep(made={"a.$": "$.error.Cause"})}),
        "warning",
        "state 'Use': $.error.Cause: 'error' is missing on the way from 'Get'; provide it there too, or test it with IsPresent first",
    ),
    "an error's way that replaces the state": (
        machine({"Get": function(ResultPath="$.got", Catch=catch("Use")), "Use": keep(made={"a.$": "$.detail"})}),
        "warning",
        "state 'Use': $.detail: 'detail' is missing after an error in 'Get': the Catch of 'Get' replaces the state with the error; give it result_path='$.…' to keep the state, or test it with IsPresent first",
    ),
    "a way that replaces the state": (
        machine({"Route?": choice({"Variable": "$.id", "StringEquals": "x", "Next": "Get"}, default="Use"),
                 "Get": function(), "Use": keep(made={"a.$": "$.detail"})}),
        "warning",
        "state 'Use': $.detail: 'detail' is missing on the way from 'Get': 'Get' replaces the state with its result; give it result_path='$.…' to keep the state, or test it with IsPresent first",
    ),
    "a tested field on some ways": (
        machine({**MAYBE, "Use": choice({"Variable": "$.corrections.Payload", "StringEquals": "x", "Next": "End"}, default="End"), "End": END}),
        "warning",
        "state 'Use': $.corrections.Payload: 'corrections' is missing on the way from 'Overruled?'; provide it there too, or test it with IsPresent first",
    ),
    "JSONata on some ways": (
        machine({**MAYBE, "Use": jsonata_function("{% $states.input.corrections.Payload %}")}),
        "warning",
        "state 'Use': $states.input.corrections.Payload: 'corrections' is missing on the way from 'Overruled?'; provide it there too, or test it with $exists first",
    ),
    "an item processor's ways": (
        machine({"List": LIST,
                 "Each": items({"One?": choice({"Variable": "$.id", "NumericEquals": 1, "Next": "Add"}, default="Two"),
                                "Add": {"Type": "Pass", "Result": 1, "ResultPath": "$.n"}, "Two": keep(made={"n.$": "$.n"})}, ItemsPath="$.list")}),
        "warning",
        "state 'Two': $.n: 'n' is missing on the way from 'One?'; provide it there too, or test it with IsPresent first",
    ),
    # Scopes
    "an item without its selector's keys": (
        machine({"List": LIST, "Each": items({"One": keep(made={"a.$": "$.detail"})}, ItemsPath="$.list", ItemSelector={"n.$": "$$.Map.Item.Value"})}),
        "error",
        "state 'One': $.detail: no earlier step provides 'detail' (available: n); 'Each' passes only its ItemSelector to its items: add the key there",
    ),
    "a branch without its parameters' keys": (
        machine({"Both": parallel({"Left": keep(made={"a.$": "$.detail"})}, Parameters={"n": 1})}),
        "error",
        "state 'Left': $.detail: no earlier step provides 'detail' (available: n); 'Both' passes only its Parameters to its branches: add the key there",
    ),
    "an item without the state's keys": (
        machine({"List": LIST, "Each": items({"One": keep(made={"a.$": "$.detail"})}, ItemsPath="$.list")}),
        "error",
        "state 'One': $.detail: no earlier step provides 'detail' (available: id); 'Each' passes only each item to its item processor: add the key with ItemSelector",
    ),
    # Variables
    "an undefined variable": (machine({"Use": keep(made={"a.$": "$name.x"})}), "error",
        "state 'Use': $name.x: no earlier step assigns the variable 'name'",
    ),
    "a misspelled variable": (
        machine({"Set": {"Type": "Pass", "Assign": {"name.$": "$.id"}}, "Use": keep(made={"a.$": "States.Format('{}', $nme)"})}),
        "error",
        "state 'Use': $nme: no earlier step assigns the variable 'nme' (assigned: name); did you mean 'name'?",
    ),
    "a variable of some ways": (machine({**SET_ON_ONE_WAY, "Use": keep(made={"a.$": "$name"})}), "warning",
        "state 'Use': $name: the variable 'name' is not assigned on the way from 'Route?'; assign it on that way too, or test it first",
    ),
    "a variable of some ways in JSONata": (machine({**SET_ON_ONE_WAY, "Use": jsonata_function("{% $name %}")}), "warning",
        "state 'Use': $name: the variable 'name' is not assigned on the way from 'Route?'; assign it on that way too, or test it first",
    ),
    "a variable from a branch": (
        machine({"Both": parallel({"Left": {"Type": "Pass", "Assign": {"name": 1}}}, ResultPath="$.x"), "Use": keep(made={"a.$": "$name"})}),
        "error",
        "state 'Use': $name: no earlier step assigns the variable 'name'",
    ),
    "a variable in a distributed Map": (
        machine({"Set": {"Type": "Pass", "Result": [1], "ResultPath": "$.list", "Assign": {"name": 1}},
                 "Each": items({"One": keep(made={"a.$": "$name"})}, config=DISTRIBUTED, ItemsPath="$.list")}),
        "error",
        "state 'One': $name: the states of a distributed Map do not see variables from outside; pass it with ItemSelector",
    ),
    "a key of a variable": (
        machine({"Set": {"Type": "Pass", "Assign": {"who": {"name": 1}}}, "Use": keep(made={"a.$": "$who.nam"})}),
        "error",
        "state 'Use': $who.nam: no earlier step provides 'nam' (available: name); did you mean 'name'?",
    ),
    "a JSONata function that does not exist": (jsonata({"Use": {"Type": "Pass", "Output": "{% $uppercas('a') %}"}}), "error",
        "state 'Use': $uppercas: no earlier step assigns the variable 'uppercas', and JSONata has no such function; did you mean 'uppercase'?",
    ),
    # JSONata
    "JSONata without $states": (jsonata({"Use": {"Type": "Pass", "Output": "{% detail.humanLoopName %}"}}), "error",
        "state 'Use': Output: 'detail' is read from nothing; write $states.input.detail, or 'detail' for a text",
    ),
    "JSONata's error elsewhere": (jsonata({"Use": {"Type": "Pass", "Output": "{% $states.errorOutput.Cause %}"}}), "error",
        "state 'Use': Output: $states.errorOutput.Cause exists only in the Output and Assign of a Catch",
    ),
    "JSONata's result too early": (
        jsonata({"Get": task("lambda:invoke", Arguments={"FunctionName": "f", "Payload": "{% $states.result %}"})}), "error",
        "state 'Get': Arguments.Payload: $states.result does not exist yet; only Output and Assign see the result",
    ),
    "JSONata's result in a Catch": (
        jsonata({"Get": task("lambda:invoke", Arguments={"FunctionName": "f"}, Catch=catch("End", Output="{% $states.result %}")), "End": END}), "error",
        "state 'Get': Output: $states.result: a Catch has no result; read $states.errorOutput",
    ),
    "JSONata's result of a Pass": (jsonata({"Use": {"Type": "Pass", "Output": "{% $states.result.a %}"}}), "error",
        "state 'Use': Output: $states.result.a: a Pass has no result; read $states.input",
    ),
    "JSONata's misspelled part": (jsonata({"Use": {"Type": "Pass", "Output": "{% $states.inpt.id %}"}}), "error",
        "state 'Use': Output: $states has no 'inpt'; it has input, result, errorOutput and context; did you mean 'input'?",
    ),
    "JSONata's misspelled result": (
        jsonata({"Get": task("lambda:invoke", Arguments={"FunctionName": "f"}, Output="{% $states.result.Paylod %}")}), "error",
        "state 'Get': $states.result.Paylod: the result has no 'Paylod' (available: ExecutedVersion, LogResult, Payload, SdkHttpMetadata, SdkResponseMetadata, StatusCode); did you mean 'Payload'?",
    ),
    "JSONata's key of a list": (
        jsonata({"Both": {"Type": "Parallel", "Branches": [machine({"Left": {"Type": "Pass", "Output": {"name": 1}}})], "Output": "{% $states.result.nme %}"}}),
        "error",
        "state 'Both': $states.result.nme: the result has no 'nme' (available: name); did you mean 'name'?",
    ),
    "JSONata's branch too many": (
        jsonata({"Both": {"Type": "Parallel", "Branches": [machine({"Left": {"Type": "Pass", "Output": {"name": 1}}})], "Output": "{% $states.result[1].name %}"}}),
        "error",
        "state 'Both': $states.result[1].name: $states.result is a list with one item: $states.result[0]",
    ),
    "JSONata's context": (jsonata({"Use": {"Type": "Pass", "Output": "{% $states.context.State.Nam %}"}}), "error",
        "state 'Use': $states.context.State.Nam: the Context object has no 'Nam' (available: EnteredTime, Name, RetryCount); did you mean 'Name'?",
    ),
    # Taken for text
    "a forgotten .$": (machine({"Use": function({"location": "$.detail.humanLoopName"})}), "warning",
        "state 'Use': Parameters.Payload.location: '$.detail.humanLoopName' is sent as this text; write 'location.$' to read the path",
    ),
    "a forgotten .$ for the context": (machine({"Use": keep(made={"a": "$$.Execution.Id"})}), "warning",
        "state 'Use': Parameters.a: '$$.Execution.Id' is sent as this text; write 'a.$' to read the path",
    ),
    "a forgotten .$ for the state": (machine({"Use": keep(made={"event": "$"})}), "warning",
        "state 'Use': Parameters.event: '$' is sent as this text; write 'event.$' to read the path",
    ),
    "a forgotten .$ for a function": (machine({"Use": keep(made={"a": {"b": "States.Format('{}', $.id)"}})}), "warning",
        "state 'Use': Parameters.a.b: \"States.Format('{}', $.id)\" is sent as this text; write 'b.$' to call the function",
    ),
    "a forgotten .$ in a selector": (machine({"Use": function(ResultSelector={"n": "$.Payload.n"})}), "warning",
        "state 'Use': ResultSelector.n: '$.Payload.n' is sent as this text; write 'n.$' to read the path",
    ),
    "a forgotten .$ in an item": (
        machine({"List": LIST, "Each": items({"One": {"Type": "Pass"}}, ItemsPath="$.list", ItemSelector={"n": "$$.Map.Item.Value"})}), "warning",
        "state 'Each': ItemSelector.n: '$$.Map.Item.Value' is sent as this text; write 'n.$' to read the path",
    ),
    "a forgotten .$ in a variable": (machine({"Use": {"Type": "Pass", "Assign": {"n": "$.id"}}}), "warning",
        "state 'Use': Assign.n: '$.id' is sent as this text; write 'n.$' to read the path",
    ),
    "a forgotten .$ for a code": (machine({"Use": function({"failureCode": "$.detail.failureCode"})}), "warning",
        "state 'Use': Parameters.Payload.failureCode: '$.detail.failureCode' is sent as this text; write 'failureCode.$' to read the path",
    ),
    "a path in a list": (machine({"Use": keep(made={"all": ["$.id", "x"]})}), "warning",
        "state 'Use': Parameters.all[0]: '$.id' is sent as this text; a list takes no paths, so write the list as States.Array(…) to read the path",
    ),
    "a path in a Result": (machine({"Use": {"Type": "Pass", "Result": {"a": "$.id"}}}), "warning",
        "state 'Use': Result.a: a Result is literal, so '$.id' stays this text; write it in Parameters",
    ),
    "a path as a cause": (machine({"Use": {"Type": "Fail", "Cause": "$.failure.Cause"}}), "warning",
        "state 'Use': Cause: $.failure.Cause is taken for text; write cause_path='$.failure.Cause'",
    ),
    "a path as a time": (
        machine({"Wait": {"Type": "Wait", "Timestamp": "$.detail.creationTime"}}),
        "error",
        "state 'Wait': Timestamp must be a time such as '2026-01-31T08:15:00Z', not '$.detail.creationTime': write timestamp_path='$.detail.creationTime'",
    ),
    "JSONata as a number": (
        machine({"Wait": {"Type": "Wait", "Seconds": "{% 3 %}"}}),
        "error",
        "state 'Wait': Seconds: a JSONPath state takes {% … %} for text; give the step query_language=\"JSONata\", and use arguments= and output=",
    ),
    "a path to compare with": (
        machine({"Same?": choice({"Variable": "$.id", "StringEquals": "$.detail.humanLoopName", "Next": "End"}, default="End"), "End": END}), "warning",
        "state 'Same?': StringEquals: $.detail.humanLoopName is compared as text; use StringEqualsPath to compare with its value",
    ),
    "JSONata in JSONPath": (machine({"Use": function({"name": "{% $states.input.id %}"})}), "warning",
        "state 'Use': Parameters.Payload.name: a JSONPath state takes {% … %} for text; give the step query_language=\"JSONata\", and use arguments= and output=",
    ),
    "JSONata in a JSONPath key": (machine({"Use": function({"name.$": "{% $states.input.id %}"})}), "error",
        "state 'Use': Parameters.Payload.name.$: a JSONPath state takes {% … %} for text; give the step query_language=\"JSONata\", and use arguments= and output=",
    ),
    "a key with .$ and a text": (machine({"Use": keep(made={"name.$": "Anna"})}), "error",
        "state 'Use': Parameters.name.$: 'Anna' is neither a path ($.…, $$.…, $variable) nor an intrinsic function (States.Format(…)); for a literal value, remove '.$' from the key",
    ),
    "a misspelled intrinsic function": (machine({"Use": keep(made={"name.$": "States.Fromat('{}', $.id)"})}), "error",
        "state 'Use': Parameters.name.$: there is no intrinsic function States.Fromat; did you mean 'States.Format'?",
    ),
    "a key with .$ in JSONata": (
        jsonata({"Use": task("sqs:sendMessage", Arguments={"QueueUrl": QUEUE, "MessageBody.$": "$.detail"})}), "error",
        "state 'Use': Arguments.MessageBody.$: a JSONata state does not read '.$', it is part of the name; write 'MessageBody': '{% $states.input.detail %}'",
    ),
    "a nested key with .$ in JSONata": (jsonata({"Use": {"Type": "Pass", "Output": {"a.$": "$.detail.humanLoopName"}}}), "warning",
        "state 'Use': Output.a.$: a JSONata state does not read '.$', it is part of the name; write 'a': '{% $states.input.detail.humanLoopName %}'",
    ),
    "a path in JSONata": (jsonata({"Use": {"Type": "Pass", "Output": {"a": "$$.Execution.Id"}}}), "warning",
        "state 'Use': Output.a: '$$.Execution.Id' is sent as this text; write '{% $states.context.Execution.Id %}'",
    ),
    "JSONata without braces": (jsonata({"Use": {"Type": "Pass", "Output": {"a": "$states.input.id"}}}), "warning",
        "state 'Use': Output.a: '$states.input.id' is sent as this text; write '{% $states.input.id %}'",
    ),
    "JSONata in a text": (jsonata({"Use": {"Type": "Pass", "Output": {"a": "Hello {% $states.input.id %}"}}}), "warning",
        "state 'Use': Output.a: 'Hello {% $states.input.id %}' is text, because only a whole string can be an expression; write {% 'text ' & $states.input.… %}",
    ),
    "JSONata after a space": (jsonata({"Use": {"Type": "Pass", "Output": {"a": " {% $states.input.id %}"}}}), "error",
        "state 'Use': Output.a: an expression begins with {% and ends with %}, without spaces around it",
    ),
}  # fmt: skip
