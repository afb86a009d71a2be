"""The console: a web page on this machine that shows human loops, executions and reviews.

`python deploy.py console --stage prod` serves it for a published stage, read-only, with the user's credentials.
`make local` serves it beside the local engine, where it can also write, and answer tasks as a worker: the commands are
in `sandbox/cli.py`.

    app.py         the application: routes, and errors as pages
    site.py        what a request needs: the stage, its loops, whether one may write
    guard.py       who gets in: address, origin, token; and the headers of each response
    loopback.py    the address of this machine: sockets and requests
    rendering.py   pages as HTML from `templates/`, or as JSON
    objects.py     sends an image or document that a loop names
    posted.py      the fields of a submitted form
    reviewers.py   what the pages for workers need of the local engine
    worker_tasks/  what a worker sees of a task, and how a form becomes an answer
    signs.py       the sign of each status, so that color is never the only one
    server.py      serves an application in a thread
    pages/         one module a page
    static/        styles and scripts, all written here

A page is a *view*: a model (`views.py`) with all that the page shows. The template gets it, and `?format=json` prints
it.
"""
