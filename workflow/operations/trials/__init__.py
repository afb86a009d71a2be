"""Trials: one step of the workflow alone, by Step Functions' TestState, as the code describes it now.

step.py     finds a step, and says which branch it belongs to
real.py     the state that a step got in a real execution
values.py   what `${…}` in a step stands for, on a published stage
reading.py  the input and the mock that a person gives
running.py  calls TestState, and says what happened

Source: https://docs.aws.amazon.com/step-functions/latest/dg/test-state-isolation.html
"""

from __future__ import annotations

from workflow.operations.trials.reading import Mock, read_input, read_mock
from workflow.operations.trials.real import real_state
from workflow.operations.trials.running import Caught, Retried, Trial, try_state
from workflow.operations.trials.step import BRANCHES, Step, find_step, reached_in
from workflow.operations.trials.values import Target, filled, outdated, stage_target

__all__ = [
    "BRANCHES",
    "Caught",
    "Mock",
    "Retried",
    "Step",
    "Target",
    "Trial",
    "filled",
    "find_step",
    "outdated",
    "read_input",
    "reached_in",
    "read_mock",
    "real_state",
    "stage_target",
    "try_state",
]
