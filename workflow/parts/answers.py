"""The answer to workflows that wait for a human loop (`workflow.human_review.HumanReview`).

They are told when a loop has ended for good, after the branch's own work and the user's post-review steps:
**Workflow waiting?** → **Answer workflow** → **Handled**. A post-review step that fails does not keep the answer from
who waits: **Answer workflow anyway** comes before its escalation. Nothing is sent on a restart: who waits, waits for
the next attempt then. And nothing when the workflow itself fails before the outcome is recorded: the status change
can be run again, and the escalation says that a workflow waits.

These states take nothing from the state's data, which the user's steps may have replaced: whether somebody waits is a
variable, the loop's name is in the execution's input, and the token is read from the ledger, by the function.
"""

from __future__ import annotations

from typing import Any

from workflow.asl.expressions import FLOW_DEFINITION, jsonata, name_in
from workflow.parts.failures import FAILED_STEP, TRANSIENT, in_words
from workflow.steps import Catch, Choice, ChoiceRule, LambdaStep, Succeed

__all__ = ["WAITING", "answer_anyway", "told_by_the_row", "workflow_waiting"]

WAITING = "workflowWaiting"
"""The workflow variable that holds whether a workflow waits for the loop, as of the last write to the ledger."""

_EVENT = "$states.context.Execution.Input"


def told_by_the_row() -> dict[str, str]:
    """The assignments by a step that wrote to the loop's row and got the whole of it back."""
    return {
        WAITING: jsonata("$states.result.Attributes.waiting.BOOL = true"),
        FLOW_DEFINITION: jsonata(name_in("$states.result.Attributes.flowDefinitionArn.S")),
    }


def workflow_waiting(*, failed: Any) -> Choice:
    """**Workflow waiting?** → **Answer workflow** → **Handled**: how every branch ends that does not restart the loop.

    Args:
        failed: Where the workflow goes when a waiting workflow cannot be told.
    """
    handled = Succeed("Handled")
    answer = _answer(
        "Answer workflow",
        comment="The agreed review, or HumanReview.Stopped or HumanReview.Failed.",
        output="$type($states.input) = 'object' ? $merge([$states.input, {'answer': $states.result.Payload}])"
        " : $states.input",
        catch=Catch(
            error_equals=["States.ALL"],
            assign={FAILED_STEP: "Answer workflow"},
            output=jsonata(f"$merge([{_EVENT}, {{'failure': $states.errorOutput}}])"),
            next_step=failed,
        ),
    )
    answer.next(handled)
    waiting = Choice(
        "Workflow waiting?",
        comment="A workflow of yours that has a HumanReview step.",
        query_language="JSONata",
    )
    waiting.add_choice(ChoiceRule.Condition(jsonata(f"${WAITING}")), answer)
    waiting.default_choice(handled)
    return waiting


def answer_anyway(*, escalate: Any) -> LambdaStep:
    """**Answer workflow anyway**: where a post-review step goes that failed, with its error as the state's data.

    Args:
        escalate: The escalation of the failed step, which comes next in any case.
    """
    told = " & ' And a waiting workflow could not be told: ' & "
    both = in_words("$states.input") + told + in_words("$states.errorOutput")
    step = _answer(
        "Answer workflow anyway",
        comment="A post-review step failed. The review is stored, and who waits for it should not suffer.",
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
    step: LambdaStep = LambdaStep(
        name,
        comment=comment,
        query_language="JSONata",
        arguments={
            "FunctionName": "answer_workflow",
            "Payload": {"humanLoopName": jsonata(f"{_EVENT}.detail.humanLoopName")},
        },
        assign={WAITING: False},
        output=jsonata(output),
        timeout_seconds=300,
        retry=TRANSIENT,
        catch=[catch],
    )
    return step
