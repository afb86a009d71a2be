"""The log lines of functions: those of an execution, of one of its states, or of a human loop.

Each function that a step of the workflow runs logs the execution and the state with every line. Lines that have
neither, such as Lambda's own, are found by the id of the request, with which Lambda begins and ends each call.

lines.py       what a line says
search.py      reads CloudWatch Logs
execution.py   which calls an execution made, and their lines
loop.py        the lines about a human loop
"""

from __future__ import annotations

from workflow.operations.logs.execution import log_lines
from workflow.operations.logs.lines import LogLine, Logs

__all__ = ["LogLine", "Logs", "log_lines"]
