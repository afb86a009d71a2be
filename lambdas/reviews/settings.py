"""The review settings of a stage."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PositiveInt,
    Tag,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from lambdas.reviews.code import DIGITS
from lambdas.reviews.errors import InvalidSettings, json_path
from lambdas.reviews.rules import (
    FlowRules,
    JmesPath,
    PredictedItems,
    SettingsOfFields,
)

_FORMS = ("[path]", "[false]", "[table]", "[list]")


def _form_of(value: object) -> str:
    match value:
        case bool():
            return "[false]"
        case list() | tuple():
            return "[list]"
        case dict() | PredictedItems():
            return "[table]"
    return "[path]"


def _is_a_path(path: str) -> str:
    if path.strip().casefold() in ("true", "false"):
        raise ValueError(
            f"{path!r} in quotes is a JMESPath to a key of this name; write false without quotes"
        )
    return path


PredictionSetting = Annotated[
    Annotated[JmesPath, AfterValidator(_is_a_path), Tag("[path]")]
    | Annotated[Literal[False], Tag("[false]")]
    | Annotated[PredictedItems, Tag("[table]")]
    | Annotated[tuple[PredictedItems, ...], Field(min_length=1), Tag("[list]")],
    Discriminator(_form_of),
]
"""Where the prediction of a custom task is: a JMESPath, false for no prediction, or tables for lists of items."""


class RecordSettings(BaseModel):
    """What the records of a flow definition say in addition, by JMESPaths from `inputContent`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    model_version: JmesPath | None = None
    """JMESPath to the version of the model that made the prediction. By default, the one that Textract or Rekognition
    names."""
    document_id: JmesPath | None = None
    """JMESPath to what identifies the document. By default, the location that Textract or Rekognition read it from."""
    segments: dict[Annotated[str, Field(min_length=1, max_length=64)], JmesPath] = {}
    """Name → JMESPath to the group that the review belongs to, such as a region."""


class FlowReviewSettings(BaseModel):
    """How the reviews of one flow definition are compared, in the keys of ``stages.toml``.

    Attributes:
        fields: Settings by the name of the field (see `lambdas.reviews.rules`).
        record: What records say in addition.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    fields: SettingsOfFields = {}
    record: RecordSettings = RecordSettings()


_BY_FLOW_DEFINITION = ("predictions", "flow_definitions")
_NOT_IN_RECORDS = ("output_buckets", "max_output_bytes")
"""Settings that say whether a record is made, but not what is in it."""


class ReviewSettings(BaseModel):
    """The settings as the functions receive them: a JSON object with camelCase keys.

    Attributes:
        output_buckets: Names of the buckets from which outputs can be read. All others are refused.
        predictions: For flow definitions (by name) of custom tasks, a JMESPath from ``inputContent`` to the
            prediction, or a table for a list of named items, or false. Without one, the keys in
            `lambdas.reviews.finding.PLACES` are searched.
        flow_definitions: The other settings of flow definitions, by name.
        worker_identity: What a record contains about workers: "keep" the worker's id, "hash" it (a
            pseudonym, the same for the same worker in the whole stage), or "drop" it.
        max_output_bytes: The maximum size of an output, in bytes.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, extra="forbid", frozen=True, defer_build=True
    )

    output_buckets: tuple[str, ...] = ()
    predictions: dict[str, PredictionSetting] = Field(default_factory=dict)
    flow_definitions: dict[str, FlowReviewSettings] = Field(default_factory=dict)
    worker_identity: Literal["keep", "hash", "drop"] = "keep"
    max_output_bytes: PositiveInt = 32 * 1024 * 1024

    def rules_for(self, flow_definition: str) -> FlowRules:
        """Returns the rules by which the reviews of a flow definition (its name) are compared."""
        own = self.flow_definitions.get(flow_definition)
        return FlowRules(self.predictions.get(flow_definition), own.fields if own else {})

    def record_settings(self, flow_definition: str) -> RecordSettings:
        """Returns what the records of a flow definition (its name) say in addition."""
        own = self.flow_definitions.get(flow_definition)
        return own.record if own else RecordSettings()

    def digest(self, flow_definition: str) -> str:
        """Returns 12 hexadecimal digits that change with the settings that a record of a flow definition depends on."""
        settings = self.model_dump(
            mode="json", by_alias=True, exclude_defaults=True, exclude=set(_NOT_IN_RECORDS)
        )
        by_flow = {to_camel(name) for name in _BY_FLOW_DEFINITION}
        own = {
            key: value[flow_definition] if key in by_flow else value
            for key, value in settings.items()
            if key not in by_flow or flow_definition in value
        }
        text = json.dumps(own, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]

    @classmethod
    def parse(cls, text: str) -> ReviewSettings:
        """Parses settings from JSON.

        Raises:
            InvalidSettings: The settings are invalid. The message says which key, and why.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = tuple(part for part in first["loc"] if part not in _FORMS)
            where = json_path(place).lstrip(".") or "the document"
            raise InvalidSettings(f"review settings, {where}: {first['msg']}") from error
