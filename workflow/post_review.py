"""YOURS: the steps that come after each branch's own.

A list a branch, of steps of the `stepfunctions` SDK (from `workflow.steps`). They run in order, after the
outcome was recorded, and see the whole state: the event (`$.detail…`), and on Completed
`$.review` (its `location` in the review bucket, and the figures of the comparison). What hangs on a step
follows by itself: the permission, the function with its role and bundle (for a function of `lambdas/`), the graph,
the plan.

A step that fails is retried, then escalated by its name; the stored review stays as it is, and a workflow that
waits for it (`HumanReview`) still gets it. A Choice may lead to further steps; wherever they end, the workflow goes
on with its own ending (what follows the Choice in the list is its default). See docs/ for a tutorial.
"""

from __future__ import annotations

from typing import Any

from workflow.steps import State

completed: list[State] = []
"""After **Record review**."""

failed: list[State] = []
"""After **Record escalation**: the loop failed for good. Not after a restart: the next attempt ends for itself."""

stopped: list[State] = []
"""After **Record stop**."""

permissions: dict[str, list[dict[str, Any]]] = {}
"""For a step that does not say on what it acts (a table whose name comes from the state, say): its name → what it may
do, such as `{"Count it": [{"actions": ["dynamodb:UpdateItem"], "resources": ["arn:aws:dynamodb:…:table/counts"]}]}`."""
