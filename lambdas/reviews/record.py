"""The review record: what is kept of a review, queried and reported on.

One JSON object on one line, snake_case, so that its keys are plain columns in Athena. Values that differ in
type from field to field are JSON texts. A record follows from the event and the output alone, so that
storing it again stores the same bytes under the same key.
"""

from __future__ import annotations

import re
import types
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from lambdas.reviews.times import in_utc

TaskType = Literal["custom", "textract", "rekognition"]

Outcome = Literal["kept", "changed", "added", "removed", "unresolved", "answered"]
"""What became of a field.

kept: People left the prediction as it was.
changed: They gave it another value.
added: They said something where the model, asked for this kind of thing, said nothing.
removed: They took away what it said.
unresolved: Several workers, no majority.
answered: There was no prediction to compare with.
"""

OVERRULED: frozenset[Outcome] = frozenset({"changed", "added", "removed"})
"""The outcomes in which people overruled the model."""

Kind = Literal["text", "selection", "label", "labels", "box", "span", "keypoint", "polygon", "other"]
"""What a field holds: free text; a box that is checked or not; the one label of a classification; one of
the labels of a set; a bounding box; an entity; a point; a polygon; anything else, as it was."""

DRAWN: frozenset[Kind] = frozenset({"box", "span", "keypoint", "polygon"})
"""The kinds that people draw: any number of such fields can have one name, two dogs are two boxes "animals/dog"."""


def _to_millisecond(moment: datetime) -> datetime:
    moment = in_utc(moment)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _iso(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


Moment = Annotated[
    datetime, AfterValidator(_to_millisecond), PlainSerializer(_iso, return_type=str, when_used="json")
]
"""A time in UTC, stored as 2026-01-31T08:15:00.000Z: as text it sorts as it does in time."""

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswerRecord(_Part):
    """One worker's part of a review, in the order of submission.

    Attributes:
        worker_id: As the stage's `worker_identity` says: the id, a pseudonym, or None.
        identity_provider: Of a private workforce: "Cognito" or "Oidc".
        accepted_at: When the worker took the task; None before 2021.
        submitted_at: When the worker was done.
        seconds_spent: How long the worker was at it, in seconds; None before 2021, or if A2I's figure
            cannot be.
        content: The worker's `answerContent`, as the JSON text that A2I wrote.
    """

    worker_id: str | None = None
    identity_provider: str | None = None
    accepted_at: Moment | None = None
    submitted_at: Moment
    seconds_spent: float | None = None
    content: str


class Vote(_Part):
    """How many workers gave a value.

    Attributes:
        value: JSON text; None: nothing was said of the field.
        count: How many workers gave it.
    """

    value: str | None
    count: int


class WorkerField(_Part):
    """What one worker did with a field.

    Attributes:
        worker_index: Place in the record's `answers`, from 0.
        value: JSON text; None: nothing was said of the field.
        outcome: What became of the prediction by this worker's answer.
    """

    worker_index: int
    value: str | None
    outcome: Outcome


class FieldRecord(_Part):
    """One field of a review: what the model predicted, and what people said.

    Attributes:
        name: What the field is called, the same in every review of a flow definition: a form's key
            ("Date of birth"), a label with its parents ("Violence/Weapons"), a crowd element
            ("category"), or an element and a label ("annotatedResult/dog"). A review can have several
            fields of one name: two boxes around two dogs, two keys that read the same.
        kind: What the field holds.
        predicted: The prediction, as JSON text; None if there was none.
        confidence: The model's, from 0 to 1; None if it is not known.
        reviewed: The value that most workers agree on, as JSON text; None if they agree on nothing
            being there, or if they are tied (see `outcome`).
        outcome: What became of the prediction.
        votes: Most votes first.
        agreement: The share of workers that gave the most frequent value; None for fewer than two.
        per_worker: What each worker did.
    """

    name: str
    kind: Kind
    predicted: str | None
    confidence: Share | None
    reviewed: str | None
    outcome: Outcome
    votes: list[Vote]
    agreement: Share | None
    per_worker: list[WorkerField]


class ReviewRecord(_Part):
    """One review.

    Attributes:
        schema_version: It goes up when a key changes its meaning.
        human_loop_name: The loop's.
        flow_definition: The flow definition's name; a partition of the table.
        flow_definition_arn: The flow definition's ARN.
        status: Completed, or Stopped with the answers that were given until then.
        created_at: When the human loop was created; the day of it is the record's partition.
        completed_at: The last submission; None without answers.
        task_type: custom, textract or rekognition.
        output_location: A2I's `output.json`, `s3://…`.
        activation_conditions: Names of the conditions that were true, for example
            "ModerationLabelConfidenceCheck(Suggestive, ConfidenceLessThan=98)".
        answers: One for each worker, in the order of submission.
        fields: One for each thing that was predicted or said.
        agreement: The mean over the fields; None for fewer than two answers.
        overruled: Whether people changed, added or removed anything. A tie is not an overruling.
        seconds_spent: The sum over the answers, in seconds; None if no answer tells.
    """

    schema_version: Literal[1] = 1
    human_loop_name: str
    flow_definition: str
    flow_definition_arn: str
    status: Literal["Completed", "Stopped"]
    created_at: Moment
    completed_at: Moment | None
    task_type: TaskType
    output_location: str
    activation_conditions: list[str]
    answers: list[AnswerRecord]
    fields: list[FieldRecord]
    agreement: Share | None
    overruled: bool
    seconds_spent: float | None

    @property
    def key(self) -> str:
        """The key of the record's object: the same review always gets the same one."""
        created = self.created_at
        return (
            f"reviews/flow_definition={self.flow_definition}/date={created.date().isoformat()}/"
            f"{self.human_loop_name}-{re.sub('[-:.]', '', _iso(created))}.json"
        )

    def to_line(self) -> bytes:
        """Returns the record as the bytes of its object: one line of compact JSON, in UTF-8."""
        return self.model_dump_json().encode() + b"\n"


def hive_columns(model: type[BaseModel] = ReviewRecord) -> dict[str, str]:
    """Returns the record's columns and their types as Hive (Glue, Athena) writes them, in order.

    `flow_definition` is among them in the record, but a table takes it, with `date`, from the partition.
    """
    return {name: _hive_type(field.annotation) for name, field in model.model_fields.items()}


_HIVE_TYPES = {str: "string", datetime: "string", int: "int", float: "double", bool: "boolean"}


def _hive_type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _hive_type(next(argument for argument in arguments if argument is not type(None)))
    if origin is Annotated:
        return _hive_type(arguments[0])
    if origin is Literal:
        return _HIVE_TYPES[type(arguments[0])]
    if origin is list:
        return f"array<{_hive_type(arguments[0])}>"
    if issubclass(annotation, BaseModel):
        return f"struct<{','.join(f'{name}:{kind}' for name, kind in hive_columns(annotation).items())}>"
    return _HIVE_TYPES[annotation]
