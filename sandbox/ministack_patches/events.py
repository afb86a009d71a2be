"""Amazon EventBridge: how rules deliver events to their targets."""

from __future__ import annotations

import contextvars
import json
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from sandbox.ministack_patches.roles import can_assume, resource_allows, role_allows

__all__ = ["correct"]

_log = logging.getLogger(__name__)

_SERVICE = "events.amazonaws.com"
_MAX_RETRY_ATTEMPTS = 185
_MAX_EVENT_AGE_SECONDS = 86_400
_MAX_WAIT_SECONDS = 512.0

Exhausted = Literal["MaximumRetryAttempts", "MaximumEventAgeInSeconds"]
Invoke = Callable[[dict[str, Any], dict[str, Any], dict[str, Any], Any], None]


def correct() -> None:
    """Corrects EventBridge."""
    _deliver_or_keep()
    _require_role_of_state_machine()
    _limit_entries()


@dataclass(frozen=True)
class _Failure:
    """Why an attempt to deliver an event failed.

    Attributes:
        code: ERROR_CODE of the message in the dead-letter queue.
        message: ERROR_MESSAGE.
        retry: Whether the next attempt can succeed without a change by the user.
    """

    code: str
    message: str
    retry: bool = False


_attempt = threading.local()
"""Per thread: `failure`, which a dispatcher sets if the current attempt failed."""


def _deliver_or_keep() -> None:
    """Retries what a rule cannot deliver, and then sends it to the target's dead-letter queue.

    AWS: a target that throttles or fails is retried with exponential backoff, by default 185 times within 24 hours
    (RetryPolicy of the target). Missing permissions and a missing target are not retried. What could not be delivered
    is sent to the target's dead-letter queue, if it has one and its policy allows that: the event is the body, and
    RULE_ARN, TARGET_ARN, ERROR_CODE, ERROR_MESSAGE, RETRY_ATTEMPTS, and EXHAUSTED_RETRY_CONDITION after retries are
    message attributes. EventBridge assumes the role of the target; for functions, queues and topics without a role,
    their policy must allow events.amazonaws.com. An asynchronous invocation of a function counts as delivered; Lambda
    retries errors of the function twice.
    (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html,
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html,
    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-monitoring.html for the metrics)
    MiniStack: drops what it cannot deliver, checks no permission, knows no dead-letter queue, emits no metrics.

    The first attempt is made at once; retries are made in a thread of their own. Their waits are multiplied by the
    engine's factor for waits.
    """
    from ministack.services import eventbridge

    invoke = eventbridge._invoke_target

    def deliver(
        target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
    ) -> None:
        view = view or eventbridge._pattern_event_view(event)
        _Delivery(target, event, rule, view, invoke).start()

    eventbridge._invoke_target = deliver
    eventbridge._dispatch_to_stepfunctions = _start_execution
    eventbridge._dispatch_to_lambda = _invoke_function
    eventbridge._dispatch_to_sns = _publish


class _Delivery:
    """One event on its way to one target of a rule."""

    def __init__(
        self, target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any, invoke: Invoke
    ) -> None:
        self._target = target
        self._event = event
        self._rule = rule
        self._view = view
        self._invoke = invoke
        self._arn = str(target.get("Arn", ""))
        self._rule_arn = str(rule.get("Arn", ""))
        self._attempts = 0

    def start(self) -> None:
        """Makes the first attempt."""
        if self._is_first_target():
            self._count("MatchedEvents")
            self._count("TriggeredRules")
        failure = self._try()
        if failure is None or not failure.retry:
            self._end(failure, None)
            return
        # A thread does not inherit the account and Region of its parent.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._retry, failure), daemon=True).start()

    def _is_first_target(self) -> bool:
        from ministack.services import eventbridge

        key = eventbridge._rule_key(self._rule.get("Name"), self._rule.get("EventBusName", "default"))
        targets = eventbridge._targets.get(key) or [self._target]
        return bool(targets[0].get("Id") == self._target.get("Id"))

    def _retry(self, failure: _Failure | None) -> None:
        from ministack.services import stepfunctions

        policy = self._target.get("RetryPolicy") or {}
        attempts = int(policy.get("MaximumRetryAttempts", _MAX_RETRY_ATTEMPTS))
        seconds = float(policy.get("MaximumEventAgeInSeconds", _MAX_EVENT_AGE_SECONDS))
        # The age counts what was waited without the factor, so that skipped waits count, too.
        age = 0.0
        exhausted: Exhausted | None = None
        while failure is not None and failure.retry:
            wait = min(2.0**self._attempts, _MAX_WAIT_SECONDS) * random.uniform(0.5, 1)  # noqa: S311
            if self._attempts >= attempts:
                exhausted = "MaximumRetryAttempts"
                break
            if age + wait > seconds:
                exhausted = "MaximumEventAgeInSeconds"
                break
            time.sleep(wait * stepfunctions._SFN_WAIT_SCALE)
            age += wait
            self._attempts += 1
            failure = self._try()
        self._end(failure, exhausted)

    def _try(self) -> _Failure | None:
        outer = getattr(_attempt, "failure", None)  # that of an event bus whose rule forwards to this one
        _attempt.failure = None
        try:
            failure = self._refusal()
            if failure is None:
                self._invoke(self._target, self._event, self._rule, self._view)
                failure = _attempt.failure
            return failure
        finally:
            _attempt.failure = outer

    def _refusal(self) -> _Failure | None:
        """Returns why the attempt would be refused: no target, or no permission."""
        from ministack import app
        from ministack.core.arn import ArnParseError, parse_arn
        from ministack.services import eventbridge, lambda_svc, sns, sqs

        try:
            spec = parse_arn(self._arn)
        except ArnParseError:
            return _Failure("INVALID_PARAMETER", f"{self._arn} is not a valid ARN")
        missing = _Failure("NO_RESOURCE", f"{self._arn} does not exist")
        if spec.service == "events":
            bus = spec.resource.removeprefix("event-bus/")
            return missing if bus != spec.resource and bus not in eventbridge._event_buses else None
        if spec.service not in _ACTIONS:
            return _Failure("UNKNOWN", f"The local engine cannot deliver events to {spec.service}")
        policy = None
        # Step Functions reports a missing state machine itself.
        if spec.service != "states":
            policies = {
                "lambda": lambda_svc.function_policy_for_arn,
                "sqs": sqs.queue_policy_for_arn,
                "sns": sns.topic_policy_for_arn,
            }
            found = policies[spec.service](self._arn)
            if found is None or not eventbridge._target_matches_request_scope(spec):
                return missing
            policy = found[0]
        return self._permission(_ACTIONS[spec.service], policy) if app.AUTH else None

    def _permission(self, action: str, policy: Any) -> _Failure | None:
        role = self._target.get("RoleArn")
        if role:
            if not can_assume(role, _SERVICE, self._rule_arn):
                return _Failure("FAILED_TO_ASSUME_ROLE", f"EventBridge cannot assume the role {role}")
            allowed = role_allows(role, action, self._arn)
        else:
            allowed = resource_allows(policy, action, self._arn, service=_SERVICE, source_arn=self._rule_arn)
        if allowed:
            return None
        subject = f"the role {role}" if role else _SERVICE
        return _Failure("NO_PERMISSIONS", f"{subject} is not authorized to perform {action} on {self._arn}")

    def _end(self, failure: _Failure | None, exhausted: Exhausted | None) -> None:
        self._count("Invocations")
        if self._attempts:
            self._count("RetryInvocationAttempts", self._attempts)
        if failure is None:
            return
        self._count("FailedInvocations")
        _log.warning(
            "rule %s could not deliver an event to %s: %s: %s",
            self._rule.get("Name"),
            self._arn,
            failure.code,
            failure.message,
        )
        queue = (self._target.get("DeadLetterConfig") or {}).get("Arn")
        if queue:
            sent = self._keep(queue, failure, exhausted)
            self._count("InvocationsSentToDlq" if sent else "InvocationsFailedToBeSentToDlq")

    def _keep(self, queue_arn: str, failure: _Failure, exhausted: Exhausted | None) -> bool:
        """Sends the event to the dead-letter queue, if that is possible."""
        from ministack.services import sqs

        queue = sqs._queue_by_arn(queue_arn)
        account = self._rule_arn.split(":")[4]
        if (
            queue is None
            or queue["is_fifo"]
            or not sqs.queue_policy_allows(queue_arn, _SERVICE, self._rule_arn, account)
        ):
            _log.warning("rule %s cannot send to its dead-letter queue %s", self._rule.get("Name"), queue_arn)
            return False
        attributes = {
            "RULE_ARN": self._rule_arn,
            "TARGET_ARN": self._arn,
            "ERROR_CODE": failure.code,
            "ERROR_MESSAGE": failure.message,
            "RETRY_ATTEMPTS": str(self._attempts),
        }
        if exhausted:
            attributes["EXHAUSTED_RETRY_CONDITION"] = exhausted
        try:
            sqs._act_send_message(
                {
                    "MessageBody": json.dumps(self._view.event_with_detail()),
                    "MessageAttributes": {
                        name: {"DataType": "String", "StringValue": value}
                        for name, value in attributes.items()
                    },
                },
                sqs._queue_url(queue_arn.rsplit(":", 1)[-1]),
            )
        except sqs._Err:
            _log.exception(
                "rule %s cannot send to its dead-letter queue %s", self._rule.get("Name"), queue_arn
            )
            return False
        return True

    def _count(self, metric: str, value: int = 1) -> None:
        from ministack.services import cloudwatch

        cloudwatch.record_metric("AWS/Events", metric, value, "Count", {"RuleName": self._rule.get("Name")})


_ACTIONS = {
    "states": "states:StartExecution",
    "lambda": "lambda:InvokeFunction",
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
}
"""What EventBridge does with a target, by the service of the target."""


def _start_execution(arn: str, payload: str) -> None:
    """Starts an execution, as a dispatcher of MiniStack does, and records the error of Step Functions."""
    from ministack.services import stepfunctions

    try:
        status, _, body = stepfunctions._start_execution({"stateMachineArn": arn, "input": payload})
    except Exception as error:  # such as one that is injected
        _log.warning("StartExecution of %s failed", arn, exc_info=True)
        _attempt.failure = _Failure("INTERNAL_ERROR", str(error) or type(error).__name__, retry=True)
        return
    if status >= 400:
        answer = json.loads(body)
        code = str(answer.get("__type", "")).rpartition("#")[2]
        _attempt.failure = _failure_of_api(status, code, str(answer.get("message", "")))


def _failure_of_api(status: int, code: str, message: str) -> _Failure:
    if status >= 500:
        return _Failure("INTERNAL_ERROR", message, retry=True)
    if status == 429 or "Throttl" in code or "TooManyRequests" in code:
        return _Failure("THROTTLING", message, retry=True)
    if code == "ExecutionLimitExceeded":
        return _Failure("RESOURCE_LIMIT_EXCEEDED", message, retry=True)
    if code == "StateMachineDoesNotExist":
        return _Failure("NO_RESOURCE", message)
    return _Failure("SDK_CLIENT_ERROR", f"{code}: {message}")


def _invoke_function(arn: str, payload: str) -> None:
    """Invokes a function asynchronously, with Lambda's own retries, as a dispatcher of MiniStack."""
    from ministack.services import lambda_svc

    func, config, _ = lambda_svc._get_func_record_for_ref(arn)
    if not func or not config:
        _attempt.failure = _Failure("NO_RESOURCE", f"{arn} does not exist")
        return
    try:
        event = json.loads(payload)
    except ValueError:
        _attempt.failure = _Failure("INVALID_JSON", "The input of the target is not JSON")
        return
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(func, config), event)


def _publish(arn: str, payload: str) -> None:
    """Publishes to a topic, as a dispatcher of MiniStack does, and records the error of SNS."""
    from ministack.services import sns

    try:
        if sns.publish_internal(arn, payload) is None:
            _attempt.failure = _Failure("NO_RESOURCE", f"{arn} does not exist")
    except sns.SnsPublishError as error:
        _attempt.failure = _Failure("SDK_CLIENT_ERROR", f"{error.code}: {error}")


def _require_role_of_state_machine() -> None:
    """Refuses a state machine as a target without a role.

    AWS: "RoleArn is required for target …" (ValidationException). A role of the rule does not replace it.
    (https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Target.html)
    MiniStack: accepts it.
    """
    from ministack.core.responses import error_response_json
    from ministack.services import eventbridge

    validate = eventbridge._validate_target_arn

    def validate_with_role(target: dict[str, Any]) -> Any:
        if error := validate(target):
            return error
        arn = target["Arn"]
        if ":states:" in arn and not target.get("RoleArn"):
            return error_response_json("ValidationException", f"RoleArn is required for target {arn}.", 400)
        return None

    eventbridge._validate_target_arn = validate_with_role


_MAX_ENTRY_BYTES = 262_144


def _limit_entries() -> None:
    """Refuses events that are too large.

    AWS: PutEvents fails with a ValidationException if an entry has more than 256 KB in its source, detail type, detail
    and resources. (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html)
    MiniStack: accepts any size.
    """
    from ministack.core.responses import error_response_json
    from ministack.services import eventbridge

    put = eventbridge._put_events

    def put_small(data: dict[str, Any], *more: Any, **options: Any) -> Any:
        for entry in data.get("Entries", ()):
            texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")]
            texts += entry.get("Resources") or []
            if sum(len(str(text).encode()) for text in texts) > _MAX_ENTRY_BYTES:
                message = "Total size of the entries in the request is over the limit."
                return error_response_json("ValidationException", message, 400)
        return put(data, *more, **options)

    eventbridge._put_events = put_small
