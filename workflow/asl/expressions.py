"""JSONata, as the states use it: the marks around an expression, and the few that several states share."""

from __future__ import annotations

__all__ = [
    "CLAIM_ID",
    "EVENTS_FLOW_DEFINITION",
    "EXECUTION_LINK",
    "FLOW_DEFINITION",
    "LOOP_NAME",
    "jsonata",
    "lines",
    "name_in",
]

LOOP_NAME = "$states.input.detail.humanLoopName"

FLOW_DEFINITION = "flowDefinitionName"
"""The workflow variable that holds the name of the loop's flow definition, as the ledger knows it: an event may not."""


def name_in(arn: str) -> str:
    """An expression for the name in an ARN, or 'unknown' where there is none."""
    return f"($type({arn}) = 'string' and {arn} != '' ? $split({arn}, '/')[-1] : 'unknown')"


EVENTS_FLOW_DEFINITION = name_in("$states.input.detail.flowDefinitionArn")
"""For what happens before the ledger was asked."""

_TIME = "$states.input.detail.creationTime"

CLAIM_ID = (
    f"($contains({_TIME}, /^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}([.][0-9]+)?Z$/)"
    f" ? $substring({_TIME}, 0, 19) & '.' & $substring($substringBefore($substring({_TIME}, 20), 'Z') & '000', 0, 3)"
    f" & 'Z' : {_TIME}) & ' ' & $states.input.detail.humanLoopStatus"
)
"""Which status change of its loop the event tells of: creationTime and humanLoopStatus.

The time has milliseconds, as A2I writes it, however the event spells it: `…07Z` and `…07.000000Z` are one time.
`lambdas.loops.reconciling.claim_id` is the same in Python.
"""

EXECUTION_LINK = (
    "('https://${Region}.console.aws.amazon.com/states/home?region=${Region}"
    "#/v2/executions/details/' & $states.context.Execution.Id)"
)
"""Of the running execution, in the Step Functions console."""


def jsonata(expression: str) -> str:
    """An expression with the marks that make it one: `{% … %}` (Amazon States Language, `QueryLanguage: JSONata`)."""
    return "{% " + expression + " %}"


def lines(*expressions: str) -> str:
    """An expression whose value is the texts of these, one a line."""
    return "$join([" + ", ".join(expressions) + "], '\\n')"
