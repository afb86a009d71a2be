"""What states do with their data."""

from __future__ import annotations

import json

import pytest

CHOICE = {
    "Type": "Choice",
    "QueryLanguage": "JSONata",
    "Choices": [
        {
            "Condition": "{% $states.input.n = 1 %}",
            "Assign": {"who": "rule"},
            "Output": "{% {'by': 'rule'} %}",
            "Next": "End",
        }
    ],
    "Default": "End",
    "Assign": {"who": "default"},
    "Output": "{% {'by': 'default'} %}",
}
END = {
    "Type": "Pass",
    "QueryLanguage": "JSONata",
    "Output": "{% [$states.input.by, $who] %}",
    "End": True,
}


@pytest.mark.parametrize(("n", "by"), [(1, "rule"), (2, "default")])
def test_choice_sets_variables_and_output_of_rule_or_default(machines, n, by):
    execution = machines.run({"Choice": CHOICE, "End": END}, {"n": n})
    assert json.loads(execution["output"]) == [by, by]
