"""The building blocks of the branches, one module for each task that several branches share.

invoke.py      a step that runs a function of `lambdas/`
records.py     steps that write to the ledger
messages.py    steps that notify people and programs
failures.py    retries, and what happens to errors that remain
answers.py     steps that answer workflows waiting for a loop
state.py       the shape of the event and of function results, for the checks
user_steps.py  the user's post-review steps, as part of a branch
"""
