"""The page of errors: those of the command line, and those of executions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from docs.generate.markdown import code, table
from docs.generate.reading import ExceptionClass, exceptions

__all__ = ["errors"]


def errors(definition: Mapping[str, Any]) -> str:
    """Returns the page.

    Args:
        definition: The state machine in Amazon States Language.
    """
    retried = _retried(definition)
    at_command_line = exceptions("workflow", "console", "sandbox", root="AfterloopError")
    return "\n\n".join(
        [
            "# Errors",
            "## At the command line",
            "Commands report these errors in one line on standard error, `error: …`, with exit status 1: what is wrong,"
            " where, and what to do. Any other exception is a bug, and shows its traceback.",
            table(
                ["Error", "Base class", "Description"],
                map(_row, at_command_line),
            ),
            "## In an execution",
            "The class name of a function's exception is the name of the error in Step Functions, in the escalation"
            " message, and in `loops show`. Transient errors are retried with growing waits. After any other error,"
            " **Escalate** notifies a person, the claim is released, and the execution fails. When you have fixed the"
            " cause, run `python deploy.py loops redrive NAME`.",
            table(["Error", "Base class", "Description"], map(_row, exceptions("lambdas"))),
            "## Retried",
            "Every Task of the workflow retries these errors, as does each post-review step without its own `retry`:",
            table(["Errors", "First wait, s", "Longest wait, s", "Retries"], retried),
            "The longest possible wait doubles with each retry. The actual wait is a random part of it.",
            "## What a waiting workflow gets",
            "A [`HumanReview` step](../how-to/human-review-step.md) in your own workflow can fail with these errors,"
            " which you can catch by name:",
            table(
                ["Error", "When"],
                (
                    (code("HumanReview.Stopped"), "The loop was stopped."),
                    (
                        code("HumanReview.Failed"),
                        "The loop failed and is not restarted, or a person closed it.",
                    ),
                    (code("States.Timeout"), "No answer arrived within the timeout."),
                    ("an error of `StartLoop`", "The loop could not be started. The names are above."),
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
