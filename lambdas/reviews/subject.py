"""What a review is about: the version of the model, the document, and segments, such as a region or a customer group.

Settings say where they are in `inputContent`. Without settings, Textract and Rekognition name the document and their
model. A value that is not a text, a number, true or false is left out.

Sources: "Amazon A2I Output Data" in the Amazon SageMaker Developer Guide; `AnalyzeDocumentModelVersion` in the Amazon
Textract API reference; `ModerationModelVersion` in the Amazon Rekognition API reference.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from lambdas.reviews.location import S3Location
from lambdas.reviews.prediction import search
from lambdas.reviews.record import Segment

if TYPE_CHECKING:
    from lambdas.reviews.output import Output
    from lambdas.reviews.settings import RecordSettings

MAX_CHARACTERS = 2048
"""The longest value that is stored: more than any location in S3 has."""

_MODEL_VERSIONS = ("moderationModelVersion", "analyzeDocumentModelVersion")


def model_version(output: Output, settings: RecordSettings) -> str | None:
    """Returns the version of the model that made the prediction; None if it is unknown."""
    if settings.model_version is not None:
        return _text(search(settings.model_version, output.input_content))
    response = output.ai_service_response
    found = (response and response.model_extra) or {}
    return next((text for key in _MODEL_VERSIONS if (text := _text(found.get(key)))), None)


def document_id(output: Output, settings: RecordSettings) -> str | None:
    """Returns what identifies the reviewed document; None if it is unknown."""
    if settings.document_id is not None:
        return _text(search(settings.document_id, output.input_content))
    location = service_document(output)
    return str(location) if location else None


def segments(output: Output, settings: RecordSettings) -> list[Segment]:
    """Returns the segments of the settings, sorted by name."""
    return [
        Segment(name=name, value=_text(search(path, output.input_content)))
        for name, path in sorted(settings.segments.items())
    ]


def service_document(output: Output) -> S3Location | None:
    """Returns the location of the document or image that Textract or Rekognition analyzed; None if it is unknown."""
    if output.task_type == "custom":
        return None
    within = output.input_content if isinstance(output.input_content, dict) else {}
    # In documents of 2020, it is at the top level.
    request: Any = within.get("aiServiceRequest") or (output.model_extra or {}).get("aiServiceRequest")
    for key in ("document", "image"):
        try:
            place = request[key]["s3Object"]
            bucket, name = place["bucket"], place["name"]
        except (KeyError, TypeError):
            continue
        if isinstance(bucket, str) and isinstance(name, str):
            try:
                return S3Location.parse(f"s3://{bucket}/{name}")
            except ValueError:
                continue
    return None


def _text(value: Any) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bool | int | float):
        # An integer of thousands of digits is no version, and Python refuses to write it.
        value = json.dumps(value) if not isinstance(value, int) or value.bit_length() <= 256 else None
    return value if isinstance(value, str) and 0 < len(value) <= MAX_CHARACTERS else None
