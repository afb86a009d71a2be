"""The size of a definition."""

from __future__ import annotations

from typing import Any

import pytest
from troposphere import Template

from workflow.errors import WorkflowError
from workflow.stack.template.state_machine import MAX_DEFINITION, add_state_machine


def definition(size: int, placeholder: str = "") -> dict[str, Any]:
    """A definition that has a number of bytes, without white space."""
    made = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Comment": placeholder, "End": True}}}
    empty = len(str(made).replace(" ", "").replace("True", "true"))
    made["States"]["A"]["Comment"] += "x" * (size - empty)
    return made


def test_definition_of_the_maximum_size_is_accepted() -> None:
    template = Template()
    add_state_machine(template, definition(MAX_DEFINITION), [], [])
    text = template.to_dict()["Resources"]["StateMachine"]["Properties"]["DefinitionString"]
    assert len(text) == MAX_DEFINITION


@pytest.mark.parametrize(
    "too_large",
    [
        definition(MAX_DEFINITION + 1),
        # CloudFormation replaces the name by an ARN, which is longer.
        definition(MAX_DEFINITION, "${AskArn}"),
        # A character that is not in ASCII is sent as six.
        definition(MAX_DEFINITION, "\u00fc"),
    ],
    ids=["definition", "filled in", "escaped"],
)
def test_definition_that_is_too_large_when_it_is_sent_is_refused(too_large: dict[str, Any]) -> None:
    with pytest.raises(WorkflowError) as refusal:
        add_state_machine(Template(), too_large, [], [])
    assert str(refusal.value).startswith("the definition has 1,048,")
    assert "Step Functions accepts at most 1,048,576: move some steps to a state machine" in str(
        refusal.value
    )
