"""The output of a human loop: `output.json`, with the prediction and the answers of the workers.

There are three kinds of tasks: Textract forms, Rekognition moderation, and custom tasks. The request and the response
of the AI service are under `inputContent`; in documents of 2020, at the top level. Moderation labels are under
`moderationLabels` or `ModerationLabels`. `Output.raw` keeps the complete document with all unknown fields.

One odd value costs its field, not the review: a value of the wrong type, an impossible number or a broken reference is
left out. What depended on it is not compared. An answer without readable content is left out. A document that is not
JSON, is of an unknown kind, or has no readable answer although it has answers, is refused.

Source: "Amazon A2I Output Data", Amazon SageMaker Developer Guide.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic.alias_generators import to_camel, to_pascal
from pydantic.dataclasses import dataclass

from lambdas.reviews.errors import InvalidDocument, shortened
from lambdas.reviews.json_reader import JsonReader
from lambdas.reviews.record import TaskType
from lambdas.reviews.times import UtcTime
from lambdas.reviews.tolerant import tolerate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        InvalidDocument: The document is not JSON, not an output, or of an unknown kind of task, or none of its answers
            can be read. The message says where.
    """
    reader = JsonReader(raw, DOCUMENT)
    if not reader.peek():
        raise reader.error("the document is empty")
    task_type = _task_type(raw)
    fields: dict[str, Any] = {}
    service: dict[str, Any] = {}
    for key in reader.members():
        if key == "humanAnswers":
            fields[key] = _read_answers(reader, task_type)
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
    confidence: Confidence = None


class Prediction(_Tolerant):
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


class IdentityData(_Tolerant):
    """The identity of a worker of a private workforce.

    Attributes:
        identity_provider_type: "Cognito" or "Oidc".
        issuer: Who vouches for the worker, such as the URL of a Cognito user pool.
        sub: The worker's id there, the `sub` of its tokens.
    """

    identity_provider_type: str | None = None
    issuer: str | None = None
    sub: str | None = None


class WorkerMetadata(_Tolerant):
    """The metadata of a worker of a private workforce."""

    identity_data: IdentityData | None = None


def _no_switch(value: Any) -> Any:
    return None if isinstance(value, bool) else value  # pydantic would take true as one second


def _possible_time(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= MAX_TASK_SECONDS else None


class Answer(_Tolerant):
    """One worker's part of a review.

    Attributes:
        content: The complete `answerContent`, unchanged.
        elements: The values of the crowd elements, by name.
        blocks: The blocks of a Textract review; None if the worker's page did not ask for them.
        moderation_labels: The labels that apply in a Rekognition review; None if the page did not ask for them.
        is_partial: Whether some of these blocks or labels are left out, because they cannot be read.
        submission_time: When the worker submitted the answer; None if the value is impossible.
        acceptance_time: When the worker accepted the task; None before 2021.
        time_spent_in_seconds: Working time without breaks; None before 2021, or if the value is impossible:
            negative, or more than `MAX_TASK_SECONDS`.
    """

    content: str
    elements: dict[str, Element]
    blocks: tuple[Block, ...] | None = None
    moderation_labels: tuple[ModerationLabel, ...] | None = None
    is_partial: bool = False
    submission_time: UtcTime | None = None
    acceptance_time: UtcTime | None = None
    time_spent_in_seconds: Annotated[
        float | None, BeforeValidator(_no_switch), AfterValidator(_possible_time)
    ] = None
    worker_id: str | None = None
    worker_metadata: WorkerMetadata | None = None

    @property
    def identity(self) -> IdentityData:
        """The identity of the worker; empty without a private workforce."""
        data = self.worker_metadata.identity_data if self.worker_metadata else None
        return data or IdentityData()


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

    @property
    def important_form_keys(self) -> list[dict[str, Any]]:
        """The important form keys with their aliases: parameters of conditions, and keys that the page offers."""
        results = self.human_task_activation_condition_results
        found = [
            parameters
            for condition in (results and results.conditions) or ()
            for parameters in condition.all_parameters()
        ]
        within = self.input_content if isinstance(self.input_content, dict) else {}
        context = within.get("humanLoopContext") or (self.model_extra or {}).get("humanLoopContext")
        offered = context.get("importantFormKeys") if isinstance(context, dict) else None
        return (
            found + [key for key in offered if isinstance(key, dict)] if isinstance(offered, list) else found
        )


_TASK_TYPES: dict[str, TaskType] = {TEXTRACT: "textract", REKOGNITION: "rekognition"}
_SOURCE = "awsManagedHumanLoopRequestSource"
_LISTS: dict[TaskType, str] = {"textract": "blocks", "rekognition": "moderation labels"}
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
    if reader.peek() != "{":
        return None if reader.value() is None else Prediction.model_validate({"isOdd": True})
    fields: dict[str, Any] = {}
    odd = {"isOdd": False, "isPartial": False}
    path = reader.path
    for key in reader.members():
        if key == "blocks" or key in _LABELS:
            if reader.peek() == "[":
                read, name = (_read_blocks, key) if key == "blocks" else (_read_labels, _LABELS[0])
                fields[name], odd["isPartial"] = read(reader)
            elif reader.value() is not None:
                odd["isOdd"] = True
        else:
            fields[key] = reader.value()
    return _validated(Prediction, fields | odd, path)


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


def _read_labels(reader: JsonReader) -> tuple[list[ModerationLabel], bool]:
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
            name = reader.value()
            label = ModerationLabel(name=" ".join(name.split())) if isinstance(name, str) else None
        if label and label.name:
            labels.append(label)
        else:
            is_partial = True
    return labels, is_partial


def _read_conditions(reader: JsonReader) -> Conditions | None:
    return reader.read(_adapter(Conditions)).value


@cache
def _adapter(model: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(model)


_SERVICE_FIELDS: dict[str, Callable[[JsonReader], Prediction | Conditions | None]] = {
    "aiServiceResponse": _read_prediction,
    "selectedAiServiceResponse": _read_prediction,
    "humanTaskActivationConditionResults": _read_conditions,
}


def _read_answers(reader: JsonReader, task_type: TaskType) -> list[Answer]:
    if reader.peek() != "[":
        raise InvalidDocument(DOCUMENT, reader.path, "expected a list")
    answers: list[Answer] = []
    problem: InvalidDocument | None = None
    for _ in reader.elements():
        try:
            answers.append(_read_answer(reader, task_type))
        except _UnreadableAnswer as error:
            problem = problem or InvalidDocument(DOCUMENT, *error.args)
    if problem and not answers:
        raise problem
    return answers


class _UnreadableAnswer(Exception):
    """An answer without readable content, after it was read. Its arguments are the place and the problem."""


def _read_answer(reader: JsonReader, task_type: TaskType) -> Answer:
    path = reader.path
    if reader.peek() != "{":
        reader.value()
        raise _UnreadableAnswer(path, "expected an object")
    fields: dict[str, Any] = {}
    content: dict[str, Any] | _UnreadableAnswer = _UnreadableAnswer(f"{path}.answerContent", "missing")
    for key in reader.members():
        if key != "answerContent":
            fields[key] = reader.value()
        elif reader.peek() == "{":
            content = _read_content(reader, task_type)
        else:
            reader.value()
            content = _UnreadableAnswer(f"{path}.answerContent", "expected an object")
    if isinstance(content, _UnreadableAnswer):
        raise content
    # Our own keys come last, so that keys of the document cannot replace them.
    return _validated(Answer, fields | content, path)


def _read_content(reader: JsonReader, task_type: TaskType) -> dict[str, Any] | _UnreadableAnswer:
    start = reader.at
    elements: dict[str, Any] = {}
    blocks: Sequence[Block] | None = None
    labels: Sequence[ModerationLabel] | None = None
    is_partial, problem = False, None
    for key in reader.members():
        if _TASK_TYPES.get(key) == task_type:
            path = reader.path
            if task_type == "rekognition" and reader.peek() == "[":
                labels, is_partial = _read_labels(reader)
                continue
            given = _read_prediction(reader) or Prediction()
            given_lists = {"textract": given.blocks, "rekognition": given.moderation_labels}
            if given.is_odd:
                problem = _UnreadableAnswer(path, f"expected an object with a list of {_LISTS[task_type]}")
            blocks, labels = given.blocks or (), given.moderation_labels or ()
            # Without a list, nothing is known. With an empty list, the worker says that nothing applies.
            is_partial = given.is_partial or given_lists.get(task_type) is None
        else:
            from lambdas.reviews.comparison.elements import parse_element

            elements[key] = parse_element(reader.value())
    content = reader.raw[start : reader.at].decode().rstrip()
    return problem or {
        "content": content,
        "elements": elements,
        "blocks": blocks,
        "moderationLabels": labels,
        "isPartial": is_partial,
    }


def _validated(model: type[M], fields: dict[str, Any], path: str) -> M:
    """Returns the model of what is valid in the fields."""
    found = tolerate(model.model_validate, fields).value
    if found is None:
        try:
            return model.model_validate(fields)
        except ValidationError as error:
            # Not `from error`: a traceback in the logs would quote the document, which can contain personal data.
            raise InvalidDocument.of(error, DOCUMENT, path) from None
    return found
