"""From the steps of a machine to the statements of its role's policy."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflow.asl.integration import FORMS, PARTITION, arguments_of, integration_of
from workflow.asl.walk import Machine, State, states
from workflow.errors import WorkflowError
from workflow.stack.permissions.call import Call, Conditions, Grant, Unknown
from workflow.stack.permissions.distributed_map import distributed_map
from workflow.stack.permissions.iam import action_of, not_known
from workflow.stack.permissions.optimized import OPTIMIZED
from workflow.stack.permissions.sdk_integrations import sdk_integration

__all__ = ["PermissionUnknown", "Statement", "statements_for"]


class PermissionUnknown(WorkflowError):
    """A step does not say on what it acts: its permission has to be declared."""


@dataclass(frozen=True)
class Statement:
    """One allowing statement of the role's policy.

    Attributes:
        actions: IAM actions, sorted.
        resources: ARNs, or "*" for actions that know no resource; may hold `${…}` for Fn::Sub.
        conditions: IAM's Condition block: operator to key to values.
        steps: names of the states that need it, sorted.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    steps: tuple[str, ...] = ()


def statements_for(
    definition: Machine,
    declared: Mapping[str, Sequence[Statement]] = {},
    *,
    places: Mapping[str, str] = {},
    machine_name: str = "afterloop-${Stage}",
) -> list[Statement]:
    """Derive the statements of the state machine's role.

    Args:
        definition: the machine, as `workflow.steps.definition` renders it.
        declared: state name to what that step may do beyond what can be derived. A name that is here (even
            with nothing) says that the rest is known.
        places: state name to "file:line", for errors.
        machine_name: the machine's own name, for Distributed Maps, which start executions of it.

    Returns:
        Statements without overlap, in one fixed order.

    Raises:
        PermissionUnknown: a step neither says nor declares on what it acts.
        WorkflowError: a permission is declared for a state that does not exist.
    """
    needed: dict[_Needed, set[str]] = defaultdict(set)
    names = set()
    for name, state in states(definition):
        names.add(name)
        for actions, resource, conditions in _grants(state, machine_name):
            if isinstance(resource, Unknown):
                if name not in declared:
                    raise _undeclared(name, places.get(name), actions, resource)
                continue
            for action in actions:
                needed[action, resource, _frozen(conditions)].add(name)
        for statement in declared.get(name, ()):
            for action in statement.actions:
                for resource in statement.resources:
                    needed[action, resource, _frozen(statement.conditions)].add(name)
    if stray := sorted(declared.keys() - names):
        raise WorkflowError(f"permissions are declared for the state {stray[0]!r}, which does not exist")
    return _grouped(needed)


def _grants(state: State, machine_name: str) -> Iterator[Grant]:
    if state["Type"] == "Map":
        yield from distributed_map(state, machine_name)
    if state["Type"] != "Task":
        return
    role = state.get("Credentials", {})
    if role:  # The call is made with another role, which has the permission.
        call = Call("sts", "assumeRole", False, role)
        yield ["sts:AssumeRole"], call.arn("RoleArn", "the role in Credentials"), {}
        return
    resource = state.get("Resource", "")
    if re.match(rf"arn:{PARTITION}:lambda:", resource):
        yield ["lambda:InvokeFunction"], resource, {}
        return
    if re.match(rf"arn:{PARTITION}:states:[^:]*:[^:]*:activity:", resource):
        return  # Workers poll an activity; the machine needs no permission.
    called = integration_of(state)
    if called is None or called.form not in FORMS:
        reason = f"{resource!r} is no integration that is known here"
        yield ["its actions"], Unknown(reason, "its resources"), {}
        return
    arguments = arguments_of(state, {})
    call = Call(called.service, called.action, called.form.startswith(".sync"), arguments)
    if not isinstance(arguments, Mapping):
        yield [action_of(call)], Unknown("Arguments are known only at run time", "its resources"), {}
        return
    handler = sdk_integration if called.is_sdk else OPTIMIZED.get(called.service, not_known)
    yield from handler(call)


def _undeclared(name: str, place: str | None, actions: Sequence[str], unknown: Unknown) -> PermissionUnknown:
    where = f"state {name!r}" + (f" ({place})" if place else "")
    return PermissionUnknown(
        f"{where}: {unknown.reason}; declare what it may do, {', '.join(actions)} on {unknown.resource}: "
        f"permissions = {{{name!r}: [{{'actions': [...], 'resources': [...]}}]}} in post_review.py"
    )


_Needed = tuple[str, str, tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]]
"""An action, a resource, and conditions made hashable."""


def _frozen(conditions: Conditions) -> tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]:
    return tuple(
        (
            operator,
            tuple(
                (key, tuple(value) if isinstance(value, list) else value)
                for key, value in sorted(keys.items())
            ),
        )
        for operator, keys in sorted(conditions.items())
    )


def _grouped(needed: Mapping[_Needed, set[str]]) -> list[Statement]:
    """Join the actions on one resource, then the resources with the same actions."""
    actions_on: dict[Any, set[str]] = defaultdict(set)
    steps_on: dict[Any, set[str]] = defaultdict(set)
    for (action, resource, conditions), steps in needed.items():
        actions_on[resource, conditions].add(action)
        steps_on[resource, conditions] |= steps
    alike: dict[Any, list[tuple[str, set[str]]]] = defaultdict(list)
    for (resource, conditions), actions in actions_on.items():
        alike[tuple(sorted(actions)), conditions].append((resource, steps_on[resource, conditions]))
    return sorted(
        (
            Statement(
                actions=actions,
                resources=tuple(sorted(resource for resource, _ in found)),
                conditions={
                    operator: {key: list(value) if isinstance(value, tuple) else value for key, value in keys}
                    for operator, keys in conditions
                },
                steps=tuple(sorted(set().union(*(steps for _, steps in found)))),
            )
            for (actions, conditions), found in alike.items()
        ),
        key=lambda statement: (statement.actions, statement.resources, str(statement.conditions)),
    )
