"""The plan: what a publish would change, in the user's terms. Plain data; nothing here calls AWS.

CloudFormation's change set says which resources change and which are replaced. To say what changes inside them (a
state, a function's code, a permission, a setting), this module compares the two templates, each with its parameters
filled in.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from workflow.asl.walk import nested, own_fields
from workflow.publish.explained import is_explained
from workflow.publish.granted import Granted, granted
from workflow.publish.holder import Holder
from workflow.publish.needs import StillNeeded
from workflow.publish.resolution import resolved_resources, revision_parameters
from workflow.publish.risks import Risk, new_risks
from workflow.publish.subscriptions import (
    SUBSCRIPTION_PARAMETERS,
    SubscriptionChange,
    changed_slots,
    subscription_changes,
)
from workflow.stack import LIVE_ALARM
from workflow.stack.deployment_settings import STAGE_TAG

__all__ = [
    "FunctionChange",
    "PermissionChange",
    "Plan",
    "RemadePlan",
    "ResourceChange",
    "SettingChange",
    "StateChange",
    "compare",
]

HOLDS_DATA = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::Events::Archive",
        "AWS::S3::Bucket",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
    }
)
"""Types of resources that lose data when they are deleted: items, events, objects, subscriptions, messages."""

RESTORABLE = frozenset({"AWS::DynamoDB::Table", "AWS::S3::Bucket"})
"""Of those, the types whose data can be restored before a publish creates the resource again, empty."""
_VERSIONS = frozenset({"AWS::Lambda::Version", "AWS::StepFunctions::StateMachineVersion"})
"""Types of resources that are replaced to make a new one. The ones before are retained."""

Change = Literal["added", "removed", "changed"]


@dataclass(frozen=True)
class StateChange:
    """A state of the state machine that is added, removed or changed."""

    name: str
    """Name of the state."""
    change: Change
    """How it changes."""
    diff: str = ""
    """The changed definition as a unified diff, without its header; empty for other changes."""
    is_machine: bool = False
    """True for the state machine itself, and for the inner state machines of Map and Parallel states."""


@dataclass(frozen=True)
class FunctionChange:
    """A function that is added, removed or changed."""

    name: str
    """Logical ID of the function."""
    change: Change
    """How it changes."""
    code: bool = False
    """Whether its code or its dependencies change."""
    settings: tuple[str, ...] = ()
    """Other properties that change, such as `MemorySize`."""


@dataclass(frozen=True)
class PermissionChange:
    """A permission that is added or removed."""

    holder: str
    """Logical ID of the role, or of the resource with the policy."""
    action: str
    """The action, such as `s3:GetObject`; `not ACTION` for a Deny."""
    resource: str
    """The resource that the action is for."""
    widened: bool
    """Whether the change widens access: an Allow that is added, or a Deny that is removed."""
    condition: str = ""
    """The condition of the statement; empty if it has none."""


@dataclass(frozen=True)
class SettingChange:
    """A parameter of the stack, a tag of it, or the role that CloudFormation assumes, that changes."""

    name: str
    """Name of the parameter; `PARAMETER.KEY` for one key of a JSON object, `tags.KEY`, or `service_role`."""
    before: str | None
    """The value now; null if it is not set."""
    after: str | None
    """The value after the publish; null if it is not set."""


@dataclass(frozen=True)
class ResourceChange:
    """A resource of the stack that is added, changed, replaced or deleted."""

    id: str
    """Logical ID of the resource."""
    type: str
    """Type of the resource."""
    action: Literal["add", "change", "replace", "may replace", "delete", "let go", "create again"]
    """`let go`: the resource is removed from the stack and stays in the account. `create again`: it was deleted outside
    of CloudFormation."""
    name: str = ""
    """Physical ID of the resource; empty if it has none yet."""
    properties: tuple[str, ...] = ()
    """The properties that change."""
    loses_data: bool = False
    """Whether the data in the resource is lost."""
    drifted: bool = False
    """Whether it was changed or deleted outside of CloudFormation, and the publish repairs that."""


@dataclass(frozen=True)
class Plan:
    """What a publish would change."""

    stack: str
    creates: bool
    """Whether the stack does not exist yet."""
    states: Sequence[StateChange] = ()
    functions: Sequence[FunctionChange] = ()
    permissions: Sequence[PermissionChange] = ()
    settings: Sequence[SettingChange] = ()
    subscriptions: Sequence[SubscriptionChange] = ()
    """Addresses and endpoints of the settings. Neither `settings` nor `resources` has them."""
    resources: Sequence[ResourceChange] = ()
    notes: Sequence[str] = ()
    """Other changes, in a sentence each."""
    swapped: Sequence[str] = ()
    """What hot swaps changed since the last publish; a publish replaces it."""
    warnings: Sequence[str] = ()
    """What may be a mistake in a step, and what will not work where the stage is, in a sentence each."""
    risks: Sequence[Risk] = ()
    """What has to be accepted by name: `--yes` alone does not."""
    differences: Sequence[str] = ()
    """In what way what is live now is not what was published, and what to do, in a sentence each."""
    still_needed: Sequence[StillNeeded] = field(default=(), compare=False)
    """What stays until running executions have ended. It is not a change, and the number of executions varies."""
    locked_by: Holder | None = None
    """Who changes the stage at this moment; None if nobody does."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes."""
        changes = self.states, self.functions, self.permissions, self.settings, self.resources
        return not (self.creates or any(changes) or self.subscriptions or self.notes or self.swapped)

    @property
    def destructive_changes(self) -> list[ResourceChange]:
        """Resources that are replaced or deleted, or created again without their data: the user is asked a second
        time."""
        destructive = ("replace", "may replace", "delete")
        return [change for change in self.resources if change.action in destructive or change.loses_data]

    @property
    def data_losses(self) -> list[ResourceChange]:
        """Of those, the resources whose data is lost: `--yes` alone does not confirm it."""
        return [change for change in self.destructive_changes if change.loses_data]


@dataclass(frozen=True)
class RemadePlan(Plan):
    """A plan that was made again, because the stage changed after the person agreed."""

    is_same: bool = False
    """Whether it says the same as the one before."""


def compare(
    stack: str,
    *,
    before: tuple[Mapping[str, Any], Mapping[str, str]] | None,
    after: tuple[Mapping[str, Any], Mapping[str, str]],
    changes: Iterable[Mapping[str, Any]] = (),
    missing: Container[str] = (),
    tags: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {}),
    swapped: Sequence[str] = (),
    warnings: Sequence[str] = (),
    still_needed: Sequence[StillNeeded] = (),
) -> Plan:
    """Compares what is published with what is about to be published.

    Args:
        stack: name of the stack.
        before: template and parameters of the existing stack; None if there is none.
        after: template and parameters to publish.
        changes: CloudFormation's ResourceChange records, if the stack exists.
        missing: logical IDs of resources of the stack that do not exist.
        tags: the tags of the stack now, and those to publish.
        swapped: what was hot-swapped since the last publish.
        warnings: what will not work.
        still_needed: what stays until running executions have ended.
    """
    old = _resources_of(*before) if before else {}
    new = old if before == after else _resources_of(*after)
    # Most plans have nothing to change. Two stages that are the same need no look into their states and policies.
    differing = (old, new) if old != new else ({}, {})
    functions = list(_functions(*differing))
    plan = Plan(
        stack=stack,
        creates=before is None,
        states=list(_states(*differing)),
        functions=functions,
        subscriptions=subscription_changes(before[1] if before else {}, after[1]),
        swapped=swapped,
        warnings=warnings,
        risks=new_risks(*differing),
        still_needed=still_needed,
    )
    if before is None:
        resources = [ResourceChange(name, resource["Type"], "add") for name, resource in new.items()]
        return replace(plan, resources=resources)
    changes = [_of_missing(one) if one["LogicalResourceId"] in missing else one for one in changes]
    parameters = {name for name in {**before[1], **after[1]} if before[1].get(name) != after[1].get(name)}
    tagged = list(_tag_changes(*tags))
    resources = list(_resources(changes, old, new, parameters, tags_change=bool(tagged)))
    again = {one.id for one in resources if one.type == SUBSCRIPTION and one.action in _CREATES}
    addresses = changed_slots(before[1], after[1]) | again
    plan = replace(
        plan,
        subscriptions=subscription_changes(before[1], after[1], again=again),
        permissions=_permissions(*differing),
        settings=[*_settings(before, after), *tagged],
        resources=[one for one in resources if one.id not in addresses],
        notes=list(_notes(before[0], after[0], parameters, {function.name for function in functions})),
    )
    if replace(plan, swapped=()).is_empty:
        # Whatever the reason: what CloudFormation lists is never kept from the user.
        return replace(plan, resources=[_resource(change) for change in changes])
    return plan


SUBSCRIPTION = "AWS::SNS::Subscription"
_CREATES = ("add", "replace", "create again")


def _notes(
    before: Mapping[str, Any], after: Mapping[str, Any], parameters: Container[str], functions: Container[str]
) -> Iterator[str]:
    """Notes, given the parameters that change and the functions whose change is shown."""
    revised = [
        name
        for name, revision in revision_parameters(after).items()
        if revision in parameters and name not in functions
    ]
    if revised:
        yield f"Functions get new versions: {', '.join(sorted(revised))}."
    if before.get("Outputs") != after.get("Outputs"):
        yield "The outputs of the stack change."


def _resources_of(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    # Without the revisions of functions: they follow from the functions, which are compared themselves.
    no_revisions = dict.fromkeys(revision_parameters(template).values(), "")
    return resolved_resources(template, {**parameters, **no_revisions})


# States


def _states(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[StateChange]:
    before, after = _all_states(old), _all_states(new)
    for name in {**before, **after}:
        is_machine = "Type" not in (after.get(name) or before[name])
        if name not in before:
            yield StateChange(name, "added", is_machine=is_machine)
        elif name not in after:
            yield StateChange(name, "removed", is_machine=is_machine)
        elif before[name] != after[name]:
            yield StateChange(name, "changed", _diff(before[name], after[name]), is_machine)


def _all_states(resources: Mapping[str, Any]) -> dict[str, Any]:
    """The states of all state machines among the resources, by name, with those inside Map and Parallel states."""
    found: dict[str, Any] = {}
    for resource in resources.values():
        if resource["Type"] == "AWS::StepFunctions::StateMachine":
            properties = resource["Properties"]
            definition = properties.get("Definition") or json.loads(properties.get("DefinitionString", "{}"))
            # A name is unique in the whole definition, inner state machines included.
            found.update(_flattened(definition, "(state machine)"))
    return found


def _flattened(machine: Mapping[str, Any], machine_name: str) -> Iterator[tuple[str, Any]]:
    yield machine_name, {key: value for key, value in machine.items() if key != "States"}
    for name, state in machine.get("States", {}).items():
        yield name, own_fields(state)
        for number, inside in enumerate(nested(state), 1):
            which = f"branch {number}" if inside.field == "Branches" else "each item"
            yield from _flattened(inside.machine, f"{name} ({which})")


def _diff(before: Any, after: Any) -> str:
    old, new = (json.dumps(value, indent=2, ensure_ascii=False).splitlines() for value in (before, after))
    diff = list(difflib.unified_diff(old, new, lineterm="", n=1))
    return "\n".join(line for line in diff[2:] if not line.startswith("@@"))  # The first two name the files.


# Functions


def _functions(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[FunctionChange]:
    before, after = _of_type(old, "AWS::Lambda::Function"), _of_type(new, "AWS::Lambda::Function")
    for name in sorted({**before, **after}):
        if name not in before:
            yield FunctionChange(name, "added")
        elif name not in after:
            yield FunctionChange(name, "removed")
        elif changed := _changed_keys(before[name], after[name]):
            yield FunctionChange(
                name, "changed", "Code" in changed, tuple(key for key in changed if key != "Code")
            )


def _of_type(resources: Mapping[str, Any], kind: str) -> dict[str, Mapping[str, Any]]:
    return {name: one.get("Properties", {}) for name, one in resources.items() if one["Type"] == kind}


def _changed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in {**before, **after} if before.get(key) != after.get(key))


# Permissions


def _permissions(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[PermissionChange]:
    before, after = set(granted(old)), set(granted(new))
    found = [*_changed(after - before, before, added=True), *_changed(before - after, after, added=False)]
    return sorted(
        found, key=lambda change: (not change.widened, change.holder, change.action, change.resource)
    )


def _changed(grants: set[Granted], others: set[Granted], *, added: bool) -> Iterator[PermissionChange]:
    """Grants that were added or removed, except those that grants on the other side cover."""
    for grant in grants:
        if not any(other.covers(grant) for other in others):
            action = grant.action if grant.allows else f"not {grant.action}"
            resource = f"{grant.resource} by {grant.principal}" if grant.principal else grant.resource
            # Removing a Deny widens access, as adding an Allow does.
            widened = added == grant.allows
            yield PermissionChange(grant.holder, action, resource, widened, grant.condition)


def _line(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


# Settings


def _settings(
    before: tuple[Mapping[str, Any], Mapping[str, str]], after: tuple[Mapping[str, Any], Mapping[str, str]]
) -> Iterator[SettingChange]:
    keys = _code_parameters(before[0]) | _code_parameters(after[0])
    for name in sorted({**before[1], **after[1]}):
        old, new = before[1].get(name), after[1].get(name)
        if old != new and name not in keys and name not in SUBSCRIPTION_PARAMETERS:
            yield from _setting(name, old, new)


def _tag_changes(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[SettingChange]:
    """The tags of the stack that change. That with the stage's name is always the same."""
    for key in sorted({**before, **after}):
        if key != STAGE_TAG and before.get(key) != after.get(key):
            yield SettingChange(f"tags.{key}", before.get(key), after.get(key))


def _setting(name: str, old: str | None, new: str | None) -> Iterator[SettingChange]:
    """One change, or one for each key if the value is a JSON object."""
    before, after = _json_object(old), _json_object(new)
    if before is None or after is None:
        yield SettingChange(name, old, new)
        return
    for key in sorted({**before, **after}):
        one, other = before.get(key), after.get(key)
        if one != other:
            yield SettingChange(
                f"{name}.{key}", None if one is None else _line(one), None if other is None else _line(other)
            )


def _json_object(text: str | None) -> dict[str, Any] | None:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _code_parameters(template: Mapping[str, Any]) -> set[str]:
    """Parameters that follow from the functions' code, so that they are not settings."""
    code = [
        resource["Properties"].get("Code", {}).get("S3Key")
        for resource in template.get("Resources", {}).values()
        if resource["Type"] == "AWS::Lambda::Function"
    ]
    bundles = {name for key in code for name in _references(key)}
    return bundles | set(revision_parameters(template).values())


def _references(value: Any) -> Iterator[str]:
    """The names that a part of a template refers to."""
    if isinstance(value, Mapping):
        if isinstance(value.get("Ref"), str):
            yield value["Ref"]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _references(inner)


# Resources


def _resources(
    changes: Sequence[Mapping[str, Any]],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    parameters: Container[str],
    *,
    tags_change: bool = False,
) -> Iterator[ResourceChange]:
    listed = {change["LogicalResourceId"] for change in changes}
    # A version follows its function, and the versions before it are retained: nothing is replaced.
    some_are_replaced = any(
        change.get("Replacement") == "True" and not _makes_versions(change) for change in changes
    )
    removed = {change["LogicalResourceId"] for change in changes if change["Action"] == "Remove"}
    for change in changes:
        name, kind, action = change["LogicalResourceId"], change["ResourceType"], _action(change)
        is_harmless = (
            action == "change"
            or (action == "may replace" and not some_are_replaced)
            or (action in ("replace", "may replace") and _makes_versions(change))
        )
        if (
            is_harmless
            and old.get(name) == new.get(name)
            and is_explained(change, parameters=parameters, resources=listed, tags_change=tags_change)
        ):
            continue
        if name in removed and kind == "AWS::Lambda::Version" and _function_of(old.get(name, {})) in removed:
            continue  # It is deleted with its function.
        yield _resource(change)


def _of_missing(change: Mapping[str, Any]) -> Mapping[str, Any]:
    """The change of a resource that does not exist, whether CloudFormation noticed it or not."""
    return change if change["Action"] == "Remove" else {**change, "ResourceDriftStatus": "DELETED"}


def _makes_versions(change: Mapping[str, Any]) -> bool:
    """Whether a change, if it replaces the resource, only makes a version beside those that stay, or an alarm on it."""
    return change["ResourceType"] in _VERSIONS or change["LogicalResourceId"] == LIVE_ALARM


def _function_of(version: Mapping[str, Any]) -> str:
    """The logical ID of the function that a version belongs to."""
    return str(version.get("Properties", {}).get("FunctionName", "")).strip("${}")


def _resource(change: Mapping[str, Any]) -> ResourceChange:
    kind, action = change["ResourceType"], _action(change)
    retained = change.get("PolicyAction", "").endswith(("Retain", "Snapshot"))
    targets = [detail.get("Target", {}) for detail in change.get("Details", [])]
    return ResourceChange(
        id=change["LogicalResourceId"],
        type=kind,
        action=action,
        name=change.get("PhysicalResourceId", ""),
        properties=tuple(
            dict.fromkeys(target.get("Name") or target.get("Attribute", "") for target in targets)
        ),
        loses_data=(action in ("replace", "delete") and kind in HOLDS_DATA and not retained)
        or (action == "create again" and kind in RESTORABLE),
        drifted=change.get("ResourceDriftStatus") in ("DELETED", "MODIFIED"),
    )


def _action(change: Mapping[str, Any]) -> Any:
    if change.get("ResourceDriftStatus") == "DELETED" and change["Action"] != "Remove":
        return "create again"
    match change["Action"], change.get("Replacement"):
        case "Add" | "Import", _:
            return "add"
        case "Remove", _:
            return "let go" if change.get("PolicyAction") == "Retain" else "delete"
        case _, "True":
            return "replace"
        case _, "Conditional":
            return "may replace"
    return "change"
