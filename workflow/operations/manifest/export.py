"""Writes the manifest of many reviews.

The export reads the reviews twice. The first pass finds all classes, so that a class has the same ID in every line. The
second pass reads each review's output and writes its line.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from lambdas.aws.object_store import ObjectStore
from lambdas.reviews.errors import InvalidDocument, OutputNotAllowed, ReviewError
from lambdas.reviews.location import S3Location
from lambdas.reviews.output import parse_output
from lambdas.reviews.record import ReviewRecord, read_review
from workflow.errors import AfterloopError
from workflow.operations.manifest.line import labels, manifest_line
from workflow.operations.read_ahead import read_ahead
from workflow.operations.reviews_source import StoredReview

__all__ = ["MAX_OUTPUT_BYTES", "Export", "export_manifest"]

MAX_OUTPUT_BYTES = 256 * 1024 * 1024
"""The size of the largest output that is read, in bytes: the upper limit of the stage setting."""

READERS = 16
MAX_AHEAD = 32


@dataclass
class Export:
    """The result of an export.

    Attributes:
        lines: The number of lines.
        classes: The labels, in the order of their IDs.
        left_out: The reviews that are not in the manifest, and why.
    """

    lines: int = 0
    classes: tuple[str, ...] = ()
    left_out: list[tuple[str, str]] = field(default_factory=list)


def export_manifest(
    reviews: Iterable[StoredReview],
    outputs: ObjectStore,
    file: IO[str],
    *,
    classes: Sequence[str] = (),
    source_path: str | None = None,
    progress: Callable[[int], object] | None = None,
) -> Export:
    """Writes one line for each review, in the order of the reviews.

    Args:
        reviews: The stored reviews of a flow definition.
        outputs: The object store with the outputs of the reviews.
        file: The file to write.
        classes: The labels with the IDs 0, 1, and so on: those of an existing model. Other labels follow, sorted.
        source_path: See `workflow.operations.manifest.line.manifest_line`.
        progress: Called with the number of lines, every 50 lines.

    Returns:
        What was written, and which reviews were left out.

    Raises:
        AfterloopError: The outputs cannot be read for lack of permissions.
    """
    export = Export()
    # A file keeps the records between the passes, so that memory does not grow with the number of reviews.
    with tempfile.TemporaryFile() as kept:
        found: set[str] = set()
        for stored in reviews:
            try:
                record = read_review(stored.content)
            except InvalidDocument as problem:
                export.left_out.append((stored.location, str(problem)))
                continue
            found |= labels(record)
            kept.write(record.to_line())
        export.classes = (*classes, *sorted(found.difference(classes)))
        kept.seek(0)
        lines = read_ahead(
            _records(kept),
            lambda record: (record, _line(record, outputs, export.classes, source_path)),
            threads=READERS,
            limit=MAX_AHEAD,
        )
        for record, line in lines:
            if isinstance(line, OutputNotAllowed):
                raise AfterloopError(
                    f"{line}; the export reads the outputs, so your credentials need s3:GetObject on their bucket"
                ) from line
            if isinstance(line, ReviewError):
                export.left_out.append((record.human_loop_name, str(line)))
                continue
            file.write(line + "\n")
            export.lines += 1
            if progress is not None and export.lines % 50 == 0:
                progress(export.lines)
    return export


def _records(kept: IO[bytes]) -> Iterator[ReviewRecord]:
    for line in kept:
        yield read_review(line)


def _line(
    record: ReviewRecord, outputs: ObjectStore, classes: Sequence[str], source_path: str | None
) -> str | ReviewError:
    try:
        output = parse_output(outputs.read(S3Location.parse(record.output_location), MAX_OUTPUT_BYTES))
        return manifest_line(record, output, classes=classes, source_path=source_path)
    except ReviewError as error:
        # Returned, not raised: one review without a line must not end the export.
        return error
