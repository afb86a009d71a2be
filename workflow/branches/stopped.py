"""Stopped: whoever wants to know is told, and the answers that were given so far are kept."""

from __future__ import annotations

from typing import Any

from workflow.asl.expressions import jsonata
from workflow.branches.completed import EVENT_AND_FLOW_DEFINITION, review_values
from workflow.parts.failures import caught
from workflow.parts.invoke import invoke
from workflow.parts.messages import notify_stopped
from workflow.parts.records import record
from workflow.steps import Catch, Chain, Choice, ChoiceRule

__all__ = ["stopped"]


def stopped(*, failed: Any, after: Any = None) -> Choice:
    """**Answers given?** → **Keep answers** if so → **Notify stopped** → **Record stop**.

    Args:
        failed: Where the workflow goes when a step fails.
        after: What comes after Record stop; nothing by default.
    """
    notify = notify_stopped(catch=[caught("Notify stopped", failed)])
    keep = invoke(
        "Keep answers",
        "collect_review",
        payload=f"{{'event': {EVENT_AND_FLOW_DEFINITION}}}",
        adds="review",
        failed=failed,
        comment="As Collect review, for what the people had answered when the loop was stopped.",
        # A2I names the place of the output whether or not there is one.
        expected=[Catch(error_equals=["OutputMissing"], output=jsonata("$states.input"), next_step=notify)],
    )
    record_stop = record(
        "Record stop",
        "notified",
        optional={
            attribute: f"($exists($states.input.review) ? {value})"
            for attribute, value in review_values().items()
        },
        failed=failed,
        comment="Writes the outcome into the ledger.",
    )
    ending = Chain([notify, record_stop, *([after] if after else [])])
    keep.next(notify)
    choice = Choice(
        "Answers given?",
        comment="A stopped loop has an output only if somebody had answered.",
        query_language="JSONata",
    )
    # humanLoopOutput may be null or missing, and a rule by JSONPath would then fail the execution.
    output = "$states.input.detail.humanLoopOutput.outputS3Uri"
    choice.add_choice(
        ChoiceRule.Condition(jsonata(f"$type({output}) = 'string' and {output} != ''")),
        keep,
        comment="an output is named",
    )
    choice.default_choice(ending)
    return choice
