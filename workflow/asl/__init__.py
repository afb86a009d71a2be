"""Amazon States Language: render, check and draw a definition.

From steps to a definition, used by `workflow.steps`:

sdk.py          loads the `stepfunctions` SDK quickly, without `sagemaker`
blocks.py       the base classes of our states: newer fields, errors that name the line
rendering.py    renders the machine that begins with a step
reach.py        the states that a step leads to
plain.py        field order, placeholders and JSON values of a rendered state
origin.py       the file and line that made a step

For a definition, as plain JSON values:

walk.py         nested machines, transitions, nested rules
integration.py  the service and action that a Task calls
expressions.py  JSONata that several states share
transient_errors.py  errors of a Task that a retry can fix
checks/         finds mistakes in a machine before it is published
graph/          draws a machine or an execution

Nothing here depends on what the workflow does.
"""
