"""The parts of an output that have the form of an AI service: blocks, moderation labels, and activation conditions.

Predictions and answers have the same form. What cannot be read in them is left out, and they say that it is.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AliasChoices,
    AliasGenerator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic.alias_generators import to_camel, to_pascal
from pydantic.dataclasses import dataclass

from lambdas.reviews.errors import InvalidDocument
from lambdas.reviews.tolerant import tolerate

if TYPE_CHECKING:
    from lambdas.reviews.json_reader import JsonReader

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

DOCUMENT = "output.json"

MAX_CONDITION_LENGTH = 300
"""The maximum length of a condition's name. Names are part of the state, whose size is limited."""

LABELS = ("moderationLabels", "ModerationLabels")
"""Keys of a list of moderation labels."""


class Tolerant(BaseModel):
    """A part of an output. It keeps keys that it does not know."""

    # defer_build: a process builds only the models of the tasks that it handles.
    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="allow",
        frozen=True,
        hide_input_in_errors=True,
        defer_build=True,
        coerce_numbers_to_str=True,
    )


_SLOTTED = ConfigDict(
    alias_generator=to_camel,
    extra="ignore",
    hide_input_in_errors=True,
    defer_build=True,
    coerce_numbers_to_str=True,
    validate_by_name=True,
    validate_by_alias=True,
)

Confidence = Annotated[float | None, Field(strict=True, allow_inf_nan=False)]
"""A confidence of an AI service, from 0 to 100."""


@dataclass(slots=True, frozen=True, config=_SLOTTED)
class Relationship:
    """A relationship of a block: "CHILD" (the words of a key) or "VALUE" (the value of a key)."""

    type: str
    ids: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True, config=_SLOTTED)
class Block:
    """A Textract block, with the fields that the comparison needs. `Output.raw` has the others, such as the geometry.

    Attributes:
        confidence: From 0 to 100; None in answers.
        text: The text of a word. In answers, keys and values also have a text.
        id: Its id; a made-up one if the document has none.
        is_odd: Whether something is left out that its text depends on.
    """

    id: str = ""
    block_type: str | None = None
    confidence: Confidence = None
    text: str | None = None
    entity_types: tuple[str, ...] | None = None
    relationships: tuple[Relationship, ...] | None = None
    selection_status: Literal["SELECTED", "NOT_SELECTED"] | None = None
    is_odd: bool = False

    def related(self, kind: str) -> list[str]:
        """Returns the ids of the related blocks, by type of relationship; each once."""
        ids = (id_ for relation in self.relationships or () if relation.type == kind for id_ in relation.ids)
        return list(dict.fromkeys(ids))


class _EitherCase(Tolerant):
    """Accepts keys in camelCase, like A2I, and in PascalCase, like the services' own responses."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(
            validation_alias=lambda name: AliasChoices(to_camel(name), to_pascal(name))
        )
    )


class ModerationLabel(_EitherCase):
    """A Rekognition moderation label. The parent of a top-level label is "". In answers, the confidence is None."""

    name: str
    parent_name: str | None = None
    confidence: Confidence = None


class Prediction(Tolerant):
    """The response of an AI service: the blocks of a form, or the moderation labels of an image.

    Attributes:
        is_odd: Whether it cannot be read as a whole, for example because its blocks are no list.
        is_partial: Whether some of its blocks or labels are left out.
    """

    blocks: tuple[Block, ...] | None = None
    moderation_labels: tuple[ModerationLabel, ...] | None = None
    is_odd: bool = False
    is_partial: bool = False


class Condition(_EitherCase):
    """An activation condition: a simple one, or several combined with And or Or."""

    condition_type: str | None = None
    condition_parameters: dict[str, Any] | None = None
    evaluation_result: bool | None = None
    any_of: list[Condition] | None = Field(default=None, validation_alias=AliasChoices("Or", "or"))
    all_of: list[Condition] | None = Field(default=None, validation_alias=AliasChoices("And", "and"))

    def true_names(self) -> list[str]:
        """Returns the names of the simple conditions that were met; empty if this condition was not met."""
        if self.evaluation_result is False:
            return []
        parts = [*(self.any_of or ()), *(self.all_of or ())]
        if parts:
            return [name for part in parts for name in part.true_names()]
        return [self._name()] if self.evaluation_result and self.condition_type else []

    def all_parameters(self) -> list[dict[str, Any]]:
        """Returns the parameters of the simple conditions, whether these were met or not."""
        parts = [*(self.any_of or ()), *(self.all_of or ())]
        own = [self.condition_parameters] if self.condition_parameters else []
        return own + [parameters for part in parts for parameters in part.all_parameters()]

    def _name(self) -> str:
        parameters = dict(self.condition_parameters or {})
        parameters.pop("ImportantFormKeyAliases", None)
        subjects = [parameters.pop(key, None) for key in ("ImportantFormKey", "ModerationLabelName")]
        texts = [subject for subject in subjects if isinstance(subject, str)]
        texts += [f"{key}={value}" for key, value in sorted(parameters.items())]
        name = f"{self.condition_type}({', '.join(texts)})" if texts else str(self.condition_type)
        return name[:MAX_CONDITION_LENGTH]


class Conditions(_EitherCase):
    """The activation conditions of the flow definition, each with its result."""

    conditions: list[Condition] | None = None


def read_prediction(reader: JsonReader) -> Prediction | None:
    """Reads the response of an AI service, or an answer in its form."""
    if reader.peek() != "{":
        return None if reader.value_or_none() is None else Prediction.model_validate({"isOdd": True})
    fields: dict[str, Any] = {}
    odd = {"isOdd": False, "isPartial": False}
    path = reader.path
    for key in reader.members():
        if key == "blocks" or key in LABELS:
            if reader.peek() == "[":
                read, name = (_read_blocks, key) if key == "blocks" else (read_labels, LABELS[0])
                fields[name], odd["isPartial"] = read(reader)
            elif reader.value_or_none() is not None:
                odd["isOdd"] = True
        else:
            fields[key] = reader.value_or_none()
    return validated(Prediction, fields | odd, path)


_SIDES = frozenset({"KEY", "VALUE"})


def _read_blocks(reader: JsonReader) -> tuple[list[Block], bool]:
    """Reads a list of blocks. Returns them, and whether something is left out that a field depends on."""
    adapter = _adapter(Block)
    blocks, is_partial = [], False
    for _ in reader.elements():
        block, lost = reader.read(adapter)
        if block is None:
            is_partial = True
            continue
        without_text = block.text is None and block.block_type == "WORD"
        is_partial |= not block.id or not lost <= {"confidence", "blockType"}
        is_partial |= block.block_type == "KEY_VALUE_SET" and not _SIDES.intersection(
            block.entity_types or ()
        )
        if lost or without_text or not block.id:
            # Without a confidence, a block still has its text. Without an id, only other blocks miss it.
            is_odd = without_text or not lost <= {"confidence", "id", "blockType"}
            block = replace(block, id=block.id or f"({reader.path})", is_odd=is_odd)
        blocks.append(block)
    return blocks, is_partial


def read_labels(reader: JsonReader) -> tuple[list[ModerationLabel], bool]:
    """Reads moderation labels: objects, or texts if the categories on the page were given as texts.

    Returns them, and whether a label is left out.

    Source: "crowd-rekognition-detect-moderation-labels", Amazon SageMaker Developer Guide.
    """
    labels, is_partial = [], False
    for _ in reader.elements():
        label: ModerationLabel | None
        if reader.peek() == "{":
            label = reader.read(_adapter(ModerationLabel)).value
        else:
            name = reader.value_or_none()
            label = ModerationLabel(name=" ".join(name.split())) if isinstance(name, str) else None
        if label and label.name:
            labels.append(label)
        else:
            is_partial = True
    return labels, is_partial


def read_conditions(reader: JsonReader) -> Conditions | None:
    """Reads the activation conditions."""
    return reader.read(_adapter(Conditions)).value


@cache
def _adapter(model: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(model)


def validated(model: type[M], fields: dict[str, Any], path: str) -> M:
    """Returns the model of what is valid in the fields.

    Raises:
        InvalidDocument: Without what is not valid, a required field is missing.
    """
    found = tolerate(model.model_validate, fields).value
    if found is None:
        try:
            return model.model_validate(fields)
        except ValidationError as error:
            # Not `from error`: a traceback in the logs would quote the document, which can contain personal data.
            raise InvalidDocument.of(error, DOCUMENT, path) from None
    return found
