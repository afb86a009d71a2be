"""Build time: describes what runs, publishes it, operates it. A room imports only from below:

cli/             the command line
operations/      what an operator does to loops and reviews; the report, the manifest
publish/         plan → package → change set → progress → live
stack/           the template, permissions that follow from steps, bundles, stages, queries
machine.py       the whole state machine on one page
branches/        what the workflow does for one status
parts/           what branches are made of; post_review.py: yours; human_review.py: the step that asks people
steps.py         the only door to the stepfunctions SDK
asl/             the language: rendered, walked, checked, drawn
errors.py        what a person can cause, and put right

The contract in pyproject.toml holds it to that (`lint-imports`).
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["ROOT"]

ROOT = Path(__file__).resolve().parent.parent
"""The project's folder: `lambdas/`, `definitions/`, `stages.toml` and the locks are in it."""
