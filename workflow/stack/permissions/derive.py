"""From the steps of a state machine to the statements of its role's policy."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workflow.asl.integration import FORMS, PARTITION, arguments_of, integration_of
from workflow.asl.walk import Machine, State, states
from workflow.errors import WorkflowError
from workflow.stack.grants import Permission
from workflow.stack.permissions.actions import iam_action
from workflow.stack.permissions.call import Call, Grant, Unknown
from workflow.stack.permissions.distributed_map import distributed_map
from workflow.stack.permissions.services import grants_for

__all__ = ["PermissionUnknown", "Statement", "statements_for"]


class PermissionUnknown(WorkflowError):
    """The permissions of a step cannot be derived: they have to be declared."""


@dataclass(frozen=True)
class Statement:
    """One statement of the role's policy that allows something.

    Attributes:
        actions: IAM actions, sorted.
        resources: ARNs, or "*" for actions that have no resource. They can hold `${…}` for Fn::Sub.
        conditions: IAM's Condition block: operator to key to values.
        steps: Names of the states that need it, sorted.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    steps: tuple[str, ...] = ()


def statements_for(
    definition: Machine,
    declared: Mapping[str, Sequence[Permission]] = {},
    *,
    places: Mapping[str, str] = {},
) -> list[Statement]:
    """Derives the statements of the state machine's role.

    Args:
        definition: The state machine, as `workflow.steps.definition` renders it.
        declared: State name to the permissions that cannot be derived. Naming a state here, even with no
            permissions, says that it needs nothing else.
        places: State name to "file:line", for errors.

    Returns:
        Statements without overlap, always in the same order.

    Raises:
        PermissionUnknown: The permissions of a step can neither be derived nor are they declared.
        WorkflowError: Permissions are declared for an unknown state.
    """
    needed: dict[tuple[str, _On], set[str]] = defaultdict(set)
    names = set()
    workgroup = _only_workgroup(definition)
    for name, state in states(definition):
        names.add(name)
        unknown: list[tuple[Sequence[str], Unknown]] = []
        for actions, resource, conditions in _grants(state, workgroup):
            if isinstance(resource, Unknown):
                unknown.append((actions, resource))
                continue
            for action in actions:
                needed[action, (resource, json.dumps(conditions, sort_keys=True))].add(name)
        # A declaration replaces only what is unknown: the rest of the step is still derived.
        if unknown and name not in declared:
            raise _undeclared(name, places.get(name), unknown)
        for permission in declared.get(name, ()):
            for action in permission.actions:
                for resource in permission.resources:
                    needed[action, (resource, "{}")].add(name)
    if missing := sorted(declared.keys() - names):
        raise WorkflowError(f"permissions are declared for the state {missing[0]!r}, which does not exist")
    return _grouped(needed)


def _only_workgroup(definition: Machine) -> Mapping[str, Any]:
    """The argument with the workgroup of the machine's queries, if they have the same one.

    A step that reads the results of a query names the query, not the workgroup, which its permission is for.
    """
    named = []
    for _, state in states(definition):
        called = integration_of(state)
        arguments = arguments_of(state, {})
        if called and (called.service, called.action) == ("athena", "startQueryExecution"):
            given = arguments if isinstance(arguments, Mapping) else {"WorkGroup": "{% %}"}
            fields = {
                key: given[key] for key in ("WorkGroup", "WorkGroup.$", "ResultConfiguration") if key in given
            }
            named.append(
                fields if fields.keys() & {"WorkGroup", "WorkGroup.$"} else {"WorkGroup": "primary", **fields}
            )
    return named[0] if named and all(one == named[0] for one in named) else {}


def _grants(state: State, workgroup: Mapping[str, Any]) -> Iterator[Grant]:
    if state["Type"] == "Map":
        yield from distributed_map(state)
    if state["Type"] != "Task":
        return
    role = state.get("Credentials", {})
    if role:  # The step makes its call with another role, and that role has the permission.
        call = Call("sts", "assumeRole", False, role)
        yield ["sts:AssumeRole"], call.arn("RoleArn", "the role in Credentials"), {}
        return
    resource = state.get("Resource", "")
    if re.match(rf"arn:{PARTITION}:lambda:", resource):
        yield ["lambda:InvokeFunction"], resource, {}
        return
    if re.match(rf"arn:{PARTITION}:states:[^:]*:[^:]*:activity:", resource):
        return  # Workers poll an activity; the state machine needs no permission.
    called = integration_of(state)
    if called is None or called.form not in FORMS:
        yield ["its actions"], Unknown(f"{resource!r} is not a known integration", "its resources"), {}
        return
    arguments = arguments_of(state, {})
    if called.service == "athena" and isinstance(arguments, Mapping) and called.action in _OF_QUERIES:
        arguments = {**workgroup, **arguments}
    call = Call(called.service, called.action, called.form.startswith(".sync"), arguments)
    if isinstance(arguments, Mapping):
        yield from grants_for(call, is_sdk=called.is_sdk)
    else:
        yield [iam_action(call)], Unknown("Arguments are known only at run time", "its resources"), {}


_OF_QUERIES = ("getQueryExecution", "getQueryResults", "stopQueryExecution")


def _undeclared(
    name: str, place: str | None, unknown: Sequence[tuple[Sequence[str], Unknown]]
) -> PermissionUnknown:
    where = f"state {name!r}" + (f" ({place})" if place else "")
    by_reason: dict[str, list[str]] = {}
    for actions, one in unknown:
        wanted = f"{', '.join(actions)} on {one.resource}"
        if wanted not in (listed := by_reason.setdefault(one.reason, [])):
            listed.append(wanted)
    what = "; ".join(f"{reason}; declare {' and '.join(wanted)}" for reason, wanted in by_reason.items())
    return PermissionUnknown(
        f"{where}: {what}: permissions = {{{name!r}: [{{'actions': [...], 'resources': [...]}}]}} in post_review.py"
    )


_On = tuple[str, str]
"""A resource, and the conditions as JSON, which can be a key."""


def _grouped(needed: Mapping[tuple[str, _On], set[str]]) -> list[Statement]:
    """Joins the actions on one resource, then the resources with the same actions."""
    actions_on: dict[_On, set[str]] = defaultdict(set)
    steps_on: dict[_On, set[str]] = defaultdict(set)
    for (action, on), steps in needed.items():
        actions_on[on].add(action)
        steps_on[on] |= steps
    by_actions: dict[tuple[tuple[str, ...], str], dict[str, set[str]]] = defaultdict(dict)
    for (resource, conditions), actions in actions_on.items():
        by_actions[tuple(sorted(actions)), conditions][resource] = steps_on[resource, conditions]
    return sorted(
        (
            Statement(
                actions=actions,
                resources=tuple(sorted(found)),
                conditions=json.loads(conditions),
                steps=tuple(sorted(set().union(*found.values()))),
            )
            for (actions, conditions), found in by_actions.items()
        ),
        key=lambda statement: (statement.actions, statement.resources, str(statement.conditions)),
    )
