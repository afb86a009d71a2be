"""The answer to workflows that wait for a human loop (`workflow.human_review.HumanReview`).

A waiting workflow gets its answer when the loop has ended and is not restarted, after the branch's own work and the
user's post-review steps: **Workflow waiting?** → **Answer workflow** → **Handled**. A failed post-review step does not
hold the answer back: **Answer workflow anyway** comes before its escalation. There are two cases without an answer:

- The loop is restarted. The workflow keeps waiting, now for the next attempt.
- The workflow fails before it records the outcome. The status change can be run again, and the escalation says that
  a workflow is waiting.

These states do not read the state's data, because the user's steps may have replaced it. A variable says whether a
workflow is waiting, the execution's input has the loop's name, and the function reads the task token from the ledger.
"""

from __future__ import annotations

from typing import Any

from workflow.asl.expressions import FLOW_DEFINITION, LEDGER_KEY, STEP, documented_fields, jsonata, name_in
from workflow.parts.failures import FAILED_STEP, FAILURE, TRANSIENT, error_text
from workflow.steps import Catch, Choice, ChoiceRule, LambdaStep, Retry, Succeed

__all__ = ["WAITING", "answer_anyway", "variables_from_row", "workflow_waiting"]

WAITING = "workflowWaiting"
"""The workflow variable that says whether a workflow was waiting at the last write to the ledger."""

_EVENT = documented_fields("$states.context.Execution.Input")
"""The event, which the user's steps may have removed from the state. With an error, it has to fit the state."""


def variables_from_row() -> dict[str, str]:
    """The `Assign` of a step that updates the loop's row with `ReturnValues: ALL_NEW`."""
    return {
        WAITING: jsonata("$states.result.Attributes.waiting.BOOL = true"),
        FLOW_DEFINITION: jsonata(name_in("$states.result.Attributes.flowDefinitionArn.S")),
    }


def workflow_waiting(*, failed: Any) -> Choice:
    """**Workflow waiting?** → **Answer workflow** → **Handled**: the end of all branches but a restart.

    Args:
        failed: The next step if the waiting workflow cannot be notified.
    """
    handled = Succeed("Handled", comment="The status change is processed.")
    answer = _answer(
        "Answer workflow",
        comment="Sends the agreed review, HumanReview.Stopped or HumanReview.Failed.",
        # A post-review step may have replaced the data with something that is not an object.
        output="$type($states.input) = 'object' ? $merge([$states.input, {'answer': $states.result.Payload}])"
        " : $states.input",
        catch=Catch(
            error_equals=["States.ALL"],
            assign={FAILED_STEP: "Answer workflow"},
            output=jsonata(f"$merge([{_EVENT}, {{'failure': {FAILURE}}}])"),
            next_step=failed,
        ),
    )
    answer.next(handled)
    waiting = Choice(
        "Workflow waiting?",
        comment="A workflow with a HumanReview step may be waiting for this loop.",
        query_language="JSONata",
    )
    waiting.add_choice(ChoiceRule.Condition(jsonata(f"${WAITING}")), answer)
    waiting.default_choice(handled)
    return waiting


def answer_anyway(*, escalate: Any) -> LambdaStep:
    """**Answer workflow anyway**: the step after a failed post-review step. Its input is the error.

    Args:
        escalate: The escalation of the failed step. It comes next even if the answer fails.
    """
    and_then = " & ' The waiting workflow could not be notified either: ' & "
    both = error_text("$states.input") + and_then + error_text("$states.errorOutput")
    step = _answer(
        "Answer workflow anyway",
        comment="A post-review step failed. The review is stored, so the waiting workflow still gets its answer.",
        output=f"$merge([{_EVENT}, {{'failure': $states.input}}])",
        catch=Catch(
            error_equals=["States.ALL"],
            output=jsonata(
                f"$merge([{_EVENT}, {{'failure': {{'Error': $states.input.Error, 'Cause': {both}}}}}])"
            ),
            next_step=escalate,
        ),
    )
    step.next(escalate)
    return step


def _answer(name: str, *, comment: str, output: str, catch: Catch) -> LambdaStep:
    return LambdaStep(
        name,
        comment=comment,
        query_language="JSONata",
        arguments={
            "FunctionName": "answer_workflow",
            "Payload": {"humanLoopName": jsonata(f"${LEDGER_KEY}"), "step": jsonata(STEP)},
        },
        # If a later step fails, its escalation must not say that a workflow is still waiting.
        assign={WAITING: False},
        output=jsonata(output),
        timeout_seconds=300,
        # A2I may say a moment later than its event that the loop has ended.
        retry=[
            *TRANSIENT,
            Retry(
                error_equals=["NotConfirmed"],
                interval_seconds=5,
                max_attempts=2,
                backoff_rate=3.0,
                max_delay_seconds=60,
                jitter_strategy="FULL",
            ),
        ],
        catch=[catch],
    )
