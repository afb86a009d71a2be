"""Amazon States Language: what a definition is made of, how it is rendered, checked and drawn.

sdk.py          the `stepfunctions` SDK, loaded quickly and without `sagemaker`
expressions.py  JSONata, as the states use it
checks.py       what is wrong with a machine, found before anything is sent
calls.py        what a step hands to an API, against what the API takes
graph.py        a picture of a machine, or of an execution of it

Nothing in here knows what the workflow does.
"""
