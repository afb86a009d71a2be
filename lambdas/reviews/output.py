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

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from lambdas.reviews.errors import InvalidDocument, shortened
from lambdas.reviews.json_reader import JsonReader
from lambdas.reviews.record import TaskType
from lambdas.reviews.service_parts import (
    DOCUMENT,
    Block,
    Conditions,
    ModerationLabel,
    Prediction,
    Tolerant,
    read_conditions,
    read_labels,
    read_prediction,
    validated,
)
from lambdas.reviews.times import UtcTime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambdas.reviews.comparison.elements import Element
else:
    Element = Any  # outputs without crowd elements do not need to import their models

__all__ = [
    "DOCUMENT",
    "MAX_TASK_SECONDS",
    "REKOGNITION",
    "TEXTRACT",
    "Answer",
    "Output",
    "parse_output",
]

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
    unreadable = 0
    for key in reader.members():
        if key == "humanAnswers":
            fields[key], unreadable = _read_answers(reader, task_type)
        elif key == "inputContent" and task_type != "custom" and reader.peek() == "{":
            fields[key], within = _read_input_content(reader)
            service |= {name: value for name, value in within.items() if value is not None}
        elif key in _SERVICE_FIELDS and task_type != "custom":
            value = _SERVICE_FIELDS[key](reader)
            if value is not None:
                service.setdefault(key, value)
        elif key not in _SERVICE_FIELDS:
            fields[key] = reader.value_or_none()
    reader.expect_end()
    # Our own keys come last, so that keys of the document cannot replace them.
    own = {"raw": raw, "taskType": task_type, "unreadableAnswers": unreadable}
    return validated(Output, fields | service | own, "$")


class IdentityData(Tolerant):
    """The identity of a worker of a private workforce.

    Attributes:
        identity_provider_type: "Cognito" or "Oidc".
        issuer: Who vouches for the worker, such as the URL of a Cognito user pool.
        sub: The worker's id there, the `sub` of its tokens.
    """

    identity_provider_type: str | None = None
    issuer: str | None = None
    sub: str | None = None


class WorkerMetadata(Tolerant):
    """The metadata of a worker of a private workforce."""

    identity_data: IdentityData | None = None


def _no_switch(value: Any) -> Any:
    return None if isinstance(value, bool) else value  # pydantic would take true as one second


def _possible_time(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 <= seconds <= MAX_TASK_SECONDS else None


class Answer(Tolerant):
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


class Output(Tolerant):
    """A human loop's output.

    Attributes:
        raw: The document, byte for byte.
        unreadable_answers: The number of answers that were left out, because they have no readable content.
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
    unreadable_answers: int = 0
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


def _task_type(raw: bytes) -> TaskType:
    """Returns the kind of task, which must be known before the rest of the document is read.

    It is at the top level or, like the fields of the AI service, under `inputContent`. There, an unknown name is not an
    error: the input of a custom task can contain anything.
    """
    reader = JsonReader(raw, DOCUMENT)
    within: TaskType = "custom"
    for key in reader.members():
        if key == _SOURCE:
            source = reader.value_or_none()
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
            rest[key] = reader.value_or_none()
    return rest, service


_SERVICE_FIELDS: dict[str, Callable[[JsonReader], Prediction | Conditions | None]] = {
    "aiServiceResponse": read_prediction,
    "selectedAiServiceResponse": read_prediction,
    "humanTaskActivationConditionResults": read_conditions,
}


def _read_answers(reader: JsonReader, task_type: TaskType) -> tuple[list[Answer], int]:
    """Returns the answers, and the number of those that cannot be read."""
    if reader.peek() != "[":
        raise InvalidDocument(DOCUMENT, reader.path, "expected a list")
    answers: list[Answer] = []
    problems: list[InvalidDocument] = []
    for _ in reader.elements():
        try:
            answers.append(_read_answer(reader, task_type))
        except _UnreadableAnswer as error:
            problems.append(InvalidDocument(DOCUMENT, *error.args))
    if problems and not answers:
        raise problems[0]
    return answers, len(problems)


class _UnreadableAnswer(Exception):
    """An answer without readable content, after it was read. Its arguments are the place and the problem."""


def _read_answer(reader: JsonReader, task_type: TaskType) -> Answer:
    path = reader.path
    if reader.peek() != "{":
        reader.value_or_none()
        raise _UnreadableAnswer(path, "expected an object")
    fields: dict[str, Any] = {}
    content: dict[str, Any] | _UnreadableAnswer = _UnreadableAnswer(f"{path}.answerContent", "missing")
    for key in reader.members():
        if key != "answerContent":
            fields[key] = reader.value_or_none()
        elif reader.peek() == "{":
            content = _read_content(reader, task_type)
        else:
            reader.value_or_none()
            content = _UnreadableAnswer(f"{path}.answerContent", "expected an object")
    if isinstance(content, _UnreadableAnswer):
        raise content
    # Our own keys come last, so that keys of the document cannot replace them.
    return validated(Answer, fields | content, path)


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
                labels, is_partial = read_labels(reader)
                continue
            given = read_prediction(reader) or Prediction()
            given_lists = {"textract": given.blocks, "rekognition": given.moderation_labels}
            if given.is_odd:
                problem = _UnreadableAnswer(path, f"expected an object with a list of {_LISTS[task_type]}")
            blocks, labels = given.blocks or (), given.moderation_labels or ()
            # Without a list, nothing is known. With an empty list, the worker says that nothing applies.
            is_partial = given.is_partial or given_lists.get(task_type) is None
        else:
            from lambdas.reviews.comparison.elements import parse_element

            try:
                elements[key] = parse_element(reader.value())
            except RecursionError:
                problem = _UnreadableAnswer(reader.path, "nested too deeply")
    content = reader.raw[start : reader.at].decode().rstrip()
    return problem or {
        "content": content,
        "elements": elements,
        "blocks": blocks,
        "moderationLabels": labels,
        "isPartial": is_partial,
    }
