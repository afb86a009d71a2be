"""Resources of a stack that were changed or deleted outside of CloudFormation."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

__all__ = ["correct"]


def correct() -> None:
    """Corrects what CloudFormation knows about resources that were changed outside of it."""
    _look_for_more_types()
    _refuse_updates_of_missing_resources()
    _revert_drift()


def _look_for_more_types() -> None:
    """Looks for resources of more types.

    AWS: detects drift of each type in this list, also of versions and permissions of functions, of
    alarms, dashboards, metric filters and archives.
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import-supported-resources.html)
    MiniStack: does not check these types, and of a rule only whether it exists.
    """
    from ministack.services import cloudwatch, cloudwatch_logs, eventbridge
    from ministack.services.cloudformation import drift, provisioners

    def version(physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        from ministack.services import lambda_svc

        name, number = physical_id.split(":")[-2:]
        return {} if number in (lambda_svc._functions.get(name) or {}).get("versions", {}) else None

    def permission(physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        function, *_ = provisioners._lambda_function_for_cfn_ref(properties.get("FunctionName", ""))
        statements = (function or {}).get("policy", {}).get("Statement", ())
        return {} if any(one.get("Sid") == physical_id for one in statements) else None

    def metric_filter(physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        return {} if any(name == physical_id for _, name in cloudwatch_logs._metric_filters) else None

    def alarm(physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        found = cloudwatch._alarms.get(physical_id)
        return None if found is None else {"ActionsEnabled": found["ActionsEnabled"]}

    def rule(physical_id: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
        found = eventbridge._rules.get(
            eventbridge._rule_key(physical_id, provisioners._eb_rule_bus_name(properties))
        )
        return None if found is None else {"State": found["State"]}

    readers: dict[str, Callable[[str, Mapping[str, Any]], dict[str, Any] | None]] = {
        "AWS::CloudWatch::Dashboard": drift._exists_in(lambda: cloudwatch._dashboards),
        "AWS::Events::Archive": drift._exists_in(lambda: eventbridge._archives),
        "AWS::Lambda::Permission": permission,
        "AWS::Lambda::Version": version,
        "AWS::Logs::MetricFilter": metric_filter,
    }
    drift._DRIFT_READERS = drift._DRIFT_READERS | {
        **{kind: (read, frozenset()) for kind, read in readers.items()},
        "AWS::CloudWatch::Alarm": (alarm, frozenset({"ActionsEnabled"})),
        "AWS::Events::Rule": (rule, frozenset({"State"})),
    }
    provisioners._REPLACING_PROPERTIES["AWS::Events::Rule"] = ("Name", "EventBusName")


def _is_missing(kind: str, physical_id: str, properties: Mapping[str, Any]) -> bool:
    from ministack.services.cloudformation import drift

    read, _ = drift._DRIFT_READERS.get(kind, (None, None))
    return read is not None and read(physical_id, properties) is None


def _refuse_updates_of_missing_resources() -> None:
    """Fails to update a resource that does not exist.

    AWS: "The update handler MUST return a NotFound error code if the resource doesn't exist". The update is rolled
    back. A replacement creates the new resource, and does not need the old one.
    (https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract.html,
    https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-troubleshooting.html)
    MiniStack: creates the resource again, or fails with an error of Python.
    """
    from ministack.services.cloudformation import provisioners, stacks

    update = stacks._update_resource

    def update_existing(
        kind: str, physical_id: str, old: dict[str, Any], new: dict[str, Any], *more: Any, **options: Any
    ) -> Any:
        if (
            old != new
            and not provisioners._replacing_change(kind, old, new)
            and _is_missing(kind, physical_id, old)
        ):
            raise ValueError(
                f"Resource handler returned message: \"Resource of type '{kind}' with identifier '{physical_id}' "
                'was not found." (HandlerErrorCode: NotFound)'
            )
        return update(kind, physical_id, old, new, *more, **options)

    for module in (provisioners, stacks):
        module._update_resource = update_existing


_drifted: ContextVar[Mapping[str, Any] | None] = ContextVar("afterloop_drift", default=None)
"""The drift of the resources of the stack, for the change set that the current request creates: logical ID → drift."""


def _revert_drift() -> None:
    """Creates and executes change sets that revert drift.

    AWS: with `DeploymentMode` REVERT_DRIFT, a change set compares the template with the actual resources. Its changes
    have a `ResourceDriftStatus`. Executing it creates resources again that were deleted, and sets properties back that
    were changed, "even if a resource was not explicitly changed in the template".
    (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/drift-aware-change-sets.html,
    https://aws.amazon.com/blogs/devops/safely-handle-configuration-drift-with-cloudformation-drift-aware-change-sets/)
    MiniStack: ignores the parameter.
    """
    from ministack.services import cloudformation
    from ministack.services.cloudformation import changesets

    changesets._diff_resources = _comparing_with_actual_resources(changesets._diff_resources)
    changesets._track_change_set_execution = _keeping_records(changesets._track_change_set_execution)
    handlers = cloudformation._ACTION_HANDLERS
    cloudformation._ACTION_HANDLERS = {
        **handlers,
        "CreateChangeSet": _creating(handlers["CreateChangeSet"]),
        "DescribeChangeSet": _describing(handlers["DescribeChangeSet"]),
        "ExecuteChangeSet": _executing(handlers["ExecuteChangeSet"]),
    }


def _creating(create: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def create_aware_of_drift(request: dict[str, Any]) -> Any:
        from ministack.services.cloudformation import _change_sets, handlers, helpers

        stack = handlers._resolve_stack(helpers._p(request, "StackName"))
        if helpers._p(request, "DeploymentMode") != "REVERT_DRIFT" or stack is None:
            return create(request)
        drifts = dict(_drifts_of(stack))
        token = _drifted.set(drifts)
        try:
            answer = create(request)
        finally:
            _drifted.reset(token)
        if answer[0] < 400:
            body = answer[2] if isinstance(answer[2], str) else answer[2].decode()
            made = re.search(r"<Id>([^<]+)</Id>", body)
            assert made is not None
            _change_sets[made[1]]["_drifts"] = drifts
        return answer

    return create_aware_of_drift


def _drifts_of(stack: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    from ministack.core.responses import now_iso
    from ministack.services.cloudformation import drift

    for logical_id, record in stack.get("_resources", {}).items():
        if not drift.supports_drift(record["ResourceType"]):
            continue
        found = drift.detect_resource_drift(stack, logical_id, record, now_iso())
        if found["StackResourceDriftStatus"] in ("MODIFIED", "DELETED"):
            actual = json.loads(found.get("ActualProperties", "{}"))
            differing = {one["PropertyPath"].split("/")[1] for one in found.get("PropertyDifferences", ())}
            yield (
                logical_id,
                {
                    "status": found["StackResourceDriftStatus"],
                    "actual": {name: value for name, value in actual.items() if name in differing},
                },
            )


def _comparing_with_actual_resources(compare: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    def compare_with_actual(old: dict[str, Any], new: dict[str, Any], *more: Any) -> list[Any]:
        drifts = _drifted.get() or {}
        old = copy.deepcopy(old)
        for logical_id, drift in drifts.items():
            if logical_id not in old.get("Resources", {}):
                continue
            resource = old["Resources"][logical_id]
            if drift["status"] == "DELETED":
                # Another type is a replacement: what refers to the resource is listed, too.
                resource["Type"] = "Deleted"
            else:
                resource["Properties"] = {**resource.get("Properties", {}), **drift["actual"]}
        changes = compare(old, new, *more)
        for change in (one["ResourceChange"] for one in changes):
            drift = drifts.get(change["LogicalResourceId"])
            if drift:
                change["ResourceDriftStatus"] = drift["status"]
            if drift and drift["status"] == "DELETED" and change["Action"] == "Modify":
                change["Action"] = "Add"
                for detail in ("Replacement", "PolicyAction", "Scope", "Details", "PhysicalResourceId"):
                    change.pop(detail, None)
        return changes

    return compare_with_actual


def _describing(describe: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def describe_with_drift(request: dict[str, Any]) -> Any:
        from ministack.services.cloudformation import changesets, helpers

        answer = describe(request)
        _, found = changesets._find_change_set(
            helpers._p(request, "ChangeSetName"), helpers._p(request, "StackName")
        )
        if answer[0] >= 400 or not (found or {}).get("_drifts"):
            return answer
        status, headers, body = answer
        text = body if isinstance(body, str) else body.decode()
        for logical_id, drift in found["_drifts"].items():
            name = f"<LogicalResourceId>{logical_id}</LogicalResourceId>"
            text = text.replace(name, f"{name}<ResourceDriftStatus>{drift['status']}</ResourceDriftStatus>")
        return status, headers, text if isinstance(body, str) else text.encode()

    return describe_with_drift


def _executing(execute: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    def execute_reverting_drift(request: dict[str, Any]) -> Any:
        from ministack.services.cloudformation import _stacks, changesets, helpers

        _, found = changesets._find_change_set(
            helpers._p(request, "ChangeSetName"), helpers._p(request, "StackName")
        )
        stack = _stacks.get((found or {}).get("StackName"))
        if stack is not None and found["ExecutionStatus"] == "AVAILABLE":
            for logical_id, drift in found.get("_drifts", {}).items():
                record = stack["_resources"][logical_id]
                if drift["status"] == "MODIFIED":
                    record["Properties"] = {**record["Properties"], **drift["actual"]}
                else:
                    # Without its record, the resource is created.
                    found.setdefault("_missing", {})[logical_id] = stack["_resources"].pop(logical_id)
        return execute(request)

    return execute_reverting_drift


def _keeping_records(track: Callable[..., Any]) -> Callable[..., Any]:
    """After a rollback, the stack still has the resources that do not exist."""

    async def track_and_keep(change_set: dict[str, Any], stack: dict[str, Any], deploy: Any) -> None:
        await track(change_set, stack, deploy)
        if stack["StackStatus"].startswith("UPDATE_ROLLBACK"):
            with contextlib.suppress(KeyError):
                stack["_resources"] = {**change_set["_missing"], **stack["_resources"]}

    return track_and_keep
