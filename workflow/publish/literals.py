"""Parts of one template that go into another, with the values of parameters that the other does not share.

A part refers to parameters of its own template, and has conditions. In the other template, a parameter can have another
value or be missing. So each parameter that differs becomes its value, and each condition what it decides. References to
resources stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workflow.publish.resolution import Resolver

__all__ = ["Literals"]


class Literals:
    """Writes values of parameters into parts of a template.

    Args:
        template: the template of the parts.
        parameters: the values of its parameters.
        differing: the parameters whose values are written. The other ones stay references.
    """

    def __init__(
        self, template: Mapping[str, Any], parameters: Mapping[str, str], differing: frozenset[str]
    ) -> None:
        self._resolver = Resolver(template, parameters)
        self._differing = differing

    def in_place(self, node: Any) -> Any:
        """A part of the template with values in place of the differing parameters, and without conditions."""
        match node:
            case {"Ref": str(name)} if name in self._differing:
                return self._resolver.parameters[name]
            case {"Fn::If": [condition, then, otherwise]}:
                return self.in_place(then if self._resolver.holds(condition) else otherwise)
            case {"Fn::Sub": str(text)}:
                return self._substituted(text, {})
            case {"Fn::Sub": [str(text), dict(values)]}:
                return self._substituted(text, self.in_place(values))
            case {"Fn::Select": _} | {"Fn::Split": _} | {"Fn::Join": _}:
                ((name, arguments),) = node.items()
                return _evaluated(name, self.in_place(arguments))
            case dict():
                return {key: self.in_place(value) for key, value in node.items()}
            case list():
                found = map(self.in_place, node)
                return [value for value in found if value != {"Ref": "AWS::NoValue"}]
        return node

    def _substituted(self, text: str, values: Mapping[str, Any]) -> Any:
        names = set(re.findall(r"\$\{(\w+)\}", text))
        values = {
            **{name: self._resolver.parameters[name] for name in names & self._differing},
            **values,
        }
        if not values:
            return {"Fn::Sub": text}
        only_texts = all(isinstance(value, str) for value in values.values())
        if only_texts and set(re.findall(r"\$\{([^}]*)\}", text)) <= values.keys():
            return re.sub(r"\$\{(\w+)\}", lambda found: str(values[found[1]]), text)
        return {"Fn::Sub": [text, values]}


def _evaluated(name: str, arguments: Any) -> Any:
    """A function of a template, evaluated if its arguments are texts."""
    match name, arguments:
        case "Fn::Select", [index, [*texts]] if _are_texts(texts):
            return texts[int(index)]
        case "Fn::Split", [str(separator), str(text)]:
            return text.split(separator)
        case "Fn::Join", [str(separator), [*texts]] if _are_texts(texts):
            return separator.join(texts)
    return {name: arguments}


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
