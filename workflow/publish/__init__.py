"""Publishing: from the workflow's Python code to a running stage, as a pipeline of steps that pass plain data.

    assemble     definition, functions, template; the same for all stages      ../stack/assembly.py
      │            no remote calls
    package      bundles of the functions, parameters of the stage             package.py
      │            no remote calls
    change set   CloudFormation computes what would change                     publishing.py
      │
    compare      the changes, in the user's terms: a Plan                      plan.py, resolution.py
      │            `python deploy.py plan` ends here
    confirm      the user agrees                                               (the caller's)
      │
    execute      uploads bundles to the artifact bucket, runs the change set   publishing.py
    follow       reports every event; on failure, the first cause              following.py
      │
    live         a version of the state machine, and the alias to it           live.py
    record       what was published, for rollbacks                             history.py, rollback.py
    remove       what was removed, unless running executions need it           updates.py, keeping.py

On a local engine, `local_engine` asks which states the engine does not run: the plan warns of them.

Other operations: `swapping` (hot swap, for development stages), `watching`, `status`, `destroying`, `initialising`
(settings from a user's answers), `outputs` (console links).

Only `account.Account` and its parts (`stacks`, `artifacts`, `machines`, `functions`, `stored_data`, `missing`,
`subscriptions`) call AWS. Nothing here prints: `workflow/cli/show.py` does.
"""
