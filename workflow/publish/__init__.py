"""Publishing: from the workflow's Python to a running stage, as a pipeline of stages that hand on plain data.

    assemble     definition, functions, template; the same for all stages      ../stack/assembly.py
      │            no remote calls
    package      bundles of the functions, parameters of the stage             package.py
      │            no remote calls
    change set   CloudFormation works out what would change                    publishing.py
      │
    compare      what changes, as a person thinks of it: a Plan                plan.py, resolution.py
      │            `python deploy.py plan` ends here
    confirm      whoever publishes says yes                                    (the caller's)
      │
    execute      bundles to the artifact bucket, then the change set           publishing.py
    follow       every event to the end; on failure the first cause            following.py
      │
    live         a version of the state machine, and the alias to it           live.py
    record       what was published, so that it can be gone back to            history.py, rollback.py

Beside the line: `swapping` (the hot swap, for development stages), `watching`, `status`, `destroying`,
`initialising` (settings from a person's answers), `outputs` (where to look).

`account.Account` is the only class that calls AWS. Nothing here prints: `workflow/cli/show.py` does.
"""
