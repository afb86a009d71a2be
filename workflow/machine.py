"""The whole state machine on one page: claim → route → branch → record → yours → who waits is answered.

Its input is the status-change event, untouched; each step adds its result beside it (`$.claim`,
`$.review`, …), so that the console shows for every step what it was given and what it added. A
completed review passes four states and one function before the user's own steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from workflow.branches.completed import completed
from workflow.branches.failed import failed_loop
from workflow.branches.stopped import stopped
from workflow.parts.answers import answer_anyway, workflow_waiting
from workflow.parts.failures import FAILED_STEP
from workflow.parts.messages import escalate_failed_step, escalate_unreadable_event
from workflow.parts.records import claim_status_change, give_claim_back
from workflow.parts.user_steps import followed_by, load
from workflow.steps import Chain, Choice, ChoiceRule, Fail, Pass, Succeed, definition

__all__ = ["POST_REVIEW", "build_definition", "build_machine", "render"]


POST_REVIEW = Path(__file__).with_name("post_review.py")


def build_definition(post_review: Path = POST_REVIEW) -> dict[str, Any]:
    """The machine as Amazon States Language.

    Functions of `lambdas/` are named in it by their file or folder; `workflow/stack/assembly.py` makes placeholders of
    them, and the template fills in what stands in `${…}`.

    Args:
        post_review: The file with the user's steps: the lists `completed`, `failed` and `stopped`.

    Raises:
        WorkflowError: The user's file has no such lists of steps, or the steps do not make a machine.
    """
    return render(build_machine(post_review))


def render(machine: Chain) -> dict[str, Any]:
    """The machine of chained steps as Amazon States Language."""
    return definition(machine, comment="Afterloop: what happens after a human loop ends")


def build_machine(post_review: Path = POST_REVIEW) -> Chain:
    """The machine as chained steps, from its first. The file is run at each call: steps cannot be chained twice."""
    steps = load(post_review)
    failed_end = Fail("Failed", error_path="$.failure.error", cause_path="$.failure.reason")
    give_back = give_claim_back(after=failed_end)
    escalate = escalate_failed_step(give_claim_back=give_back)
    Chain([escalate, give_back, failed_end])

    unclaimed = escalate_unreadable_event(
        failed=(not_taken := Fail("Not taken", error_path="$.failure.error", cause_path="$.failure.reason"))
    )
    Chain([unclaimed, not_taken])

    unknown = Pass(
        "Unknown status",
        comment="A2I is not known to send it. A person should look, and nothing is dropped.",
        query_language="JSONata",
        assign={FAILED_STEP: "Route by status"},
        output="{% $merge([$states.input, {'failure': {'Error': 'UnknownStatus', 'Cause':"
        " 'The event says humanLoopStatus ' & $states.input.detail.humanLoopStatus"
        " & ', and the workflow knows Completed, Failed and Stopped.'}}]) %}",
    )
    unknown.next(escalate)

    route = Choice("Route by status")
    ending = workflow_waiting(failed=escalate)
    anyway = answer_anyway(escalate=escalate)
    yours = {branch: followed_by(ending, steps[branch], failed=anyway) for branch in steps}
    branches = {
        "Completed": Chain([completed(failed=escalate), yours["completed"]]),
        "Failed": failed_loop(failed=escalate, escalated=yours["failed"]),
        "Stopped": stopped(failed=escalate, after=yours["stopped"]),
    }
    for status, branch in branches.items():
        route.add_choice(ChoiceRule.StringEquals(variable="$.detail.humanLoopStatus", value=status), branch)
    route.default_choice(unknown)

    claim = claim_status_change(
        already_handled=Succeed(
            "Already handled", comment="Another delivery of this status change was, or is, worked on."
        ),
        unreadable=unclaimed,
    )
    return Chain([claim, route])
