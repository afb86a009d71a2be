"""Templates with their parameters filled in, as far as that is possible before CloudFormation creates anything.

References to resources become `${LedgerTable.Arn}`, as in Fn::Sub, so that two templates can be compared value by
value and a person can read the result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from workflow.errors import PublishError

__all__ = [
    "Resolver",
    "definition_string",
    "is_same_definition",
    "references",
    "resolved_resources",
    "revision_parameters",
]

_NO_VALUE = object()


def resolved_resources(
    template: Mapping[str, Any], parameters: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """The resources that a template creates with these parameters, resolved, by logical ID."""
    resolver = Resolver(template, parameters)
    return {
        name: {key: resolver.value(part) for key, part in resource.items() if key != "Condition"}
        for name, resource in template.get("Resources", {}).items()
        if resolver.holds(resource.get("Condition"))
    }


def revision_parameters(template: Mapping[str, Any]) -> dict[str, str]:
    """The parameter with a function's revision, by the function's logical ID."""
    # The template puts the parameter into the description of the function's version: a new description makes
    # CloudFormation publish a new version.
    return {
        version["Properties"]["FunctionName"]["Ref"]: version["Properties"]["Description"]["Fn::Join"][1][0][
            "Ref"
        ]
        for version in template.get("Resources", {}).values()
        if version["Type"] == "AWS::Lambda::Version"
    }


def definition_string(template: Mapping[str, Any]) -> str:
    """The definition of the template's state machine, with its placeholders.

    Raises:
        PublishError: the template has no state machine, so it is of somebody else's stack.
    """
    for resource in template.get("Resources", {}).values():
        if resource["Type"] == "AWS::StepFunctions::StateMachine":
            return str(resource["Properties"]["DefinitionString"])
    raise PublishError(
        "the stack's template has no state machine: give the stage another name, or repair the stack"
    )


def is_same_definition(one: str, other: str) -> bool:
    """Whether two definitions differ at most in white space."""
    return one == other or json.loads(one) == json.loads(other)


def references(node: Any) -> Iterator[str]:
    """What a part of a template refers to: logical IDs, parameters and pseudo parameters."""
    match node:
        case {"Ref": str(name)}:
            yield name
        case {"Fn::GetAtt": str(name) | [str(name), _]}:
            yield name.partition(".")[0]
        case {"Fn::Sub": str(text)}:
            yield from _names_in(text)
        case {"Fn::Sub": [str(text), dict(values)]}:
            yield from (name for name in _names_in(text) if name not in values)
            yield from references(list(values.values()))
        case dict():
            for key, value in node.items():
                yield from _listed(value) if key == "DependsOn" else references(value)
        case list():
            for value in node:
                yield from references(value)


def _names_in(text: str) -> Iterator[str]:
    for name in re.findall(r"\$\{([^}]*)\}", text):
        if not name.startswith("!"):  # ${!Literal} is how a template writes ${Literal}.
            yield name.partition(".")[0]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class Resolver:
    """Evaluates the parts of a template with its parameters."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        self.conditions = template.get("Conditions", {})
        self.parameters: dict[str, Any] = {}
        for name, parameter in template.get("Parameters", {}).items():
            value = str(parameters.get(name, parameter.get("Default", "")))
            is_list = parameter.get("Type", "String").startswith(("CommaDelimitedList", "List<"))
            self.parameters[name] = [part.strip() for part in value.split(",")] if is_list else value

    def holds(self, condition: Any) -> bool:
        """Whether a condition, given by name or in full, holds; None always holds."""
        if condition is None:
            return True
        if isinstance(condition, str):
            return self.holds(self.conditions.get(condition))
        match next(iter(condition.items())):
            case ("Condition", name):
                return self.holds(name)
            case ("Fn::Not", [inner]):
                return not self.holds(inner)
            case ("Fn::And", [*inner]):
                return all(self.holds(one) for one in inner)
            case ("Fn::Or", [*inner]):
                return any(self.holds(one) for one in inner)
            case ("Fn::Equals", [one, other]):
                return bool(self.value(one) == self.value(other))
        raise ValueError(f"not a condition: {condition!r}")

    def value(self, node: Any) -> Any:
        """A part of the template with its intrinsic functions evaluated."""
        if isinstance(node, str):  # First, because most parts are: a plan evaluates thousands.
            return node
        if isinstance(node, dict):
            if len(node) == 1 and ((name := next(iter(node))) == "Ref" or name.startswith("Fn::")):
                return self._function(name, node[name])
            resolved = {key: self.value(value) for key, value in node.items()}
            return {key: value for key, value in resolved.items() if value is not _NO_VALUE}
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not _NO_VALUE]
        return node

    def _function(self, name: str, argument: Any) -> Any:
        match name, argument:
            case "Ref", "AWS::NoValue":
                return _NO_VALUE
            case "Ref", _:
                return self.parameters.get(argument, f"${{{argument}}}")
            case "Fn::GetAtt", str():
                return f"${{{argument}}}"
            case "Fn::GetAtt", [resource, attribute]:
                return f"${{{resource}.{attribute}}}"
            case "Fn::If", [condition, then, otherwise]:
                return self.value(then if self.holds(condition) else otherwise)
            case "Fn::Sub", str():
                return self._substituted(argument, {})
            case "Fn::Sub", [text, values]:
                return self._substituted(text, {key: self.value(value) for key, value in values.items()})
            case "Fn::Join", [separator, parts]:
                parts = self.value(parts)
                return separator.join(map(_text, parts)) if isinstance(parts, list) else _text(parts)
            case "Fn::Split", [separator, text]:
                return _text(self.value(text)).split(separator)
            case "Fn::Select", [index, parts]:
                parts = self.value(parts)
                position = int(self.value(index))
                if isinstance(parts, list) and position < len(parts):
                    return parts[position]
        # Only CloudFormation knows the value, as for Fn::ImportValue.
        return {name: self.value(argument)}

    def _substituted(self, text: str, values: Mapping[str, Any]) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):  # ${!Literal} is how a template writes ${Literal}.
                return f"${{{name[1:]}}}"
            return _text(values.get(name, self.parameters.get(name, match[0])))

        return re.sub(r"\$\{([^}]*)\}", value, text)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
