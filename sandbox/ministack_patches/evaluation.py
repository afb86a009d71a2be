"""Errors of JSONata expressions: what the history says about them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.ministack_patches.walks import current

__all__ = ["correct", "located", "record_failure", "recorded"]

_ERROR = "States.QueryEvaluationError"


def correct() -> None:
    """Notes in which field of a state an expression fails.

    AWS: an expression that fails is recorded as EvaluationFailed, with the state and the field. It is no failed task.
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_EvaluationFailedEventDetails.html)
    MiniStack: records nothing.
    """
    from ministack.services import stepfunctions

    field = stepfunctions._jsonata_state_field

    def field_located(state: Any, name: str, *arguments: Any) -> Any:
        with located(name):
            return field(state, name, *arguments)

    stepfunctions._jsonata_state_field = field_located
    for function, place in (
        ("_apply_jsonata_arguments", "Arguments"),
        ("_apply_jsonata_output", "Output"),
        ("_evaluate_jsonata_choice_rule", "Condition"),
    ):
        setattr(stepfunctions, function, _locating(getattr(stepfunctions, function), place))


def _locating(evaluate: Callable[..., Any], place: str) -> Callable[..., Any]:
    @functools.wraps(evaluate)
    def evaluate_located(*arguments: Any, **more: Any) -> Any:
        with located(place):
            return evaluate(*arguments, **more)

    return evaluate_located


@contextmanager
def located(place: str) -> Iterator[None]:
    """Notes in errors that are raised in the block which field of the state they are about."""
    from ministack.services import stepfunctions

    try:
        yield
    except stepfunctions._ExecutionError as error:
        if not hasattr(error, "location"):
            error.location = place
        raise


@contextmanager
def recorded(context: dict[str, Any], *, handled: bool) -> Iterator[None]:
    """Records the failed expression of a state that is run in the block.

    Args:
        context: The context object of the state.
        handled: Whether the state has Retry and Catch, which record the failure themselves.
    """
    from ministack.services import stepfunctions

    try:
        yield
    except stepfunctions._ExecutionError as error:
        if not handled:
            record_failure(error, context)
        raise


def record_failure(error: Any, context: dict[str, Any]) -> None:
    """Records an error of a state if it is one of an expression."""
    from ministack.services import stepfunctions

    if error.error != _ERROR or (walking := current()) is None:
        return
    details = {"error": error.error, "cause": error.cause, "state": context["State"]["Name"]}
    if place := getattr(error, "location", None):
        details["location"] = place
    stepfunctions._add_event(
        walking[0].execution, "EvaluationFailed", {"evaluationFailedEventDetails": details}
    )
