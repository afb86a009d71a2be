"""Stopped: save the answers given so far, and send a notification."""

from __future__ import annotations

from typing import Any

from workflow.asl.expressions import jsonata
from workflow.branches.completed import collect_payload, review_values
from workflow.parts.failures import caught, output_not_there_yet
from workflow.parts.invoke import invoke
from workflow.parts.messages import notify_stopped
from workflow.parts.records import record
from workflow.steps import Catch, Chain, Choice, ChoiceRule

__all__ = ["stopped"]

_ATTEMPTS, _FIRST_WAIT = 3, 1
"""Seven seconds in all, at most: a stopped loop that nobody answered never gets an output.

A2I cannot be asked instead: it names an output location for each loop, whether or not there is an output.
"""


def stopped(*, failed: Any, after: Any) -> Choice:
    """**Answers given?** → **Keep answers** if so → **Notify stopped** → **Record stop**.

    Args:
        failed: The next step if a step fails.
        after: The steps after Record stop.
    """
    notify = notify_stopped(catch=[caught("Notify stopped", failed)])
    keep = invoke(
        "Keep answers",
        "collect_review",
        payload=collect_payload(attempts=_ATTEMPTS),
        adds="review",
        failed=failed,
        comment="Like Collect review, for the answers given before the loop was stopped.",
        retry=[output_not_there_yet(attempts=_ATTEMPTS, first_wait=_FIRST_WAIT)],
        # A2I can name an output location even if there is no output, and write an output without answers.
        expected=[
            Catch(
                error_equals=["OutputMissing", "NoAnswers"], output=jsonata("$states.input"), next_step=notify
            )
        ],
    )
    record_stop = record(
        "Record stop",
        "notified",
        optional={
            attribute: f"($exists($states.input.review) ? {value})"
            for attribute, value in review_values().items()
        },
        failed=failed,
        comment="Writes the outcome to the ledger.",
    )
    ending = Chain([notify, record_stop, after])
    keep.next(notify)
    choice = Choice(
        "Answers given?",
        comment="A stopped loop has an output only if a worker had answered.",
        query_language="JSONata",
    )
    # JSONata, not JSONPath: humanLoopOutput can be null or missing, and a JSONPath rule would then fail the execution.
    output = "$states.input.detail.humanLoopOutput.outputS3Uri"
    choice.add_choice(
        ChoiceRule.Condition(jsonata(f"$type({output}) = 'string' and {output} != ''")),
        keep,
        comment="output location given",
    )
    choice.default_choice(ending)
    return choice
