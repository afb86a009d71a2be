"""The view of a review, from its record, the input of its loop, and what is known of the documents.

Nothing here reads S3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from lambdas.reviews.record import AnswerRecord, ReviewRecord
from workflow.operations.review_view.forms import form_shapes
from workflow.operations.review_view.inputs import LoopInput
from workflow.operations.review_view.model import (
    DocumentView,
    ImageView,
    ReviewView,
    SegmentView,
    TextView,
    WorkerView,
)
from workflow.operations.review_view.objects import IMAGES
from workflow.operations.review_view.record import ReadRecord
from workflow.operations.review_view.rows import NumberedField, counts, numbered, review_row
from workflow.operations.review_view.shapes import ON_IMAGES, Drawing, Size, answer_sizes, drawn_shapes
from workflow.operations.review_view.spans import last_offset, marked_text, quoted_part
from workflow.operations.review_view.subject import named_text

__all__ = ["Document", "compose"]

MAX_CONTENT = 20_000
"""The characters of a worker's answer that are shown as JSON."""


class Document(NamedTuple):
    """An object that the input of a loop names, and the size of the image, if it is one and it is known."""

    view: DocumentView
    size: Size | None = None


def compose(
    location: str,
    read: ReadRecord,
    source: LoopInput | None,
    documents: Sequence[Document],
    problems: Sequence[str] = (),
    *,
    first: int = 1,
    limit: int | None = None,
) -> ReviewView:
    """Returns the view of a review.

    Args:
        location: Where the record is.
        read: The record.
        source: The input of the loop; None if it cannot be read.
        documents: What the input names; the first one is shown.
        problems: What could not be read.
        first: The number of the first field to show.
        limit: The number of fields to show; None for all.
    """
    record = read.record
    fields = numbered(record.fields)
    first = min(max(first, 1), max(len(fields), 1))
    shown = fields[first - 1 :] if limit is None else fields[first - 1 :][:limit]
    length = last_offset(record.fields)
    text = named_text(source.content, length) if source and length is not None else None
    text_view = marked_text(text, shown) if text else None
    quote = partial(quoted_part, text.text) if text else lambda start, end: None
    # Without one of them, which answer is whose is unknown.
    answers = [] if "answers" in read.lost else record.answers
    image = _image(source, documents, record, answers, shown)
    marked = _marked(image, text_view)
    found = [*problems, *_lost(read)]
    if length is not None and source and text is None:
        found.append("The text that people marked is not in the input of the loop.")
    return ReviewView(
        location=location,
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
        workers=_workers(answers),
        counts=counts(record),
        rows=[review_row(one, marked=one.number in marked, quote=quote) for one in shown],
        first=first,
        image=image,
        text=text_view,
        documents=[document.view for document in documents],
        problems=found,
    )


def _image(
    source: LoopInput | None,
    documents: Sequence[Document],
    record: ReviewRecord,
    answers: Sequence[AnswerRecord],
    shown: Sequence[NumberedField],
) -> ImageView | None:
    """Returns the document with the shapes on it; None if it is no image, and there is nothing to draw."""
    document, size = documents[0] if documents else (None, None)
    is_image = document is not None and document.media_type in IMAGES
    form = source.form(record.fields) if source else None
    if not is_image and not form and not any(field.kind in ON_IMAGES for field in record.fields):
        return None
    drawn = drawn_shapes(shown, answers, size)
    problems = [*drawn.problems]
    if form and document is not None and document.can_open and not is_image:
        problems.append("The fields are marked only on images: open the document to see it.")
    elif form:
        outlined = form_shapes(shown, *form)
        drawn = Drawing([*drawn.shapes, *outlined.shapes], [])
        problems += outlined.problems
    known = size or (None if form else _size_in(answers))
    return ImageView(
        document=document,
        width=round(known.width) if known else None,
        height=round(known.height) if known else None,
        shapes=drawn.shapes,
        problems=problems,
    )


def _size_in(answers: Sequence[AnswerRecord]) -> Size | None:
    """Returns the size of the image that workers saw, to draw on if the image cannot be shown."""
    return next((size for answer in answers for size in answer_sizes(answer).values()), None)


def _marked(image: ImageView | None, text: TextView | None) -> set[int]:
    on_image = {shape.row for shape in image.shapes} if image else set()
    in_text = {span.row for piece in text.pieces for span in piece.begins} if text else set()
    return on_image | in_text


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


def _lost(read: ReadRecord) -> Iterator[str]:
    if read.lost:
        keys = ", ".join(sorted(read.lost))
        yield f"The stored record has values that cannot be read, in {keys}: they are left out."
