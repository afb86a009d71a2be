"""The human-loop service across the wire, with plain boto3: all operations, endings, events, permissions."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdas.reviews.output import parse_output
from sandbox.engine import Sandbox
from sandbox.errors import SandboxError
from sandbox.protocol import operation
from sandbox.samples import SUPPORT_MESSAGE

A2I = "sagemaker-a2i-runtime"


@pytest.fixture(scope="module")
def a2i(sandbox: Sandbox) -> Any:
    return sandbox.client(A2I)


@pytest.fixture
def unique() -> str:
    """A name that no other test has."""
    return f"t-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def flow(sandbox: Sandbox, unique: str) -> str:
    """A flow definition whose loops two workers answer."""
    return sandbox.flow_definitions.create(f"{unique}-flow", unique, task_count=2)


@pytest.fixture
def inbox(sandbox: Sandbox, flow: str, unique: str) -> Inbox:
    """What EventBridge delivers of the flow definition's status changes, by a rule like the stack's."""
    return Inbox(sandbox, flow, unique)


class Inbox:
    """A queue behind a rule."""

    def __init__(self, sandbox: Sandbox, flow: str, name: str) -> None:
        self._sqs = sandbox.client("sqs")
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        events = sandbox.client("events")
        pattern = {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker A2I HumanLoop Status Change"],
            "detail": {"flowDefinitionArn": [flow]},
        }
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": attributes["Attributes"]["QueueArn"]}])

    def receive(self) -> dict[str, Any]:
        """The next event. It is there already: endings return when EventBridge has it."""
        messages = self._sqs.receive_message(QueueUrl=self._queue, WaitTimeSeconds=5)["Messages"]
        self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=messages[0]["ReceiptHandle"])
        return json.loads(messages[0]["Body"])

    def is_empty(self) -> bool:
        return "Messages" not in self._sqs.receive_message(QueueUrl=self._queue)


def start(a2i: Any, name: str, flow: str, content: str = SUPPORT_MESSAGE.input_content) -> dict[str, Any]:
    return a2i.start_human_loop(
        HumanLoopName=name, FlowDefinitionArn=flow, HumanLoopInput={"InputContent": content}
    )


def read(sandbox: Sandbox, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return sandbox.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def conforms(name: str, response: dict[str, Any]) -> dict[str, Any]:
    """The response, checked against botocore's model of it."""
    plain = {key: value for key, value in response.items() if key != "ResponseMetadata"}
    report = ParamValidator().validate(plain, operation(A2I, name).model.output_shape)
    assert not report.has_errors(), report.generate_report()
    return plain


def error_of(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_the_life_of_a_loop(sandbox, a2i, flow, unique, inbox):
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    arn = conforms("StartHumanLoop", start(a2i, unique, flow))["HumanLoopArn"]
    assert arn == f"arn:aws:sagemaker:us-east-1:{sandbox.account_id}:human-loop/{unique}"

    described = conforms("DescribeHumanLoop", a2i.describe_human_loop(HumanLoopName=unique))
    created = described.pop("CreationTime")
    assert before <= created <= datetime.now(UTC)
    uri = described.pop("HumanLoopOutput")["OutputS3Uri"]
    assert (
        uri == f"s3://{unique}/{unique}-flow/{created.astimezone(UTC):%Y/%m/%d/%H/%M/%S}/{unique}/output.json"
    )
    assert described == {
        "HumanLoopName": unique,
        "HumanLoopArn": arn,
        "FlowDefinitionArn": flow,
        "HumanLoopStatus": "InProgress",
    }

    sandbox.loops.answer(unique, SUPPORT_MESSAGE.answers[0], worker="A1", seconds_spent=42.5)
    assert a2i.describe_human_loop(HumanLoopName=unique)["HumanLoopStatus"] == "InProgress"
    assert inbox.is_empty()
    state = sandbox.loops.answer(unique, SUPPORT_MESSAGE.answers[1], worker="A2")
    assert state.status == "Completed"

    listed = conforms("ListHumanLoops", a2i.list_human_loops(FlowDefinitionArn=flow))
    assert listed == {
        "HumanLoopSummaries": [
            {
                "HumanLoopName": unique,
                "HumanLoopStatus": "Completed",
                "CreationTime": created,
                "FlowDefinitionArn": flow,
            }
        ]
    }

    event = inbox.receive()
    assert event.keys() >= {"version", "id", "time"}
    assert event["source"] == "aws.sagemaker"
    assert event["detail-type"] == "SageMaker A2I HumanLoop Status Change"
    assert (event["account"], event["region"]) == (sandbox.account_id, "us-east-1")
    assert event["resources"] == [arn]
    assert event["detail"]["humanLoopStatus"] == "Completed"
    assert event["detail"]["humanLoopOutput"] == {"outputS3Uri": uri}
    assert datetime.fromisoformat(event["detail"]["creationTime"]) == created

    output = json.loads(read(sandbox, uri))
    assert output["humanLoopName"] == unique
    assert output["flowDefinitionArn"] == flow
    assert output["inputContent"] == SUPPORT_MESSAGE.prediction
    assert [answer["answerContent"] for answer in output["humanAnswers"]] == list(SUPPORT_MESSAGE.answers[:2])
    assert [answer["workerId"] for answer in output["humanAnswers"]] == ["A1", "A2"]
    assert output["humanAnswers"][0]["timeSpentInSeconds"] == 42.5
    assert parse_output(read(sandbox, uri)).task_type == "custom"

    conforms("DeleteHumanLoop", a2i.delete_human_loop(HumanLoopName=unique))
    assert error_of(a2i.describe_human_loop, HumanLoopName=unique) == ("ResourceNotFoundException", 404)
    assert a2i.list_human_loops(FlowDefinitionArn=flow)["HumanLoopSummaries"] == []


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_as_many_workers_answer_as_the_flow_definition_says(sandbox, a2i, unique, workers):
    flow = sandbox.flow_definitions.create(f"{unique}-flow", unique, task_count=workers, prefix="a/b")
    start(a2i, unique, flow)
    for number in range(workers):
        assert sandbox.loops.get(unique).status == "InProgress"
        state = sandbox.loops.answer(unique, SUPPORT_MESSAGE.answers[number])
    assert state.status == "Completed"
    assert state.output_uri.startswith(f"s3://{unique}/a/b/{unique}-flow/")
    output = parse_output(read(sandbox, state.output_uri))
    assert len({answer.worker_id for answer in output.human_answers}) == workers


@pytest.mark.parametrize("code", ["ValidationError", "InternalError", "Expired", "SomethingNew"])
def test_a_loop_fails_with_any_code(sandbox, a2i, flow, unique, inbox, code):
    start(a2i, unique, flow)
    sandbox.loops.fail(unique, code, "because")
    described = conforms("DescribeHumanLoop", a2i.describe_human_loop(HumanLoopName=unique))
    assert described["HumanLoopStatus"] == "Failed"
    assert (described["FailureCode"], described["FailureReason"]) == (code, "because")
    [summary] = a2i.list_human_loops(FlowDefinitionArn=flow)["HumanLoopSummaries"]
    assert summary["FailureReason"] == "because"
    detail = inbox.receive()["detail"]
    assert (detail["humanLoopStatus"], detail["failureCode"], detail["failureReason"]) == (
        "Failed",
        code,
        "because",
    )


@pytest.mark.parametrize("answers", [0, 1])
def test_a_loop_is_stopped_by_the_api(sandbox, a2i, flow, unique, inbox, answers, eventually):
    start(a2i, unique, flow)
    for _ in range(answers):
        sandbox.loops.answer(unique, {"a": "b"})
    conforms("StopHumanLoop", a2i.stop_human_loop(HumanLoopName=unique))
    eventually(lambda: sandbox.loops.get(unique).status == "Stopped")
    detail = inbox.receive()["detail"]
    assert detail["humanLoopStatus"] == "Stopped"
    uri = detail["humanLoopOutput"]["outputS3Uri"]
    if answers:
        assert len(json.loads(read(sandbox, uri))["humanAnswers"]) == answers
    else:
        assert error_of(read, sandbox=sandbox, uri=uri) == ("NoSuchKey", 404)
    assert error_of(a2i.stop_human_loop, HumanLoopName=unique) == ("ValidationException", 400)


def test_stopping_takes_its_time():
    with Sandbox.start() as sandbox:
        flow = sandbox.flow_definitions.create("flow", "output")
        a2i = sandbox.client(A2I)
        start(a2i, "loop", flow)
        sandbox.configure(stopping_seconds=3600)
        a2i.stop_human_loop(HumanLoopName="loop")
        assert a2i.describe_human_loop(HumanLoopName="loop")["HumanLoopStatus"] == "Stopping"
        a2i.stop_human_loop(HumanLoopName="loop")
        assert error_of(a2i.delete_human_loop, HumanLoopName="loop") == ("ValidationException", 400)
        with pytest.raises(SandboxError, match="loop is Stopping"):
            sandbox.loops.answer("loop", {})


def test_a_loop_expires_when_told_so(sandbox, a2i, flow, unique, inbox):
    start(a2i, unique, flow)
    sandbox.loops.answer(unique, {})
    assert sandbox.loops.expire(unique).failure_code == "Expired"
    assert inbox.receive()["detail"]["failureCode"] == "Expired"
    with pytest.raises(SandboxError, match=f"{unique} is Failed"):
        sandbox.loops.answer(unique, {})


def test_a_loop_expires_by_itself_after_its_scaled_lifetime(eventually):
    with Sandbox.start(lifetime_scale=0.0001) as sandbox:
        flow = sandbox.flow_definitions.create("flow", "output", lifetime_seconds=3600)  # 0.36 s
        start(sandbox.client(A2I), "loop", flow)
        assert sandbox.loops.get("loop").status == "InProgress"
        eventually(lambda: sandbox.loops.get("loop").failure_code == "Expired")
        [event] = sandbox.events.of("loop")
        assert event["detail"]["humanLoopStatus"] == "Failed"


def test_a_repeated_start_is_the_same_loop_and_a_different_one_a_conflict(sandbox, a2i, flow, unique):
    assert start(a2i, unique, flow)["HumanLoopArn"] == start(a2i, unique, flow)["HumanLoopArn"]
    assert len(a2i.list_human_loops(FlowDefinitionArn=flow)["HumanLoopSummaries"]) == 1
    other = {"HumanLoopName": unique, "FlowDefinitionArn": flow, "HumanLoopInput": {"InputContent": "{}"}}
    assert error_of(a2i.start_human_loop, **other) == ("ConflictException", 409)
    with pytest.raises(a2i.exceptions.ConflictException):
        a2i.start_human_loop(**other)


def test_names_are_unique_per_region(sandbox, a2i, flow, unique):
    start(a2i, unique, flow)
    elsewhere = sandbox.client(A2I, region_name="eu-west-1")
    assert error_of(elsewhere.describe_human_loop, HumanLoopName=unique) == ("ResourceNotFoundException", 404)
    arguments = {"HumanLoopName": unique, "FlowDefinitionArn": flow, "HumanLoopInput": {"InputContent": "{}"}}
    assert error_of(elsewhere.start_human_loop, **arguments) == ("ValidationException", 400)
    elsewhere.close()


def test_what_boto3_does_not_check_the_service_does(sandbox, a2i, flow, unique):
    for name in ("Upper", "under_score", "-first", "last-", "a" * 64, "with.dot"):
        arguments = {
            "HumanLoopName": name,
            "FlowDefinitionArn": flow,
            "HumanLoopInput": {"InputContent": "{}"},
        }
        assert error_of(a2i.start_human_loop, **arguments) == ("ValidationException", 400), name
    arguments = {"HumanLoopName": unique, "FlowDefinitionArn": flow, "HumanLoopInput": {"InputContent": "no"}}
    assert error_of(a2i.start_human_loop, **arguments) == ("ValidationException", 400)
    arguments["HumanLoopInput"] = {"InputContent": json.dumps({"a": "x" * 3_145_728})}
    assert error_of(a2i.start_human_loop, **arguments) == ("ValidationException", 400)
    arguments["FlowDefinitionArn"] = flow + "-not"
    arguments["HumanLoopInput"] = {"InputContent": "{}"}
    assert error_of(a2i.start_human_loop, **arguments) == ("ValidationException", 400)
    assert a2i.list_human_loops(FlowDefinitionArn=flow)["HumanLoopSummaries"] == []


@pytest.fixture(scope="module")
def unrestrained(sandbox: Sandbox) -> Any:
    """A client that sends whatever it is given."""
    client = sandbox.client(A2I, config=Config(parameter_validation=False, retries={"max_attempts": 0}))
    yield client
    client.close()


@given(name=st.text(min_size=1, max_size=70).filter(lambda name: name not in (".", "..")))
@settings(max_examples=60)
def test_any_name_is_answered_by_an_error_of_the_service(unrestrained, name):
    for call in (
        unrestrained.describe_human_loop,
        unrestrained.delete_human_loop,
        unrestrained.stop_human_loop,
    ):
        code, status = error_of(call, HumanLoopName=name)
        assert (code, status) in {("ValidationException", 400), ("ResourceNotFoundException", 404)}


def test_lists_come_in_pages_that_boto3_can_walk(sandbox, a2i, unique):
    flow = sandbox.flow_definitions.create(f"{unique}-flow", unique)
    names = [f"{unique}-{number:02}" for number in range(23)]
    for name in names:
        start(a2i, name, flow)
    walk = a2i.get_paginator("list_human_loops").paginate

    def listed(**arguments: Any) -> list[str]:
        pages = list(walk(FlowDefinitionArn=flow, **arguments))
        assert len(pages) == 3 or arguments.keys() - {"SortOrder"}
        return [loop["HumanLoopName"] for page in pages for loop in page["HumanLoopSummaries"]]

    assert listed() == names
    assert listed(SortOrder="Descending") == names[::-1]
    tenth = a2i.describe_human_loop(HumanLoopName=names[10])["CreationTime"]
    assert set(listed(CreationTimeAfter=tenth + timedelta(seconds=2))) == set()
    assert set(listed(CreationTimeBefore=tenth + timedelta(days=1))) == set(names)
    assert error_of(a2i.list_human_loops, FlowDefinitionArn=flow, NextToken="mine") == (
        "ValidationException",
        400,
    )
    unknown = {"FlowDefinitionArn": flow + "x"}
    assert error_of(a2i.list_human_loops, **unknown) == ("ResourceNotFoundException", 404)


@pytest.mark.parametrize(
    ("code", "status"), [("ThrottlingException", 429), ("ServiceQuotaExceededException", 402)]
)
def test_a_call_can_be_refused_on_request(sandbox, a2i, flow, unique, unrestrained, code, status):
    sandbox.loops.refuse("StartHumanLoop", code, "not now")
    arguments = {"HumanLoopName": unique, "FlowDefinitionArn": flow, "HumanLoopInput": {"InputContent": "{}"}}
    assert error_of(unrestrained.start_human_loop, **arguments) == (code, status)
    unrestrained.start_human_loop(**arguments)


def test_events_can_come_twice_get_lost_or_be_malformed(sandbox, a2i, flow, unique, inbox):
    start(a2i, unique, flow)
    with pytest.raises(SandboxError, match=f"{unique} is InProgress"):
        sandbox.events.redeliver(unique)
    sandbox.events.lose()
    sandbox.loops.fail(unique, "InternalError")
    assert inbox.is_empty()
    assert sandbox.events.of(unique) == []
    sandbox.events.redeliver(unique)  # what was lost comes late
    assert inbox.receive()["detail"] == sandbox.events.of(unique)[0]["detail"]

    start(a2i, f"{unique}-2", flow)
    sandbox.loops.fail(f"{unique}-2", "InternalError")
    first = inbox.receive()
    sandbox.events.redeliver(f"{unique}-2")
    second = inbox.receive()
    assert first["detail"] == second["detail"]
    assert first["id"] != second["id"]

    sandbox.events.deliver({"flowDefinitionArn": flow, "humanLoopStatus": 7, "odd": None})
    malformed = inbox.receive()
    assert malformed["source"] == "aws.sagemaker"
    assert malformed["detail"] == {"flowDefinitionArn": flow, "humanLoopStatus": 7, "odd": None}


def test_nobody_else_may_send_such_events(sandbox):
    answer = sandbox.client("events").put_events(
        Entries=[{"Source": "aws.sagemaker", "DetailType": "x", "Detail": "{}"}]
    )
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"


def test_an_output_bucket_that_is_gone_is_told_and_can_be_put_right(sandbox, a2i, unique):
    flow = sandbox.flow_definitions.create(f"{unique}-flow", unique)
    start(a2i, unique, flow)
    sandbox.client("s3").delete_bucket(Bucket=unique)
    with pytest.raises(SandboxError, match=rf"s3://{unique}/.* cannot be written: NoSuchBucket"):
        sandbox.loops.answer(unique, {})
    sandbox.client("s3").create_bucket(Bucket=unique)
    assert sandbox.loops.answer(unique, {}).status == "Completed"


@pytest.mark.parametrize("act", ["get", "answer", "expire"])
def test_a_loop_that_is_not_there_is_told(sandbox, act):
    arguments = [{}] if act == "answer" else []
    with pytest.raises(
        SandboxError, match="There is no human loop no-such in account 111122223333, us-east-1"
    ):
        getattr(sandbox.loops, act)("no-such", *arguments)


def test_flow_definitions_by_sagemakers_own_api(sandbox, unique):
    sagemaker = sandbox.client("sagemaker")
    arn = sandbox.flow_definitions.create(f"{unique}-flow", unique, task_count=3, lifetime_seconds=90)
    described = sagemaker.describe_flow_definition(FlowDefinitionName=f"{unique}-flow")
    assert described["FlowDefinitionArn"] == arn
    assert described["FlowDefinitionStatus"] == "Active"
    assert described["HumanLoopConfig"]["TaskCount"] == 3
    assert described["HumanLoopConfig"]["TaskAvailabilityLifetimeInSeconds"] == 90
    assert described["OutputConfig"]["S3OutputPath"] == f"s3://{unique}"
    pages = sagemaker.get_paginator("list_flow_definitions").paginate(PaginationConfig={"PageSize": 2})
    assert arn in [flow["FlowDefinitionArn"] for page in pages for flow in page["FlowDefinitionSummaries"]]
    with pytest.raises(sagemaker.exceptions.ResourceInUse):
        sandbox.flow_definitions.create(f"{unique}-flow", unique)
    with pytest.raises(ClientError, match="ValidationException"):
        sandbox.flow_definitions.create(f"{unique}_flow", unique)
    sagemaker.delete_flow_definition(FlowDefinitionName=f"{unique}-flow")
    with pytest.raises(sagemaker.exceptions.ResourceNotFound):
        sagemaker.describe_flow_definition(FlowDefinitionName=f"{unique}-flow")


def test_a_role_may_do_what_its_policy_allows_and_nothing_else(sandbox, a2i, flow, unique):
    iam, sts = sandbox.client("iam"), sandbox.client("sts")
    statement = {"Effect": "Allow", "Principal": {"AWS": sandbox.account_id}, "Action": "sts:AssumeRole"}
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    role = iam.create_role(RoleName=unique, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    allowed = {"Effect": "Allow", "Action": "sagemaker:StartHumanLoop", "Resource": flow}
    policy = {"Version": "2012-10-17", "Statement": [allowed]}
    iam.put_role_policy(RoleName=unique, PolicyName="start", PolicyDocument=json.dumps(policy))
    session = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    keys = {
        "aws_access_key_id": session["AccessKeyId"],
        "aws_secret_access_key": session["SecretAccessKey"],
        "aws_session_token": session["SessionToken"],
    }
    client = sandbox.client(A2I, **keys)
    try:
        start(client, unique, flow)
        with pytest.raises(
            ClientError, match="is not authorized to perform: sagemaker:DescribeHumanLoop"
        ) as caught:
            client.describe_human_loop(HumanLoopName=unique)
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
        other = sandbox.flow_definitions.create(f"{unique}-2", unique)
        arguments = {
            "HumanLoopName": "x",
            "FlowDefinitionArn": other,
            "HumanLoopInput": {"InputContent": "{}"},
        }
        assert error_of(client.start_human_loop, **arguments) == ("AccessDeniedException", 400)
        # Who may not call it does not learn what is wrong with the call.
        arguments["HumanLoopName"] = "Wrong_Name"
        assert error_of(client.start_human_loop, **arguments) == ("AccessDeniedException", 400)
    finally:
        client.close()
    forged = sandbox.client(A2I, **{**keys, "aws_secret_access_key": "guessed"})
    try:
        code, _ = error_of(forged.describe_human_loop, HumanLoopName=unique)
        assert code in ("SignatureDoesNotMatch", "InvalidSignatureException")
    finally:
        forged.close()
