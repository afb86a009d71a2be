"""Asynchronous invocations. Each test fails without the correction."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.ministack_patches import asynchronous

OK = {"body": 1}
ERROR = {"error": True, "body": {"errorMessage": "x"}}
THROTTLED = {"error": True, "throttle": True, "body": {}}
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f"


class Inline:
    """A thread that runs when it is started."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...], daemon: bool) -> None:
        self.start = lambda: target(*args)


@pytest.mark.parametrize(
    ("results", "settings", "attempts", "failed"),
    [
        ([OK], {}, 1, False),
        ([THROTTLED] * 20 + [OK], {}, 21, False),
        ([ERROR, ERROR, OK], {}, 3, False),
        ([ERROR, ERROR, ERROR, OK], {}, 3, True),
        ([ERROR, OK], {"MaximumRetryAttempts": 0}, 1, True),
        ([ERROR, THROTTLED, ERROR, THROTTLED, OK], {}, 5, False),
        # 1 + 2 + 4 + 8 + 16 s are less than a minute, 32 s more are not.
        ([THROTTLED] * 20, {"MaximumEventAgeInSeconds": 60}, 6, True),
    ],
)
def test_event_is_kept_while_function_is_throttled(
    ministack, monkeypatch, results, settings, attempts, failed
):
    from ministack.services import lambda_svc

    asynchronous.correct()
    calls, routed, sleeps = iter(results), [], []
    monkeypatch.setattr(asynchronous.threading, "Thread", Inline)
    monkeypatch.setattr(asynchronous.time, "sleep", sleeps.append)
    monkeypatch.setattr(lambda_svc, "_execute_function", lambda func, event: next(calls))
    monkeypatch.setattr(lambda_svc, "_route_async_failure", lambda *call: routed.append(call))
    config = {"FunctionArn": ARN, "FunctionName": "f"}
    settings = {**settings, "DestinationConfig": {"OnFailure": {"Destination": "arn:queue"}}}
    lambda_svc.invoke_async_with_retry({"config": config, "event_invoke_config": settings}, {"a": 1})
    assert (len(results) - len(list(calls)), bool(routed)) == (attempts, failed)
    assert len(sleeps) == attempts - 1


def test_dead_letter_queue_gets_the_event_itself(ministack, monkeypatch):
    from ministack.services import lambda_svc, sqs

    asynchronous.correct()
    sent = []
    monkeypatch.setattr(asynchronous.threading, "Thread", Inline)
    monkeypatch.setattr(asynchronous.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(lambda_svc, "_execute_function", lambda func, event: ERROR)
    monkeypatch.setattr(sqs, "_queue_by_arn", lambda arn: {"arn": arn})
    monkeypatch.setattr(sqs, "_act_send_message", lambda message, url: sent.append(message))
    config = {"FunctionArn": ARN, "FunctionName": "f", "DeadLetterConfig": {"TargetArn": f"{ARN}-queue"}}
    lambda_svc.invoke_async_with_retry({"config": config}, {"detail": {"a": 1}})
    (message,) = sent
    assert json.loads(message["MessageBody"]) == {"detail": {"a": 1}}
    attributes = message["MessageAttributes"]
    assert attributes["ErrorCode"]["StringValue"] == "200"
    assert attributes["ErrorMessage"]["StringValue"] == "x"
