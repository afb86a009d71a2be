"""Steps that run a function of `lambdas/`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflow.asl.expressions import jsonata
from workflow.parts.failures import TRANSIENT, caught
from workflow.steps import Catch, LambdaStep

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
) -> LambdaStep:
    """A step that runs a function and adds its answer to the state.

    Args:
        name: The state's name.
        function: Its name: `lambdas/<function>.py`, or a folder of that name.
        payload: A JSONata expression for what the function is given.
        adds: The key that the answer gets in the state.
        failed: Where the workflow goes when retries did not help.
        comment: What an operator should know about the step.
        expected: Errors that the branch itself has an answer to.
    """
    step: LambdaStep = LambdaStep(
        name,
        comment=comment,
        query_language="JSONata",
        arguments={"FunctionName": function, "Payload": jsonata(payload)},
        output=jsonata(f"$merge([$states.input, {{'{adds}': $states.result.Payload}}])"),
        timeout_seconds=300,
        retry=TRANSIENT,
        catch=[*expected, caught(name, failed)],
    )
    return step
