"""The review settings of a stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PositiveInt,
    Tag,
    ValidationError,
)
from pydantic.alias_generators import to_camel

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


PredictionSetting = Annotated[
    Annotated[JmesPath, Tag("[path]")]
    | Annotated[Literal[False], Tag("[false]")]
    | Annotated[PredictedItems, Tag("[table]")]
    | Annotated[tuple[PredictedItems, ...], Field(min_length=1), Tag("[list]")],
    Discriminator(_form_of),
]
"""Where the prediction of a custom task is: a JMESPath, false for no prediction, or tables for lists of items."""


class FlowReviewSettings(BaseModel):
    """How the reviews of one flow definition are compared, in the keys of ``stages.toml``.

    Attributes:
        fields: Settings by the name of the field (see `lambdas.reviews.rules`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fields: SettingsOfFields = {}


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

    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", frozen=True)

    output_buckets: tuple[str, ...] = ()
    predictions: dict[str, PredictionSetting] = Field(default_factory=dict)
    flow_definitions: dict[str, FlowReviewSettings] = Field(default_factory=dict)
    worker_identity: Literal["keep", "hash", "drop"] = "keep"
    max_output_bytes: PositiveInt = 32 * 1024 * 1024

    def rules_for(self, flow_definition: str) -> FlowRules:
        """Returns the rules by which the reviews of a flow definition (its name) are compared."""
        own = self.flow_definitions.get(flow_definition)
        return FlowRules(self.predictions.get(flow_definition), own.fields if own else {})

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
