"""Asynchronous invocations of Lambda functions, such as those by rules."""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
import uuid
from typing import Any

__all__ = ["correct"]

_log = logging.getLogger(__name__)

_MAX_EVENT_AGE_SECONDS = 21_600
_WAITS_AFTER_ERRORS = (60.0, 120.0)
_MAX_WAIT_SECONDS = 300.0
_MIN_PAUSE_SECONDS = 0.02
"""Between two attempts if waits are skipped, so that a throttled function does not occupy a processor."""


def correct() -> None:
    """Corrects asynchronous invocations."""
    _retry_as_lambda_does()


def _retry_as_lambda_does() -> None:
    """Keeps an event whose function is throttled.

    AWS: an error of the function is retried twice, after one and two more minutes. An event whose function is throttled
    goes back to the queue of Lambda, for up to six hours, with growing waits; this does not count as a retry. What is
    left goes to the function's destination for failures or its dead-letter queue, if it has one.
    (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html)
    MiniStack: a throttled invocation counts as an error, so that the event is lost after three attempts.

    Waits are multiplied by the engine's factor for waits.
    """
    from ministack.services import lambda_svc

    def invoke(func: dict[str, Any], event: Any) -> None:
        # A thread does not inherit the account and Region of its parent.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(_Invocation(func, event).run,), daemon=True).start()

    lambda_svc.invoke_async_with_retry = invoke


class _Invocation:
    """An event in the queue of Lambda."""

    def __init__(self, func: dict[str, Any], event: Any) -> None:
        self._func = func
        self._event = event
        self._config = func.get("config") or func
        settings = func.get("event_invoke_config") or (func.get("event_invoke_configs") or {}).get("$LATEST")
        self._settings: dict[str, Any] = settings or {}

    def run(self) -> None:
        """Invokes the function until it succeeds, or its event is given up."""
        from ministack.core.responses import request_scope
        from ministack.services import lambda_svc

        account, region = lambda_svc._account_region_from_function_config(self._config)
        with request_scope(account, region):
            result = self._attempts()
            if not result.get("error"):
                return
            if destination := (self._settings.get("DestinationConfig") or {}).get("OnFailure"):
                name = self._config.get("FunctionName", "")
                lambda_svc._route_async_failure(destination.get("Destination", ""), name, self._event, result)
            elif dead_letters := self._config.get("DeadLetterConfig"):
                self._keep(dead_letters.get("TargetArn", ""), result)

    def _attempts(self) -> dict[str, Any]:
        """Returns the last result."""
        from ministack.services import lambda_svc, stepfunctions

        retries = self._settings.get("MaximumRetryAttempts")
        waits = list(_WAITS_AFTER_ERRORS[: 2 if retries is None else int(retries)])
        left = float(self._settings.get("MaximumEventAgeInSeconds") or _MAX_EVENT_AGE_SECONDS)
        throttled = 0
        while True:
            result: dict[str, Any] = lambda_svc._execute_function(self._func, self._event)
            if not result.get("error"):
                return result
            if result.get("throttle"):
                wait = min(2.0**throttled, _MAX_WAIT_SECONDS)
                throttled += 1
            elif waits:
                wait = waits.pop(0)
            else:
                return result
            left -= wait
            if left < 0:
                return result
            time.sleep(max(wait * stepfunctions._SFN_WAIT_SCALE, _MIN_PAUSE_SECONDS))

    def _keep(self, queue_arn: str, result: dict[str, Any]) -> None:
        """Sends the event to the dead-letter queue.

        AWS: the message is the event, with the attributes RequestID, ErrorCode and ErrorMessage. If Lambda cannot send
        it, the metric DeadLetterErrors counts that.
        (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html)
        MiniStack: the message is the record that destinations get, with the event in it.
        """
        from ministack.services import cloudwatch, sqs

        if sqs._queue_by_arn(queue_arn) is None:
            _log.warning("the dead-letter queue %s does not exist", queue_arn)
            cloudwatch.record_metric(
                "AWS/Lambda", "DeadLetterErrors", 1, "Count", {"FunctionName": self._config["FunctionName"]}
            )
            return
        body = result.get("body")
        message = body.get("errorMessage") if isinstance(body, dict) else None
        attributes = {
            "RequestID": str(uuid.uuid4()),
            "ErrorCode": "429" if result.get("throttle") else "200",
            "ErrorMessage": str(message or "unknown")[:1024],
        }
        sqs._act_send_message(
            {
                "MessageBody": json.dumps(self._event),
                "MessageAttributes": {
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            },
            sqs._queue_url(queue_arn.rsplit(":", 1)[-1]),
        )
