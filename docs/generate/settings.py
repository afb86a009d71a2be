"""The page of settings: the keys of stages.toml, from the models that validate them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from docs.generate.markdown import code, prose, table
from docs.generate.reading import attribute_docs
from docs.generate.schema import type_of, without_null
from lambdas.loops.restart_policy import BackOff, RestartRules
from lambdas.reviews.rules import FieldSettings, PredictedItems
from lambdas.reviews.settings import RecordSettings
from workflow.stack.chat_settings import Chat, Slack, Teams
from workflow.stack.deployment_settings import Vpc
from workflow.stack.stages import FlowDefinitionSettings, Shift, Stage

__all__ = ["MODELS", "settings"]

MODELS: dict[str, type[BaseModel]] = {
    "[stages.NAME]": Stage,
    "[stages.NAME.restart]": RestartRules,
    "[stages.NAME.restart.back_off]": BackOff,
    "[stages.NAME.shift]": Shift,
    "[stages.NAME.vpc]": Vpc,
    "[stages.NAME.chat]": Chat,
    "[stages.NAME.chat.slack]": Slack,
    "[stages.NAME.chat.teams]": Teams,
    "[[stages.NAME.predictions.FLOW]]": PredictedItems,
    "[stages.NAME.flow_definition_settings.FLOW]": FlowDefinitionSettings,
    "[stages.NAME.flow_definition_settings.FLOW.fields.FIELD]": FieldSettings,
    "[stages.NAME.flow_definition_settings.FLOW.record]": RecordSettings,
}
"""Heading of a table → its model."""


def settings() -> str:
    """Returns the page."""
    parts = [
        "# Settings of a stage",
        "`stages.toml` in the project's folder has one table for each stage. `python deploy.py plan` validates it, and"
        " reports errors in one line. Keys that are not on this page are errors.",
    ]
    for heading, model in MODELS.items():
        rows = table(["Key", "Value", "Default", "Description"], _rows(model))
        parts.append(f"## `{heading}`\n\n{prose(model.__doc__ or '')}\n\n{rows}")
    parts.append(
        "The settings of a stage are parameters of its stack. The template is the same for all stages: see"
        " [the explanation](../explanation.md)."
    )
    return "\n\n".join(parts)


def _rows(model: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    docs = attribute_docs(model)
    schema = model.model_json_schema()
    for name, value in schema["properties"].items():
        if name == "name" and model is Stage:  # the name of the table
            continue
        kind = type_of(without_null(value), lambda _: "table").replace("object", "table")
        default = "required" if name in schema.get("required", ()) else _default(value)
        yield code(name), kind, default, docs.get(name) or ("See below." if "table" in kind else "")


def _default(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return "see below"
    return "" if value.get("default") is None else code(json.dumps(value["default"]))
