"""The whole state machine on one page.

Every execution takes the same path: claim the status change, route by status, run the branch, run the user's steps,
answer waiting workflows. Each step retries transient errors; any other error leads to the failed end.

The input is the status-change event and stays untouched. Each step adds its result next to it (`$.claim`, `$.review`,
…), so the console shows the input and the output of every step. A completed review passes four states and one
function before the user's own steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workflow.branches.completed import completed
from workflow.branches.failed import failed_loop
from workflow.branches.stopped import stopped
from workflow.parts.answers import answer_anyway, workflow_waiting
from workflow.parts.claim import claim_status_change
from workflow.parts.failures import FAILED_STEP
from workflow.parts.messages import escalate_failed_step, escalate_unreadable_event
from workflow.parts.records import give_claim_back
from workflow.parts.user_steps import followed_by, load
from workflow.steps import Chain, Choice, ChoiceRule, Fail, Pass, Succeed, definition

__all__ = ["MAX_EXECUTION_SECONDS", "POST_REVIEW", "build_definition", "build_machine", "render"]


POST_REVIEW = Path(__file__).with_name("post_review.py")

MAX_EXECUTION_SECONDS = 100 * 24 * 3600
"""When an execution that has not ended is ended as timed out: TimeoutSeconds of the state machine.

Without it, a step that waits for what never comes would keep its execution open for a year, the limit of Step
Functions, and nobody would hear of it. It is longer than each wait of the workflow, and than a `HumanReview` step in
which three attempts use up A2I's longest task lifetime, 30 days. Raise it if the checks say that a step of yours waits
longer.

It cannot be a setting of the stage: Step Functions takes only a number in the definition. No state can catch it. The
alarm ExecutionsTimedOut goes off, and the function ReleaseClaim releases the claim and sends the message about the
loop. A redrive starts the time again. (Step Functions developer guide, "State machine structure", "Redriving
executions")
"""


def build_definition(post_review: Path = POST_REVIEW) -> dict[str, Any]:
    """The machine in Amazon States Language.

    The definition names functions of `lambdas/` by their file or folder. `workflow/stack/assembly.py` replaces these
    names with placeholders, and the stack fills in every `${…}`.

    Args:
        post_review: The file with the user's steps: the lists `completed`, `failed` and `stopped`.

    Raises:
        WorkflowError: The file has no such lists of steps, or the steps do not form a valid machine.
    """
    return render(build_machine(post_review))


def render(machine: Chain) -> dict[str, Any]:
    """The chained steps in Amazon States Language."""
    return definition(
        machine,
        comment="Afterloop: what happens after a human loop ends",
        timeout_seconds=MAX_EXECUTION_SECONDS,
    )


def build_machine(post_review: Path = POST_REVIEW) -> Chain:
    """The machine as chained steps. Each call runs the user's file again, because steps cannot be chained twice."""
    steps = load(post_review)

    # The failed end. A failed execution stays visible in the console, raises an alarm and can be redriven.
    failed_end = Fail(
        "Failed",
        comment="Fires an alarm. Run the status change again with python deploy.py loops redrive.",
        error_path="$.failure.error",
        cause_path="$.failure.reason",
    )
    give_back = give_claim_back(after=failed_end)
    escalate = escalate_failed_step(give_claim_back=give_back)
    Chain([escalate, give_back, failed_end])

    # An event that cannot be claimed has its own failed end: there is no claim to release.
    not_taken = Fail(
        "Not taken",
        comment="The end of an event that could not be claimed. Fires an alarm.",
        error_path="$.failure.error",
        cause_path="$.failure.reason",
    )
    unclaimed = escalate_unreadable_event(failed=not_taken)
    Chain([unclaimed, not_taken])

    # A status that A2I may add one day must not be dropped silently.
    unknown = Pass(
        "Unknown status",
        comment="Not a documented status of A2I events. The workflow escalates the event instead of dropping it.",
        query_language="JSONata",
        assign={FAILED_STEP: "Route by status"},
        output="{% $merge([$states.input, {'failure': {'Error': 'UnknownStatus', 'Cause':"
        " 'The humanLoopStatus of the event is ' & $states.input.detail.humanLoopStatus"
        " & '; the workflow handles Completed, Failed and Stopped.'}}]) %}",
    )
    unknown.next(escalate)

    # The user's steps run after the outcome is recorded, and a waiting workflow is answered even if they fail.
    ending = workflow_waiting(failed=escalate)
    anyway = answer_anyway(escalate=escalate)
    then = {branch: followed_by(ending, steps[branch], failed=anyway) for branch in steps}

    route = Choice("Route by status", comment="One branch for each status.")
    branches = {
        "Completed": Chain([completed(failed=escalate), then["completed"]]),
        "Failed": failed_loop(failed=escalate, escalated=then["failed"]),
        "Stopped": stopped(failed=escalate, after=then["stopped"]),
    }
    for status, branch in branches.items():
        route.add_choice(ChoiceRule.StringEquals(variable="$.detail.humanLoopStatus", value=status), branch)
    route.default_choice(unknown)

    claim = claim_status_change(
        claimed=route,
        already_handled=Succeed(
            "Already handled",
            comment="Another execution is processing this status change, or has already processed it.",
        ),
        unreadable=unclaimed,
    )
    return Chain([claim])
