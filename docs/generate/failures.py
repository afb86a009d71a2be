"""What can go wrong, by name: errors that a person at the command line can cause, and errors of executions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from docs.generate.markdown import code, table
from docs.generate.reading import ExceptionClass, exceptions

__all__ = ["errors"]


def errors(definition: Mapping[str, Any]) -> str:
    """The page.

    Args:
        definition: The machine in Amazon States Language.
    """
    retried = _retried(definition)
    at_command_line = exceptions("workflow", "sandbox", root="AfterloopError")
    return "\n\n".join(
        [
            "# Errors",
            "## At the command line",
            "Each is told in one line on standard error, `error: …`, with exit status 1: what was wrong, where, what to"
            " do. Anything else is a bug, and shows its traceback.",
            table(
                ["Error", "Kind of", "What it means"],
                map(_row, at_command_line),
            ),
            "## In an execution",
            "The name of an exception of a function is the error's name in Step Functions, in the message of the"
            " escalation, and in `loops show`. A step that meets one of those that pass by themselves is retried, with"
            " growing waits. Anything else leads to **Escalate**: a person is called, the claim is given back, the"
            " execution ends red, and `python deploy.py loops redrive NAME` runs it again when the cause is mended.",
            table(["Error", "Kind of", "What it means"], map(_row, exceptions("lambdas"))),
            "## Retried",
            "By every Task of the workflow, and by post-review steps that say nothing else:",
            table(["Errors", "First wait, s", "Longest wait, s", "Retries"], retried),
            "Each wait is up to twice the one before, and drawn at random up to that.",
            "## What a waiting workflow gets",
            "A [`HumanReview` step](../how-to/human-review-step.md) of your own workflow can end with one of these. It"
            " can catch them by name:",
            table(
                ["Error", "When"],
                (
                    (code("HumanReview.Stopped"), "The loop was stopped."),
                    (
                        code("HumanReview.Failed"),
                        "It failed, and is not started again; or a person closed it.",
                    ),
                    (code("States.Timeout"), "None of this came in time."),
                    ("an error of `StartLoop`", "It could not be started: the names above."),
                ),
            ),
        ]
    )


def _row(error: ExceptionClass) -> tuple[str, str, str]:
    return code(error.name), ", ".join(map(code, error.bases)), error.doc


def _retried(definition: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for retry in definition["States"]["Claim status change"]["Retry"]:
        yield (
            ", ".join(map(code, retry["ErrorEquals"])),
            str(retry["IntervalSeconds"]),
            str(retry["MaxDelaySeconds"]),
            str(retry["MaxAttempts"]),
        )
