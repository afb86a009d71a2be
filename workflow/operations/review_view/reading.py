"""Reads the review of a loop: the stored record, A2I's output with what the record leaves out, and the document.

Only the record is needed. What else cannot be read costs its part of the view, which then says why.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import ClientError

from lambdas.aws.object_store import ObjectStore
from lambdas.loops.loop import Loop
from lambdas.reviews.errors import InvalidDocument, OutputMissing, ReviewError
from lambdas.reviews.location import S3Location
from workflow.errors import AfterloopError
from workflow.operations.review_view.composing import Document, compose
from workflow.operations.review_view.inputs import LoopInput, of_output, of_stored
from workflow.operations.review_view.model import DocumentView, ReviewView
from workflow.operations.review_view.objects import (
    IMAGES,
    DocumentError,
    OpenedObject,
    open_object,
    read_head,
)
from workflow.operations.review_view.record import ReadRecord, read_record
from workflow.operations.review_view.subject import NamedObject
from workflow.publish.aws_errors import error_code, explained

if TYPE_CHECKING:
    import boto3

    from workflow.operations.stage_resources import StageResources

__all__ = ["MAX_ROWS", "ReviewReader", "ReviewUnreadable"]

MAX_ROWS = 200
"""The number of fields that a page shows. A form of a thousand fields is read in parts."""
MAX_RECORD_BYTES = 256 * 1024 * 1024
"""More than any record has: an output has up to 32 MiB by default."""
MAX_OUTPUT_BYTES = 256 * 1024 * 1024
KEPT = 16
"""The number of inputs that are kept in memory: a page is read again and again while a person looks at it."""
MAX_LOOKS = 3
"""The number of objects that are looked at to find an image."""


class ReviewUnreadable(AfterloopError):
    """The stored review cannot be read. The message says why, and what to do."""


class ReviewReader:
    """Reads the reviews of a stage. Its methods can be called by several threads.

    Needs `s3:GetObject` on the review bucket, and on the output buckets and the buckets of documents for what is there.
    Its methods raise `botocore.exceptions.ClientError` if the credentials have expired.

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
        problems: list[str] = []
        # Sample data have no output.
        output = None if read.record.invented else read.record.output_location
        source = self._input_of(loop, output, problems)
        documents = self._documents(source.objects(read.record.document_id) if source else [])
        return compose(loop.review_location, read, source, documents, problems, first=first, limit=limit)

    def documents(self, loop: Loop) -> list[DocumentView]:
        """Returns what the input of a loop names, reviewed or not. None of it is read.

        Raises:
            DocumentError: The input cannot be read.
            ReviewUnreadable: The stored record, which says where the output is, cannot be read.
        """
        return [_document(index, named) for index, named in enumerate(self._named(loop))]

    def open(self, loop: Loop, index: int) -> OpenedObject:
        """Opens an object that the input of a loop names.

        Args:
            loop: The loop.
            index: The number of the object among those that the input names, from 0.

        Raises:
            DocumentError: The input names no such object, or it cannot be read.
            ReviewUnreadable: The stored record, which says where the output is, cannot be read.
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
            document_id, output = record.document_id, None if record.invented else record.output_location
        problems: list[str] = []
        source = self._input_of(loop, output, problems)
        if source is None and problems:
            raise DocumentError(problems[0])
        return source.objects(document_id) if source else []

    def _record(self, location: str) -> ReadRecord:
        try:
            return read_record(self._read(location, MAX_RECORD_BYTES))
        except OutputMissing as error:
            raise ReviewUnreadable(f"the review was deleted: {error}") from error
        except InvalidDocument as error:
            raise ReviewUnreadable(
                f"{location}: {error}; the bucket keeps earlier versions of the object, which you can restore"
            ) from error
        except ReviewError as error:
            raise ReviewUnreadable(f"the review cannot be read: {error}") from error

    def _input_of(self, loop: Loop, output: str | None, problems: list[str]) -> LoopInput | None:
        """Returns the input of a loop, from its output or else as Afterloop stored it; None if neither can be read."""
        places: tuple[tuple[str, str | None, Callable[[bytes], LoopInput]], ...] = (
            ("A2I's output", output, of_output),
            ("The input of the loop", loop.input_location, of_stored),
        )
        for what, location, read in places:
            if location is None:
                continue
            with self._lock:
                if found := self._inputs.get(location):
                    self._inputs.move_to_end(location)
                    return found
            try:
                found = read(self._read(location, MAX_OUTPUT_BYTES))
            except ReviewError as error:
                problems.append(f"{what} cannot be read, so that not all is shown: {error}")
                continue
            with self._lock:
                self._inputs[location] = found
                while len(self._inputs) > KEPT:
                    self._inputs.popitem(last=False)
            return found
        return None

    def _read(self, location: str, limit: int) -> bytes:
        """Returns an object.

        Raises:
            ReviewError: It cannot be read.
            ClientError: The credentials have expired, or may not read anything.
        """
        try:
            return self._objects.read(S3Location.parse(location), limit)
        except ValueError as error:
            raise ReviewError(str(error)) from error
        except ClientError as error:
            if explained(error):
                raise
            raise ReviewError(f"{location}: {error_code(error)}") from error

    def _documents(self, objects: list[NamedObject]) -> list[Document]:
        """Returns the objects, with the first image among the first of them at the beginning."""
        documents = [Document(_document(index, named)) for index, named in enumerate(objects)]
        for index, named in enumerate(objects[:MAX_LOOKS]):
            documents[index] = self._looked_at(documents[index], named)
            media_type = documents[index].view.media_type
            if media_type in IMAGES:
                return [documents[index], *documents[:index], *documents[index + 1 :]]
            if media_type is not None:
                break  # A document of another type is what people reviewed.
        return documents

    def _looked_at(self, document: Document, named: NamedObject) -> Document:
        if named.s3 is None:
            return document
        try:
            head = read_head(self._s3, named)
        except DocumentError as error:
            return Document(document.view.model_copy(update={"can_open": False, "problem": str(error)}))
        known = {"media_type": head.media_type, "bytes": head.length}
        return Document(document.view.model_copy(update=known), head.size)


def _document(index: int, named: NamedObject) -> DocumentView:
    is_web = named.s3 is None
    return DocumentView(
        index=index,
        location=named.location,
        named_in=named.named_in,
        can_open=not is_web,
        problem="A web address: the console opens only objects in S3." if is_web else None,
    )
