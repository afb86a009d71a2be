"""What there is to show of a review.

JSON has the names in camelCase. Coordinates are percentages of the width and the height of the image, from its top left
corner, so that they fit the image however large it is shown.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from lambdas.reviews.record import Kind, Moment, Outcome, PredictionSource, TaskType

__all__ = [
    "DocumentView",
    "ImageView",
    "PieceView",
    "ReviewCounts",
    "ReviewRow",
    "ReviewView",
    "SegmentView",
    "ShapeView",
    "SpanView",
    "TextPart",
    "TextView",
    "ValueView",
    "VoteView",
    "WorkerAnswer",
    "WorkerView",
]

Who = Literal["prediction", "people", "both", "worker", "key", "value"]
"""What a mark is: the model's; the agreed answer; both, if they are the same; one worker's; or where Textract found the
key or the value of a pair, which nobody moves."""


class _View(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class TextPart(_View):
    """A part of a value's text.

    Attributes:
        text: The text.
        differs: Whether the other value has something else here.
    """

    text: str
    differs: bool = False


class ValueView(_View):
    """A value for people.

    Attributes:
        text: The value in words. Empty if `empty`.
        parts: The text in parts, if it differs from the other value; otherwise none.
        empty: Whether the field was left empty.
        shortened: How many characters of the value are left out.
    """

    text: str
    parts: list[TextPart] = []
    empty: bool = False
    shortened: int = 0


class VoteView(_View):
    """How many workers gave a value.

    Attributes:
        value: The value.
        count: Number of workers.
    """

    value: ValueView
    count: int


class WorkerAnswer(_View):
    """One worker's answer to a field.

    Attributes:
        worker: The worker's number, from 1.
        value: The answer.
        outcome: The outcome if only this worker had answered.
        agrees: Whether it is among the votes for the agreed value; None if there is none, or in earlier records.
    """

    worker: int
    value: ValueView
    outcome: Outcome
    agrees: bool | None


class ReviewRow(_View):
    """One field of a review.

    Attributes:
        number: The number of the field on the page, the image and the text, from 1: what needs a look comes first.
        name: The name of the field.
        kind: What the field contains.
        outcome: The result of the comparison.
        predicted: The prediction; None if there was none.
        confidence: The model's confidence, from 0 to 1; None if unknown.
        reviewed: The agreed answer; None in a tie.
        votes: The values with their votes, most votes first.
        answers: The answer of each worker.
        agreement: The share of workers who gave the most frequent value; None if it is unknown.
        compared: Whether there was a prediction to compare with.
        approximate: Whether there were too many shapes in one place to find the best matches among them.
        marked: Whether the field is marked on the image or in the text.
    """

    number: int
    name: str
    kind: Kind
    outcome: Outcome
    predicted: ValueView | None
    confidence: float | None
    reviewed: ValueView | None
    votes: list[VoteView]
    answers: list[WorkerAnswer]
    agreement: float | None
    compared: bool
    approximate: bool
    marked: bool = False


class WorkerView(_View):
    """One worker's part of a review.

    Attributes:
        number: The worker's number, from 1, in the order of submission.
        worker_id: The id, a pseudonym, or None, by the stage's `worker_identity`.
        identity_provider: Of a private workforce: "Cognito" or "Oidc".
        accepted_at: When the worker accepted the task; None if unknown.
        submitted_at: When the worker submitted the answer.
        seconds_spent: Working time in seconds; None if unknown.
        content: The worker's `answerContent`, as the JSON that A2I wrote; cut if it is long.
        shortened: How many characters of the content are left out.
    """

    number: int
    worker_id: str | None
    identity_provider: str | None
    accepted_at: Moment | None
    submitted_at: Moment
    seconds_spent: float | None
    content: str
    shortened: int = 0


class ReviewCounts(_View):
    """The number of fields of a review by outcome."""

    fields: int
    compared: int
    kept: int = 0
    changed: int = 0
    added: int = 0
    removed: int = 0
    unresolved: int = 0
    answered: int = 0
    approximate: int = 0


class DocumentView(_View):
    """What people reviewed, or another object that the input of the loop names.

    Attributes:
        index: Its number among the objects of the loop, from 0.
        location: `s3://bucket/key`, or a web address.
        named_in: Where the input names it, as a JSON path.
        media_type: What it is, by its first bytes; None if that is unknown.
        bytes: Its size; None if unknown.
        can_open: Whether the page can show it or offer it for download.
        problem: Why it cannot be shown, and what to do; None if it can.
    """

    index: int
    location: str
    named_in: str
    media_type: str | None = None
    bytes: int | None = None
    can_open: bool = False
    problem: str | None = None


class ShapeView(_View):
    """A shape on the image.

    Attributes:
        row: The number of its field.
        who: Whose it is.
        worker: The worker's number, if it is one worker's.
        form: A rectangle, by two opposite corners; a polygon; a line; or a point.
        points: x and y of each corner, in percent of the image.
        label: The label, or the name of the field.
        outcome: The outcome of its field.
    """

    row: int
    who: Who
    worker: int | None = None
    form: Literal["rectangle", "polygon", "line", "point"]
    points: list[tuple[float, float]]
    label: str
    outcome: Outcome

    @property
    def left(self) -> float:
        """The left end, in percent of the image's width."""
        return min(x for x, _ in self.points)

    @property
    def top(self) -> float:
        """The upper end, in percent of the image's height."""
        return min(y for _, y in self.points)

    @property
    def area(self) -> float:
        """The area of the rectangle around it, in square percent."""
        return (max(x for x, _ in self.points) - self.left) * (max(y for _, y in self.points) - self.top)


class ImageView(_View):
    """The image with what was marked on it.

    Attributes:
        document: The image; None if the input names none.
        width: The width in pixels; None if unknown.
        height: The height in pixels; None if unknown.
        shapes: The shapes of the shown fields.
        problems: Why some of them are not drawn.
    """

    document: DocumentView | None
    width: int | None
    height: int | None
    shapes: list[ShapeView]
    problems: list[str] = []

    @property
    def by_row(self) -> list[tuple[int, list[ShapeView]]]:
        """The shapes by the number of their field: large ones first, so that small ones are on top of them."""
        rows: dict[int, list[ShapeView]] = {}
        for shape in self.shapes:
            rows.setdefault(shape.row, []).append(shape)
        return sorted(rows.items(), key=lambda row: -max(shape.area for shape in row[1]))


class SpanView(_View):
    """A span of the text that begins with a piece.

    Attributes:
        row: The number of its field.
        who: Whose it is.
        worker: The worker's number, if it is one worker's.
        label: The label.
        outcome: The outcome of its field.
        first: Whether no span of its field begins before it.
    """

    row: int
    who: Who
    worker: int | None = None
    label: str
    outcome: Outcome
    first: bool = False


class PieceView(_View):
    """A piece of the text, which the same spans cover from its first to its last character.

    Attributes:
        text: The text.
        begins: The spans that begin here.
        rows: The numbers of the fields that cover it.
        who: Whose spans cover it.
    """

    text: str
    begins: list[SpanView] = []
    rows: list[int] = []
    who: list[Who] = []


class TextView(_View):
    """The text with the spans that were marked in it.

    Attributes:
        named_in: Where the input has the text, as a JSON path.
        pieces: The text in pieces.
        shortened: How many characters at the end are left out.
        problems: Why some spans are not marked.
    """

    named_in: str
    pieces: list[PieceView]
    shortened: int = 0
    problems: list[str] = []


class SegmentView(_View):
    """A group that the review belongs to, such as a region."""

    name: str
    value: str | None


class ReviewView(_View):
    """A review to look at.

    Attributes:
        location: The stored record, `s3://…`.
        output_location: A2I's `output.json`, `s3://…`.
        status: Completed, or Stopped with the answers given before the stop.
        task_type: custom, textract or rekognition.
        completed_at: The time of the last submission; None if unknown.
        prediction_source: Where the prediction came from; None if no field was compared.
        model_version: The version of the model; None if unknown.
        document_id: What identifies the document; None if unknown.
        segments: The groups that the review belongs to.
        activation_conditions: The names of the conditions that were met.
        invented: Whether the review is sample data.
        overruled: Whether people changed, added or removed anything.
        agreement: The mean over the fields, from 0 to 1; None for fewer than two answers.
        seconds_spent: The total over the answers, in seconds; None if unknown.
        unreadable_answers: The number of answers that could not be read.
        workers: Who answered.
        counts: The number of fields by outcome.
        rows: The shown fields, what needs a look first.
        first: The number of the first shown field.
        image: The image with what was marked on it; None if nothing can be marked on one and there is none.
        text: The text with what was marked in it; None if there are no spans.
        documents: All objects that the input names.
        problems: What of the review cannot be shown, and why.
    """

    location: str
    output_location: str
    status: str
    task_type: TaskType
    completed_at: Moment | None
    prediction_source: PredictionSource | None
    model_version: str | None
    document_id: str | None
    segments: list[SegmentView]
    activation_conditions: list[str]
    invented: bool
    overruled: bool
    agreement: float | None
    seconds_spent: float | None
    unreadable_answers: int
    workers: list[WorkerView]
    counts: ReviewCounts
    rows: list[ReviewRow]
    first: int
    image: ImageView | None = None
    text: TextView | None = None
    documents: list[DocumentView] = []
    problems: list[str] = []
