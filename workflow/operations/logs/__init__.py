"""The log lines of functions: those of an execution, of one of its states, or of a human loop.

Each function that a step of the workflow runs logs the execution and the state with every line. Lines that have
neither, such as Lambda's own, are found by the id of the request, with which Lambda begins and ends each call.

lines.py       what a line says
search.py      reads CloudWatch Logs
"""

from __future__ import annotations

from workflow.operations.logs.lines import LogLine, Logs

__all__ = ["LogLine", "Logs"]
