"""Which calls meet a fault, and what a fault may say."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.aws_calls import Call, operation_requested
from sandbox.errors import SandboxError
from sandbox.fault_errors import error_in_state_machine, service_error
from sandbox.fault_rules import FaultRules
from sandbox.faults import Delay, DropAnswer, Error, Interrupt, KillWorker, ServerError, Throttle, rule
from sandbox.integration_names import operation_of

PUT = Call("dynamodb", "PutItem", "functions", "collect-review", 7)


def met(rules: FaultRules, call: Call, calls: int) -> list[int]:
    """The numbers of the calls that met a fault."""
    return [number for number in range(calls) if rules.meet(call) is not None]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"service": "dynamo"}, "unknown service: 'dynamo'; did you mean 'dynamodb'?"),
        ({"service": "a2i"}, "unknown service: 'a2i'; did you mean 'sagemaker-a2i-runtime'?"),
        ({"service": "xyzzy"}, "unknown service: 'xyzzy'"),
        (
            {"service": "s3", "operation": "put_object"},
            "s3 has no operation 'put_object'; did you mean 'PutObject'?",
        ),
        (
            {"service": "sns", "operation": "Pubish"},
            "sns has no operation 'Pubish'; did you mean 'Publish'?",
        ),
        ({"operation": "PutItem"}, "operation PutItem without a service; pass service=, too"),
        (
            {"caller": "lambda"},
            "unknown caller: 'lambda'; use one of clients, functions, state machines, rules",
        ),
        (
            {"caller": "rules", "function": "f"},
            "function= fits only calls of functions; leave out caller='rules'",
        ),
        ({"times": 0}, "invalid times: 0; use a whole number of 1 or more"),
        ({"times": True}, "invalid times: True; use a whole number of 1 or more"),
        ({"skip": 0.5}, "invalid skip: 0.5; use a whole number of 0 or more"),
        ({"seed": "x"}, "invalid seed: 'x'; use a whole number"),
        ({"share": 0}, "invalid share: 0; use more than 0, up to 1"),
        ({"share": 20}, "invalid share: 20; use more than 0, up to 1"),
        ({"seconds": float("nan")}, "invalid seconds: nan; use a number of 0 or more"),
    ],
)
def test_invalid_rule_says_what_to_do(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(SandboxError) as refused:
        rule(Throttle(), **given)
    assert str(refused.value) == problem


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: rule(Throttle), "invalid fault: .*Throttle.*; use one of Throttle, .*, such as Throttle()"),
        (lambda: rule(KillWorker(), caller="clients"), "KillWorker affects only calls of functions"),
        (lambda: rule(Interrupt(), caller="rules"), "Interrupt affects only calls of clients"),
        (lambda: KillWorker("during"), "invalid when: 'during'; use 'before' or 'after'"),
        (lambda: ServerError(404), "invalid status: 404; use 500 to 599"),
        (lambda: Error("Odd", status=200), "invalid status: 200; use 400 to 599"),
        (lambda: Error(""), "invalid code: ''; use an error code"),
        (lambda: Delay(-1), "invalid seconds of a Delay: -1; use a number of 0 or more"),
    ],
)
def test_invalid_fault_says_what_to_do(make: Any, problem: str) -> None:
    with pytest.raises(SandboxError, match=problem):
        make()


@pytest.mark.parametrize(
    ("limits", "numbers"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"times": 2}, [0, 1]),
        ({"skip": 3}, [3, 4]),
        ({"skip": 1, "times": 1}, [1]),
        ({"service": "dynamodb", "operation": "PutItem", "caller": "functions"}, [0, 1, 2, 3, 4]),
        ({"function": "collect"}, [0, 1, 2, 3, 4]),
        ({"service": "s3"}, []),
        ({"service": "dynamodb", "operation": "GetItem"}, []),
        ({"caller": "clients"}, []),
        ({"function": "restart"}, []),
    ],
)
def test_fault_meets_calls_within_its_limits(limits: dict[str, Any], numbers: list[int]) -> None:
    rules = FaultRules()
    added = rules.add(rule(Throttle(), **limits))
    assert met(rules, PUT, 5) == numbers
    assert len(rules.counts(added)["hits"]) == len(numbers)


def test_share_is_the_same_in_each_run_with_same_seed() -> None:
    def chosen(**how: Any) -> list[int]:
        rules = FaultRules()
        rules.add(rule(Throttle(), share=0.3, **how))
        return met(rules, PUT, 1000)

    assert chosen(seed=5) == chosen(seed=5) != chosen(seed=6)
    assert 250 < len(chosen(seed=5)) < 350
    # The first calls do not change which of the later ones are chosen.
    assert chosen(seed=5, skip=500) == [number for number in chosen(seed=5) if number >= 500]


def test_fault_ends_after_its_seconds() -> None:
    now = 100.0
    rules = FaultRules(clock=lambda: now)
    rules.add(rule(Throttle(), seconds=5))
    assert rules.meet(PUT) == Throttle()
    now = 105.0
    assert rules.meet(PUT) is None


def test_first_fault_that_fits_applies_and_removed_fault_does_not() -> None:
    rules = FaultRules()
    assert not rules
    first = rules.add(rule(Throttle(), times=1))
    rules.add(rule(ServerError()))
    assert [rules.meet(PUT), rules.meet(PUT)] == [Throttle(), ServerError()]
    assert rules.remove(first)["hits"][0]["function"] == "collect-review"
    with pytest.raises(SandboxError, match=f"no fault {first}"):
        rules.counts(first)


def test_faults_of_processes_meet_only_calls_from_them() -> None:
    rules = FaultRules()
    rules.add(rule(KillWorker()))
    assert rules.meet(Call("s3", "PutObject", "clients", interruptible=True)) is None
    assert rules.meet(PUT) == KillWorker()
    rules.add(rule(Interrupt()))
    assert rules.meet(Call("s3", "PutObject", "clients", interruptible=True)) == Interrupt()
    assert rules.meet(Call("s3", "PutObject", "clients")) is None


def requested(service: str, method: str, path: str, body: str = "", **headers: str) -> Any:
    authorization = f"AWS4-HMAC-SHA256 Credential=key/20261126/us-east-1/{service}/aws4_request, Signature=x"
    path, _, query = path.partition("?")
    pairs = {name: [value] for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return operation_requested(method, path, pairs, {"authorization": authorization, **names}, body.encode())


@pytest.mark.parametrize(
    ("request_", "operation"),
    [
        (("s3", "PUT", "/bucket/a/b%20c"), ("s3", "PutObject")),
        (("s3", "PUT", "/bucket/a?partNumber=1&uploadId=x"), ("s3", "UploadPart")),
        (("s3", "GET", "/bucket?list-type=2&prefix=a"), ("s3", "ListObjectsV2")),
        (("s3", "GET", "/bucket?lifecycle="), ("s3", "GetBucketLifecycleConfiguration")),
        (("s3", "GET", "/"), ("s3", "ListBuckets")),
        (("s3", "HEAD", "/bucket/"), ("s3", "HeadBucket")),
        (("lambda", "POST", "/2015-03-31/functions/f/invocations"), ("lambda", "Invoke")),
        (("sagemaker", "GET", "/human-loops/n"), ("sagemaker-a2i-runtime", "DescribeHumanLoop")),
        (("sns", "POST", "/", "Action=Publish&Message=a"), ("sns", "Publish")),
        (("sns", "POST", "/", "Action=Nothing"), None),
        (("nothing", "GET", "/"), None),
    ],
)
def test_request_is_recognized(request_: tuple[str, ...], operation: Any) -> None:
    assert requested(*request_) == operation


def test_request_is_recognized_by_headers() -> None:
    target = "DynamoDB_20120810.PutItem"
    assert requested("dynamodb", "POST", "/", x_amz_target=target) == ("dynamodb", "PutItem")
    copied = requested("s3", "PUT", "/bucket/key", x_amz_copy_source="/bucket/other")
    assert copied == ("s3", "CopyObject")
    assert operation_requested("GET", "/", {}, {}, b"") is None
    presigned = {"X-Amz-Credential": ["key/20261126/us-east-1/s3/aws4_request"]}
    assert operation_requested("GET", "/bucket/key", presigned, {}, b"") == ("s3", "GetObject")


@pytest.mark.parametrize(
    ("resource", "operation"),
    [
        ("arn:aws:states:::dynamodb:updateItem", ("dynamodb", "UpdateItem")),
        ("arn:aws:states:::states:startExecution.sync:2", ("stepfunctions", "StartExecution")),
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", ("sqs", "SendMessage")),
        ("arn:aws:states:::aws-sdk:sfn:describeExecution", ("stepfunctions", "DescribeExecution")),
        (
            "arn:aws:states:::aws-sdk:sagemakera2iruntime:startHumanLoop",
            ("sagemaker-a2i-runtime", "StartHumanLoop"),
        ),
        ("arn:aws:states:::aws-sdk:nothing:doIt", None),
        ("arn:aws:states:us-east-1:111122223333:activity:a", None),
    ],
)
def test_integration_is_recognized(resource: str, operation: Any) -> None:
    assert operation_of(resource) == operation


@pytest.mark.parametrize(
    ("fault", "call", "sdk_prefix", "error"),
    [
        (Throttle(), ("sns", "Publish"), None, "SNS.ThrottledException"),
        (Throttle(), ("lambda", "Invoke"), None, "Lambda.TooManyRequestsException"),
        (Throttle(), ("stepfunctions", "StartExecution"), None, "StepFunctions.AWSStepFunctionsException"),
        (Throttle(), ("s3", "GetObject"), "S3", "S3.S3Exception"),
        (ServerError(), ("dynamodb", "PutItem"), None, "DynamoDB.InternalServerErrorException"),
        (ServerError(), ("sns", "Publish"), None, "SNS.InternalErrorException"),
        (ServerError(), ("lambda", "Invoke"), None, "Lambda.ServiceException"),
        (Error("Odd"), ("lambda", "Invoke"), None, "Lambda.AWSLambdaException"),
        (DropAnswer(), ("sns", "Publish"), "Sns", "Sns.SdkClientException"),
    ],
)
def test_task_fails_with_name_of_step_functions(fault: Any, call: Any, sdk_prefix: Any, error: str) -> None:
    assert error_in_state_machine(fault, *call, sdk_prefix)[0] == error


@pytest.mark.parametrize(
    ("fault", "call", "code", "status"),
    [
        (Throttle(), ("athena", "StartQueryExecution"), "TooManyRequestsException", 400),
        (Throttle(), ("events", "PutEvents"), "ThrottlingException", 400),
        (ServerError(500), ("sagemaker-a2i-runtime", "StartHumanLoop"), "InternalServerException", 500),
        (ServerError(503), ("logs", "PutLogEvents"), "ServiceUnavailableException", 503),
        (ServerError(500), ("cloudformation", "ListStacks"), "InternalFailure", 500),
        (Error("AccessDenied", status=403), ("s3", "GetObject"), "AccessDenied", 403),
    ],
)
def test_error_is_the_one_of_the_service(fault: Any, call: Any, code: str, status: int) -> None:
    error = service_error(fault, *call)
    assert error is not None
    assert (error.code, error.status) == (code, status)
