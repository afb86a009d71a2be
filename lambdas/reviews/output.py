"""The output of a human loop: `output.json`, with the prediction and the answers of the workers.

There are three kinds of tasks: Textract forms, Rekognition moderation, and custom tasks. The request and the response
of the AI service are under `inputContent`; in documents of 2020, at the top level. Moderation labels are under
`moderationLabels` or `ModerationLabels`. `Output.raw` keeps the complete document with all unknown fields.

Source: "Amazon A2I Output Data", Amazon SageMaker Developer Guide.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
)
from pydantic.alias_generators import to_camel, to_pascal
from pydantic.dataclasses import dataclass

from lambdas.reviews.errors import InvalidDocument, shortened
from lambdas.reviews.json_reader import JsonReader
from lambdas.reviews.record import TaskType
from lambdas.reviews.times import UtcTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdas.reviews.comparison.elements import Element
else:
    Element = Any  # outputs without crowd elements do not need to import their models

M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

DOCUMENT = "output.json"

MAX_CONDITION_LENGTH = 300
"""The maximum length of a condition's name. Names are part of the state, whose size is limited."""

TEXTRACT = "AWS/Textract/AnalyzeDocument/Forms/V1"
REKOGNITION = "AWS/Rekognition/DetectModerationLabels/Image/V3"

MAX_TASK_SECONDS = 30 * 24 * 60 * 60
"""30 days, the longest time for which a flow definition can make a task available."""


def parse_output(raw: bytes) -> Output:
    """Parses an output.

    Needs about twice the size of the document in memory, including the document, and linear time.

    Raises:
        InvalidDocument: The document is not JSON, not an output, or of an unknown kind of task. The message says where.
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
            service |= {name: value for name, value in within.items() if value is not None}
        elif key in _SERVICE_FIELDS and task_type != "custom":
            value = _SERVICE_FIELDS[key](reader)
            if value is not None:
                service.setdefault(key, value)
        elif key not in _SERVICE_FIELDS:
            fields[key] = reader.value()
    reader.expect_end()
    # Our own keys come last, so that keys of the document cannot replace them.
    return _validated(Output, fields | service | {"raw": raw, "taskType": task_type}, "$")


class _Tolerant(BaseModel):
    # defer_build: a process builds only the models of the tasks that it handles.
    model_config = ConfigDict(
        alias_generator=to_camel, extra="allow", frozen=True, hide_input_in_errors=True, defer_build=True
    )


_SLOTTED = ConfigDict(alias_generator=to_camel, extra="ignore", hide_input_in_errors=True, defer_build=True)


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
    """

    id: str
    block_type: str
    confidence: FiniteFloat | None = None
    text: str | None = None
    entity_types: tuple[str, ...] | None = None
    relationships: tuple[Relationship, ...] | None = None
    selection_status: str | None = None

    def related(self, kind: str) -> list[str]:
        """Returns the ids of the related blocks, by type of relationship."""
        return [id_ for relation in self.relationships or () if relation.type == kind for id_ in relation.ids]


class _EitherCase(_Tolerant):
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
    confidence: FiniteFloat | None = None


class Prediction(_Tolerant):
    """The response of an AI service: the blocks of a form, or the moderation labels of an image."""

    blocks: tuple[Block, ...] | None = None
    moderation_labels: tuple[ModerationLabel, ...] | None = None


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


class IdentityData(_Tolerant):
    """The identity of a worker of a private workforce."""

    identity_provider_type: str | None = None


class WorkerMetadata(_Tolerant):
    """The metadata of a worker of a private workforce."""

    identity_data: IdentityData | None = None


def _possible_time(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= MAX_TASK_SECONDS else None


class Answer(_Tolerant):
    """One worker's part of a review.

    Attributes:
        content: The complete `answerContent`, unchanged.
        elements: The values of the crowd elements, by name.
        blocks: The blocks of a Textract review; None if the worker's page did not ask for them.
        moderation_labels: The labels that apply in a Rekognition review; None if the page did not ask for them.
        acceptance_time: When the worker accepted the task; None before 2021.
        time_spent_in_seconds: Working time without breaks; None before 2021, or if the value is impossible:
            negative, or more than `MAX_TASK_SECONDS`.
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
        """The identity provider, "Cognito" or "Oidc"; None without a private workforce."""
        data = self.worker_metadata.identity_data if self.worker_metadata else None
        return data.identity_provider_type if data else None


class Output(_Tolerant):
    """A human loop's output.

    Attributes:
        raw: The document, byte for byte.
        input_content: For a custom task, the input of the loop. Otherwise the rest of `inputContent`, without the
            fields below.
        ai_service_response: The complete prediction of the AI service; None for custom tasks.
        selected_ai_service_response: The part of it that workers reviewed; None if the document does not have it.
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
        """Names of the conditions that were met, in order, without duplicates."""
        results = self.human_task_activation_condition_results
        names = [
            name for condition in (results and results.conditions) or () for name in condition.true_names()
        ]
        return list(dict.fromkeys(names))


_TASK_TYPES: dict[str, TaskType] = {TEXTRACT: "textract", REKOGNITION: "rekognition"}
_SOURCE = "awsManagedHumanLoopRequestSource"
_LABELS = ("moderationLabels", "ModerationLabels")


def _task_type(raw: bytes) -> TaskType:
    """Returns the kind of task, which must be known before the rest of the document is read.

    It is at the top level or, like the fields of the AI service, under `inputContent`. There, an unknown name is not an
    error: the input of a custom task can contain anything.
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
                raise reader.error(f"unknown kind of task {shortened(source)}; the known kinds are {known}")
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
    """Reads the input of a built-in task. Returns the other fields, and the fields of the AI service."""
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
    # Our own keys come last, so that keys of the document cannot replace them.
    return _validated(Answer, fields | content, path)


def _read_content(reader: JsonReader, task_type: TaskType) -> dict[str, Any]:
    start = reader.at
    elements: dict[str, Any] = {}
    blocks, labels = None, None
    for key in reader.members():
        if _TASK_TYPES.get(key) == task_type:
            given = _read_prediction(reader) or Prediction()
            blocks, labels = given.blocks or (), given.moderation_labels or ()
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
