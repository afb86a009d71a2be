"""Canned results in place of the calls of tasks, and calls that have neither a result nor a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.canned_results import GivenResults
from sandbox.ministack_patches import arguments, permissions
from sandbox.ministack_patches.walks import current
from sandbox.supported import advice, why_not_run

__all__ = ["check_runs", "correct", "given"]

given = GivenResults()
"""The canned results of this engine."""


def correct() -> None:
    """Gives canned results to tasks. Call it after all corrections of the integrations.

    The history has the call with its arguments, as if the service had answered. What would fail before a service
    answers, still fails: a role that may not be assumed, arguments that the service does not take, a permission that
    the role lacks. Tasks that wait for a job or for a token end at once.

    A call that neither gets a result nor runs fails the execution: MiniStack answers some of these with strange errors,
    or takes them for another call.
    """
    from ministack.services import stepfunctions

    invoke, invoke_with_callback = stepfunctions._invoke_resource, stepfunctions._invoke_with_callback

    def answer_or_invoke(resource: str, parameters: Any) -> Any:
        return _answered(resource, parameters, lambda: invoke(resource, parameters))

    def answer_or_wait(resource: str, parameters: Any, token: str, state: dict[str, Any]) -> Any:
        return _answered(
            resource, parameters, lambda: invoke_with_callback(resource, parameters, token, state)
        )

    stepfunctions._invoke_resource, stepfunctions._invoke_with_callback = answer_or_invoke, answer_or_wait


def check_runs(state: dict[str, Any]) -> None:
    """Fails the execution if the engine does not run a state.

    Raises:
        stepfunctions._ExecutionError: States.Runtime, which no Catch hides.
    """
    from ministack.services import stepfunctions

    if what := why_not_run(state):
        raise stepfunctions._ExecutionError("States.Runtime", advice(state, what))


def _answered(resource: str, parameters: Any, call: Callable[[], Any]) -> Any:
    from ministack.services import stepfunctions

    found, machine = current(), permissions.machine()
    state = found[0].state if found is not None else None
    if not given.has(state, resource, machine):
        check_runs({"Type": "Task", "Resource": resource})
        return call()
    permissions.check_trust()
    arguments.check(resource, parameters)
    permissions.check_call(resource, parameters)
    # What was refused above took no answer. Another branch may have taken the last one: it repeats.
    answer = given.take(state, resource, machine)
    if answer is None:
        return call()
    if answer.error is not None:
        raise stepfunctions._ExecutionError(answer.error, answer.cause)
    return answer.result
