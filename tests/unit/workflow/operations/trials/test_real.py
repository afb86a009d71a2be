"""A step gets the state of a real execution."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.workflow.operations.executions.doubles import Executions
from tests.unit.workflow.operations.executions.histories import History
from workflow.errors import AfterloopError
from workflow.operations.executions import ExecutionView, read_execution
from workflow.operations.trials import find_step, real_state

ARN = "arn:aws:states:us-east-1:111122223333:execution:afterloop-dev:one"
PASS = {"Type": "Pass"}
DEFINITION: dict[str, Any] = {
    "StartAt": "Record",
    "States": {
        "Record": {**PASS, "Next": "Tell"},
        "Tell": {**PASS, "Next": "New"},
        "New": {**PASS, "Next": "Newer"},
        "Newer": {**PASS, "Next": "End"},
        "End": {**PASS, "Next": "After"},
        "After": {**PASS, "End": True},
    },
}


def execution() -> ExecutionView:
    """The execution went through Record, Tell and End: the new states were not there yet."""
    history = History()
    for name in ("Record", "Tell", "End"):
        history.passed(name)
    for event in history.events:
        for details in (value for key, value in event.items() if key.endswith("EventDetails")):
            name = details.get("name")
            if "input" in details:
                details["input"] = json.dumps({"before": name})
            if "output" in details:
                details["output"] = json.dumps({"after": name})
                details["assignedVariables"] = {name.lower(): f'"{name}"'}
    states = Executions(DEFINITION)
    states.add(ARN, "SUCCEEDED", history)
    return read_execution(states, ARN)


@pytest.mark.parametrize(
    ("name", "given", "variables"),
    [
        ("Tell", {"before": "Tell"}, {"record": "Record"}),
        ("New", {"after": "Tell"}, {"record": "Record", "tell": "Tell"}),
        ("Newer", {"after": "Tell"}, {"record": "Record", "tell": "Tell"}),
        ("After", {"after": "End"}, {"record": "Record", "tell": "Tell", "end": "End"}),
    ],
)
def test_step_gets_its_input_or_the_output_of_the_last_state_before_it(
    name: str, given: Any, variables: Any
) -> None:
    step = find_step(DEFINITION, name, {})
    assert real_state(execution(), step, DEFINITION) == (given, variables)


def test_execution_that_did_not_come_to_the_step_says_where_it_went() -> None:
    apart = {**DEFINITION, "States": {**DEFINITION["States"], "Apart": PASS}}
    with pytest.raises(
        AfterloopError, match="did not come to step 'Apart'; the states that it entered: Record, Tell, End"
    ):
        real_state(execution(), find_step(apart, "Apart", {}), apart)


def test_data_that_cannot_be_read_is_an_error() -> None:
    found = execution()
    for visit in found.visits:
        visit.output_truncated = True
    with pytest.raises(AfterloopError, match="does not have the data of 'Tell'"):
        real_state(found, find_step(DEFINITION, "New", {}), DEFINITION)
