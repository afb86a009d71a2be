"""A template with its parameters, and what is in it: functions, roles, and what they need of each other."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from workflow.publish.resolution import Resolver, references, resolved_resources

__all__ = ["KEPT", "KEPT_SINCE", "POLICY", "Content", "policies_of", "reached"]

POLICY = "running-executions"
"""The name of the policy with the permissions that a role keeps."""

KEPT = "AfterloopKept"
"""The key of the template's metadata that names what is kept: logical IDs of resources, and parameters."""

KEPT_SINCE = "AfterloopKeptSince"
"""The key of the metadata that says which executions of the current definition need what is kept: those from before."""

_MACHINE, _FUNCTION, _VERSION = (
    "AWS::StepFunctions::StateMachine",
    "AWS::Lambda::Function",
    "AWS::Lambda::Version",
)


@dataclass(frozen=True)
class Content:
    """A template with the values of its parameters."""

    template: Mapping[str, Any]
    parameters: Mapping[str, str]

    @cached_property
    def resolver(self) -> Resolver:
        """Evaluates parts of the template."""
        return Resolver(self.template, self.parameters)

    @cached_property
    def resolved(self) -> dict[str, dict[str, Any]]:
        """The resources that these parameters create, with their values, by logical ID."""
        return resolved_resources(self.template, self.parameters)

    @cached_property
    def resources(self) -> dict[str, Mapping[str, Any]]:
        """The resources that these parameters create, as the template has them, by logical ID."""
        return {name: self.template["Resources"][name] for name in self.resolved}

    @cached_property
    def functions(self) -> dict[str, str]:
        """The names of the functions, by logical ID."""
        return {
            name: str(self.resolved[name].get("Properties", {}).get("FunctionName", name))
            for name in self.of_type(_FUNCTION)
        }

    @property
    def roles(self) -> set[str]:
        """The logical IDs of the roles."""
        return self.of_type("AWS::IAM::Role")

    def of_type(self, kind: str) -> set[str]:
        """The logical IDs of the resources of a type."""
        return {name for name, one in self.resources.items() if one["Type"] == kind}

    # What it keeps

    @cached_property
    def kept(self) -> frozenset[str]:
        """The logical IDs of the resources that are kept, and the names of their parameters."""
        return frozenset(self.template.get("Metadata", {}).get(KEPT, ()))

    @property
    def kept_since(self) -> datetime | None:
        """Executions of the current definition that began before need what is kept; None if they need nothing."""
        since = self.template.get("Metadata", {}).get(KEPT_SINCE)
        return datetime.fromisoformat(since) if since else None

    @property
    def keeps(self) -> bool:
        """Whether anything is kept."""
        return bool(self.kept or self.widened_roles)

    @property
    def kept_functions(self) -> set[str]:
        """The logical IDs of the functions that are kept."""
        return self.functions.keys() & self.kept

    @property
    def widened_roles(self) -> set[str]:
        """The logical IDs of the roles that keep permissions."""
        return {role for role in self.roles if POLICY in policies_of(self.resources[role])}

    @property
    def kept_others(self) -> set[str]:
        """The logical IDs of what is kept beside functions and what belongs to them."""
        of_functions = reached(self.resources, self.kept_functions) | self.of_type(_VERSION)
        return (self.resources.keys() & self.kept) - of_functions

    def without_kept(self) -> Content:
        """What was published: the content without all that is kept."""
        template = {
            **self.template,
            "Resources": {
                name: _without_policy(one)
                for name, one in self.template["Resources"].items()
                if name not in self.kept
            },
        }
        for section, keys in (("Parameters", self.kept), ("Metadata", (KEPT, KEPT_SINCE))):
            template[section] = _without(self.template.get(section, {}), keys)
            if not template[section]:
                del template[section]
        return Content(template, _without(self.parameters, self.kept))

    # What executions need

    def functions_in(self, definition: str) -> set[str]:
        """The logical IDs of the functions that a definition needs, after its placeholders were filled in."""
        words = set(re.findall(r"[\w-]+", definition))
        return self._used_by(name for name, function in self.functions.items() if function in words)

    @property
    def functions_of_machine(self) -> set[str]:
        """The logical IDs of the functions that the state machine needs."""
        return self._used_by(self._named_by_machine)

    @property
    def others_of_machine(self) -> set[str]:
        """The logical IDs of what the state machine names beside functions, such as tables, and of its role."""
        properties = [self.resources[one]["Properties"] for one in self.of_type(_MACHINE)]
        roles = {name for one in properties for name in references(one.get("RoleArn"))}
        named = self._named_by_machine - self.of_type(_VERSION) - self.functions.keys()
        return (roles | named) & self.resources.keys()

    @cached_property
    def _named_by_machine(self) -> set[str]:
        machines = [self.resources[one]["Properties"] for one in self.of_type(_MACHINE)]
        return {name for one in machines for name in references(one.get("DefinitionSubstitutions", {}))}

    def _used_by(self, roots: Iterable[str]) -> set[str]:
        """The functions among these resources, and those that their roles or settings name."""
        return self.functions.keys() & reached(self.resources, roots, stop=self.of_type(_MACHINE))


def reached(
    resources: Mapping[str, Mapping[str, Any]], roots: Iterable[str], *, stop: Container[str] = ()
) -> set[str]:
    """Resources with all that they refer to, directly or not. Neither those in `stop`, nor what only these refer to."""
    found = set[str]()
    new = set(roots)
    while new:
        name = new.pop()
        if name in resources and name not in found and name not in stop:
            found.add(name)
            new.update(references(resources[name]))
    return found


def policies_of(role: Mapping[str, Any]) -> dict[str, Any]:
    """The documents of a role's own policies, by name."""
    return {
        policy["PolicyName"]: policy["PolicyDocument"]
        for policy in role.get("Properties", {}).get("Policies", [])
        if "PolicyName" in policy
    }


def _without_policy(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    if POLICY not in policies_of(resource):
        return resource
    properties = resource["Properties"]
    policies = [one for one in properties["Policies"] if one.get("PolicyName") != POLICY]
    return {**resource, "Properties": {**properties, "Policies": policies}}


def _without(mapping: Mapping[str, Any], keys: Collection[str]) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}
