"""The page of settings: the keys of stages.toml, from the models that validate them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from docs.generate.markdown import code, table
from docs.generate.reading import attribute_docs
from docs.generate.schema import type_of, without_null
from lambdas.loops.restart_policy import BackOff, RestartRules
from workflow.stack.stages import FlowDefinitionSettings, Shift, Stage

__all__ = ["MODELS", "settings"]

MODELS: tuple[tuple[str, type[BaseModel], str], ...] = (
    (
        "[stages.NAME]",
        Stage,
        "A stage is one stack, `afterloop-NAME`. NAME has up to 20 lower-case letters, digits and hyphens.",
    ),
    ("[stages.NAME.restart]", RestartRules, "What to do with a human loop that failed."),
    (
        "[stages.NAME.restart.back_off]",
        BackOff,
        "The wait before a restart: `first_seconds` x `rate` ^ (attempt - 1), at most `max_seconds`.",
    ),
    (
        "[stages.NAME.shift]",
        Shift,
        "A gradual publish: the new version first gets a part of the new executions, then all of them. Without this"
        " table, it gets all of them at once.",
    ),
    (
        "[stages.NAME.flow_definition_settings.FLOW]",
        FlowDefinitionSettings,
        "Settings for the loops of the flow definition with the name FLOW. The keys of its `restart` override those of"
        " `[stages.NAME.restart]`.",
    ),
)  # fmt: skip


def settings() -> str:
    """Returns the page."""
    parts = [
        "# Settings of a stage",
        "`stages.toml` in the project's folder has one table for each stage. `python deploy.py plan` validates it, and"
        " reports errors in one line. Keys that are not on this page are errors.",
    ]
    for heading, model, about in MODELS:
        parts.append(
            f"## `{heading}`\n\n{about}\n\n" + table(["Key", "Value", "Default", "Description"], _rows(model))
        )
    parts.append(
        "The settings of a stage are parameters of its stack. The template is the same for all stages: see"
        " [the explanation](../explanation.md)."
    )
    return "\n\n".join(parts)


def _rows(model: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    docs = attribute_docs(model)
    schema = model.model_json_schema()
    for name, value in schema["properties"].items():
        if name == "name":  # the name of the table
            continue
        kind = type_of(without_null(value), lambda _: "table").replace("object", "table")
        default = "required" if name in schema.get("required", ()) else _default(value)
        yield code(name), kind, default, docs.get(name) or ("See below." if "table" in kind else "")


def _default(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return "see below"
    return "" if value.get("default") is None else code(json.dumps(value["default"]))
