"""Makes the line of one review in a SageMaker Ground Truth augmented manifest.

A draft has everything but the IDs of the classes, which are known only when all reviews were read.

Source: "Labeling job output data" and "Augmented Manifest Files for Training Jobs" in the Amazon SageMaker Developer
Guide.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from lambdas.loops.visible import visible_json
from lambdas.reviews.errors import NotExportable
from lambdas.reviews.location import S3Location
from lambdas.reviews.prediction import search
from lambdas.reviews.subject import service_document
from workflow.operations.manifest.attributes import Attribute, attributes_of
from workflow.operations.manifest.formats import ground_truth_type, ground_truth_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambdas.reviews.output import Output
    from lambdas.reviews.record import ReviewRecord

SOURCES = ("source-ref", "sourceRef", "source", "taskObject", "image", "document", "text", "s3Uri", "uri")
"""Where a custom task's `inputContent` can have the object that workers saw. The first key present counts."""


class Draft(BaseModel):
    """A line without the IDs of its classes.

    Attributes:
        human_loop_name: The human loop.
        created: When the label was created: the time of the last answer, in UTC.
        source: The text, or the S3 location, of the object that workers saw.
        source_key: The key of the source in the line: ``source-ref`` for a location, ``source`` for a text.
        attributes: The label attributes, including those that are missing in the line.
    """

    model_config = ConfigDict(frozen=True)

    human_loop_name: str
    created: str
    source: str
    source_key: str
    attributes: tuple[Attribute, ...]

    @property
    def is_text(self) -> bool:
        """Whether workers saw a text. Other objects count as images."""
        return self.source_key == "source" or self.source.lower().endswith(".txt")

    def line(self, classes: Mapping[str, Sequence[str]]) -> str:
        """Returns the line, without its line end.

        Args:
            classes: The labels of each attribute, by its name, in the order of their IDs.
        """
        line: dict[str, Any] = {self.source_key: self.source}
        for attribute in self.attributes:
            if attribute.missing is None:
                value, metadata = ground_truth_value(attribute, classes.get(attribute.name, ()))
                line[attribute.name] = value
                line[f"{attribute.name}-metadata"] = {
                    "type": ground_truth_type(attribute, is_text=self.is_text),
                    **metadata,
                    "job-name": f"human-loop/{self.human_loop_name}",
                    "human-annotated": "yes",
                    "creation-date": self.created,
                }
        # Some readers end a line at U+2028 too.
        return visible_json(json.dumps(line, ensure_ascii=False, separators=(",", ":")))


def draft(record: ReviewRecord, output: Output, source_path: str | None = None) -> Draft:
    """Returns the draft of a review's line.

    Args:
        record: The review.
        output: The review's output.
        source_path: For a custom task, the JMESPath from `inputContent` to the object that workers saw; by default,
            one of `SOURCES`. An ``s3://`` location becomes ``source-ref``, other text ``source``.

    Raises:
        NotExportable: The object that workers saw is unknown.
    """
    source = _source(output, source_path)
    created = (record.completed_at or record.created_at).replace(tzinfo=None)
    return Draft(
        human_loop_name=record.human_loop_name,
        created=created.isoformat(timespec="microseconds"),
        source=source,
        source_key="source-ref" if _is_location(source) else "source",
        attributes=tuple(attributes_of(record, output)),
    )


def _source(output: Output, path: str | None) -> str:
    place: Any = None
    if output.task_type == "custom":
        content = output.input_content
        if path is not None:
            place = search(path, content)
        elif isinstance(content, dict):
            place = next((content[key] for key in SOURCES if isinstance(content.get(key), str)), None)
    else:
        document = service_document(output)
        place = None if document is None else str(document)
    if not isinstance(place, str) or not place:
        raise NotExportable(
            "the object that workers saw is unknown; specify its place in inputContent with --source-path"
        )
    if place.startswith(("http://", "https://")):
        # As a text, the address itself would be what a model learns from.
        raise NotExportable("workers saw a web address; training needs an s3:// location or a text")
    return place


def _is_location(source: str) -> bool:
    try:
        S3Location.parse(source)
    except ValueError:
        return False
    return True
