"""Corrections of MiniStack. Each test fails without its correction in sandbox/ministack_patches/."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.canned_file import following
from sandbox.canned_results import Results
from sandbox.engine import Sandbox

CODE = """
import os

class OutputMissing(Exception):
    pass

def handler(event, context):
    match event.get("do"):
        case "raise": raise OutputMissing("nothing at s3://bucket/key")
        case "set": return {1, 2}
        case "exit": os._exit(3)
        case "where": return os.getpid(), os.path.realpath(".")
        case "import": return __import__(event["module"]).__name__
        case _: return os.getpid()
"""


@pytest.fixture
def role(sandbox: Sandbox, unique: str) -> str:
    """A role for functions, without permissions."""
    return add_role(sandbox, unique, "lambda.amazonaws.com")


@pytest.fixture
def machine_role(sandbox: Sandbox, unique: str) -> str:
    """A role for state machines that may do everything."""
    arn = add_role(sandbox, f"{unique}-machine", "states.amazonaws.com")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    sandbox.client("iam").put_role_policy(
        RoleName=f"{unique}-machine",
        PolicyName="all",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
    )
    return arn


def add_role(sandbox: Sandbox, name: str, service: str) -> str:
    principal = {"Service": service}
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    created = sandbox.client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )
    return str(created["Role"]["Arn"])


@pytest.fixture
def function(sandbox: Sandbox, unique: str, role: str) -> str:
    """A function that does what its event asks for."""
    return add_function(sandbox, unique, role)


def add_function(
    sandbox: Sandbox, name: str, role: str, handler: str = "function.handler", code: str = CODE
) -> str:
    bundle = io.BytesIO()
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("function.py", code)
    sandbox.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.12",
        Role=role,
        Handler=handler,
        Timeout=20,
        Code={"ZipFile": bundle.getvalue()},
    )
    return name


def invoke(sandbox: Sandbox, name: str, event: dict[str, Any]) -> tuple[str | None, Any]:
    answer = sandbox.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


@pytest.fixture
def execute(
    sandbox: Sandbox, unique: str, machine_role: str, eventually: Any
) -> Callable[..., dict[str, Any]]:
    """Runs a state machine and returns the execution when it has ended."""

    def run(states: dict[str, Any], given: Any = None) -> dict[str, Any]:
        machines = sandbox.client("stepfunctions")
        machine = machines.create_state_machine(
            name=f"{unique}-{uuid.uuid4().hex[:6]}",
            roleArn=machine_role,
            definition=json.dumps({"StartAt": next(iter(states)), "States": states}),
        )
        started = machines.start_execution(
            stateMachineArn=machine["stateMachineArn"], input=json.dumps(given or {})
        )

        def ended() -> dict[str, Any] | None:
            execution = machines.describe_execution(executionArn=started["executionArn"])
            return execution if execution["status"] != "RUNNING" else None

        return eventually(ended)

    return run


def test_function_error_has_class_of_exception(sandbox, function):
    kind, error = invoke(sandbox, function, {"do": "raise"})
    assert kind == "Unhandled"
    assert error["errorType"] == "OutputMissing"
    assert error["errorMessage"] == "nothing at s3://bucket/key"
    assert error["requestId"]
    [frame] = error["stackTrace"]
    assert 'raise OutputMissing("nothing' in frame


def test_exception_keeps_execution_environment(sandbox, function):
    _, before = invoke(sandbox, function, {})
    invoke(sandbox, function, {"do": "raise"})
    assert invoke(sandbox, function, {}) == (None, before)


def test_execution_environments_share_the_code_of_a_bundle(sandbox, function):
    _, (process, folder) = invoke(sandbox, function, {"do": "where"})
    sandbox.client("lambda").update_function_configuration(FunctionName=function, MemorySize=256)
    _, (other_process, other_folder) = invoke(sandbox, function, {"do": "where"})
    assert (process == other_process, folder == other_folder) == (False, True)


@pytest.mark.parametrize(("do", "error"), [("set", "Runtime.MarshalError"), ("exit", "Runtime.ExitError")])
def test_runtime_error_has_name_of_lambda(sandbox, function, do, error):
    assert invoke(sandbox, function, {"do": do})[1]["errorType"] == error


@pytest.mark.parametrize(
    ("handler", "code", "error", "message"),
    [
        ("nowhere.handler", "", "Runtime.ImportModuleError", "Unable to import module 'nowhere'"),
        (
            "function.nothing",
            "",
            "Runtime.HandlerNotFound",
            "Handler 'nothing' missing on module 'function'",
        ),
        ("function.handler", "1 / 0", "ZeroDivisionError", "division by zero"),
    ],
)
def test_function_that_cannot_be_loaded_reports_error(sandbox, unique, role, handler, code, error, message):
    add_function(sandbox, unique, role, handler, code)
    _, failure = invoke(sandbox, unique, {})
    assert failure["errorType"] == error
    assert failure["errorMessage"].startswith(message)


def test_catch_matches_class_of_exception(execute, function):
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload": {"do": "raise"}},
        "Catch": [{"ErrorEquals": ["OutputMissing"], "Next": "Caught"}],
        "End": True,
    }
    execution = execute({"Task": task, "Caught": {"Type": "Pass", "End": True}})
    assert execution["status"] == "SUCCEEDED"
    output = json.loads(execution["output"])
    assert output["Error"] == "OutputMissing"
    assert json.loads(output["Cause"])["errorMessage"] == "nothing at s3://bucket/key"


@pytest.mark.parametrize("module", ["boto3", "botocore", "json", "sqlite3", "jmespath", "urllib3"])
def test_function_imports_packages_of_lambda_runtime(sandbox, function, module):
    assert invoke(sandbox, function, {"do": "import", "module": module}) == (None, module)


@pytest.mark.parametrize("module", ["pydantic", "ministack", "sandbox", "workflow", "pytest"])
def test_function_cannot_import_packages_outside_its_bundle(sandbox, function, module):
    kind, error = invoke(sandbox, function, {"do": "import", "module": module})
    assert (kind, error["errorType"]) == ("Unhandled", "ModuleNotFoundError")


def test_callback_task_fails_if_its_function_fails(execute, function):
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": function, "Payload": {"do": "raise", "token.$": "$$.Task.Token"}},
        "TimeoutSeconds": 3600,
        "End": True,
    }
    execution = execute({"Task": task})
    assert (execution["status"], execution["error"]) == ("FAILED", "OutputMissing")


def test_callback_task_waits_if_its_function_succeeds(execute, function):
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": function, "Payload": {"token.$": "$$.Task.Token"}},
        "TimeoutSeconds": 1,
        "End": True,
    }
    execution = execute({"Task": task})
    assert (execution["status"], execution["error"]) == ("FAILED", "States.Timeout")


def sdk_call(service: str, action: str, parameters: dict[str, Any]) -> dict[str, Any]:
    resource = f"arn:aws:states:::aws-sdk:{service}:{action}"
    return {"Type": "Task", "Resource": resource, "Parameters": parameters, "End": True}


SEND_TASK_SUCCESS = """
import boto3

def handler(event, context):
    boto3.client("stepfunctions").send_task_success(taskToken=event["token"], output='"answered"')
"""


def test_send_task_success_needs_permission_on_state_machine(sandbox, execute, unique, role):
    add_function(sandbox, unique, role, code=SEND_TASK_SUCCESS)
    ask = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Parameters": {"FunctionName": unique, "Payload": {"token.$": "$$.Task.Token"}},
        "TimeoutSeconds": 20,
        "End": True,
    }

    def allow(machines: str) -> None:
        statement = {"Effect": "Allow", "Action": "states:SendTaskSuccess", "Resource": machines}
        sandbox.client("iam").put_role_policy(
            RoleName=unique,
            PolicyName="answer",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )

    base = f"arn:aws:states:{sandbox.region}:{sandbox.account_id}:stateMachine"
    allow(f"{base}:another-*")
    refused = execute({"Ask": ask})
    assert refused["status"] == "FAILED"
    assert "AccessDenied" in refused["cause"]
    allow(f"{base}:{unique}-*")
    assert json.loads(execute({"Ask": ask})["output"]) == "answered"


def test_unknown_token_is_invalid(sandbox):
    states = sandbox.client("stepfunctions")
    with pytest.raises(states.exceptions.InvalidToken):
        states.send_task_failure(taskToken="made up", error="E", cause="c")


def test_sdk_integration_starts_and_describes_human_loop(sandbox, execute, unique):
    flow = sandbox.flow_definitions.create(f"{unique}-flow", unique)
    request = {
        "HumanLoopName.$": "$.name",
        "FlowDefinitionArn": flow,
        "HumanLoopInput": {"InputContent.$": "States.JsonToString($.content)"},
    }
    given = {"name": unique, "content": {"a": 1}}
    execution = execute({"Start": sdk_call("sagemakera2iruntime", "startHumanLoop", request)}, given)
    assert execution["status"] == "SUCCEEDED", execution
    arn = json.loads(execution["output"])["HumanLoopArn"]
    assert sandbox.loops.get(unique).arn == arn
    assert sandbox.loops.get(unique).input_content == {"a": 1}

    describe = sdk_call("sagemakera2iruntime", "describeHumanLoop", {"HumanLoopName": unique})
    described = json.loads(execute({"Describe": describe})["output"])
    assert described["HumanLoopStatus"] == "InProgress"
    assert described["HumanLoopArn"] == arn

    execution = execute(
        {"Start": sdk_call("sagemakera2iruntime", "startHumanLoop", request)}, given | {"content": {"a": 2}}
    )
    assert (execution["status"], execution["error"]) == ("FAILED", "SageMakerA2IRuntime.ConflictException")


@pytest.mark.parametrize(
    ("service", "action", "parameters", "error"),
    [
        (
            "sagemakera2iruntime",
            "describeHumanLoop",
            {"HumanLoopName": "No"},
            "SageMakerA2IRuntime.ValidationException",
        ),
        (
            "sagemaker",
            "describeFlowDefinition",
            {"FlowDefinitionName": "no"},
            "SageMaker.ResourceNotFoundException",
        ),
        ("textract", "analyzeDocument", {"FeatureTypes": ["FORMS"]}, "Textract.InvalidParameterException"),
        ("rekognition", "detectModerationLabels", {}, "Rekognition.InvalidParameterException"),
        ("textract", "detectDocumentText", {"Document": {}}, "States.Runtime"),
    ],
)
def test_errors_of_sdk_integration_have_prefix_of_service(execute, service, action, parameters, error):
    execution = execute({"Call": sdk_call(service, action, parameters)})
    assert (execution["status"], execution["error"]) == ("FAILED", error)


def test_sdk_integration_calls_textract(sandbox, execute, unique):
    sandbox.client("s3").create_bucket(Bucket=unique)
    sandbox.client("s3").put_object(Bucket=unique, Key="invoice.png", Body=b"\x89PNG\r\n\x1a\n")
    request = {"Document": {"S3Object": {"Bucket": unique, "Name": "invoice.png"}}, "FeatureTypes": ["FORMS"]}
    execution = execute({"Analyze": sdk_call("textract", "analyzeDocument", request)})
    assert execution["status"] == "SUCCEEDED", execution
    assert json.loads(execution["output"])["DocumentMetadata"] == {"Pages": 1}


def test_canned_results_follow_their_file(sandbox, execute, eventually, tmp_path, monkeypatch):
    monkeypatch.setattr("sandbox.canned_file.PAUSE_SECONDS", 0.02)
    file, reports = tmp_path / "results.json", []
    detect = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:comprehend:detectSentiment",
        "Parameters": {"Text": "good", "LanguageCode": "en"},
        "End": True,
    }

    def write(sentiment):
        service = {"aws-sdk:comprehend:detectSentiment": {"result": {"Sentiment": sentiment}}}
        save(json.dumps({"services": service}))

    def save(text):
        """At once: the file is never seen half written."""
        (tmp_path / "new.json").write_text(text)
        (tmp_path / "new.json").replace(file)

    with following(file, Results(), sandbox.canned_results, reports.append):
        write("POSITIVE")
        eventually(lambda: reports == ["Canned results of results.json"])
        assert json.loads(execute({"Detect": detect})["output"]) == {"Sentiment": "POSITIVE"}
        save("{}}")
        eventually(lambda: len(reports) > 1)
        assert "is not JSON" in reports[1]
        assert "keeps the earlier results" in reports[1]
        write("NEUTRAL")
        eventually(lambda: len(reports) > 2)
        assert json.loads(execute({"Detect": detect})["output"]) == {"Sentiment": "NEUTRAL"}
        file.unlink()
        eventually(lambda: reports[-1] == "results.json is gone: no canned results")
    assert execute({"Detect": detect})["status"] == "FAILED"


def test_execution_runs_version_it_was_started_with(sandbox, unique, machine_role, eventually):
    states = sandbox.client("stepfunctions")

    def saying(word: str) -> str:
        machine = {"StartAt": "Say", "States": {"Say": {"Type": "Pass", "Result": word, "End": True}}}
        return json.dumps(machine)

    def started(arn: str) -> tuple[str, dict[str, Any]]:
        execution = states.start_execution(stateMachineArn=arn)["executionArn"]
        ended = eventually(
            lambda: (
                found
                if (found := states.describe_execution(executionArn=execution))["status"] == "SUCCEEDED"
                else None
            )
        )
        return json.loads(ended["output"]), ended

    machine = states.create_state_machine(name=unique, definition=saying("one"), roleArn=machine_role)
    arn = machine["stateMachineArn"]
    first = states.publish_state_machine_version(stateMachineArn=arn)["stateMachineVersionArn"]
    second = states.update_state_machine(stateMachineArn=arn, definition=saying("two"), publish=True)[
        "stateMachineVersionArn"
    ]
    routes = [
        {"stateMachineVersionArn": first, "weight": 100},
        {"stateMachineVersionArn": second, "weight": 0},
    ]
    alias = states.create_state_machine_alias(name="live", routingConfiguration=routes)[
        "stateMachineAliasArn"
    ]

    word, by_alias = started(alias)
    assert word == "one"
    assert (by_alias["stateMachineVersionArn"], by_alias["stateMachineAliasArn"]) == (first, alias)
    definition = states.describe_state_machine_for_execution(executionArn=by_alias["executionArn"])[
        "definition"
    ]
    assert definition == saying("one")
    assert started(second)[0] == "two"
    word, by_machine = started(arn)
    assert word == "two"
    assert "stateMachineVersionArn" not in by_machine

    def listed(arn: str) -> int:
        return len(states.list_executions(stateMachineArn=arn)["executions"])

    assert [listed(one) for one in (arn, first, second, alias)] == [3, 1, 1, 1]


@pytest.mark.parametrize("inner_by", ["machine", "version", "alias"])
def test_nested_execution_runs_its_own_definition(sandbox, unique, machine_role, eventually, inner_by):
    """The outer execution is started with an alias, as the rule starts them."""
    states = sandbox.client("stepfunctions")

    def machine(name: str, state: dict[str, Any]) -> dict[str, str]:
        definition = json.dumps({"StartAt": "Do", "States": {"Do": {**state, "End": True}}})
        arn = states.create_state_machine(name=name, definition=definition, roleArn=machine_role)[
            "stateMachineArn"
        ]
        version = states.publish_state_machine_version(stateMachineArn=arn)["stateMachineVersionArn"]
        routes = [{"stateMachineVersionArn": version, "weight": 100}]
        alias = states.create_state_machine_alias(name="live", routingConfiguration=routes)
        return {"machine": arn, "version": version, "alias": alias["stateMachineAliasArn"]}

    inner = machine(f"{unique}-in", {"Type": "Pass", "Result": "inner"})
    resource = "arn:aws:states:::states:startExecution.sync:2"
    wait = {
        "Type": "Task",
        "Resource": resource,
        "Parameters": {"StateMachineArn": inner[inner_by], "Input": {}},
    }
    outer = machine(f"{unique}-out", {**wait, "OutputPath": "$.Output"})
    execution = states.start_execution(stateMachineArn=outer["alias"])["executionArn"]
    ended = eventually(
        lambda: (
            found
            if (found := states.describe_execution(executionArn=execution))["status"] != "RUNNING"
            else None
        )
    )
    assert json.loads(ended["output"]) == "inner"
    assert len(states.list_executions(stateMachineArn=inner[inner_by])["executions"]) == 1


def test_stacks_with_same_name_in_two_regions_share_nothing(sandbox, unique, eventually):
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}}
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "Bucket": {"Type": "AWS::S3::Bucket"},
    }
    names = []
    for region in ("us-east-1", "eu-west-1"):
        client = sandbox.client("cloudformation", region_name=region)
        client.create_stack(
            StackName=unique,
            TemplateBody=json.dumps({"Resources": resources}),
            Capabilities=["CAPABILITY_IAM"],
        )
        eventually(
            lambda client=client: (
                client.describe_stacks(StackName=unique)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
            )
        )
        found = client.describe_stack_resources(StackName=unique)["StackResources"]
        names += [one["PhysicalResourceId"] for one in found]
    assert len(set(names)) == 4


def test_catch_sets_variables(execute, function):
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": function, "Payload": {"do": "raise"}},
        "Catch": [{"ErrorEquals": ["States.ALL"], "Assign": {"why.$": "$.Error"}, "Next": "Caught"}],
        "End": True,
    }
    caught = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $why %}", "End": True}
    execution = execute({"Task": task, "Caught": caught})
    assert json.loads(execution["output"]) == "OutputMissing"


@pytest.mark.parametrize(
    ("given", "rule", "ended"),
    [
        ({"a": {"b": "x"}}, {"IsString": True}, "Yes"),
        ({"a": {"b": None}}, {"IsString": True}, "No"),
        ({"a": {"b": None}}, {"IsPresent": True}, "Yes"),
        ({"a": {}}, {"IsPresent": True}, "No"),
        ({"a": None}, {"IsPresent": True}, "No"),
        ({"a": {}}, {"IsString": True}, None),
        ({"a": None}, {"IsNull": True}, None),
        ({"a": None}, {"StringEquals": "x"}, None),
    ],
    ids=json.dumps,
)
def test_choice_on_missing_value_fails_execution(execute, given, rule, ended):
    states = {
        "Choice": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.a.b", **rule, "Next": "Yes"}],
            "Default": "No",
        },
        "Yes": {"Type": "Pass", "Result": "Yes", "End": True},
        "No": {"Type": "Pass", "Result": "No", "End": True},
    }
    execution = execute(states, given)
    if ended is None:
        assert (execution["status"], execution["error"]) == ("FAILED", "States.Runtime")
        assert "$.a.b" in execution["cause"]
    else:
        assert json.loads(execution["output"]) == ended


def test_sns_integration_publishes_message_attributes(sandbox, execute, unique):
    topic = sandbox.client("sns").create_topic(Name=unique)["TopicArn"]
    sqs = sandbox.client("sqs")
    queue = sqs.create_queue(QueueName=unique)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    sandbox.client("sns").subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"FilterPolicy": json.dumps({"kind": ["wanted"]})},
    )
    for kind in ("other", "wanted"):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        execute(
            {
                "Publish": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::sns:publish",
                    "Parameters": {"TopicArn": topic, "Message": kind, "MessageAttributes": attributes},
                    "End": True,
                }
            }
        )
    messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5, MaxNumberOfMessages=10)["Messages"]
    assert [json.loads(message["Body"])["Message"] for message in messages] == ["wanted"]


@pytest.mark.parametrize("name", ["ExpressionAttributeValues", "ExpressionAttributeNames"])
def test_empty_expression_attributes_are_refused(sandbox, unique, name):
    dynamodb = sandbox.client("dynamodb")
    dynamodb.create_table(
        TableName=unique,
        KeySchema=[{"AttributeName": "key", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "key", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    request = {"TableName": unique, "FilterExpression": "attribute_exists(note)"}
    assert dynamodb.scan(**request)["Count"] == 0
    with pytest.raises(dynamodb.exceptions.ClientError, match=f"{name} must not be empty"):
        dynamodb.scan(**request, **{name: {}})


def test_requests_on_loopback_count_as_tls(sandbox, unique):
    s3 = sandbox.client("s3")
    s3.create_bucket(Bucket=unique)
    only_tls = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{unique}", f"arn:aws:s3:::{unique}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket=unique, Policy=json.dumps({"Version": "2012-10-17", "Statement": [only_tls]}))
    user = sandbox.client("iam").create_user(UserName=unique)["User"]["UserName"]
    allowed = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}
    sandbox.client("iam").put_user_policy(
        UserName=user,
        PolicyName="put",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}),
    )
    key = sandbox.client("iam").create_access_key(UserName=user)["AccessKey"]
    client = sandbox.client(
        "s3", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    client.put_object(Bucket=unique, Key="a", Body=b"a")
    client.close()
