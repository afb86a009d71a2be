"""What the branches are made of: one module for each thing that several of them do.

invoke.py      a step that runs a function of `lambdas/`
records.py     what is written into the ledger
messages.py    what is sent to people and programs
failures.py    what is tried again, and what happens to the rest
answers.py     the answer to workflows that wait for a loop
state.py       what the state of an execution holds that no definition says
user_steps.py  the user's post-review steps, as part of a branch
"""
