"""Steps that run a function of `lambdas/`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflow.asl.expressions import STEP, jsonata
from workflow.parts.failures import TRANSIENT, caught
from workflow.steps import Catch, LambdaStep, Retry

__all__ = ["invoke"]


def invoke(
    name: str,
    function: str,
    *,
    payload: str,
    adds: str,
    failed: Any,
    comment: str,
    expected: Sequence[Catch] = (),
    retry: Sequence[Retry] = (),
) -> LambdaStep:
    """A step that runs a function and adds its result to the state. The function logs which step called it.

    Args:
        name: The state's name.
        function: The function's name: `lambdas/<function>.py`, or a folder of that name.
        payload: A JSONata expression for the function's input.
        adds: The key of the result in the state.
        failed: The next step if the error remains after the retries.
        comment: A comment for operators, shown in the Step Functions console.
        expected: Catchers for errors that the branch handles itself.
        retry: Retries of errors that are not transient for every function.
    """
    return LambdaStep(
        name,
        comment=comment,
        query_language="JSONata",
        arguments={"FunctionName": function, "Payload": jsonata(f"$merge([{payload}, {{'step': {STEP}}}])")},
        output=jsonata(f"$merge([$states.input, {{'{adds}': $states.result.Payload}}])"),
        timeout_seconds=300,
        retry=[*retry, *TRANSIENT],
        catch=[*expected, caught(name, failed)],
    )
