"""The output of a human loop: `output.json`, with the predictions and the people's answers.

Three kinds of task: Textract forms, Rekognition moderation, and custom ones. What the AI service was asked
and answered lies under `inputContent` in today's documents, at the top level in those of 2020; moderation
labels are spelt `moderationLabels` or `ModerationLabels`. Unknown fields are kept: `Output.raw` is the
document, byte for byte.

Source: "Amazon A2I Output Data", Amazon SageMaker Developer Guide.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
)
from pydantic.alias_generators import to_camel
from pydantic.dataclasses import dataclass

from lambdas.reviews.errors import InvalidDocument, shortened
from lambdas.reviews.json_reader import JsonReader
from lambdas.reviews.record import TaskType
from lambdas.reviews.times import UtcTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.reviews.comparison.elements import Element
else:
    Element = Any  # only outputs with crowd elements pay for their models

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

DOCUMENT = "output.json"

# Names of conditions go through the state machine, whose payload is limited.
LONGEST_CONDITION = 300

TEXTRACT = "AWS/Textract/AnalyzeDocument/Forms/V1"
REKOGNITION = "AWS/Rekognition/DetectModerationLabels/Image/V3"

# No task is given to a worker for longer: 30 days.
LONGEST_TASK = 30 * 24 * 60 * 60


def parse_output(raw: bytes) -> Output:
    """Returns the output that a document holds.

    Takes about twice the document's size in memory, the document included, and time linear in its size.

    Raises:
        InvalidDocument: it is not JSON, not an output, or of an unknown kind of task; says where.
    """
    reader = JsonReader(raw, DOCUMENT)
    if not reader.peek():
        raise reader.error("the document is empty")
    task_type = _task_type(raw)
    fields: dict[str, Any] = {}
    service: dict[str, Any] = {}
    for key in reader.members():
        if key == "humanAnswers":
            fields[key] = [_read_answer(reader, task_type) for _ in reader.elements()]
        elif key == "inputContent" and task_type != "custom" and reader.peek() == "{":
            fields[key], within = _read_input_content(reader)
            service |= {name: told for name, told in within.items() if told is not None}
        elif key in _SERVICE_FIELDS and task_type != "custom":
            told = _SERVICE_FIELDS[key](reader)
            if told is not None:
                service.setdefault(key, told)
        elif key not in _SERVICE_FIELDS:
            fields[key] = reader.value()
    reader.expect_end()
    # Ours come last: a key of the document must not take their place.
    return _validated(Output, fields | service | {"raw": raw, "taskType": task_type}, "$")


class _Tolerant(BaseModel):
    # Each kind of task builds the models that it needs.
    model_config = ConfigDict(
        alias_generator=to_camel, extra="allow", frozen=True, hide_input_in_errors=True, defer_build=True
    )


_SLOTTED = ConfigDict(alias_generator=to_camel, extra="ignore", hide_input_in_errors=True, defer_build=True)


@dataclass(slots=True, frozen=True, config=_SLOTTED)
class Relationship:
    """How a block relates to others: "CHILD" (the words of a key) or "VALUE" (the value of a key)."""

    type: str
    ids: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True, config=_SLOTTED)
class Block:
    """A Textract block: what of it a comparison needs. Its geometry stays in `Output.raw`.

    Attributes:
        confidence: From 0 to 100. Answers have none.
        text: Words have it; in answers keys and values, too.
    """

    id: str
    block_type: str
    confidence: FiniteFloat | None = None
    text: str | None = None
    entity_types: tuple[str, ...] | None = None
    relationships: tuple[Relationship, ...] | None = None
    selection_status: str | None = None

    def related(self, kind: str) -> list[str]:
        """Returns the ids of the blocks that this one has such a relationship to."""
        return [id_ for relation in self.relationships or () if relation.type == kind for id_ in relation.ids]


class ModerationLabel(_Tolerant):
    """A Rekognition moderation label. The parent of a top-level label is "". Answers have no confidence."""

    name: str = Field(validation_alias=AliasChoices("name", "Name"))
    parent_name: str | None = Field(default=None, validation_alias=AliasChoices("parentName", "ParentName"))
    confidence: FiniteFloat | None = Field(
        default=None, validation_alias=AliasChoices("confidence", "Confidence")
    )


class Prediction(_Tolerant):
    """What an AI service answered: the blocks of a form, or the moderation labels of an image."""

    blocks: tuple[Block, ...] | None = None
    moderation_labels: tuple[ModerationLabel, ...] | None = None


class Condition(_Tolerant):
    """An activation condition: a simple one, or several joined by And or Or."""

    condition_type: str | None = Field(
        default=None, validation_alias=AliasChoices("ConditionType", "conditionType")
    )
    condition_parameters: dict[str, Any] | None = Field(
        default=None, validation_alias=AliasChoices("ConditionParameters", "conditionParameters")
    )
    evaluation_result: bool | None = Field(
        default=None, validation_alias=AliasChoices("EvaluationResult", "evaluationResult")
    )
    any_of: list[Condition] | None = Field(default=None, validation_alias=AliasChoices("Or", "or"))
    all_of: list[Condition] | None = Field(default=None, validation_alias=AliasChoices("And", "and"))

    def true_names(self) -> list[str]:
        """Returns the names of the simple conditions for which this one was true; none if it was false."""
        if self.evaluation_result is False:
            return []
        parts = [*(self.any_of or ()), *(self.all_of or ())]
        if parts:
            return [name for part in parts for name in part.true_names()]
        return [self._name()] if self.evaluation_result and self.condition_type else []

    def _name(self) -> str:
        parameters = dict(self.condition_parameters or {})
        parameters.pop("ImportantFormKeyAliases", None)
        subjects = [parameters.pop(key, None) for key in ("ImportantFormKey", "ModerationLabelName")]
        told = [subject for subject in subjects if isinstance(subject, str)]
        told += [f"{key}={value}" for key, value in sorted(parameters.items())]
        name = f"{self.condition_type}({', '.join(told)})" if told else str(self.condition_type)
        return name[:LONGEST_CONDITION]


class Conditions(_Tolerant):
    """The activation conditions of the flow definition, each with its result."""

    conditions: list[Condition] | None = Field(
        default=None, validation_alias=AliasChoices("Conditions", "conditions")
    )


class IdentityData(_Tolerant):
    """Who a worker of a private workforce is."""

    identity_provider_type: str | None = None


class WorkerMetadata(_Tolerant):
    """What is known of a worker of a private workforce."""

    identity_data: IdentityData | None = None


def _possible_time(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= LONGEST_TASK else None


class Answer(_Tolerant):
    """One worker's part of a review.

    Attributes:
        content: The whole `answerContent`, as it stands in the document.
        elements: What the worker filled in, by the crowd element's name.
        blocks: The blocks of a Textract review; None if the worker's page did not ask for them.
        moderation_labels: The labels of a Rekognition review, only those that apply; None likewise.
        acceptance_time: When the worker took the task. Before 2021 outputs have no such time.
        time_spent_in_seconds: How long the worker was at it, without breaks; None, too, where the document
            has a time that cannot be: below 0, or above `LONGEST_TASK`.
    """

    content: str
    elements: dict[str, Element]
    blocks: tuple[Block, ...] | None = None
    moderation_labels: tuple[ModerationLabel, ...] | None = None
    submission_time: UtcTime
    acceptance_time: UtcTime | None = None
    time_spent_in_seconds: Annotated[float | None, AfterValidator(_possible_time)] = None
    worker_id: str | None = None
    worker_metadata: WorkerMetadata | None = None

    @property
    def identity_provider(self) -> str | None:
        """The provider of the worker's identity: "Cognito" or "Oidc"; None if not of a private workforce."""
        data = self.worker_metadata.identity_data if self.worker_metadata else None
        return data.identity_provider_type if data else None


class Output(_Tolerant):
    """A human loop's output.

    Attributes:
        raw: The document, byte for byte.
        input_content: Of a custom task, what the loop was started with; else what is not told below.
        ai_service_response: All that the AI service predicted; None for custom tasks.
        selected_ai_service_response: The part of it that people were asked about; None if not told.
    """

    raw: bytes = Field(repr=False, exclude=True)
    task_type: TaskType
    human_loop_name: str | None = None
    flow_definition_arn: str | None = None
    human_answers: list[Answer]
    input_content: Any = None
    ai_service_response: Prediction | None = None
    selected_ai_service_response: Prediction | None = None
    human_task_activation_condition_results: Conditions | None = None

    @property
    def activation_conditions(self) -> list[str]:
        """Names of the conditions that were true, in their order, each once."""
        results = self.human_task_activation_condition_results
        names = [
            name for condition in (results and results.conditions) or () for name in condition.true_names()
        ]
        return list(dict.fromkeys(names))


_TASK_TYPES: dict[str, TaskType] = {TEXTRACT: "textract", REKOGNITION: "rekognition"}
_SOURCE = "awsManagedHumanLoopRequestSource"
_LABELS = ("moderationLabels", "ModerationLabels")


def _task_type(raw: bytes) -> TaskType:
    """Returns the kind of task, which has to be known before anything else is read.

    It is named at the top or, as the AI service's fields can be, under `inputContent`. There a custom task holds
    whatever its caller sent, so that a name that is not known says nothing.
    """
    reader = JsonReader(raw, DOCUMENT)
    within: TaskType = "custom"
    for key in reader.members():
        if key == _SOURCE:
            source = reader.value()
            if source is None:
                continue
            if not isinstance(source, str) or source not in _TASK_TYPES:
                known = ", ".join(_TASK_TYPES)
                raise reader.error(f"unknown kind of task {shortened(source)}; known are {known}")
            return _TASK_TYPES[source]
        if key == "inputContent" and reader.peek() == "{":
            for inner in reader.members():
                if inner == _SOURCE and reader.peek() == '"':
                    within = _TASK_TYPES.get(reader.value(), within)
                else:
                    reader.text()
        else:
            reader.text()
    return within


def _read_input_content(reader: JsonReader) -> tuple[dict[str, Any], dict[str, Any]]:
    """Takes a built-in task's input; returns the fields of the AI service apart from the rest of it."""
    rest: dict[str, Any] = {}
    service: dict[str, Any] = {}
    for key in reader.members():
        if key in _SERVICE_FIELDS:
            service[key] = _SERVICE_FIELDS[key](reader)
        else:
            rest[key] = reader.value()
    return rest, service


def _read_prediction(reader: JsonReader) -> Prediction | None:
    if reader.peek() == "n":
        return cast(None, reader.value())
    fields: dict[str, Any] = {}
    path = reader.path
    for key in reader.members():
        if key == "blocks" and reader.peek() != "n":
            block = _adapter(Block)
            fields[key] = [reader.read(block) for _ in reader.elements()]
        elif key in _LABELS and reader.peek() != "n":
            label = _adapter(ModerationLabel)
            fields[_LABELS[0]] = [reader.read(label) for _ in reader.elements()]
        else:
            fields[key] = reader.value()
    return _validated(Prediction, fields, path)


def _read_conditions(reader: JsonReader) -> Conditions | None:
    return None if reader.peek() == "n" and reader.value() is None else reader.read(_adapter(Conditions))


@cache
def _adapter(model: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(model)


_SERVICE_FIELDS: dict[str, Callable[[JsonReader], Prediction | Conditions | None]] = {
    "aiServiceResponse": _read_prediction,
    "selectedAiServiceResponse": _read_prediction,
    "humanTaskActivationConditionResults": _read_conditions,
}


def _read_answer(reader: JsonReader, task_type: TaskType) -> Answer:
    fields: dict[str, Any] = {}
    content: dict[str, Any] | None = None
    path = reader.path
    for key in reader.members():
        if key == "answerContent":
            content = _read_content(reader, task_type)
        else:
            fields[key] = reader.value()
    if content is None:
        raise InvalidDocument(DOCUMENT, f"{path}.answerContent", "missing")
    # Ours come last: a key of the document must not take their place.
    return _validated(Answer, fields | content, path)


def _read_content(reader: JsonReader, task_type: TaskType) -> dict[str, Any]:
    start = reader.at
    elements: dict[str, Any] = {}
    blocks, labels = None, None
    for key in reader.members():
        if _TASK_TYPES.get(key) == task_type:
            said = _read_prediction(reader) or Prediction()
            blocks, labels = said.blocks or (), said.moderation_labels or ()
        else:
            from lambdas.reviews.comparison.elements import parse_element

            elements[key] = parse_element(reader.value())
    content = reader.raw[start : reader.at].decode().rstrip()
    return {"content": content, "elements": elements, "blocks": blocks, "moderationLabels": labels}


def _validated(model: type[M], fields: dict[str, Any], path: str) -> M:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidDocument.of(error, DOCUMENT, path) from None
