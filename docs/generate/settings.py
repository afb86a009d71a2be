"""The keys of stages.toml, from the models that check them."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from docs.generate.markdown import code, table
from docs.generate.reading import attribute_docs
from lambdas.loops.restart_policy import BackOff, RestartRules
from workflow.stack.stages import FlowDefinitionSettings, Shift, Stage

__all__ = ["MEANINGS", "MODELS", "settings"]

MODELS: tuple[tuple[str, type[BaseModel], str], ...] = (
    (
        "[stages.NAME]",
        Stage,
        "One stage: one stack, `afterloop-NAME`. NAME has up to 20 lower-case letters, digits and hyphens.",
    ),
    ("[stages.NAME.restart]", RestartRules, "What happens to a human loop that failed."),
    (
        "[stages.NAME.restart.back_off]",
        BackOff,
        "How long to wait before a restart: `first_seconds` x `rate` ^ (attempt - 1), at most `max_seconds`.",
    ),
    (
        "[stages.NAME.shift]",
        Shift,
        "A gradual publish: new executions go to the new version in part first, then in whole. Leave the table out"
        " to move them at once.",
    ),
    (
        "[stages.NAME.flow_definition_settings.FLOW]",
        FlowDefinitionSettings,
        "What differs for the loops of the flow definition FLOW, by name. Its `restart` takes the keys of"
        " `[stages.NAME.restart]`; what it does not say is the stage's.",
    ),
)  # fmt: skip

MEANINGS = {
    "region": "The Region of the flow definitions. Reviews and workflow are in it, too.",
    "account": "The AWS account that the stage belongs to, 12 digits. With it, a publish with credentials of another"
    " account is refused.",
    "output_buckets": "The buckets that flow definitions write `output.json` to. No other bucket is read.",
    "document_buckets": "The buckets of the documents and images that Textract and Rekognition read when a loop is"
    " started or restarted.",
    "flow_definitions": "Names or ARNs: only their status changes start the workflow. Empty: all of the account.",
    "notification_emails": "Who is told of stopped loops; at most five.",
    "escalation_emails": "Who is called when a person has to act; at most five, with those of `escalate_to`.",
    "log_retention_days": "How long logs are kept. One of the numbers of days that CloudWatch Logs knows.",
    "protected": "A protected stage takes no hot swap, and cannot be destroyed before the protection is lifted.",
    "worker_identity": "What a review record says of who answered: their id, a pseudonym, or nothing.",
    "predictions": "For custom tasks: flow definition → JMESPath from `inputContent` to the prediction. Without it, the"
    " usual places are looked at.",
    "max_output_bytes": "The largest `output.json` that is read, in bytes, 1 KiB to 256 MiB.",
    "restart": "See below.",
    "shift": "See below.",
    "flow_definition_settings": "See below.",
    "first_percent": "The part of new executions that go to the new version first.",
    "minutes": "How long that lasts.",
    "first_seconds": "The wait before the first restart.",
    "rate": "How much longer each following wait is.",
    "max_seconds": "The longest wait.",
    "back_off": "See below.",
}
"""Where a model's field has no text of its own. `render_pages` is complete only with all of them: a test looks."""


def settings() -> str:
    """The page."""
    parts = [
        "# Settings of a stage",
        "`stages.toml`, in the project's folder, has one table for each stage. `python deploy.py plan` checks it, and"
        " says in one line what is wrong, where, and what to do. A key that is not here is an error.",
    ]
    for heading, model, about in MODELS:
        parts.append(
            f"## `{heading}`\n\n{about}\n\n" + table(["Key", "Value", "Default", "Meaning"], _rows(model))
        )
    parts.append(
        "What a stage says reaches the template as parameters of the stack, never as another template: see"
        " [the explanation](../explanation.md)."
    )
    return "\n\n".join(parts)


def _rows(model: type[BaseModel]) -> Iterator[tuple[str, str, str, str]]:
    docs = attribute_docs(model)
    for name, field in model.model_fields.items():
        if name == "name":
            continue
        yield code(name), _value(field), _default(field), MEANINGS.get(name) or docs.get(name, "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be given"
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
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, types.UnionType):
        return _kind(next(one for one in arguments if one is not type(None)))
    if origin is Literal:
        return " or ".join(code(json.dumps(one)) for one in arguments)
    if origin in (tuple, list):
        return "list of texts"
    if origin is dict or (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return "table"
    return {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}[annotation]


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
