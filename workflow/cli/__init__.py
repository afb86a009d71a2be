"""The command line: one module a group of commands.

    publish.py           publish, plan, rollback
    stage.py             outputs, status, destroy
    render.py  init.py  loops.py  report.py  manifest.py  smoke.py      the commands of their names

Under them:

    program.py           makes a command line of the table of commands in deploy.py, and runs it
    options.py           the options that commands share; start_options.py: those of `loops start`
    terminal.py          asking, answering, showing progress, failing in one line
    show.py              plans, progress, status and outcomes of a stage; show_loops.py: human loops
"""
