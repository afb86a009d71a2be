"""The page of settings: the keys of stages.toml, from the models that validate them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from docs.generate.markdown import code, table
from docs.generate.reading import attribute_docs, plain_type
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
    for name, field in model.model_fields.items():
        if name == "name":
            continue
        yield code(name), _value(field), _default(field), docs.get(name) or _elsewhere(field)


def _elsewhere(field: FieldInfo) -> str:
    return "See below." if _kind(field.annotation) == "table" else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, BaseModel):
        return "see below"
    return code(json.dumps(value))


def _value(field: FieldInfo) -> str:
    limits = "".join(_limit(one) for one in field.metadata)
    return _kind(field.annotation) + limits


def _kind(annotation: Any) -> str:
    plain = plain_type(annotation)
    origin = get_origin(plain)
    if origin is Literal:
        values = [code(json.dumps(one)) for one in get_args(plain)]
        return (" or " if len(values) < 5 else ", ").join(values)
    if origin in (tuple, list):
        return "list of texts"
    if origin is dict or (isinstance(plain, type) and issubclass(plain, BaseModel)):
        return "table"
    return {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}[plain]


def _limit(constraint: Any) -> str:
    match constraint:
        case Ge(ge=least) | Gt(gt=least):
            return f", from {least}"
        case Le(le=most) | Lt(lt=most):
            return f" to {most}"
        case MinLen(min_length=least):
            return f", at least {least}"
        case MaxLen(max_length=most):
            return f", at most {most}"
    return ""
