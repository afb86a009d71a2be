"""YOUR FILE: the steps that run after each branch of the workflow.

Each list below holds steps from `workflow.steps`, the classes of the `stepfunctions` SDK. They run in order, after the
workflow has recorded the outcome, and can read the whole state: the event (`$.detail…`) and, after Completed,
`$.review` (the `location` of the review in the review bucket, and the figures of the comparison). The IAM permissions
of a step, the deployment of a function in `lambdas/`, the graph and the plan follow from the step itself.

A failed step is retried and then escalated under its name. The stored review does not change, and a workflow that waits
for it (`HumanReview`) still gets its answer. A Choice can lead to further steps; its default is the next step in the
list. Wherever your steps end, the workflow continues with its own ending. docs/tutorial.md adds a first step.
"""

from __future__ import annotations

from typing import Any

from workflow.steps import State

completed: list[State] = []
"""Steps after **Record review**."""

failed: list[State] = []
"""Steps after **Record escalation**: the loop failed and is not restarted. They do not run after a restart."""

stopped: list[State] = []
"""Steps after **Record stop**."""

permissions: dict[str, list[dict[str, Any]]] = {}
"""Permissions of steps whose resources cannot be derived, such as a table whose name comes from the state:
`{"Count it": [{"actions": ["dynamodb:UpdateItem"], "resources": ["arn:aws:dynamodb:…:table/counts"]}]}`."""
