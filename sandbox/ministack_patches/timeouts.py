"""Timeouts of executions and of tasks, and heartbeats.

Timeouts are not multiplied by the engine's factor for waits: a function takes its time whatever the factor.
"""

from __future__ import annotations

import contextvars
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.ministack_patches.walks import current

__all__ = ["Clock", "clock", "correct", "heartbeats", "seconds_of"]


class Clock:
    """Calls functions later. One thread serves all."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int]] = []
        self._actions: dict[int, Callable[[], object]] = {}
        self._numbers = itertools.count()
        self._running = False

    def after(self, seconds: float, action: Callable[[], object]) -> Callable[[], object]:
        """Calls a function after a time, in a thread of its own with the context of this one.

        Returns:
            A function that cancels the call.
        """
        context = contextvars.copy_context()
        with self._changed:
            number = next(self._numbers)
            self._actions[number] = lambda: context.run(action)
            heapq.heappush(self._due, (time.monotonic() + seconds, number))
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, daemon=True).start()
            self._changed.notify()
        return lambda: self._actions.pop(number, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > time.monotonic():
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                _, number = heapq.heappop(self._due)
            action = self._actions.pop(number, None)
            if action is not None:
                threading.Thread(target=action, daemon=True).start()


clock = Clock()
"""The clock of all timeouts."""


def correct() -> None:
    """Corrects timeouts."""
    _restart_clock_at_heartbeats()
    _match_missed_heartbeats()
    _end_waits()
    _limit_calls()


def seconds_of(field: str, state: dict[str, Any], given: Any, context: dict[str, Any]) -> float | None:
    """Returns the value of TimeoutSeconds or HeartbeatSeconds, or None if the state has none.

    AWS: a number; in JSONPath also a path, in the field with `Path` at its end; in JSONata also an expression.
    (https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html)
    """
    from ministack.services import stepfunctions

    if path := state.get(f"{field}Path"):
        effective = stepfunctions._apply_input_path(state, given, context)
        value = stepfunctions._resolve_path_or_ctx(path, effective, context)
    elif field in state:
        value = stepfunctions._apply_jsonata_template(state[field], given, context)
    else:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise stepfunctions._ExecutionError("States.Runtime", f"{field} must be a positive integer: {value}")
    return value


_beats: dict[str, Callable[[], None]] = {}
"""Task token → what a heartbeat does."""


@contextmanager
def heartbeats(token: str, seconds: float | None) -> Iterator[None]:
    """Fails the task that waits for a token when no heartbeat has come for a time.

    AWS: the task fails with States.HeartbeatTimeout unless SendTaskHeartbeat comes within each HeartbeatSeconds.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskHeartbeat.html)

    Args:
        token: The token.
        seconds: HeartbeatSeconds. None expects no heartbeats.
    """
    from ministack.services import stepfunctions

    def miss() -> None:
        entry = stepfunctions._task_tokens.get(token)
        if entry is not None and not entry["event"].is_set():
            entry["error"] = {"Error": "States.HeartbeatTimeout"}
            entry["event"].set()

    if seconds is None:
        yield
        return
    limit = seconds
    cancels: list[Callable[[], object]] = []

    def beat() -> None:
        for cancel in cancels:
            cancel()
        cancels[:] = [clock.after(limit, miss)]

    _beats[token] = beat
    beat()
    try:
        yield
    finally:
        _beats.pop(token, None)
        for cancel in cancels:
            cancel()


def _restart_clock_at_heartbeats() -> None:
    """Lets SendTaskHeartbeat restart the clock of HeartbeatSeconds. MiniStack notes the time, and reads it nowhere."""
    from ministack.services import stepfunctions

    send = stepfunctions._send_task_heartbeat

    def send_and_restart(data: dict[str, Any]) -> Any:
        answer = send(data)
        beat = _beats.get(data.get("taskToken", ""))
        if answer[0] < 400 and beat is not None:
            beat()
        return answer

    stepfunctions._send_task_heartbeat = send_and_restart


def _match_missed_heartbeats() -> None:
    """Lets Retry and Catch match a missed heartbeat by both of its names.

    AWS: States.Timeout matches tasks that ran too long or missed a heartbeat, States.HeartbeatTimeout only the latter.
    States.TaskFailed matches neither.
    (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html)
    MiniStack: knows no heartbeats.
    """
    from ministack.services import stepfunctions

    matches = stepfunctions._error_matches

    def matches_timeouts(names: list[str], error: str) -> bool:
        if error == "States.HeartbeatTimeout":
            return error in names or bool(matches(names, "States.Timeout"))
        return bool(matches(names, error))

    stepfunctions._error_matches = matches_timeouts


def _end_waits() -> None:
    """Ends waits, also those before retries, when the execution ends. MiniStack leaves threads behind that sleep."""
    from ministack.services import stepfunctions

    sleep = stepfunctions._scaled_sleep

    def sleep_until_end(seconds: float) -> None:
        found = current()
        scaled = seconds * stepfunctions._SFN_WAIT_SCALE
        if found is None:
            sleep(seconds)
        elif scaled > 0:
            found[1].sleep(scaled)

    stepfunctions._scaled_sleep = sleep_until_end


def _limit_calls() -> None:
    """Fails a task that takes longer than its TimeoutSeconds. MiniStack does so too, with an executor for each call."""
    from ministack.services import stepfunctions

    def invoke(resource: str, arguments: Any, seconds: float) -> Any:
        done: list[tuple[Any, BaseException | None]] = []
        ended = threading.Event()

        def call() -> None:
            try:
                done.append((stepfunctions._invoke_resource(resource, arguments), None))
            except BaseException as error:
                done.append((None, error))
            ended.set()

        # A thread does not inherit the account and Region of its parent, nor its role.
        threading.Thread(target=contextvars.copy_context().run, args=(call,), daemon=True).start()
        if not ended.wait(seconds):
            raise stepfunctions._ExecutionError("States.Timeout", f"Task timed out after {seconds} seconds")
        [(result, error)] = done
        if error is not None:
            raise error
        return result

    stepfunctions._invoke_resource_with_timeout = invoke
