"""Where the engine meets faults: requests over HTTP, tasks of state machines, and rules that start state machines.

MiniStack makes the calls of tasks and rules within the process, so they do not pass through HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import re
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

from sandbox.aws_calls import Call, operation_requested
from sandbox.fault_errors import error_in_state_machine, error_on_the_wire, service_error
from sandbox.fault_rules import FaultRules
from sandbox.faults import INTERRUPTED_HEADER, SESSION_HEADER, Delay, DropAnswer, Interrupt, KillWorker
from sandbox.integration_names import operation_of, sdk_prefix

__all__ = ["FaultyApp", "watch_functions", "watch_rules", "watch_tasks"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_WORKER = "sandbox-worker-"
"""What the User-Agent of a function's SDK has before the number of its process."""

# The first lines of a worker. The SDK writes this variable into the User-Agent of each request.
# (https://docs.aws.amazon.com/sdkref/latest/guide/feature-appid.html)
_NAME_WORKER = f"""
import os
os.environ["AWS_SDK_UA_APP_ID"] = "{_WORKER}" + str(os.getpid())
"""


class FaultyApp:
    """An ASGI application in which requests meet faults."""

    def __init__(self, app: App, rules: FaultRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Responds to one request, or does to it what a fault says."""
        if not self._rules or scope["type"] != "http" or scope["path"].startswith("/_"):
            await self._app(scope, receive, send)
            return
        messages = await _whole_body(receive)
        call = _call(scope, b"".join(message.get("body", b"") for message in messages))
        fault = self._rules.meet(call) if call else None

        async def receive_again() -> dict[str, Any]:
            return messages.pop(0) if messages else await receive()

        if call is None or fault is None:
            await self._app(scope, receive_again, send)
            return
        if isinstance(fault, Delay):
            await asyncio.sleep(fault.seconds)
            await self._app(scope, receive_again, send)
            return
        if isinstance(fault, DropAnswer) or getattr(fault, "when", None) == "after":
            await self._app(scope, receive_again, _drop)
        if isinstance(fault, KillWorker) and call.process_id is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(call.process_id, signal.SIGKILL)
        if isinstance(fault, Interrupt):
            await _answer(send, 503, {INTERRUPTED_HEADER: "1"}, b"")
            return
        error = service_error(fault, call.service, call.operation)
        if error is None:
            await _cut(send)
        else:
            await _answer(send, *error_on_the_wire(error, call.service, call.operation))


def watch_functions() -> None:
    """Lets the SDK in functions say which process makes a call. Call it after the corrections of MiniStack."""
    from ministack.core import lambda_runtime

    lambda_runtime._PYTHON_WORKER_SCRIPT = _NAME_WORKER + lambda_runtime._PYTHON_WORKER_SCRIPT


def watch_tasks(rules: FaultRules) -> Callable[[], None]:
    """Lets the calls of tasks meet faults: those of functions now, those of services when the result is called.

    A correction reports a failed function to the task that waits for a token, so it has to see the fault: call this
    before the corrections of MiniStack, and the result after them.
    """
    from ministack.services import stepfunctions

    call_lambda = stepfunctions._call_lambda

    def met(service: str, operation: str, sdk_prefix: str | None, work: Callable[[], Any]) -> Any:
        fault = rules.meet(Call(service, operation, "state machines")) if rules else None
        if isinstance(fault, Delay):
            time.sleep(fault.seconds)
        if fault is None or isinstance(fault, Delay):
            return work()
        if isinstance(fault, DropAnswer):
            with contextlib.suppress(stepfunctions._ExecutionError):
                work()
        raise stepfunctions._ExecutionError(*error_in_state_machine(fault, service, operation, sdk_prefix))

    def called(function: Any, event: Any) -> Any:
        return met("lambda", "Invoke", None, lambda: call_lambda(function, event))

    def watched(handler: Callable[..., Any]) -> Callable[..., Any]:
        def integration(resource: str, arguments: Any) -> Any:
            named = operation_of(resource) if rules else None
            if named is None:
                return handler(resource, arguments)
            sdk = resource.partition(":aws-sdk:")[2].partition(":")[0]
            return met(*named, sdk_prefix(sdk) if sdk else None, lambda: handler(resource, arguments))

        return integration

    def watch_services() -> None:
        dispatch = stepfunctions._SERVICE_DISPATCH
        dispatch.update({resource: watched(handler) for resource, handler in dispatch.items()})
        for name in (
            "_invoke_aws_sdk_integration",
            "_invoke_nested_start_execution",
            "_invoke_nested_start_execution_sync",
        ):
            setattr(stepfunctions, name, watched(getattr(stepfunctions, name)))

    stepfunctions._call_lambda = called
    return watch_services


def watch_rules(rules: FaultRules) -> None:
    """Lets the starts of executions by rules of EventBridge meet faults. Call it after the corrections of MiniStack."""
    from ministack.services import eventbridge, stepfunctions

    dispatch, start = eventbridge._dispatch_to_stepfunctions, stepfunctions._start_execution
    now = threading.local()

    def dispatch_watched(*arguments: Any, **more: Any) -> Any:
        now.by_rule = True
        try:
            return dispatch(*arguments, **more)
        finally:
            now.by_rule = False

    def start_watched(data: dict[str, Any]) -> Any:
        if not rules or not getattr(now, "by_rule", False):
            return start(data)
        call = Call("stepfunctions", "StartExecution", "rules")
        fault = rules.meet(call)
        if fault is None:
            return start(data)
        if isinstance(fault, Delay):
            # Rules fire in the thread of the event loop, which has to serve other requests meanwhile. A thread does
            # not inherit the account and Region.
            work = partial(contextvars.copy_context().run, start, data)
            timer = threading.Timer(fault.seconds, work)
            timer.daemon = True
            timer.start()
            return 200, {}, b"{}"
        if isinstance(fault, DropAnswer):
            start(data)
            raise ConnectionError("the answer of StartExecution was dropped, because a test asked for it")
        error = service_error(fault, call.service, call.operation)
        assert error is not None, fault
        return error_on_the_wire(error, call.service, call.operation)

    eventbridge._dispatch_to_stepfunctions = dispatch_watched
    stepfunctions._start_execution = start_watched


def _call(scope: Scope, body: bytes) -> Call | None:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = parse_qs(scope.get("query_string", b"").decode(), keep_blank_values=True)
    path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    named = operation_requested(scope["method"], path, query, headers, body)
    if named is None:
        return None
    worker = re.search(rf"app/{_WORKER}(\d+)", headers.get("user-agent", ""))
    if worker is None:
        return Call(*named, "clients", interruptible=SESSION_HEADER in headers)
    process_id = int(worker[1])
    function = _function(process_id)
    # The number comes from the request, so only a process that runs a function may be killed.
    return Call(*named, "functions", function, process_id if function else None)


def _function(process_id: int) -> str | None:
    """Returns the name of the function that runs in a process."""
    from ministack.core import lambda_runtime

    workers = (worker for pool in list(lambda_runtime._workers.values()) for worker in list(pool))
    for worker in workers:
        if worker._proc is not None and worker._proc.pid == process_id:
            return str(worker.func_name)
    return None


async def _whole_body(receive: Receive) -> list[dict[str, Any]]:
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


async def _answer(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    pairs = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    pairs.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


async def _drop(message: dict[str, Any]) -> None:
    """Takes what an application answers, and sends nothing."""


async def _cut(send: Send) -> None:
    """Closes the connection without an answer. ASGI has no message for that, so this uses hypercorn's own event."""
    from hypercorn.protocol.events import StreamClosed

    stream = send.__self__  # type: ignore[attr-defined]
    await stream.send(StreamClosed(stream_id=stream.stream_id))
