"""JSONata, as the states use it: the marks around an expression, and the few that several states share."""

from __future__ import annotations

__all__ = ["EXECUTION_LINK", "FLOW_DEFINITION_NAME", "LOOP_NAME", "jsonata", "lines"]

LOOP_NAME = "$states.input.detail.humanLoopName"

FLOW_DEFINITION_NAME = (
    "($type($states.input.detail.flowDefinitionArn) = 'string'"
    " ? $split($states.input.detail.flowDefinitionArn, '/')[-1] : 'unknown')"
)

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
