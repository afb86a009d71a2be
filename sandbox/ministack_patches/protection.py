"""What protects the data of a stack: stack policies, and the deletion protection of tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Corrects updates of stacks, and the deletion of their tables."""
    _enforce_stack_policies()
    _keep_protected_tables()


def _enforce_stack_policies() -> None:
    """Refuses a change of a resource that the policy of its stack denies.

    AWS: the resource fails with "Action denied by stack policy: Statement [#1] does not allow [Update:Replace] for
    resource [*]", and the update is rolled back. Without a policy, everything is allowed; with one, what no statement
    allows is denied. It holds for updates only, not for the deletion of the stack.
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/protect-stack-resources.html)
    MiniStack: keeps the policy, and allows everything.
    """
    from ministack.services.cloudformation import _stacks, provisioners, stacks

    update, outputs = stacks._update_keeping_seed, stacks._resolve_stack_outputs

    def check(stack: str, action: str, logical_id: str, kind: str) -> None:
        if problem := _denied(_stacks[stack].get("_stack_policy"), action, logical_id, kind):
            raise ValueError(problem)

    def update_allowed(
        kind: str, physical_id: str, old: Any, new: Any, stack: str, logical_id: str, *more: Any
    ) -> Any:
        if old != new:
            replaces = provisioners._replacing_change(kind, old, new) or any(
                old.get(name) != new.get(name) for name in _CREATE_ONLY.get(kind, ())
            )
            check(stack, "Update:Replace" if replaces else "Update:Modify", logical_id, kind)
        return update(kind, physical_id, old, new, stack, logical_id, *more)

    def outputs_if_deletions_allowed(
        defined: Any, conditions: Any, kept: Mapping[str, Any], *more: Any
    ) -> Any:
        # The last step before an update deletes what the template no longer has.
        stack, stack_id = more[-2:]
        resources = _stacks[stack].get("_resources", {})
        for logical_id in [name for name in resources if name not in kept]:
            kind = resources[logical_id].get("ResourceType", "")
            try:
                check(stack, "Update:Delete", logical_id, kind)
            except ValueError as error:
                stacks._add_event(stack_id, stack, logical_id, kind, "UPDATE_FAILED", str(error))
                raise
        return outputs(defined, conditions, kept, *more)

    stacks._update_keeping_seed = update_allowed
    stacks._resolve_stack_outputs = outputs_if_deletions_allowed


_CREATE_ONLY = {"AWS::DynamoDB::Table": ("KeySchema", "LocalSecondaryIndexes")}
"""Properties whose change replaces a resource, besides those that MiniStack knows (see `cloudformation.py`)."""


def _denied(policy: str | None, action: str, logical_id: str, kind: str) -> str | None:
    """What CloudFormation says if a stack policy does not allow an action on a resource."""
    if not policy:
        return None
    allowed = False
    for number, statement in enumerate(_listed(json.loads(policy).get("Statement")), 1):
        if not _applies(statement, action, f"LogicalResourceId/{logical_id}", kind):
            continue
        if statement["Effect"] == "Deny":
            resources = ", ".join(_listed(statement.get("Resource")))
            return (
                f"Action denied by stack policy: Statement [#{number}] does not allow [{action}] for resource "
                f"[{resources}]"
            )
        allowed = True
    return None if allowed else f"Action not allowed by stack policy: [{action}] for resource [{logical_id}]"


def _applies(statement: Mapping[str, Any], action: str, resource: str, kind: str) -> bool:
    for key, value in (("Action", action), ("Resource", resource)):
        named = any(fnmatchcase(value, one) for one in _listed(statement.get(key, [])))
        left_out = f"Not{key}" in statement and not any(
            fnmatchcase(value, one) for one in _listed(statement[f"Not{key}"])
        )
        if not named and not left_out:
            return False
    return all(
        any(fnmatchcase(kind, one) for one in _listed(types.get("ResourceType", [])))
        for types in statement.get("Condition", {}).values()
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _keep_protected_tables() -> None:
    """Refuses to delete a table that has deletion protection, also if a stack deletes it.

    AWS: the deletion fails with a ValidationException, and with it that of the stack, or the rollback of its creation.
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithTables.Basics.html)
    MiniStack: refuses DeleteTable; a stack deletes the table.
    """
    from ministack.services import dynamodb
    from ministack.services.cloudformation import provisioners

    delete = provisioners._ddb_delete

    def delete_unprotected(physical_id: str, properties: Mapping[str, Any]) -> None:
        if (dynamodb._tables.get(physical_id) or {}).get("DeletionProtectionEnabled"):
            raise ValueError(
                "Resource cannot be deleted as it is currently protected against deletion. Disable deletion "
                "protection first. (Service: DynamoDb, Status Code: 400)"
            )
        delete(physical_id, properties)

    provisioners._ddb_delete = delete_unprotected
    provisioners._RESOURCE_HANDLERS["AWS::DynamoDB::Table"]["delete"] = delete_unprotected
