"""Types of values in words, from JSON Schema, which pydantic creates for every model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from docs.generate.markdown import code

__all__ = ["type_of", "without_null"]


def type_of(schema: Mapping[str, Any], reference: Callable[[str], str]) -> str:
    """Returns the type of a value in the words of JSON Schema, such as `array of strings`.

    Args:
        schema: The schema of the value.
        reference: The text for a model, by its name.
    """
    match schema:
        case {"$ref": str(target)}:
            return reference(target.rpartition("/")[2])
        case {"anyOf": options}:
            return " or ".join(type_of(option, reference) for option in options)
        case {"enum": words}:
            return ", ".join(code(str(word)) for word in words)
        case {"type": "array", "items": items}:
            return f"array of {_plural(type_of(items, reference))}"
        case {"type": "array", "prefixItems": items}:
            return f"array of {len(items)} {_plural(type_of(items[0], reference))}"
        case {"type": "object", "additionalProperties": Mapping() as values}:
            return f"object of {_plural(type_of(values, reference))}"
        case {"format": "date-time"}:
            return "time in ISO 8601"
        case {"type": kind, "minimum": least, "maximum": most}:
            return f"{kind} from {least} to {most}"
    return str(schema.get("type", "JSON value"))


def without_null(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the schema of an optional value as if the value were required."""
    options = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    return options[0] if options else schema


def _plural(kind: str) -> str:
    # A link stays as it is: a plural of it is not the name of the model.
    return kind if "(" in kind else f"{kind}s"
