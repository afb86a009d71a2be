"""The review record, which is stored in S3 and queried with Athena.

A record is one line of JSON with snake_case keys, which are column names in Athena. Values whose type differs from
field to field are JSON texts. A record depends only on the event, the output, and the code and the settings that it
names in `made_by`: with the same ones, storing it again writes the same bytes to the same key.

How the record may change:

- A new key, or a new kind of field, keeps the version. A new key has a default, which it also has in records that were
  stored before. Readers ignore keys that they do not know, and read a kind that they do not know as `other`.
- Anything else raises the version: another meaning or type of a key, a key that is no longer written, a new outcome,
  status or type of task. Readers keep reading all older versions, and refuse newer ones with a message.

`read_review` is how all code reads whole records.
"""

from __future__ import annotations

import re
import types
from datetime import datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
)

from lambdas.reviews.errors import InvalidDocument, shortened
from lambdas.reviews.location import S3Location
from lambdas.reviews.times import in_utc, timestamp

SCHEMA_VERSION = 1
"""The version of the records that are written. All versions up to this one can be read."""

TaskType = Literal["custom", "textract", "rekognition"]

Outcome = Literal["kept", "changed", "added", "removed", "unresolved", "answered"]
"""The result of comparing a field.

kept: The workers kept the predicted value.
changed: The workers gave another value.
added: The workers gave a value, and the model predicted none, although it predicts this kind of field.
removed: The workers removed the predicted value.
unresolved: Several workers, and no value with a majority.
answered: There was no prediction to compare with.
"""

PredictionSource = Literal["service", "settings", "search"]
"""Where a prediction came from.

service: From Textract or Rekognition.
settings: From the place in `inputContent` that the settings name.
search: From one of the usual places, without a setting.
"""

OVERRULED: frozenset[Outcome] = frozenset({"changed", "added", "removed"})
"""The outcomes in which workers overruled the model."""

Kind = Literal[
    "text",
    "selection",
    "choice",
    "label",
    "labels",
    "box",
    "span",
    "keypoint",
    "polygon",
    "line",
    "segmentation",
    "other",
]
"""What a field contains: free text; a check box; the checked one of several buttons; the label of a classification; one
of several labels; a bounding box; a text span; a keypoint; a polygon; a line; a mask of an image; any other value,
unchanged."""

DRAWN: frozenset[Kind] = frozenset({"box", "span", "keypoint", "polygon", "line"})
"""The kinds that workers draw. Several fields can share a name: two dogs are two boxes "animals/dog"."""


WITH_SAMENESS: frozenset[Kind] = frozenset({"text", "label", "other"})
"""The kinds of which the settings of a field can say when two values are the same."""


def _to_millisecond(moment: datetime) -> datetime:
    moment = in_utc(moment)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


Moment = Annotated[
    datetime, AfterValidator(_to_millisecond), PlainSerializer(timestamp, return_type=str, when_used="json")
]
"""A time in UTC, stored as 2026-01-31T08:15:00.000Z. The texts sort like the times."""

Share = Annotated[float, Field(ge=0, le=1)]

_READING = {"reading": True}
"""The context of pydantic for a record that perhaps a later version of Afterloop wrote."""


def _known_kind(kind: Any, info: ValidationInfo) -> Any:
    is_unknown = info.context == _READING and isinstance(kind, str) and kind not in get_args(Kind)
    return "other" if is_unknown else kind


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class MadeBy(_Part):
    """Which code and which settings made a record. A record made by others can be made again: `reviews recompute`.

    Attributes:
        code: 12 hexadecimal digits, a digest of the source that compares.
        settings: 12 hexadecimal digits, a digest of the stage's settings for reviews of the flow definition.
    """

    code: str
    settings: str


class Segment(_Part):
    """A group that a review belongs to, according to the settings of its flow definition.

    Attributes:
        name: The name in the settings, such as "region".
        value: The value in the input of the loop; None if it has none.
    """

    name: str
    value: str | None


class AnswerRecord(_Part):
    """One worker's part of a review, in the order of submission.

    Attributes:
        worker_id: The worker's id, a pseudonym, or None, according to the stage's `worker_identity`.
        identity_provider: For a private workforce: "Cognito" or "Oidc".
        identity_issuer: For a private workforce: who vouches for the worker, such as the URL of a user pool; None if
            the stage's `worker_identity` is "drop".
        identity_subject: For a private workforce: the worker's id there (`sub`), a pseudonym, or None, like
            `worker_id`.
        accepted_at: When the worker accepted the task; None before 2021.
        submitted_at: When the worker submitted the answer. If A2I's value is impossible: when the worker accepted the
            task, or else when the human loop was created.
        seconds_spent: Working time in seconds; None before 2021, or if A2I's value is impossible.
        content: The worker's `answerContent`, as the JSON text that A2I wrote.
    """

    worker_id: str | None = None
    identity_provider: str | None = None
    accepted_at: Moment | None = None
    submitted_at: Moment
    seconds_spent: float | None = None
    content: str
    identity_issuer: str | None = None
    identity_subject: str | None = None


class Vote(_Part):
    """The number of workers who gave a value.

    Attributes:
        value: JSON text; None if the workers left the field empty.
        count: Number of workers.
    """

    value: str | None
    count: int


class WorkerField(_Part):
    """One worker's answer to a field.

    Attributes:
        worker_index: Position in the record's `answers`, from 0.
        value: JSON text; None if the worker left the field empty.
        outcome: The outcome if only this worker had answered.
        vote_index: Position in the field's `votes`, from 0, of the value that the worker voted for; None in earlier
            records.
    """

    worker_index: int
    value: str | None
    outcome: Outcome
    vote_index: int | None = None


class FieldRecord(_Part):
    """One field of a review: the prediction and the answers.

    Attributes:
        name: The name, the same in every review of a flow definition: the key of a form
            ("Date of birth"), a label with its parents ("Violence/Weapons"), a crowd element
            ("category"), or an element and a label ("annotatedResult/dog"). Several fields of a review can
            share a name: two boxes around two dogs, two equal keys. Of an element, label or key of more than 256
            characters in such a joined name, the end is a digest.
        kind: What the field contains.
        predicted: The prediction, as JSON text; None if there was none.
        confidence: The model's confidence, from 0 to 1; None if unknown.
        reviewed: The value with the most votes, as JSON text; None if most workers left the field empty, or
            in a tie (see `outcome`).
        outcome: The result of the comparison.
        votes: The values with their votes, most votes first.
        agreement: The share of workers who gave the most frequent value; None for fewer than two workers, and for
            masks of several workers that differ.
        per_worker: The answer of each worker.
        compared: Whether there was a prediction to compare with. It can be false for any outcome in a tie, and is
            always false for `answered`. In earlier records without this key, only `answered` is not compared.
        approximate: Whether the element had too many drawn shapes in one place to find the best matches among them.
            Then a shape can be in a field of its own, or in the field of another shape near it.
    """

    name: str
    kind: Annotated[Kind, BeforeValidator(_known_kind)]
    predicted: str | None
    confidence: Share | None
    reviewed: str | None
    outcome: Outcome
    votes: list[Vote]
    agreement: Share | None
    per_worker: list[WorkerField]
    compared: bool = Field(default_factory=lambda known: known.get("outcome") != "answered")
    approximate: bool = False


class ReviewRecord(_Part):
    """One review.

    Attributes:
        schema_version: Increases when the meaning of a key changes; a new key or kind keeps it.
        human_loop_name: The name of the human loop.
        flow_definition: The flow definition's name; a partition key of the table.
        flow_definition_arn: The flow definition's ARN.
        status: Completed, or Stopped with the answers given before the stop.
        created_at: When the human loop was created. Its date is a partition key of the table.
        completed_at: The time of the last submission; None without answers, or if it is unknown.
        task_type: custom, textract or rekognition.
        output_location: A2I's `output.json`, `s3://…`.
        activation_conditions: Names of the conditions that were met, for example
            "ModerationLabelConfidenceCheck(Suggestive, ConfidenceLessThan=98)".
        answers: One per worker, in the order of submission.
        fields: One per value that was predicted or given by a worker.
        agreement: The mean over the fields; None for fewer than two answers.
        overruled: Whether workers changed, added or removed anything. A tie does not count.
        seconds_spent: The total over the answers, in seconds; None if no answer has a time.
        invented: Whether the review is sample data. Reviews of human loops are not.
        prediction_source: Where the prediction came from; None if no field was compared, and in earlier records.
        made_by: Which code and which settings made the record; None in earlier records.
        model_version: The version of the model that made the prediction, from the place in the settings, or else from
            the response of Textract or Rekognition; None if it is unknown.
        document_id: What identifies the document, from the place in the settings, or else where Textract or
            Rekognition read it, `s3://…`; None if it is unknown.
        segments: The groups that the review belongs to, by the settings.
        unreadable_answers: The number of answers that could not be read. They are not among the answers.
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
    invented: bool = False
    prediction_source: PredictionSource | None = None
    made_by: MadeBy | None = None
    model_version: str | None = None
    document_id: str | None = None
    segments: list[Segment] = []
    unreadable_answers: int = 0

    @property
    def output(self) -> S3Location:
        """The location of the output."""
        return S3Location.parse(self.output_location)

    @property
    def key(self) -> str:
        """The key of the record's object in S3. It is always the same for the same review."""
        created = self.created_at
        return (
            f"reviews/flow_definition={self.flow_definition}/date={created.date().isoformat()}/"
            f"{self.human_loop_name}-{re.sub('[-:.]', '', timestamp(created))}.json"
        )

    def to_line(self) -> bytes:
        """Returns the content of the object: one line of compact JSON in UTF-8."""
        return self.model_dump_json().encode() + b"\n"


def read_review(content: bytes | str) -> ReviewRecord:
    """Returns a stored record of this version of Afterloop, an earlier or a later one.

    Keys that are missing have their defaults, unknown keys are ignored, and unknown kinds are read as `other`.

    Raises:
        InvalidDocument: The content is not a review record, or has a newer `schema_version`.
    """
    try:
        return ReviewRecord.model_validate_json(content, extra="ignore", context=_READING)
    except ValidationError as error:
        # A newer version explains all other problems.
        for problem in error.errors(include_url=False, include_context=False):
            if problem["loc"] == ("schema_version",):
                expect_known_version(problem["input"])
        raise InvalidDocument.of(error, "review record") from None


def expect_known_version(version: object) -> None:
    """Refuses a record with a newer `schema_version`: the meaning of some key has changed.

    Raises:
        InvalidDocument: The version is newer.
    """
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise InvalidDocument(
            "review record",
            "$.schema_version",
            f"a newer version of Afterloop wrote this record (version {shortened(version)}; this one reads up to "
            f"{SCHEMA_VERSION}); update Afterloop",
        )


def hive_columns(model: type[BaseModel] = ReviewRecord) -> dict[str, str]:
    """Returns the record's columns with their Hive types (Glue, Athena), in order.

    The table takes `flow_definition` from the partition, like `date`, and not from the record.
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
