"""The CloudFormation template: everything that a stage has, from the definition and the functions it names.

The template is byte for byte the same for every stage and for the sandbox. A stage's settings are its parameters
(`workflow.stack.stages.Stage.parameters`). The permissions of the state machine are derived from its steps
(`workflow/stack/permissions/`), and those of a function come from its declaration (`FUNCTION` in its module).

In a declared resource, `${Name}` and `${Name.Attribute}` refer to resources and parameters of this
template. Four names depend on the stage or the account: `${OutputBuckets}` and `${DocumentBuckets}` (an ARN for each
bucket), `${FlowDefinitions}` and `${HumanLoops}` (all in the account).

    parameters.py     a stage's settings
    storage.py        the ledger and the bucket of reviews
    topics.py         messages to people
    chat.py           the channels that show them
    functions.py      functions, their roles and versions
    state_machine.py  the workflow
    live.py           its version, the alias of the version that is live, and how new executions move to it
    events.py         the rules, their queue and archive, and the hourly reconciliation
    alarms.py         the alarms
    dashboard.py      the dashboard
    analysis.py       Athena over stored reviews
    outputs.py        the names of a published stage's resources
    names.py          what `${…}` in a step refers to
    roles.py          roles, and their boundary
    policies.py       statements of IAM policies
    tags.py           what all resources have in common
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from troposphere import Template

from workflow.errors import WorkflowError
from workflow.stack import USE_ANOTHER_MACHINE
from workflow.stack.functions import Function
from workflow.stack.permissions import Statement
from workflow.stack.template.alarms import add_alarms
from workflow.stack.template.analysis import add_analysis
from workflow.stack.template.chat import add_chat
from workflow.stack.template.dashboard import add_dashboard
from workflow.stack.template.events import add_archive, add_rule, add_rule_for_executions, add_schedule
from workflow.stack.template.functions import add_function, add_version
from workflow.stack.template.live import add_live
from workflow.stack.template.names import NAMES_IN_STEPS, ids_of, placeholder
from workflow.stack.template.outputs import add_outputs
from workflow.stack.template.parameters import add_parameters
from workflow.stack.template.policies import expect_policies_that_fit, without_special_names
from workflow.stack.template.roles import add_vpc_policy
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
    """Returns the template.

    Args:
        definition: The state machine in Amazon States Language, functions named by `${<Name>Arn}`.
        functions: The functions of the stack.
        statements: The statements of the state machine's role, as derived from its steps.
        reviews_table: The Glue table of stored reviews (`TableInput`, without its location).
        queries: Saved queries for Athena: name → SQL.

    Raises:
        WorkflowError: There are too many functions for the parameters of a template, or too many permissions
            for a role.
    """
    steps = [function for function in functions if placeholder(function) in json.dumps(definition)]
    if len(functions) + len(steps) > MAX_FUNCTION_PARAMETERS:
        raise WorkflowError(
            f"the steps run {len(steps)} functions, and the limit is about {MAX_FUNCTION_PARAMETERS // 2}: "
            f"share functions between steps, or {USE_ANOTHER_MACHINE}"
        )
    template = Template()
    try:
        _add_all(template, definition, functions, steps, statements, reviews_table, queries)
    except ValueError as error:  # troposphere: duplicate key "StateMachineLogs" detected
        raise _name_taken(str(error), functions) or error from None
    # CloudFormation has one name space for both.
    if both := template.parameters.keys() & template.resources.keys():
        raise _name_taken(f'"{min(both)}"', functions) or AssertionError(both)
    expect_policies_that_fit(template)
    return template


def _add_all(
    template: Template,
    definition: Mapping[str, Any],
    functions: Sequence[Function],
    steps: Sequence[Function],
    statements: Sequence[Statement],
    reviews_table: Mapping[str, Any],
    queries: Mapping[str, str],
) -> None:
    template.set_description("Afterloop: one Step Functions execution for every human loop that ends")
    template.set_version()
    add_parameters(template, functions, steps)
    add_data(template)
    add_topics(template)
    add_chat(template)
    for function in functions:
        add_function(template, function, has_versions=function in steps)
    add_vpc_policy(template)
    for function in steps:
        add_version(template, function)
    add_state_machine(template, definition, functions, statements)
    add_live(template)
    add_rule(template)
    add_archive(template)
    add_rule_for_executions(template)
    add_schedule(template)
    add_alarms(template, functions)
    add_dashboard(template, definition)
    add_analysis(template, reviews_table, queries)
    add_outputs(template)


def _name_taken(message: str, functions: Sequence[Function]) -> WorkflowError | None:
    """The error for a function whose logical IDs the stack has already; None if the message names none of them."""
    taken = message.partition('"')[2].partition('"')[0]
    for function in sorted(functions, key=lambda function: function.name != taken):
        if taken in ids_of(function):
            file = function.place.partition(":")[0]
            return WorkflowError(
                f"{file}: the stack has something else with the name {taken}; rename the function"
            )
    return None


MAX_FUNCTION_PARAMETERS = 160
"""A template can have 200 parameters. The rest are for the stage's settings."""
