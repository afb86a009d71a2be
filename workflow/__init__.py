"""Build time: defines the workflow, publishes it, operates it. Each part imports only from the parts below it:

cli/             the command line
operations/      operations on loops and reviews; the report, the manifest
publish/         plan → package → change set → progress → live
stack/           the template, permissions derived from steps, bundles, stages, queries
machine.py       the whole state machine on one page
branches/        the steps for each status of a human loop
parts/           the building blocks of branches; post_review.py: your steps; human_review.py: the step that asks people
steps.py         the classes of the stepfunctions SDK, which no other module imports
asl/             Amazon States Language: rendering, checks, graph
errors.py        errors that a user can cause and fix

`lint-imports` checks this with the contract in pyproject.toml.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["ROOT"]

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder, with `lambdas/`, `definitions/`, `stages.toml` and the requirement locks."""
