"""Amazon States Language: what a definition is made of, how it is rendered, checked and drawn.

From steps to a definition, below `workflow.steps`:

sdk.py          the `stepfunctions` SDK, loaded quickly and without `sagemaker`
blocks.py       what our states have beyond the SDK's: newer fields, errors that name the line
rendering.py    a machine, from the step that it begins with
reach.py        what a step leads to
plain.py        fields in one order, placeholders as ASL, values that are JSON
origin.py       where a step was made

Of a definition, plain JSON values:

walk.py         machines in machines, ways from state to state, rules in rules
integration.py  what a Task calls
expressions.py  JSONata, as the states use it
transient_errors.py  errors of a Task that pass by themselves
checks/         what is wrong with a machine, found before anything is sent
graph/          a picture of a machine, or of an execution of it

Nothing in here knows what the workflow does.
"""
