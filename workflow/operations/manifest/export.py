"""Writes the manifest of many reviews.

The first pass reads each review with its output and makes the draft of its line. When all labels are known, the second
pass gives each attribute's labels their IDs and writes the lines.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import IO, NamedTuple

from lambdas.aws.object_store import ObjectStore
from lambdas.reviews.errors import InvalidDocument, OutputNotAllowed, ReviewError, shortened
from lambdas.reviews.location import S3Location
from lambdas.reviews.output import parse_output
from lambdas.reviews.record import read_review
from workflow.errors import AfterloopError
from workflow.operations.manifest.attributes import NOT_ANSWERED, Attribute
from workflow.operations.manifest.classes import classes_by_attribute
from workflow.operations.manifest.formats import ground_truth_type
from workflow.operations.manifest.line import Draft, draft
from workflow.operations.read_ahead import read_ahead
from workflow.operations.reviews_source import StoredReview

__all__ = ["MAX_OUTPUT_BYTES", "AttributeSummary", "Export", "LeftOut", "export_manifest"]

MAX_OUTPUT_BYTES = 256 * 1024 * 1024
"""The size of the largest output that is read, in bytes: the upper limit of the stage setting."""

READERS = 16
MAX_AHEAD = 32

STOPPED = "the loop was stopped, so answers can be missing"
INVENTED = "an invented sample review"


class LeftOut(NamedTuple):
    """A review that is not in the manifest, and why."""

    review: str
    reason: str


@dataclass
class AttributeSummary:
    """A label attribute of a manifest.

    Attributes:
        name: Its name.
        element: The crowd element, or the field, that it was made from.
        types: Ground Truth's type → the number of lines with it. A training job needs exactly one.
        classes: The labels, in the order of their IDs; None if the attribute has no classes.
        missing: Why lines lack the attribute → the number of such lines.
        without_majority: The number of labels, shapes or values that were left out, because they have no majority.
    """

    name: str
    element: str
    types: Counter[str] = field(default_factory=Counter)
    classes: tuple[str, ...] | None = None
    missing: Counter[str] = field(default_factory=Counter)
    without_majority: int = 0

    @property
    def lines(self) -> int:
        """The number of lines with the attribute."""
        return self.types.total()


@dataclass
class Export:
    """The result of an export.

    Attributes:
        lines: The number of lines.
        sources: ``source-ref`` or ``source`` → the number of lines with it. A training job needs exactly one.
        attributes: The label attributes, sorted by name.
        left_out: The reviews that are not in the manifest, and why.
    """

    lines: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    attributes: list[AttributeSummary] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def export_manifest(
    reviews: Iterable[StoredReview],
    outputs: ObjectStore,
    file: IO[str],
    *,
    labels: Sequence[str] = (),
    attribute: str | None = None,
    source_path: str | None = None,
    progress: Callable[[int], object] | None = None,
) -> Export:
    """Writes one line for each review, in the order of the reviews.

    Invented sample reviews and the answers of stopped loops are left out.

    Args:
        reviews: The stored reviews of a flow definition.
        outputs: The object store with the outputs of the reviews.
        file: The file to write.
        labels: The labels with the first IDs: those of an existing model. See `classes_by_attribute`.
        attribute: The only attribute to write, by the name of its element or its own; only for reviews that have it.
        source_path: See `workflow.operations.manifest.line.draft`.
        progress: Called with the number of reviews, every 50 reviews.

    Returns:
        What was written, and which reviews were left out.

    Raises:
        AfterloopError: The outputs cannot be read for lack of permissions, two elements would become one attribute,
            there is no such attribute, or a given label is for none. Nothing was written.
    """
    export = Export()
    # A file keeps the drafts between the passes, so that memory does not grow with the number of reviews.
    with tempfile.TemporaryFile() as kept:
        found = _Found()
        for made in _drafts(reviews, outputs, source_path, progress):
            if isinstance(made, LeftOut):
                export.left_out.append(made)
            else:
                found.add(made)
                kept.write(made.model_dump_json().encode() + b"\n")
        chosen = found.chosen(attribute)
        with_classes = {
            found.names[element]: found.labels[element] for element in chosen if element in found.labels
        }
        # Without a single line, the labels are not what is wrong.
        classes = classes_by_attribute(with_classes, labels if found.names else ())
        summaries = {
            element: AttributeSummary(name, element, classes=classes.get(name))
            for element, name in sorted(found.names.items(), key=lambda item: item[::-1])
            if element in chosen
        }
        kept.seek(0)
        for line in kept:
            _write(Draft.model_validate_json(line), file, classes, summaries, export)
    for summary in summaries.values():
        if lacking := export.lines - summary.lines - summary.missing.total():
            summary.missing[NOT_ANSWERED] += lacking
    export.attributes = list(summaries.values())
    return export


class _Found:
    """What the first pass found.

    Attributes:
        names: Element → the name of its attribute.
        labels: Element → its labels, for attributes with classes.
    """

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.labels: dict[str, set[str]] = {}

    def add(self, made: Draft) -> None:
        for attribute in made.attributes:
            self.names[attribute.element] = attribute.name
            if attribute.type != "custom":
                labels = self.labels.setdefault(attribute.element, set())
                # A class that is in no line would be a gap in the training data.
                labels |= attribute.labels if attribute.missing is None else set()

    def chosen(self, attribute: str | None) -> Set[str]:
        """Returns the elements to write.

        Raises:
            AfterloopError: No element has the name, or two elements would become one attribute.
        """
        by_name: dict[str, list[str]] = {}
        for element, name in sorted(self.names.items()):
            by_name.setdefault(name, []).append(element)
        if attribute is not None and self.names:
            if attribute in self.names:
                return {attribute}
            if attribute not in by_name:
                raise AfterloopError(
                    f"no review has an attribute {attribute!r}; choose one of {', '.join(by_name)} with --attribute"
                )
            by_name = {attribute: by_name[attribute]}
        for name, elements in by_name.items():
            if len(elements) > 1:
                raise AfterloopError(
                    f"the elements {' and '.join(map(repr, elements))} would both become the attribute {name}; export "
                    f"one of them with --attribute {elements[0]!r}, or rename one in the worker task template"
                )
        return {element for elements in by_name.values() for element in elements}


def _drafts(
    reviews: Iterable[StoredReview],
    outputs: ObjectStore,
    source_path: str | None,
    progress: Callable[[int], object] | None,
) -> Iterator[Draft | LeftOut]:
    made = read_ahead(
        reviews, lambda stored: _draft(stored, outputs, source_path), threads=READERS, limit=MAX_AHEAD
    )
    for number, one in enumerate(made, 1):
        if progress is not None and number % 50 == 0:
            progress(number)
        yield one


def _draft(stored: StoredReview, outputs: ObjectStore, source_path: str | None) -> Draft | LeftOut:
    try:
        record = read_review(stored.content)
    except InvalidDocument as error:
        return LeftOut(stored.location, str(error))
    if record.invented:
        return LeftOut(record.human_loop_name, INVENTED)
    if record.status == "Stopped":
        return LeftOut(record.human_loop_name, STOPPED)
    try:
        output = parse_output(outputs.read(S3Location.parse(record.output_location), MAX_OUTPUT_BYTES))
        return draft(record, output, source_path)
    except OutputNotAllowed as error:
        raise AfterloopError(
            f"{error}; the export reads the outputs, so your credentials need s3:GetObject on their bucket"
        ) from error
    # Returned, not raised: one review without a line must not end the export.
    except ReviewError as error:
        return LeftOut(record.human_loop_name, str(error))
    except (KeyError, TypeError, ValueError) as error:
        # A record holds values as JSON texts, whose form nothing has checked.
        return LeftOut(
            record.human_loop_name, f"review record: a value cannot be read: {shortened(str(error))}"
        )


def _write(
    made: Draft,
    file: IO[str],
    classes: dict[str, tuple[str, ...]],
    summaries: dict[str, AttributeSummary],
    export: Export,
) -> None:
    attributes = tuple(one for one in made.attributes if one.element in summaries)
    present = [one for one in attributes if one.missing is None]
    if not present:
        reasons = sorted({one.missing for one in attributes if one.missing}) or [NOT_ANSWERED]
        export.left_out.append(LeftOut(made.human_loop_name, " and ".join(reasons)))
        return
    made = made.model_copy(update={"attributes": attributes})
    file.write(made.line(classes) + "\n")
    export.lines += 1
    export.sources[made.source_key] += 1
    for one in attributes:
        _count(one, summaries[one.element], is_text=made.is_text)


def _count(attribute: Attribute, summary: AttributeSummary, *, is_text: bool) -> None:
    if attribute.missing is not None:
        summary.missing[attribute.missing] += 1
    else:
        summary.types[ground_truth_type(attribute, is_text=is_text)] += 1
        summary.without_majority += attribute.without_majority
