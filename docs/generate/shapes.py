"""What commands print with `--output json`, from the models that print it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from docs.generate.markdown import code, prose, table
from docs.generate.schema import type_of
from workflow.cli.shapes import SHAPES, SHAPES_OF_SEVERAL, OmitsNull

__all__ = ["shapes"]

ELSEWHERE = {
    "LedgerRow": "ledger.md",
    "Claim": "ledger.md#claims",
    "ClaimedIn": "ledger.md#executions",
    "OperatorAction": "ledger.md#operators",
}
"""Objects that another page describes."""


def shapes() -> str:
    """The page."""
    commands: dict[Any, list[str]] = {}
    several = [(f"{command} with filters", model) for command, model in SHAPES_OF_SEVERAL.items()]
    for command, model in [*SHAPES.items(), *several]:
        commands.setdefault(model, []).append(command)
    objects: dict[str, Mapping[str, Any]] = {}
    sections = []
    for model, names in commands.items():
        schema = model.model_json_schema()
        objects |= {name: one for name, one in schema.pop("$defs", {}).items() if name not in ELSEWHERE}
        heading = f"## {', '.join(names)}\n\n{prose(schema['description'])}"
        sections.append(f"{heading}\n\n{_body(model, schema)}")
    return "\n\n".join(
        [
            "# JSON output",
            "With `--output json`, a [command](commands.md) prints one JSON document on standard output. A command"
            " always prints the same keys. New versions may add keys.",
            "After an error, nothing is printed on standard output, one line is printed on standard error, and the exit"
            " status is 1. `smoke`, `loops reconcile`, and commands for human loops that match filters print their"
            " document and also exit with 1 when it contains failures or problems. `publish --watch` does not support"
            " `--output json`.",
            *sections,
            "## Objects",
            *(
                f"### {name}\n\n{prose(schema['description'])}\n\n{_keys(schema)}"
                for name, schema in sorted(objects.items())
            ),
        ]
    )  # fmt: skip


def _body(model: type[BaseModel], schema: dict[str, Any]) -> str:
    if where := ELSEWHERE.get(model.__name__):
        return (
            f"The keys are the attributes of [the ledger]({where}), with its claims under `claims`, its executions"
            " under `executions` and what operators did under `operatorActions`."
        )
    if "properties" not in schema:
        return f"An {_type(schema)}."
    if issubclass(model, OmitsNull):
        for one in schema["properties"].values():
            if "anyOf" in one:
                one["anyOf"].remove({"type": "null"})
    return _keys(schema)


def _keys(schema: Mapping[str, Any]) -> str:
    return table(["Key", "Type", "Meaning"], _rows(schema))


def _rows(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for key, one in schema["properties"].items():
        yield code(key), _type(one), prose(one["description"])


def _type(schema: Mapping[str, Any]) -> str:
    return type_of(schema, lambda name: f"[{name}]({ELSEWHERE.get(name, f'#{name.lower()}')})")
