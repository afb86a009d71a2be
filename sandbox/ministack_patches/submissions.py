"""What a service answers to a task that goes on waiting: for a token, or for an execution that it started."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from sandbox.ministack_patches.walks import AttemptEnded

__all__ = ["correct", "note", "noted"]

_noting_now: ContextVar[Callable[[Any], None] | None] = ContextVar("afterloop_submission", default=None)


@contextmanager
def noted(record: Callable[[Any], None]) -> Iterator[None]:
    """Calls a function with what the service answers to the task that is run in the block."""
    token = _noting_now.set(record)
    try:
        yield
    finally:
        _noting_now.reset(token)


def note(answer: Any) -> None:
    """Notes what the service has answered to the task of this thread."""
    if (record := _noting_now.get()) is not None:
        # The service has answered: who waits for what it started still has to stop that.
        with suppress(AttemptEnded):
            record(answer)


def correct() -> None:
    """Lets tasks know the answers. Call it after all corrections of the integrations.

    AWS: the history has the answer as TaskSubmitted: for `.sync` and `.waitForTaskToken`.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_TaskSubmittedEventDetails.html; where it is in
    the history is not documented)
    MiniStack: drops the answer.
    """
    from ministack.services import stepfunctions

    call_lambda = stepfunctions._call_lambda
    for name in ("_invoke_aws_sdk_integration", "_invoke_nested_start_execution"):
        setattr(stepfunctions, name, _noting(getattr(stepfunctions, name)))
    stepfunctions._call_lambda = _noting(
        call_lambda, lambda result: {"ExecutedVersion": "$LATEST", "Payload": result, "StatusCode": 200}
    )
    dispatch = stepfunctions._SERVICE_DISPATCH
    stepfunctions._SERVICE_DISPATCH = {prefix: _noting(handle) for prefix, handle in dispatch.items()}


def _noting(call: Callable[..., Any], answer_of: Callable[[Any], Any] = lambda result: result) -> Any:
    @functools.wraps(call)
    def call_and_note(*arguments: Any, **more: Any) -> Any:
        result = call(*arguments, **more)
        note(answer_of(result))
        return result

    return call_and_note
