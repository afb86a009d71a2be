"""Completed: collect the review and record it. The user's post-review steps follow."""

from __future__ import annotations

from typing import Any

from lambdas.reviews.summary import ReviewSummary
from workflow.parts.failures import output_not_there_yet
from workflow.parts.invoke import invoke
from workflow.parts.records import record
from workflow.steps import Chain

__all__ = ["collect_payload", "completed", "review_values"]

_ATTEMPTS, _FIRST_WAIT = 6, 5
"""Two minutes in all, on average."""
_KNOWN = "$states.input.claim.loop.flowDefinitionArn"

# Without the claim, which is not part of the event.
_EVENT_AND_FLOW_DEFINITION = (
    "$merge([$sift($states.input, function($value, $key) { $key != 'claim' }),"
    f" {{'detail': $merge([$states.input.detail, $exists({_KNOWN}) ? {{'flowDefinitionArn': {_KNOWN}}} : {{}}])}}])"
)
"""The event, with the flow definition from the ledger: the event and the output may lack it."""


def completed(*, failed: Any) -> Chain:
    """**Collect review** → **Record review**.

    Collect review fetches output.json, validates it, compares the prediction with the workers' answers and stores the
    review. It returns a small summary, because a state is limited to 256 KiB and execution history should hold no
    personal data.
    """
    return Chain(
        [
            invoke(
                "Collect review",
                "collect_review",
                payload=collect_payload(attempts=_ATTEMPTS),
                adds="review",
                failed=failed,
                # A completed loop has an output, so that waiting for it is worth the time.
                retry=[output_not_there_yet(attempts=_ATTEMPTS, first_wait=_FIRST_WAIT)],
                comment="Fetches output.json, compares prediction and answers, stores the review, returns a summary.",
            ),
            record(
                "Record review",
                "stored",
                values=review_values(),
                failed=failed,
                comment="Writes the outcome, the location of the review and its figures to the ledger.",
            ),
        ]
    )


def collect_payload(*, attempts: int) -> str:
    """The input of the function that collects a review, which is retried that often while the output is missing."""
    last = f"$states.context.State.RetryCount >= {attempts}"
    return f"{{'event': {_EVENT_AND_FLOW_DEFINITION}, 'isLastTry': {last}}}"


def review_values() -> dict[str, str]:
    """The ledger attributes of a stored review, as DynamoDB values."""
    review = "$states.input.review"
    always, if_known = (
        [],
        [],
    )  # Figures of type float can be null: the agreement of a single answer, for example.
    for name, kind in ReviewSummary.ledger_figures().items():
        figure = f"{review}.{name}"
        value = f"{{'BOOL': {figure}}}" if kind is bool else f"{{'N': $string({figure})}}"
        if kind is float:
            if_known.append(f", $type({figure}) = 'number' ? {{'{name}': {value}}} : {{}}")
        else:
            always.append(f"'{name}': {value}")
    return {
        "reviewLocation": f"{{'S': {review}.location}}",
        "outputLocation": f"{{'S': {review}.outputLocation}}",
        "review": f"{{'M': $merge([{{{', '.join(always)}}}{''.join(if_known)}])}}",
    }
