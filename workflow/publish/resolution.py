"""A template with its parameters filled in, as far as that is known before anything is created.

References to resources stay as they are written in Fn::Sub (`${LedgerTable.Arn}`), so that two templates
can be compared value by value, and a person can read the outcome.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

__all__ = ["resolved_resources", "revision_parameters"]

_NOTHING = object()


def resolved_resources(
    template: Mapping[str, Any], parameters: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """The resources that the template makes with these parameters, by logical id, with resolved properties."""
    resolver = _Resolver(template, parameters)
    return {
        name: {key: resolver.value(part) for key, part in resource.items() if key != "Condition"}
        for name, resource in template.get("Resources", {}).items()
        if resolver.holds(resource.get("Condition"))
    }


def revision_parameters(template: Mapping[str, Any]) -> dict[str, str]:
    """Parameter that a function's version follows, by the function's logical id."""
    return {
        version["Properties"]["FunctionName"]["Ref"]: version["Properties"]["Description"]["Fn::Join"][1][0][
            "Ref"
        ]
        for version in template.get("Resources", {}).values()
        if version["Type"] == "AWS::Lambda::Version"
    }


class _Resolver:
    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        self.conditions = template.get("Conditions", {})
        declared = template.get("Parameters", {})
        self.parameters: dict[str, Any] = {}
        for name, parameter in declared.items():
            value = str(parameters.get(name, parameter.get("Default", "")))
            is_list = parameter.get("Type", "String").startswith(("CommaDelimitedList", "List<"))
            self.parameters[name] = [part.strip() for part in value.split(",")] if is_list else value

    def holds(self, condition: Any) -> bool:
        """Whether a condition, by name or written out, is met; no condition is."""
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
        """A part of the template with its functions worked out."""
        if isinstance(node, Mapping):
            if len(node) == 1 and ((name := next(iter(node))) == "Ref" or name.startswith("Fn::")):
                return self._function(name, node[name])
            resolved = {key: self.value(value) for key, value in node.items()}
            return {key: value for key, value in resolved.items() if value is not _NOTHING}
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not _NOTHING]
        return node

    def _function(self, name: str, argument: Any) -> Any:
        match name, argument:
            case "Ref", "AWS::NoValue":
                return _NOTHING
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
        return {
            name: self.value(argument)
        }  # Something that only CloudFormation knows, such as Fn::ImportValue.

    def _substituted(self, text: str, values: Mapping[str, Any]) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            return _text(values.get(name, self.parameters.get(name, match[0])))

        return re.sub(r"\$\{([^}]*)\}", value, text)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
