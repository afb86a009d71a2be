"""The page of an execution: what the console makes of `workflow.operations.executions`.

recent.py      reads executions, and keeps those that were shown last
views.py       what the page shows
summary.py     what happened, in a sentence, and the step that it is about
causes.py      the cause of an error, which functions write as JSON
step.py        one step: input, output, attempts, and what is inside a Parallel or Map
function_log.py  its log lines
items.py       the executions of the items of a Distributed Map
table.py       all steps, in order
raw_events.py  the events of the history
"""
