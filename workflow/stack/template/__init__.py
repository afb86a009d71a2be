"""The CloudFormation template: everything that a stage has, from the definition and the functions it names.

The template is the same for every stage and for the sandbox, byte for byte: what a stage sets comes in
as parameters (`workflow.stack.stages.Stage.parameters`). Permissions are not written here but
derived: the state machine's from its steps (`workflow/stack/permissions/`), a function's from what
it declares beside its code (`FUNCTION` in its module).

In a declared resource `${Name}` and `${Name.Attribute}` may stand for resources and parameters of this
template, and four names for what depends on the stage: `${OutputBuckets}`, `${DocumentBuckets}` (an ARN for each
bucket), `${FlowDefinitions}` and `${HumanLoops}` (the account's).

    parameters.py     what a stage sets
    storage.py        the ledger and the bucket of reviews
    topics.py         messages to people
    functions.py      functions, their roles and versions
    state_machine.py  the workflow
    events.py         the rule, its queue, and the hourly reconciliation
    alarms.py         the alarms
    analysis.py       Athena over stored reviews
    outputs.py        what a published stage offers
    names.py          what `${…}` in a step stands for
    policies.py       statements of IAM policies
    tags.py           what all resources have in common
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from troposphere import Template

from workflow.errors import WorkflowError
from workflow.stack.functions import Function
from workflow.stack.permissions import Statement
from workflow.stack.template.alarms import add_alarms
from workflow.stack.template.analysis import add_analysis
from workflow.stack.template.events import add_rule, add_schedule
from workflow.stack.template.functions import add_function, add_version
from workflow.stack.template.names import NAMES_IN_STEPS, placeholder
from workflow.stack.template.outputs import add_outputs
from workflow.stack.template.parameters import add_parameters
from workflow.stack.template.policies import expect_policies_that_fit, without_special_names
from workflow.stack.template.state_machine import add_state_machine
from workflow.stack.template.storage import add_data
from workflow.stack.template.topics import add_topics

__all__ = ["NAMES_IN_STEPS", "build_template", "without_special_names"]


def build_template(
    definition: Mapping[str, Any],
    functions: Sequence[Function],
    statements: Sequence[Statement],
    *,
    reviews_table: Mapping[str, Any],
    queries: Mapping[str, str],
) -> Template:
    """The template.

    Args:
        definition: The state machine in Amazon States Language, functions named by `${<Name>Arn}`.
        functions: The functions of the stack.
        statements: What the state machine's role may do, as derived from its steps.
        reviews_table: The Glue table of stored reviews (`TableInput`, without its location).
        queries: Ready queries for Athena: name → SQL.
    """
    steps = [function for function in functions if placeholder(function) in json.dumps(definition)]
    if len(functions) + len(steps) > MAX_FUNCTION_PARAMETERS:
        raise WorkflowError(
            f"the steps run {len(steps)} functions, and a stack has place for about {MAX_FUNCTION_PARAMETERS // 2}: "
            "let steps share functions, or move some into a state machine of their own that a step starts"
        )
    template = Template()
    template.set_description("Afterloop: one Step Functions execution for every human loop that ends")
    template.set_version()
    add_parameters(template, functions, steps)
    add_data(template)
    add_topics(template)
    for function in functions:
        add_function(template, function, has_versions=function in steps)
    for function in steps:
        add_version(template, function)
    add_state_machine(template, definition, functions, statements)
    add_rule(template)
    add_schedule(template)
    add_alarms(template)
    add_analysis(template, reviews_table, queries)
    add_outputs(template)
    expect_policies_that_fit(template)
    return template


MAX_FUNCTION_PARAMETERS = 180
"""Of the 200 parameters that a template may have, what the stage's settings leave."""
