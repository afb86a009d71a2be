"""Executions: what happened in each state, read from the histories of Step Functions.

model.py       what a reader gets: `ExecutionView`, `Visit`, `Attempt`
reading.py     `read_execution`: asks Step Functions
map_runs.py    `read_map_run`: the items of a Distributed Map
history.py     `visits_of`: from the events to the visits
statuses.py    one status for each state of the definition
"""

from workflow.operations.executions.history import visits_of
from workflow.operations.executions.map_runs import Item, MapRun, read_map_run
from workflow.operations.executions.model import (
    Attempt,
    ExecutionGone,
    ExecutionUnreadable,
    ExecutionView,
    Visit,
    why,
)
from workflow.operations.executions.reading import read_execution
from workflow.operations.executions.statuses import figures_of

__all__ = [
    "Attempt",
    "ExecutionGone",
    "ExecutionUnreadable",
    "ExecutionView",
    "Item",
    "MapRun",
    "Visit",
    "figures_of",
    "read_execution",
    "read_map_run",
    "visits_of",
    "why",
]
