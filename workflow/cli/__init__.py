"""The command line: one module for each group of commands.

    publish.py           publish, plan, rollback
    stage.py             outputs, status, destroy
    render.py  init.py  loops.py  reviews.py  report.py  manifest.py  smoke.py      the commands with these names

What the commands use:

    program.py           builds the command line from the table of commands in deploy.py, and runs it
    completion.py        completion in the shell; suggestions.py: what it suggests as values
    options.py           the options that commands share; start_options.py: the options of `loops start`
    times.py             --since and --until
    terminal.py          output, questions, progress, errors
    show.py              prints plans, progress and status of a stage; show_loops.py: human loops;
                         show_attention.py: what failed
    shapes.py            the JSON documents of --output json
"""
