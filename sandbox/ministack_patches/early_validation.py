"""What CloudFormation finds out about properties before it changes anything."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.ministack_patches import schemas

__all__ = ["correct"]

FAILED = (
    "The following hook(s)/validation failed: [AWS::EarlyValidation::PropertyValidation]. To troubleshoot Early "
    "Validation errors, use the DescribeEvents API for detailed failure information."
)
"""Why a change set failed (as quoted in https://github.com/aws-cloudformation/rain/pull/744)."""


def correct() -> None:
    """Fails a change set whose resources have properties outside of their schema.

    AWS: CreateChangeSet compares the properties with the schemas of the types. The change set fails, and DescribeEvents
    says which property of which resource is wrong, and why. Values that only the operation knows are not compared.
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/validate-stack-deployments.html)
    MiniStack: executes the change set, which then fails and is rolled back.
    """
    from ministack.core.responses import now_iso
    from ministack.services import cloudformation
    from ministack.services.cloudformation import changesets
    from ministack.services.cloudformation.helpers import _esc, _p, _xml

    handlers = cloudformation._ACTION_HANDLERS

    def found(params: dict[str, Any]) -> dict[str, Any]:
        change_set: dict[str, Any] | None = changesets._find_change_set(
            _p(params, "ChangeSetName"), _p(params, "StackName")
        )[1]
        return change_set or {}

    def create(params: dict[str, Any]) -> Any:
        answer = handlers["CreateChangeSet"](params)
        if answer[0] >= 400:
            return answer
        change_set = found(params)
        if change_set["Status"] == "FAILED" or change_set["ChangeSetType"] == "IMPORT":
            return answer
        if events := [_event(change_set, now_iso(), *one) for one in _problems(change_set)]:
            change_set |= {"Status": "FAILED", "ExecutionStatus": "UNAVAILABLE", "StatusReason": FAILED}
            change_set["_validation_events"] = events
        return answer

    def describe(params: dict[str, Any]) -> Any:
        if not _p(params, "ChangeSetName"):
            return handlers["DescribeEvents"](params)
        members = "".join(
            "<member>"
            + "".join(f"<{name}>{_esc(text)}</{name}>" for name, text in event.items())
            + "</member>"
            for event in found(params).get("_validation_events", ())
        )
        return _xml(
            200,
            "DescribeEventsResponse",
            f"<DescribeEventsResult><OperationEvents>{members}</OperationEvents></DescribeEventsResult>",
        )

    cloudformation._ACTION_HANDLERS = {**handlers, "CreateChangeSet": create, "DescribeEvents": describe}


def _event(
    change_set: Mapping[str, Any], at: str, resource: str, kind: str, path: str, why: str
) -> dict[str, str]:
    return {
        "EventId": str(uuid.uuid4()),
        "StackId": change_set["StackId"],
        "OperationId": change_set["ChangeSetId"],
        "OperationType": "CREATE_CHANGESET",
        "OperationStatus": "FAILED",
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": resource,
        "ResourceType": kind,
        "Timestamp": at,
        "ValidationFailureMode": "FAIL",
        "ValidationName": "PROPERTY_VALIDATION",
        "ValidationStatus": "FAILED",
        "ValidationStatusReason": why,
        "ValidationPath": path,
    }


def _problems(change_set: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yields resource, type, path and problem of what is added or changed."""
    from ministack.services.cloudformation.engine import _evaluate_conditions

    resources = change_set["_template"].get("Resources", {})
    conditions = _evaluate_conditions(change_set["_template"], change_set["_resolved_params"])
    for change in (one["ResourceChange"] for one in change_set["Changes"]):
        name, kind = change["LogicalResourceId"], change["ResourceType"]
        if change["Action"] not in ("Add", "Modify") or name not in resources:
            continue
        if not conditions.get(resources[name].get("Condition"), True):
            continue  # MiniStack lists it. AWS creates no such resource, whatever its properties are.
        given, unknown = _known(change_set, resources[name].get("Properties") or {})
        for problem in schemas.problems(kind, given):
            if any(one.lower() in problem.lower() for one in unknown):
                continue  # It says that a property is missing whose value only the operation knows.
            about = [one for one in given if one.lower() in problem.lower().replace(" ", "")]
            path = "/".join(["", "Resources", name, "Properties", *about[:1]])
            yield name, kind, path, problem


def _known(change_set: Mapping[str, Any], properties: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The properties whose values do not depend on another resource, and the names of the others."""
    from ministack.services.cloudformation import stacks
    from ministack.services.cloudformation.engine import _NO_VALUE, _evaluate_conditions

    template, parameters = change_set["_template"], change_set["_resolved_params"]
    conditions = _evaluate_conditions(template, parameters)
    known, unknown = {}, []
    for name, raw in properties.items():
        value = stacks._static_property(
            raw,
            template.get("Resources", {}),
            parameters,
            conditions,
            template.get("Mappings", {}),
            change_set["StackName"],
            change_set["StackId"],
        )
        if value is None:
            unknown.append(name)
        elif value is not _NO_VALUE:
            known[name] = value
    return known, unknown
