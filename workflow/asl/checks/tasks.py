"""Functions and API actions that do not exist."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from workflow.asl.checks.calls import actions_of
from workflow.asl.checks.problem import hint
from workflow.asl.integration import arguments_of, integration_of
from workflow.asl.walk import State

__all__ = ["problems_of_action", "problems_of_function"]


def problems_of_function(state: State, functions: Collection[str]) -> Iterator[str]:
    """A function of `lambdas/` that does not exist. ARNs and names computed at run time are not checked."""
    called = integration_of(state)
    if not functions or called is None or (called.service, called.action) != ("lambda", "invoke"):
        return
    arguments = arguments_of(state)
    function = arguments.get("FunctionName") if isinstance(arguments, Mapping) else None
    if not isinstance(function, str) or ":" in function or function.startswith("{%"):
        return
    name = re.sub(r"^\$\{(\w+?)(Arn)?\}$", r"\1", function)
    if _plain(name) not in {_plain(known) for known in functions}:
        yield f"the function {name!r} does not exist{hint(name, functions)}"


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def problems_of_action(state: State) -> Iterator[str]:
    """An action that the service of an AWS SDK integration does not have. Unknown services are not checked."""
    called = integration_of(state)
    if called is None or not called.is_sdk:
        return
    operations = actions_of(called.service)
    if operations and called.action not in operations:
        yield f"the service {called.service} has no action {called.action!r}{hint(called.action, operations)}"
