"""The A2I-compatible service through boto3: all operations, how loops end, events, permissions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from hypothesis import given
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
def flow(sandbox: Sandbox, unique: str) -> str:
    """A flow definition whose loops need the answers of two workers."""
    return sandbox.flow_definitions.create(f"{unique}-flow", unique, task_count=2)


@pytest.fixture
def inbox(sandbox: Sandbox, flow: str, unique: str) -> Inbox:
    """Receives the status changes of the flow definition, through a rule like the one in the stack."""
    return Inbox(sandbox, flow, unique)


class Inbox:
    """A queue that is the target of a rule."""

    def __init__(self, sandbox: Sandbox, flow: str, name: str) -> None:
        self._sqs = sandbox.client("sqs")
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        arn = attributes["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={"Policy": json.dumps(policy)})
        events = sandbox.client("events")
        pattern = {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker A2I HumanLoop Status Change"],
            "detail": {"flowDefinitionArn": [flow]},
        }
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": arn}])

    def receive(self) -> dict[str, Any]:
        """Returns the next event. A call that ends a loop returns after EventBridge has delivered the event."""
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
    """Checks a response against the botocore model and returns it."""
    plain = {key: value for key, value in response.items() if key != "ResponseMetadata"}
    report = ParamValidator().validate(plain, operation(A2I, name).model.output_shape)
    assert not report.has_errors(), report.generate_report()
    return plain


def error_of(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_loop_from_start_to_deletion(sandbox, a2i, flow, unique, inbox):
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
def test_loop_completes_with_the_task_count_of_its_flow_definition(sandbox, a2i, unique, workers):
    flow = sandbox.flow_definitions.create(f"{unique}-flow", unique, task_count=workers)
    start(a2i, unique, flow)
    for number in range(workers):
        assert sandbox.loops.get(unique).status == "InProgress"
        state = sandbox.loops.answer(unique, SUPPORT_MESSAGE.answers[number])
    assert state.status == "Completed"
    output = parse_output(read(sandbox, state.output_uri))
    assert len({answer.worker_id for answer in output.human_answers}) == workers


@pytest.mark.parametrize("code", ["ValidationError", "InternalError", "Expired", "SomethingNew"])
def test_loop_fails_with_any_code(sandbox, a2i, flow, unique, inbox, code):
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
def test_stop_keeps_answers_so_far(sandbox, a2i, flow, unique, inbox, answers, eventually):
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


def test_loop_expires_after_its_lifetime(sandbox, a2i, unique, eventually):
    flow = sandbox.flow_definitions.create(f"{unique}-flow", unique, lifetime_seconds=1)
    inbox = Inbox(sandbox, flow, unique)
    start(a2i, unique, flow)
    assert sandbox.loops.get(unique).status == "InProgress"
    eventually(lambda: sandbox.loops.get(unique).failure_code == "Expired")
    assert inbox.receive()["detail"]["failureCode"] == "Expired"
    with pytest.raises(SandboxError, match=f"{unique} is Failed"):
        sandbox.loops.answer(unique, {})


def test_repeated_start_returns_same_loop_and_other_input_conflicts(sandbox, a2i, flow, unique):
    assert start(a2i, unique, flow)["HumanLoopArn"] == start(a2i, unique, flow)["HumanLoopArn"]
    assert len(a2i.list_human_loops(FlowDefinitionArn=flow)["HumanLoopSummaries"]) == 1
    other = {"HumanLoopName": unique, "FlowDefinitionArn": flow, "HumanLoopInput": {"InputContent": "{}"}}
    assert error_of(a2i.start_human_loop, **other) == ("ConflictException", 409)
    with pytest.raises(a2i.exceptions.ConflictException):
        a2i.start_human_loop(**other)


def test_regions_have_separate_loops(sandbox, a2i, flow, unique):
    start(a2i, unique, flow)
    elsewhere = sandbox.client(A2I, region_name="eu-west-1")
    assert error_of(elsewhere.describe_human_loop, HumanLoopName=unique) == ("ResourceNotFoundException", 404)
    arguments = {"HumanLoopName": unique, "FlowDefinitionArn": flow, "HumanLoopInput": {"InputContent": "{}"}}
    assert error_of(elsewhere.start_human_loop, **arguments) == ("ValidationException", 400)
    elsewhere.close()


def test_service_checks_what_boto3_does_not(sandbox, a2i, flow, unique):
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
def unchecked_client(sandbox: Sandbox) -> Any:
    """A client that does not check requests."""
    client = sandbox.client(A2I, config=Config(parameter_validation=False, retries={"max_attempts": 0}))
    yield client
    client.close()


@given(name=st.text(min_size=1, max_size=70).filter(lambda name: name not in (".", "..")))
def test_any_name_gets_an_error_of_the_service(unchecked_client, name):
    for call in (
        unchecked_client.describe_human_loop,
        unchecked_client.delete_human_loop,
        unchecked_client.stop_human_loop,
    ):
        code, status = error_of(call, HumanLoopName=name)
        assert (code, status) in {("ValidationException", 400), ("ResourceNotFoundException", 404)}


def test_boto3_paginates_lists(sandbox, a2i, unique):
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
def test_refuse_makes_next_call_fail(sandbox, a2i, flow, unique, unchecked_client, code, status):
    sandbox.loops.refuse("StartHumanLoop", code, "not now")
    arguments = {"HumanLoopName": unique, "FlowDefinitionArn": flow, "HumanLoopInput": {"InputContent": "{}"}}
    assert error_of(unchecked_client.start_human_loop, **arguments) == (code, status)
    unchecked_client.start_human_loop(**arguments)


def test_events_can_be_lost_repeated_or_malformed(sandbox, a2i, flow, unique, inbox):
    start(a2i, unique, flow)
    with pytest.raises(SandboxError, match=f"{unique} is InProgress"):
        sandbox.events.redeliver(unique)
    sandbox.events.lose()
    sandbox.loops.fail(unique, "InternalError")
    assert inbox.is_empty()
    sandbox.events.redeliver(unique)  # the lost event arrives late
    assert inbox.receive()["detail"]["humanLoopName"] == unique

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


def test_put_events_refuses_source_of_aws(sandbox):
    answer = sandbox.client("events").put_events(
        Entries=[{"Source": "aws.sagemaker", "DetailType": "x", "Detail": "{}"}]
    )
    assert answer["Entries"][0]["ErrorCode"] == "NotAuthorizedForSourceException"


def test_answer_refused_without_output_bucket_can_be_repeated(sandbox, a2i, unique):
    flow = sandbox.flow_definitions.create(f"{unique}-flow", unique)
    start(a2i, unique, flow)
    sandbox.client("s3").delete_bucket(Bucket=unique)
    with pytest.raises(SandboxError, match=rf"cannot write s3://{unique}/.*: NoSuchBucket"):
        sandbox.loops.answer(unique, {})
    sandbox.client("s3").create_bucket(Bucket=unique)
    assert sandbox.loops.answer(unique, {}).status == "Completed"


@pytest.mark.parametrize(("act", "arguments"), [("get", []), ("answer", [{}]), ("fail", ["Expired"])])
def test_unknown_loop_is_reported(sandbox, act, arguments):
    with pytest.raises(
        SandboxError, match="Human loop no-such does not exist in account 111122223333, us-east-1"
    ):
        getattr(sandbox.loops, act)("no-such", *arguments)


def test_flow_definitions_through_sagemaker_api(sandbox, unique):
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


def test_permissions_of_a_role_are_enforced(sandbox, a2i, flow, unique):
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
        # Permissions are checked first: the caller does not learn that the name is invalid.
        arguments["HumanLoopName"] = "Wrong_Name"
        assert error_of(client.start_human_loop, **arguments) == ("AccessDeniedException", 400)
    finally:
        client.close()
    topics = sandbox.client("sns", **keys)
    with pytest.raises(ClientError, match="is not authorized to perform: sns:ListTopics") as caught:
        topics.list_topics()
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert "x-amzn-requestid" in headers, "without it, the command line takes the engine for another program"
    topics.close()
    forged = sandbox.client(A2I, **{**keys, "aws_secret_access_key": "guessed"})
    try:
        code, _ = error_of(forged.describe_human_loop, HumanLoopName=unique)
        assert code in ("SignatureDoesNotMatch", "InvalidSignatureException")
    finally:
        forged.close()
