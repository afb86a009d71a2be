"""Reads the review of a loop: the stored record, A2I's output with what the record leaves out, and the document.

Only the record is needed. What else cannot be read costs its part of the view, which then says why.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.config import Config

from lambdas.aws.object_store import ObjectStore
from lambdas.loops.loop import Loop
from lambdas.reviews.errors import OutputMissing, ReviewError
from lambdas.reviews.location import S3Location
from lambdas.reviews.record import AnswerRecord, ReviewRecord
from workflow.errors import AfterloopError
from workflow.operations.review_view.forms import form_shapes
from workflow.operations.review_view.inputs import LoopInput, of_output, of_stored
from workflow.operations.review_view.model import (
    DocumentView,
    ImageView,
    ReviewView,
    SegmentView,
    WorkerView,
)
from workflow.operations.review_view.objects import (
    IMAGES,
    DocumentError,
    OpenedObject,
    open_object,
    read_head,
)
from workflow.operations.review_view.record import ReadRecord, read_record
from workflow.operations.review_view.rows import NumberedField, counts, numbered, review_row
from workflow.operations.review_view.shapes import (
    ON_IMAGES,
    Drawing,
    Size,
    answer_sizes,
    drawn_shapes,
)
from workflow.operations.review_view.spans import OffsetText, last_offset, marked_text
from workflow.operations.review_view.subject import NamedObject, named_text

if TYPE_CHECKING:
    import boto3

    from workflow.operations.stage_resources import StageResources

__all__ = ["MAX_ROWS", "ReviewReader", "ReviewUnreadable"]

MAX_ROWS = 200
"""The number of fields that a page shows. A form of a thousand fields is read in parts."""
MAX_RECORD_BYTES = 256 * 1024 * 1024
"""More than any record has: an output has up to 32 MiB by default."""
MAX_OUTPUT_BYTES = 256 * 1024 * 1024
MAX_CONTENT = 20_000
"""The characters of a worker's answer that are shown as JSON."""
KEPT = 16
"""The number of inputs that are kept in memory: a page is read again and again while a person looks at it."""


class ReviewUnreadable(AfterloopError):
    """The stored review cannot be read. The message says why, and what to do."""


class ReviewReader:
    """Reads the reviews of a stage. Its methods can be called by several threads.

    Needs `s3:GetObject` on the review bucket, and on the output buckets and the buckets of documents for what is there.

    Args:
        resources: The stage's resources.
        session: The session, with credentials and Region.
    """

    def __init__(self, resources: StageResources, session: boto3.Session) -> None:
        # A page must not wait for a minute for a picture.
        config = Config(
            connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 3}
        )
        self._s3 = resources.s3(session, config)
        self._objects = ObjectStore(self._s3)
        self._stage = resources.stage
        self._inputs: OrderedDict[str, LoopInput] = OrderedDict()
        self._lock = threading.Lock()

    def review(self, loop: Loop, *, first: int = 1, limit: int | None = MAX_ROWS) -> ReviewView | None:
        """Returns the review of a loop, or None if the loop has none.

        Args:
            loop: The loop.
            first: The number of the first field to show.
            limit: The number of fields to show; None for all.

        Raises:
            ReviewUnreadable: The stored record cannot be read.
        """
        if loop.review_location is None:
            return None
        read = self._record(loop.review_location)
        record = read.record
        fields = numbered(record.fields)
        first = min(max(first, 1), max(len(fields), 1))
        shown = fields[first - 1 :] if limit is None else fields[first - 1 :][:limit]
        problems = list(_lost(read))
        source = self._input_of(loop, record.output_location, problems)
        objects = source.objects(record.document_id) if source else []
        length = last_offset(record.fields)
        text = named_text(source.content, length) if source and length is not None else None
        if length is not None and source and text is None:
            problems.append("The text that people marked is not in the input of the loop.")
        documents, image = self._image(source, objects, record, shown)
        text_view = marked_text(text, shown) if text else None
        quote = OffsetText(text.text).quote if text else lambda start, end: None
        on_image = {shape.row for shape in image.shapes} if image else set()
        in_text = {span.row for piece in text_view.pieces for span in piece.begins} if text_view else set()
        return ReviewView(
            location=loop.review_location,
            output_location=record.output_location,
            status=record.status,
            task_type=record.task_type,
            completed_at=record.completed_at,
            prediction_source=record.prediction_source,
            model_version=record.model_version,
            document_id=record.document_id,
            segments=[SegmentView(name=one.name, value=one.value) for one in record.segments],
            activation_conditions=record.activation_conditions,
            invented=record.invented,
            overruled=record.overruled,
            agreement=record.agreement,
            seconds_spent=record.seconds_spent,
            unreadable_answers=record.unreadable_answers,
            workers=[] if "answers" in read.lost else _workers(record.answers),
            counts=counts(record),
            rows=[
                review_row(one, marked=one.number in on_image or one.number in in_text, quote=quote)
                for one in shown
            ],
            first=first,
            image=image,
            text=text_view,
            documents=documents,
            problems=problems,
        )

    def documents(self, loop: Loop) -> list[DocumentView]:
        """Returns what the input of a loop names, reviewed or not. Nothing of it is read."""
        return [_document(index, named) for index, named in enumerate(self._named(loop))]

    def open(self, loop: Loop, index: int) -> OpenedObject:
        """Opens an object that the input of a loop names.

        Args:
            loop: The loop.
            index: The number of the object among those that the input names, from 0.

        Raises:
            DocumentError: The input names no such object, or it cannot be read.
        """
        named = self._named(loop)
        if not 0 <= index < len(named):
            raise DocumentError(
                f"the input of human loop {loop.name} names {len(named)} objects, and this is not one of them"
            )
        return open_object(self._s3, named[index])

    def _named(self, loop: Loop) -> list[NamedObject]:
        document_id = output = None
        if loop.review_location is not None:
            record = self._record(loop.review_location).record
            document_id, output = record.document_id, record.output_location
        problems: list[str] = []
        source = self._input_of(loop, output, problems)
        if source is None and problems:
            raise DocumentError(problems[0])
        return source.objects(document_id) if source else []

    def _record(self, location: str) -> ReadRecord:
        try:
            return read_record(self._objects.read(S3Location.parse(location), MAX_RECORD_BYTES))
        except OutputMissing as error:
            raise ReviewUnreadable(f"the review was deleted: {error}") from error
        except (ReviewError, ValueError) as error:
            raise ReviewUnreadable(
                f"the review {location} cannot be read: {error}; "
                f"`python deploy.py reviews recompute --stage {self._stage}` makes reviews again from A2I's outputs"
            ) from error

    def _input_of(self, loop: Loop, output: str | None, problems: list[str]) -> LoopInput | None:
        """Returns the input of a loop, from its output or else as Afterloop stored it; None if neither can be read."""
        for location, read in ((output, of_output), (loop.input_location, of_stored)):
            if location is None:
                continue
            with self._lock:
                if found := self._inputs.get(location):
                    self._inputs.move_to_end(location)
                    return found
            try:
                found = read(self._objects.read(S3Location.parse(location), MAX_OUTPUT_BYTES))
            except (ReviewError, ValueError) as error:
                problems.append(
                    f"What people reviewed is not shown, because its location cannot be read: {error}"
                )
                continue
            with self._lock:
                self._inputs[location] = found
                while len(self._inputs) > KEPT:
                    self._inputs.popitem(last=False)
            return found
        return None

    def _image(
        self,
        source: LoopInput | None,
        objects: Sequence[NamedObject],
        record: ReviewRecord,
        shown: Sequence[NumberedField],
    ) -> tuple[list[DocumentView], ImageView | None]:
        """Returns the documents, and the first of them with the shapes on it."""
        documents = [_document(index, named) for index, named in enumerate(objects)]
        size = None
        if documents:
            documents[0], size = self._looked_at(documents[0], objects[0])
        is_image = bool(documents) and documents[0].media_type in IMAGES
        is_other = bool(documents) and documents[0].can_open and not is_image
        drawn = drawn_shapes(shown, record.answers, size)
        form = source.form(record.fields) if source else None
        if form and not is_other:
            outlined = form_shapes(shown, *form)
            drawn = Drawing([*drawn.shapes, *outlined.shapes], [*drawn.problems, *outlined.problems])
        has_shapes = bool(form) or any(field.kind in ON_IMAGES for field in record.fields)
        if not is_image and not has_shapes:
            return documents, None
        problems = list(drawn.problems)
        if form and is_other:
            problems.append("The fields are marked only on images: open the document to see it.")
        known = size or (None if form else _size_in(record))
        image = ImageView(
            document=documents[0] if documents else None,
            width=round(known.width) if known else None,
            height=round(known.height) if known else None,
            shapes=drawn.shapes,
            problems=problems,
        )
        return documents, image

    def _looked_at(self, document: DocumentView, named: NamedObject) -> tuple[DocumentView, Size | None]:
        if named.s3 is None:
            return document, None
        try:
            head = read_head(self._s3, named)
        except DocumentError as error:
            return document.model_copy(update={"can_open": False, "problem": str(error)}), None
        return document.model_copy(update={"media_type": head.media_type, "bytes": head.length}), head.size


def _document(index: int, named: NamedObject) -> DocumentView:
    is_web = named.s3 is None
    return DocumentView(
        index=index,
        location=named.location,
        named_in=named.named_in,
        can_open=not is_web,
        problem="A web address: the console opens only objects in S3." if is_web else None,
    )


def _workers(answers: Sequence[AnswerRecord]) -> list[WorkerView]:
    return [
        WorkerView(
            number=number,
            worker_id=answer.worker_id,
            identity_provider=answer.identity_provider,
            accepted_at=answer.accepted_at,
            submitted_at=answer.submitted_at,
            seconds_spent=answer.seconds_spent,
            content=answer.content[:MAX_CONTENT],
            shortened=max(len(answer.content) - MAX_CONTENT, 0),
        )
        for number, answer in enumerate(answers, start=1)
    ]


def _size_in(record: ReviewRecord) -> Size | None:
    """Returns the size of the image that workers saw, to draw on if the image cannot be shown."""
    return next((size for answer in record.answers for size in answer_sizes(answer).values()), None)


def _lost(read: ReadRecord) -> Iterator[str]:
    if read.lost:
        keys = ", ".join(sorted(read.lost))
        yield f"The stored record has values that cannot be read, in {keys}: they are left out."
