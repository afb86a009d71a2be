"""The whole state machine on one page: claim → route → branch → record.

Its input is the status-change event, untouched; each step adds its result beside it (`$.claim`,
`$.review`, …), so that the console shows for every step what it was given and what it added. A
completed review passes four states and one function before the user's own steps.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workflow.branches.completed import completed
from workflow.branches.failed import failed_loop
from workflow.branches.stopped import stopped
from workflow.errors import WorkflowError
from workflow.failures import FAILED_STEP, TRANSIENT, caught_after_review
from workflow.messages import escalate_failed_step, escalate_unreadable_event
from workflow.records import claim_status_change, give_claim_back
from workflow.steps import Chain, Choice, ChoiceRule, Fail, Pass, State, Succeed, definition

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
    steps = _load(post_review)
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
    branches = {
        "Completed": Chain([completed(failed=escalate), *_yours(steps["completed"], escalate)]),
        "Failed": failed_loop(failed=escalate, escalated=_chained(_yours(steps["failed"], escalate))),
        "Stopped": stopped(failed=escalate, after=_chained(_yours(steps["stopped"], escalate))),
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


def _load(path: Path) -> dict[str, list[State]]:
    spec = importlib.util.spec_from_file_location("workflow.post_review", path)
    if spec is None or spec.loader is None:
        raise WorkflowError(f"{path}: is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    branches = {}
    for branch in ("completed", "failed", "stopped"):
        steps = getattr(module, branch, None)
        if not isinstance(steps, list) or not all(isinstance(step, State) for step in steps):
            raise WorkflowError(
                f"{path.name}: `{branch}` must be a list of steps, such as [SnsPublishStep(…)], or []"
            )
        branches[branch] = steps
    return branches


def _chained(steps: Sequence[State]) -> Chain | None:
    return Chain(list(steps)) if steps else None


def _yours(steps: Sequence[State], escalate: State) -> list[State]:
    """The user's steps, each with the retries and the Catch that every step of the workflow has."""
    for step in steps:
        if hasattr(step, "add_catch") and step.type in ("Task", "Parallel", "Map"):
            if not step.retries:
                for retry in TRANSIENT:
                    step.add_retry(retry)
            step.add_catch(caught_after_review(step.state_id, escalate))
    return list(steps)
