"""CloudFormation's resources for versions and aliases of state machines, and how an update shifts an alias.

They do what the resource handlers of AWS do. Sources:
https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-stepfunctions,
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-stepfunctions-statemachineversion.html,
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-stepfunctions-statemachinealias.html.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any

__all__ = ["ALIAS", "MINUTE_SECONDS", "VERSION", "correct"]

VERSION = "AWS::StepFunctions::StateMachineVersion"
ALIAS = "AWS::StepFunctions::StateMachineAlias"

MINUTE_SECONDS = 60.0
"""How long a minute of a shift takes. CloudFormation calls the handler again once a minute. Tests make it shorter."""

_PAUSE_SECONDS = 0.05
"""How long until a shift notices that its update was cancelled."""

_MAX_MINUTES = 2100
"""The longest linear shift."""

_rolling_back: ContextVar[bool] = ContextVar("afterloop_rolling_back", default=False)


def correct() -> None:
    """Adds the two types of resources. They have to be there before other corrections change the list of types."""
    _add_resources()
    _shift_on_worker_thread()
    _mark_rollbacks()


def _add_resources() -> None:
    """Creates, changes, deletes, imports and reads versions and aliases.

    AWS: see the sources above. Both are imported by their ARN. A change of a version's state machine or revision
    replaces it.
    MiniStack: does not have these types.
    """
    from ministack.services.cloudformation import changesets, drift, provisioners

    provisioners._RESOURCE_HANDLERS[VERSION] = {
        "create": _create_version,
        "delete": _delete_version,
        "import": _adopt,
    }
    provisioners._RESOURCE_HANDLERS[ALIAS] = {
        "create": _create_alias,
        "update": _update_alias,
        "delete": _delete_alias,
        "import": _adopt,
    }
    provisioners._REPLACING_PROPERTIES[VERSION] = ("StateMachineArn", "StateMachineRevisionId")
    provisioners._REPLACING_PROPERTIES[ALIAS] = ("Name",)
    for kind, find in ((VERSION, _version), (ALIAS, _alias)):
        changesets._IMPORT_LOOKUPS[kind] = (("Arn",), _missing(kind, find))
    # DeploymentPreference and StateMachineArn are write-only, so drift detection does not compare them.
    drift._DRIFT_READERS[VERSION] = (_read_version, frozenset({"StateMachineRevisionId", "Description"}))
    drift._DRIFT_READERS[ALIAS] = (_read_alias, frozenset({"Name", "Description", "RoutingConfiguration"}))


def _shift_on_worker_thread() -> None:
    """Lets an update of an alias wait, and reverts one that failed.

    AWS: the handler of an alias returns, and is called again a minute later, until the shift has ended, at most 36
    hours. When the shift fails, the rollback calls it too.
    MiniStack: runs handlers in its event loop, which must not wait, and does not revert what failed.
    """
    from ministack.services.cloudformation import stacks

    on_thread, sends_back = stacks._runs_on_worker_thread, stacks._sends_back_failed_update
    stacks._runs_on_worker_thread = lambda kind: kind == ALIAS or on_thread(kind)
    stacks._sends_back_failed_update = lambda kind: kind == ALIAS or sends_back(kind)


def _mark_rollbacks() -> None:
    """Tells the handlers that an update is rolled back, and that it was cancelled while a handler waited.

    AWS: a handler knows whether it is part of a rollback, in which an alias moves all at once. A resource that an
    update is changing when it is cancelled fails with "Resource update cancelled".
    MiniStack: handlers do not know, and a cancelled update ends before its next resource.
    """
    from ministack.services.cloudformation import stacks

    revert, roll_back = stacks._revert_update, stacks._roll_back_operation

    async def revert_marked(*args: Any) -> None:
        token = _rolling_back.set(True)
        try:
            await revert(*args)
        finally:
            _rolling_back.reset(token)

    async def roll_back_cancelled(
        name: str, stack_id: str, stack: dict[str, Any], operation: dict[str, Any], *more: Any
    ) -> None:
        if stack.pop("_cancel_requested", False):
            stacks.CLIENT_REQUEST_TOKEN.set(stack.pop("_cancel_token", ""))
            operation["cancelled"] = True
        await roll_back(name, stack_id, stack, operation, *more)

    stacks._revert_update, stacks._roll_back_operation = revert_marked, roll_back_cancelled


# Versions


def _create_version(logical_id: str, properties: Mapping[str, Any], stack: str) -> Any:
    from ministack.services import stepfunctions

    machine = properties["StateMachineArn"]
    versions = [one for one in stepfunctions._state_machine_versions if one.rpartition(":")[0] == machine]
    newest = max(versions, key=lambda arn: int(arn.rpartition(":")[2]), default=None)
    current = _call("_describe_state_machine", stateMachineArn=machine)
    if newest and _revision(_call("_describe_state_machine", stateMachineArn=newest)) == _revision(current):
        raise _failure("StateMachineAlreadyExists", "AlreadyExists")
    created = _call(
        "_publish_state_machine_version",
        stateMachineArn=machine,
        **_given(properties, revisionId="StateMachineRevisionId", description="Description"),
    )
    return _adopt({"Arn": created["stateMachineVersionArn"]})


def _delete_version(arn: str, properties: Mapping[str, Any]) -> None:
    _call("_describe_state_machine", stateMachineArn=arn)
    _call("_delete_state_machine_version", stateMachineVersionArn=arn)


def _read_version(arn: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
    if _version(arn) is None:
        return None
    described = _call("_describe_state_machine", stateMachineArn=arn)
    return {
        "StateMachineRevisionId": _revision(described),
        "Description": described.get("description") or None,
    }


def _revision(described: Mapping[str, Any]) -> str:
    return str(described.get("revisionId") or "INITIAL")


# Aliases


def _create_alias(logical_id: str, properties: Mapping[str, Any], stack: str) -> Any:
    name = properties.get("Name") or f"{logical_id}-{uuid.uuid4().hex[:12]}"
    if preference := properties.get("DeploymentPreference"):
        _validate(preference)
        routes = {preference["StateMachineVersionArn"]: 100}
    else:
        routes = _routes(properties)
    if any(_alias(f"{version.rpartition(':')[0]}:{name}") for version in routes):
        raise _failure("StateMachineAliasAlreadyExists", "AlreadyExists")
    created = _call(
        "_create_state_machine_alias",
        name=name,
        routingConfiguration=_configuration(routes),
        **_given(properties, description="Description"),
    )
    return _adopt({"Arn": created["stateMachineAliasArn"]})


def _update_alias(arn: str, old: Mapping[str, Any], new: Mapping[str, Any], stack: str) -> Any:
    more = _given(new, description="Description")
    if not (preference := new.get("DeploymentPreference")):
        _route(arn, _routes(new), more)
        return _adopt({"Arn": arn})
    target = preference["StateMachineVersionArn"]
    if not _rolling_back.get():
        _validate(preference)
        # What the stack had, not what the alias has now.
        before = _routes(old)
        if preference["Type"] != "ALL_AT_ONCE" and before.keys() != {target}:
            if len(before) > 1:
                raise _failure(
                    f"Failed to start deployment of type '{preference['Type']}', invalid initial state detected. "
                    "Expected the alias to be routing 100% of traffic towards one version, but it is currently routing "
                    "traffic towards two. Update the alias to route 100% of traffic towards one version and try the "
                    "deployment again."
                )
            _shift(arn, next(iter(before)), preference, more, stack)
            return _adopt({"Arn": arn})
    _route(arn, {target: 100}, more)
    return _adopt({"Arn": arn})


def _shift(arn: str, origin: str, preference: Mapping[str, Any], more: Mapping[str, Any], stack: str) -> None:
    """Shifts an alias step by step. What is in the loop happens once a minute."""
    target, step = preference["StateMachineVersionArn"], int(preference["Percentage"])
    minutes = int(preference["Interval"])
    weights = {target: 0, origin: 100}
    shifted: float | None = None
    while True:
        if shifted is not None and (actual := _routes_now(arn)) != weights:
            raise _failure(
                f"Failed to continue deployment of type '{preference['Type']}', drift detected. Expected routing "
                f"configuration: '{_text(weights)}', actual routing configuration: '{_text(actual)}'. Ensure that "
                "UpdateStateMachineAlias is not being invoked elsewhere and try the deployment again."
            )
        if active := _in_alarm(preference.get("Alarms") or []):
            _route(arn, {origin: 100}, more)
            raise _failure(
                "Aborting deployment. The following CloudWatch alarms are in an 'ALARM' state: "
                f"[{', '.join(active)}].",
                "GeneralServiceException",
            )
        if shifted is None or time.monotonic() >= shifted + minutes * MINUTE_SECONDS:
            is_last = shifted is not None and preference["Type"] == "CANARY"
            weight = 100 if is_last else min(100, weights[target] + step)
            weights = {target: weight, origin: 100 - weight}
            _route(arn, {version: share for version, share in weights.items() if share}, more)
            shifted = time.monotonic()
            if weight == 100:
                return
        _wait_a_minute(stack)


def _wait_a_minute(stack: str) -> None:
    from ministack.services.cloudformation import _stacks

    begun = time.monotonic()
    while (left := begun + MINUTE_SECONDS - time.monotonic()) > 0:
        if (_stacks.get(stack) or {}).get("_cancel_requested"):
            raise ValueError("Resource update cancelled")
        time.sleep(min(left, _PAUSE_SECONDS))


def _validate(preference: Mapping[str, Any]) -> None:
    kind = preference["Type"]
    if kind == "ALL_AT_ONCE":
        return
    missing = [name for name in ("interval", "percentage") if preference.get(name.title()) in (None, "")]
    if missing:
        properties = (
            f"'{' and '.join(missing)}' properties" if len(missing) == 2 else f"'{missing[0]}' property"
        )
        raise _failure(
            f"Deployments of type '{kind}' require an {' and '.join(missing)} for traffic shifting. Configure the "
            f"deployment preference with the {properties} and try again."
        )
    if kind == "LINEAR":
        minutes = math.ceil(100 / int(preference["Percentage"])) * int(preference["Interval"])
        if minutes > _MAX_MINUTES:
            raise _failure(
                f"The linear deployment configured is estimated to take {minutes} minutes, which exceeds the maximum "
                f"allowable deployment time of {_MAX_MINUTES} minutes. Configure the deployment preference to use a "
                "higher shift percentage or lower time interval and try again."
            )


def _in_alarm(names: Iterable[str]) -> list[str]:
    """Returns the alarms that are in the state ALARM. An alarm that does not exist is in no state."""
    from ministack.services import cloudwatch

    if not (names := list(names)):
        return []
    request = {"AlarmNames": names, "AlarmTypes": ["CompositeAlarm", "MetricAlarm"], "MaxRecords": 100}
    described = json.loads(cloudwatch._describe_alarms({}, request, False, True)[2])
    alarms = [*described["MetricAlarms"], *described["CompositeAlarms"]]
    return sorted(alarm["AlarmName"] for alarm in alarms if alarm["StateValue"] == "ALARM")


def _delete_alias(arn: str, properties: Mapping[str, Any]) -> None:
    _call("_describe_state_machine_alias", stateMachineAliasArn=arn)
    _call("_delete_state_machine_alias", stateMachineAliasArn=arn)


def _read_alias(arn: str, properties: Mapping[str, Any]) -> dict[str, Any] | None:
    if _alias(arn) is None:
        return None
    described = _call("_describe_state_machine_alias", stateMachineAliasArn=arn)
    return {
        "Name": described["name"],
        "Description": described.get("description") or None,
        "RoutingConfiguration": [
            {"StateMachineVersionArn": version, "Weight": weight}
            for version, weight in _routes_now(arn).items()
        ],
    }


def _route(arn: str, weights: Mapping[str, int], more: Mapping[str, Any]) -> None:
    _call(
        "_update_state_machine_alias",
        stateMachineAliasArn=arn,
        routingConfiguration=_configuration(weights),
        **more,
    )


def _routes(properties: Mapping[str, Any]) -> dict[str, int]:
    """Returns version → weight, as a resource has it."""
    if given := properties.get("RoutingConfiguration"):
        return {one["StateMachineVersionArn"]: int(one["Weight"]) for one in given}
    return {properties["DeploymentPreference"]["StateMachineVersionArn"]: 100}


def _routes_now(arn: str) -> dict[str, int]:
    described = _call("_describe_state_machine_alias", stateMachineAliasArn=arn)
    return {one["stateMachineVersionArn"]: one["weight"] for one in described["routingConfiguration"]}


def _configuration(weights: Mapping[str, int]) -> list[dict[str, Any]]:
    return [{"stateMachineVersionArn": version, "weight": weight} for version, weight in weights.items()]


def _text(weights: Mapping[str, int]) -> str:
    each = (
        f"RoutingConfigurationVersion(stateMachineVersionArn={version}, weight={weight})"
        for version, weight in weights.items()
    )
    return f"[{', '.join(each)}]"


# Both


def _version(arn: str) -> Any:
    from ministack.services import stepfunctions

    return stepfunctions._state_machine_versions.get(arn)


def _alias(arn: str) -> Any:
    from ministack.services import stepfunctions

    return stepfunctions._state_machine_aliases.get(arn)


def _adopt(identifier: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    return identifier["Arn"], {"Arn": identifier["Arn"]}


def _missing(kind: str, find: Any) -> Any:
    def problem(arn: str) -> str | None:
        found = find(arn) is not None
        return None if found else f"Resource of type '{kind}' with identifier '{arn}' was not found."

    return problem


def _given(properties: Mapping[str, Any], **names: str) -> dict[str, Any]:
    return {name: properties[key] for name, key in names.items() if properties.get(key)}


def _call(operation: str, **request: Any) -> Any:
    """Calls Step Functions. An error becomes that of a resource handler."""
    from ministack.services import stepfunctions

    status, _, body = getattr(stepfunctions, operation)(request)
    answer = json.loads(body)
    if status >= 400:
        codes = {"StateMachineDoesNotExist": "NotFound", "ResourceNotFound": "NotFound"}
        codes["ValidationException"] = "InvalidRequest"
        kind = str(answer.get("__type", "")).rpartition("#")[2]
        raise _failure(str(answer.get("message", "")), codes.get(kind, "GeneralServiceException"))
    return answer


def _failure(message: str, code: str = "InvalidRequest") -> ValueError:
    return ValueError(
        f'Resource handler returned message: "{message}" (RequestToken: {uuid.uuid4()}, HandlerErrorCode: {code})'
    )
